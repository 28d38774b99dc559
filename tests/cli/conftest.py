"""The command line as a user runs it: real files, real processes, a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from llmlabel import LabelSchema, Pipeline, RecordingLabeler
from llmlabel.cli.app import app
from llmlabel.testing.scripted import ScriptedLabeler

SCHEMA = "entities:\n  PERSON: a person\n  CITY: a city\n"
DOCUMENTS = {
    "a": "Ann met Bo in Rome.",
    "b": "Nobody is here.",
    "c": "Cy went to [bold]Oslo[/bold] \x1b[31mtoday.",
}
ANSWERS = {
    "a": '{"entities": [{"text": "Ann", "label": "PERSON"}, {"text": "Bo", "label": "PERSON"}, '
    '{"text": "Rome", "label": "CITY"}]}',
    "b": '{"entities": []}',
    "c": '{"entities": [{"text": "Cy", "label": "PERSON"}, {"text": "Oslo", "label": "CITY"}]}',
}


class Run(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Folder(NamedTuple):
    """A working folder with documents, a schema and a recording of good answers."""

    path: Path

    @property
    def documents(self) -> str:
        return str(self.path / "documents.jsonl")

    @property
    def schema(self) -> str:
        return str(self.path / "schema.yaml")

    @property
    def out(self) -> Path:
        return self.path / "out"

    def record(self, answers: dict[str, str], name: str = "recording.jsonl") -> str:
        """Write a recording of these answers to the documents; return its path."""
        path = self.path / name
        path.unlink(missing_ok=True)
        scripted = ScriptedLabeler(LabelSchema.from_file(self.schema), answers)
        documents = [{"id": identity, "text": text} for identity, text in DOCUMENTS.items()]
        with Pipeline(RecordingLabeler(scripted, path), progress=False) as pipeline:
            pipeline.run(documents)
        return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A working folder with documents and a schema."""
    made = Folder(tmp_path)
    Path(made.schema).write_text(SCHEMA, encoding="utf-8")
    lines = [json.dumps({"id": identity, "text": text}) for identity, text in DOCUMENTS.items()]
    Path(made.documents).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


@pytest.fixture
def cli(monkeypatch):
    """Run a command in this process."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Run:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Run(done.exit_code, done.stdout, done.stderr)

    return run


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a process: no keys, UTF-8, no bar."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AZURE_", "KILI_"))}
    return {**kept, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", **more}


def process(*arguments: str, **more: str) -> Run:
    """Run the installed command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "llmlabel", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env=environment(**more),
        check=False,
        timeout=120,
    )
    return Run(done.returncode, done.stdout, done.stderr)


class Endpoint(NamedTuple):
    """An OpenAI-compatible server on loopback, and what it was asked."""

    url: str
    asked: list[dict[str, object]]
    headers: list[dict[str, str]]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A server that answers every chat completion with the answer recorded for the document in it."""
    asked: list[dict[str, object]] = []
    headers: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            headers.append({name.lower(): value for name, value in self.headers.items()})
            last = body["messages"][-1]["content"]
            answer = next((ANSWERS[key] for key, text in DOCUMENTS.items() if text[:8] in last), '{"here": true}')
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
            reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            payload = json.dumps({**reply, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *arguments: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}/v1", asked, headers)
    server.shutdown()
    server.server_close()
    thread.join()


PLUGIN = """
import asyncio
import pathlib

from llmlabel import Completion, Exporter, ExportReport, LLMLabeler


class Waiting(LLMLabeler):
    async def complete(self, prompt):
        pathlib.Path(self.parameters["mark"]).touch()
        await asyncio.Event().wait()


class Counting(Exporter):
    def __init__(self, out):
        self.out = out

    def export(self, predictions):
        return ExportReport(target="counting", written=sum(1 for _ in predictions), location=self.out)


def waiting(schema, options):
    return Waiting(schema, model=options["model"], parameters={"mark": options["mark"]})


def counting(schema, options):
    return Counting(options["out"])


def wrong(schema, options):
    return "no labeler"
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    """A folder with an installed third-party package that brings labelers and an exporter; for PYTHONPATH."""
    site = tmp_path / "site"
    facts = site / "acme_labels-1.2.dist-info"
    facts.mkdir(parents=True)
    (site / "acme_labels.py").write_text(PLUGIN, encoding="utf-8")
    (site / "acme_broken.py").write_text("raise RuntimeError('imported although not named')\n", encoding="utf-8")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-labels\nVersion: 1.2\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(
        "[llmlabel.labelers]\nwaiting = acme_labels:waiting\nwrong = acme_labels:wrong\nbroken = acme_broken:make\n"
        "openai = acme_broken:make\n\n[llmlabel.exporters]\ncounting = acme_labels:counting\n",
        encoding="utf-8",
    )
    return str(site)
