"""The classes of ``docs/extending.md``, as they stand there, pass the suites of their seams."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llmlabel import Entity, LabelSchema, LLMLabeler
from llmlabel.testing.labeler import LabelerContract
from tests.test_readme import ROOT, examples

PAGE = ROOT / "docs" / "extending.md"


def page() -> dict[str, Any]:
    """Return what the page's examples define."""
    namespace: dict[str, Any] = {"__name__": "extending"}
    for example in examples(PAGE):
        exec(example.code, namespace)
    return namespace


class Server(BaseHTTPRequestHandler):
    """Answers with the end of what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        payload = json.dumps({"text": body["messages"][-1]["content"][-80:], "tokens": 3}).encode()
        self.send_response(503 if self.path == "/fails" else 200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[str]:
    """The server that the page's provider talks to."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    ACME.endpoint = f"http://127.0.0.1:{running.server_port}/generate"
    yield ACME.endpoint
    running.shutdown()
    running.server_close()
    thread.join()


PLACE = page()
ACME: type[LLMLabeler] = PLACE["AcmeLabeler"]
ACME.__module__, ACME.__qualname__ = __name__, "ACME"  # so that pickle finds it


class TestAcmeLabeler(LabelerContract):
    """The provider of the page."""

    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return ACME(LabelSchema(entities=["PER"]), model=model, parameters=parameters)

    def make_failing_labeler(self) -> LLMLabeler:
        failing = self.make_labeler()
        failing.endpoint = ACME.endpoint.replace("/generate", "/fails")
        return failing


def test_provider_takes_at_most_15_lines():
    """
    A provider is fifteen lines of code.
    """
    code = next(example.code for example in examples(PAGE) if "class AcmeLabeler" in example.code)
    lines = [line for line in code[code.index("class AcmeLabeler") :].splitlines() if line.strip()]

    assert len(lines) <= 15


def test_exporter_writes_entities_and_holds_back_the_rest(tmp_path: Path):
    """
    The page's exporter writes one line per entity, no formula, and reports what was not labelled.
    """
    from llmlabel import Document, Prediction

    document = Document(id="1", text="=Ann")
    entity = Entity(start=0, end=4, label="PER", text="=Ann")
    path = tmp_path / "out.csv"
    report = PLACE["CsvExporter"](path).export(
        [
            Prediction(document=document, entities=(entity,), outcome="labeled"),
            Prediction(document=Document(id="2", text="Bo"), outcome="refused"),
        ]
    )
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))

    assert [["document", "start", "end", "label", "text"], ["1", "0", "4", "PER", "'=Ann"]] == rows
    assert (1, ["2"]) == (report.written, [item.document_id for item in report.held_back])
