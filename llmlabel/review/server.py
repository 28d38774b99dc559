"""Serves a review page on loopback and appends each decision to a file before it is acknowledged."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from llmlabel.errors import ConfigurationError
from llmlabel.review.decisions import Decision, decisions_from, misfits
from llmlabel.review.page import review_page
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument, Value, explain

BEGIN = b'{"version":1,'  # of every line that is written here
LARGEST = 4_000_000  # bytes of one request; a document with 20,000 decided entities stays below


class Refused(Exception):
    """A request that is answered with an error: status and one sentence."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Posted(Value):
    seen: int
    lines: tuple[Decision, ...]


class DecisionFile:
    """An append-only file of decisions that one server at a time may write.

    Raises:
        ConfigurationError: Another server has it open.
        SourceError: It holds something other than decisions.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = Lock()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "r+b")
        try:
            _claim(self._file, self.path)
            self.decisions = self._read()
        except BaseException:
            self._file.close()
            raise

    def append(self, seen: int, lines: Sequence[Decision]) -> int:
        """Write decisions durably and return how many the file holds; refuse a writer who has not seen all of it."""
        with self._lock:
            if seen != len(self.decisions):
                raise Refused(HTTPStatus.CONFLICT, "another tab has saved decisions meanwhile: reload this page")
            content = "".join(line.model_dump_json(exclude_none=True) + "\n" for line in lines)
            self._file.seek(0, os.SEEK_END)
            self._file.write(content.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
            self.decisions += lines
            return len(self.decisions)

    def close(self) -> None:
        """Give the file free."""
        self._file.close()

    def _read(self) -> list[Decision]:
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        half = content[whole:]
        # A crash while writing leaves a line without its end; it was never acknowledged.
        crashed = half[: len(BEGIN)] == BEGIN[: len(half)]
        decisions = decisions_from(content[: whole if crashed else None].splitlines(), str(self.path))
        if half:
            self._file.truncate(whole) if crashed else self._file.write(b"\n")
        return decisions


def _claim(file: IO[bytes], path: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(2**30)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigurationError(
            f"{path} is open in another review: end that one, or give each reviewer a file of their own"
        ) from None


class ReviewServer:
    """A review page on ``http://127.0.0.1``, for the person at this machine only.

    Args:
        documents: What is reviewed.
        path: The decisions file; made if it is not there, continued if it is.
        schema: Gives the labels and questions to choose from.
        title: Heading of the page.
        reviewer: Written into each decision; another person's file can be merged by ``apply_decisions``.
        port: 0 for any free one.

    ``url`` holds a secret token: whoever has it can read the documents. Requests from other hosts, origins or without
    the token are refused.
    """

    def __init__(
        self,
        documents: Iterable[LabeledDocument],
        path: str | Path,
        *,
        schema: LabelSchema | None = None,
        title: str = "Review",
        reviewer: str | None = None,
        port: int = 0,
    ) -> None:
        self.documents = tuple(documents)
        self.schema = schema
        self.title = title
        self.reviewer = reviewer
        self.token = secrets.token_urlsafe(24)
        self.file = DecisionFile(path)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"review": self}))
        except OSError as error:
            self.file.close()
            raise ConfigurationError(f"port {port} of 127.0.0.1 cannot be used: {error.strerror}") from error
        self._server.daemon_threads = True
        self._by_id = {document.document.id: document for document in self.documents}

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Where to open the page."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def page(self) -> str:
        """Return the page with all decisions so far."""
        return review_page(
            self.documents,
            title=self.title,
            schema=self.schema,
            reviewer=self.reviewer,
            decisions=list(self.file.decisions),
            token=self.token,
        )

    def take(self, body: bytes) -> int:
        """Store posted decisions and return how many the file holds; raise ``Refused`` for what does not fit."""
        try:
            posted = _Posted.model_validate_json(body)
        except ValidationError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"expected decisions; {explain(error)}") from None
        problems = []
        for line in posted.lines:
            document = self._by_id.get(line.document)
            problems += misfits(document, [line]) if document else ["there is no such document"]
            problems += ["the decision is somebody else's"] if line.by != self.reviewer else []
        if problems:
            raise Refused(HTTPStatus.BAD_REQUEST, "; ".join(dict.fromkeys(problems)))
        return self.file.append(posted.seen, posted.lines)

    def serve_forever(self) -> None:
        """Answer requests until ``close`` is called from another thread, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Stop listening and give the file free."""
        self._server.server_close()
        self.file.close()

    def shutdown(self) -> None:
        """End ``serve_forever``, from another thread."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    review: ReviewServer  # set by the subclass that each server makes
    server_version = "llmlabel"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_POST(self) -> None:
        self._answer(self._decisions)

    def _answer(self, make: Callable[[], tuple[HTTPStatus, str, str]]) -> None:
        try:
            self._check_host()
            status, kind, content = make()
        except Refused as error:
            status, kind = error.status, "application/json"
            content = json.dumps({"error": str(error)})
            self.close_connection = True
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)

    def _check_host(self) -> None:
        # A name that somebody points at 127.0.0.1 must not open the door to their pages.
        if self.headers.get("Host") != f"127.0.0.1:{self.review.port}":
            raise Refused(HTTPStatus.FORBIDDEN, "unknown host")

    def _check_token(self, given: str) -> None:
        if not secrets.compare_digest(given.encode(), self.review.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the token is missing or wrong: open the printed address")

    def _page(self) -> tuple[HTTPStatus, str, str]:
        address = urlsplit(self.path)
        if address.path != "/":
            raise Refused(HTTPStatus.NOT_FOUND, "there is only one page")
        self._check_token(parse_qs(address.query).get("token", [""])[0])
        return HTTPStatus.OK, "text/html", self.review.page()

    def _decisions(self) -> tuple[HTTPStatus, str, str]:
        if self.path != "/decisions":
            raise Refused(HTTPStatus.NOT_FOUND, "decisions are posted to /decisions")
        if self.headers.get("Origin") != f"http://127.0.0.1:{self.review.port}":
            raise Refused(HTTPStatus.FORBIDDEN, "unknown origin")
        self._check_token(self.headers.get("X-Review-Token", ""))
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if len(length) > 12 or int(length) > LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST:,} bytes at once")
        seen = self.review.take(self.rfile.read(int(length)))
        return HTTPStatus.OK, "application/json", json.dumps({"seen": seen})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the request line holds the token."""
