"""The files and batches endpoints of the OpenAI protocol, answered by an ``OpenAIServer`` on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email import message_from_bytes
from itertools import count
from typing import Any

from tests.servers.openai_server import OpenAIServer, Reply, Request

Line = Callable[[dict[str, Any]], "dict[str, Any] | str | None"]


def line_text(line: dict[str, Any]) -> str:
    """The content of the last message of a line, which holds the document."""
    return line["body"]["messages"][-1]["content"]


class BatchServer(OpenAIServer):
    """Takes files, works a job off when it is looked at for the second time, and keeps everything in attributes.

    ``answer_line`` gets each line of a job and returns the model's text, a whole output line without its id, or None
    for a line that is missing in output and error file. Single requests go to ``answer`` as ever.

    Attributes:
        files: Content by file id; deleted ones are gone.
        jobs: Jobs by id, as they are sent.
        end: The state in which jobs end.
        looks: How often a job is looked at before it ends.
    """

    def __init__(self, answer_line: Line, **more: Any) -> None:
        self.online = more.pop("answer", "{}")
        super().__init__(self._route, **more)
        self.answer_line = answer_line
        self.files: dict[str, bytes] = {}
        self.uploads: list[bytes] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.end = "completed"
        self.looks = 1
        self._ids = count(1)
        self._looked: dict[str, int] = {}

    @property
    def asked_online(self) -> int:
        return sum(request.path.endswith("/chat/completions") for request in self.requests)

    def _route(self, request: Request) -> Any:
        path = re.sub(r"^/(openai/)?(v1/)?", "/", request.path)
        match (request.method, *path.strip("/").split("/")):
            case ("POST", "files"):
                return Reply(self._upload(request))
            case ("GET", "files", name, "content"):
                return Reply(self.files[name]) if name in self.files else Reply({"error": {}}, 404)
            case ("DELETE", "files", name):
                self.files.pop(name, None)
                return Reply({"id": name, "object": "file", "deleted": True})
            case ("POST", "batches"):
                return Reply(self._create(request.json))
            case ("GET", "batches"):
                return Reply({"object": "list", "data": list(self.jobs.values()), "has_more": False})
            case ("GET", "batches", name):
                return Reply(self._look(name))
            case ("POST", "batches", name, "cancel"):
                self.jobs[name]["status"] = "cancelling"
                self.end = "cancelled"
                return Reply(self.jobs[name])
        return self.online(request) if callable(self.online) else self.online

    def _upload(self, request: Request) -> dict[str, Any]:
        kind = request.headers["content-type"].encode()
        form = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + request.content)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
        assert "batch" == parts["purpose"].get_payload()
        content = parts["file"].get_payload(decode=True)
        name = f"file-{next(self._ids)}"
        self.files[name] = content
        self.uploads.append(content)
        return {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": 1,
            "filename": "x",
            "purpose": "batch",
        }

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{next(self._ids)}"
        self.jobs[name] = {
            **asked, "id": name, "object": "batch", "created_at": next(self._ids), "status": "validating",
        }  # fmt: skip
        return self.jobs[name]

    def _look(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        self._looked[name] = self._looked.get(name, 0) + 1
        if job["status"] in {"completed", "failed", "expired", "cancelled"}:
            return job
        if self._looked[name] <= self.looks:
            job["status"] = "in_progress" if job["status"] == "validating" else job["status"]
            return job
        job["status"] = self.end
        if self.end != "failed":
            self._work(job)
        return job

    def _work(self, job: dict[str, Any]) -> None:
        output, errors = [], []
        lines = [json.loads(line) for line in self.files[job["input_file_id"]].splitlines()]
        for line in reversed(lines):  # results come in any order
            said = self.answer_line(line)
            if said is None:
                continue
            if isinstance(said, str):
                message = {"role": "assistant", "content": said}
                body = {
                    "object": "chat.completion",
                    "model": "gpt-test",
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10},
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                }
                said = {"response": {"status_code": 200, "body": body}, "error": None}
            row = {"id": "r", "custom_id": line["custom_id"], **said}
            failed = row.get("error") or row["response"]["status_code"] >= 400
            (errors if failed else output).append(json.dumps(row))
        for key, rows in (("output_file_id", output), ("error_file_id", errors)):
            if rows:
                job[key] = f"file-{next(self._ids)}"
                self.files[job[key]] = "\n".join(rows).encode()
        job["request_counts"] = {"total": len(lines), "completed": len(output), "failed": len(errors)}
