"""A relay on loopback in front of another HTTP server: requests can be looked at before and after they are served."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

_HOP = {"connection", "keep-alive", "transfer-encoding"}


class Relay:
    """``with Relay(port) as relay:`` passes requests on to a port of this machine until the end of the block.

    Args:
        port: Where the other server listens.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.seen: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # killed in the middle of sending; the other server would wait for the rest
                self.close_connection = True
                return
            with relay.lock:  # one at a time, so that the order of requests is the order of their effects
                relay.seen.append(f"{self.command} {self.path.split('?')[0]}")
                relay.before()
                far = http.client.HTTPConnection("127.0.0.1", relay.target, timeout=60)
                far.request(self.command, self.path, body, dict(self.headers.items()))
                answer = far.getresponse()
                payload = answer.read()
                far.close()
                relay.after()
            try:
                self._answer(answer, payload)
            except OSError:
                self.close_connection = True  # the client is gone

        def _answer(self, answer: http.client.HTTPResponse, payload: bytes) -> None:
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in {*_HOP, "content-length"}:
                    self.send_header(name, value)
            length = answer.headers["Content-Length"] if self.command == "HEAD" else str(len(payload))
            if length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

        def log_message(self, format: str, *arguments: object) -> None:
            """Stay silent."""

    return Handler
