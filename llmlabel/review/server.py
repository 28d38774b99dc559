"""Serves a review page on loopback and appends each decision to a file before it is acknowledged."""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from llmlabel.errors import ConfigurationError
from llmlabel.review.decision_file import DecisionFile, Refused
from llmlabel.review.decisions import Decision, misfits, standing
from llmlabel.review.page import review_page
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument, Value, explain

LARGEST = 4_000_000  # bytes of one request; a document with 20,000 decided entities stays below


class _Posted(Value):
    seen: int
    lines: tuple[Decision, ...]


class ReviewServer:
    """A review page on ``http://127.0.0.1``, for the person at this machine only.

    Args:
        documents: What is reviewed.
        path: The decisions file; made if it is not there, continued if it is.
        schema: Gives the labels and questions to choose from.
        title: Heading of the page.
        reviewer: Written into each decision. The page starts with this person's decisions; those of others stay in
            the file, and ``apply_decisions`` merges them.
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
        self._by_id = {document.document.id: document for document in self.documents}
        self.file = DecisionFile(path)
        try:
            self._check_earlier()
            self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"review": self}))
        except OSError as error:
            self.file.close()
            raise ConfigurationError(f"port {port} of 127.0.0.1 cannot be used: {error.strerror}") from error
        except BaseException:
            self.file.close()
            raise
        self._server.daemon_threads = True

    def _check_earlier(self) -> None:
        """Refuse a file that was begun on other documents, or by somebody with a name if this reviewer has none."""
        others = sorted({line.by for line in self.file.decisions if line.by is not None})
        if self.reviewer is None and others:
            raise ConfigurationError(
                f"{self.file.path} holds decisions of {', '.join(others)}: say who reviews now (--reviewer NAME)"
            )
        own = [line for line in self.file.decisions if line.by == self.reviewer]
        if problems := self._misfits(own):
            raise ConfigurationError(
                f"{self.file.path} was begun on other documents ({problems[0]}): "
                "give the run it belongs to, or a new file"
            )

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
        problems = ["the decision is somebody else's" for line in posted.lines if line.by != self.reviewer]
        named = {line.document for line in posted.lines}
        before = [line for line in list(self.file.decisions) if line.document in named and line.by == self.reviewer]
        if problems := [*problems, *self._misfits([*before, *posted.lines])]:
            raise Refused(HTTPStatus.BAD_REQUEST, "; ".join(dict.fromkeys(problems)))
        return self.file.append(posted.seen, posted.lines)

    def _misfits(self, decisions: Iterable[Decision]) -> list[str]:
        """What one person decided about things that are not there."""
        by_document: dict[str, list[Decision]] = defaultdict(list)
        for decision in decisions:
            by_document[decision.document].append(decision)
        problems = []
        for id, lines in by_document.items():
            document = self._by_id.get(id)
            problems += misfits(document, standing(lines)) if document else ["there is no such document"]
        return problems

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
