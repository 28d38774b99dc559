"""A stand-in for the authoring API of Azure Language on loopback: stateful, strict, with scripted faults.

It holds projects as they were imported, runs jobs through their states, and checks every request and response against
the service's OpenAPI description with ``openapi-core``. What the description cannot say is checked by hand: the key
(openapi-core lets requests without one pass), matching project kinds, declared categories, offsets inside the region.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "entra-token-of-the-test"
PREFIX = "/language/authoring/analyze-text/projects"
DESCRIPTION = "contracts/azure-language/analyzetext-authoring-2023-04-01.openapi3.json"
_TIME = "2026-01-01T00:00:00Z"


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        """Method and last parts of the path, such as ``POST p/:import``."""
        return f"{self.method} {self.path.removeprefix(PREFIX).lstrip('/')}"


@dataclass
class Answer:
    """What to send back; ``cut`` closes the connection instead (after the request was carried out, if it was)."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


Fault = Callable[[Asked], "Answer | None"]


class AzureService:
    """``with AzureService(shared) as service:`` serves until the end of the block.

    Args:
        shared: The folder that holds the service's description; None checks nothing against it.
        steps: States that a job goes through, one per question about it.
    """

    def __init__(self, shared: Path | None, steps: tuple[str, ...] = ("notStarted", "running", "succeeded")) -> None:
        self.projects: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, dict[str, Any]]] = {}
        self.deployments: dict[str, dict[str, dict[str, Any]]] = {}
        self.asked: list[Asked] = []
        self.violations: list[str] = []
        self.steps = steps
        self.job_errors: dict[str, list[dict[str, Any]]] = {}
        self.job_warnings: dict[str, list[dict[str, Any]]] = {}
        self.fault: Fault = lambda _: None
        self.after: Callable[[Asked, Answer], Answer] = lambda _, answer: answer
        self._jobs: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()
        self._contract = _contract(shared / DESCRIPTION) if shared else None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if kind is None:
            assert [] == self.violations

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def calls(self) -> Counter[str]:
        """How often each thing was asked, ids of jobs left out."""
        return Counter(re.sub(r"jobs/[^/]+", "jobs/…", asked.name) for asked in self.asked)

    # -- one request ------------------------------------------------------------------------------------------------

    def reply(self, asked: Asked) -> Answer:
        """Return the answer to a request, both checked."""
        with self._lock:
            self.asked.append(asked)
            scripted = self.fault(asked)
            if scripted is not None:
                return scripted
            if not self._signed_in(asked):
                return _refused(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.")
            outside = "/result" in asked.path
            if self._contract and not outside and (problem := self._contract.request_problem(asked, self.url)):
                self.violations.append(f"{asked.name}: {problem}")
                return _refused(400, "InvalidRequest", problem)
            answer = self._route(asked)
            if self._contract and (problem := self._contract.response_problem(asked, answer, self.url, outside)):
                self.violations.append(f"answer to {asked.name}: {problem}")
            return self.after(asked, answer)

    def _signed_in(self, asked: Asked) -> bool:
        return asked.headers.get("ocp-apim-subscription-key") == KEY or (
            asked.headers.get("authorization") == f"Bearer {TOKEN}"
        )

    def _route(self, asked: Asked) -> Answer:
        parts = [part for part in asked.path.removeprefix(PREFIX).split("/") if part]
        match (asked.method, *parts):
            case ("GET",):
                return self._page(asked, [self._metadata(name) for name in sorted(self.projects)])
            case ("GET", "global", "training-config-versions"):
                versions = ("2022-05-01", "2024-11-15")
                return self._page(
                    asked, [{"trainingConfigVersion": v, "modelExpirationDate": "2027-01-01"} for v in versions]
                )
            case ("GET", "global", "languages"):
                return self._page(asked, [{"languageName": "English", "languageCode": "en-us"}])
            case ("PATCH", name):
                return self._create(name, json.loads(asked.body))
            case ("POST", name, ":import"):
                return self._import(name, json.loads(asked.body))
            case ("GET", "global", "deletion-jobs", job) | ("GET", _, "import", "jobs", job) if job in self._jobs:
                return Answer(body=self._state(job))
            case (_, name, *_) if name not in self.projects:
                return _refused(404, "NotFound", f"The project {name} was not found.")
            case ("GET", name):
                return Answer(body=self._metadata(name))
            case ("DELETE", name):
                del self.projects[name]
                return self._accepted("global/deletion-jobs", {})
            case ("POST", name, ":export"):
                snapshot = copy.deepcopy(self.projects[name])
                return self._accepted(f"{name}/export/jobs", {"snapshot": snapshot}, "export")
            case ("POST", name, ":train"):
                return self._train(name, json.loads(asked.body))
            case ("GET", name, "models"):
                return self._page(asked, list(self.models.get(name, {}).values()))
            case ("GET", name, "deployments"):
                return self._page(asked, list(self.deployments.get(name, {}).values()))
            case ("PUT", name, "deployments", deployment):
                return self._deploy(name, deployment, json.loads(asked.body))
            case ("POST", name, "train", "jobs", job, ":cancel") if job in self._jobs:
                self._jobs[job]["steps"] = ["cancelling", "cancelled"]
                return Answer(202, None, {"Operation-Location": self._place(f"{name}/train/jobs", job)})
            case ("GET", _, "export", "jobs", job, "result"):
                return Answer(body=self._jobs[job]["snapshot"])
            case ("GET", *_, "jobs", job) if job in self._jobs:
                return Answer(body=self._state(job))
            case _:
                return _refused(404, "NotFound", "There is nothing here.")

    def _page(self, asked: Asked, values: list[Any]) -> Answer:
        skip, size = int(asked.query.get("skip", 0)), 1
        body: dict[str, Any] = {"value": values[skip : skip + size]}
        if skip + size < len(values):
            body["nextLink"] = f"{self.url}{asked.path}?api-version={asked.query['api-version']}&skip={skip + size}"
            if kind := asked.query.get("projectKind"):
                body["nextLink"] += f"&projectKind={kind}"
        return Answer(body=body)

    # -- jobs -------------------------------------------------------------------------------------------------------

    def _accepted(self, place: str, more: Mapping[str, Any], kind: str = "") -> Answer:
        job = f"job-{len(self._jobs) + 1}"
        self._jobs[job] = {"steps": list(self.steps), "place": place, "kind": kind, **more}
        return Answer(202, None, {"Operation-Location": self._place(place, job)})

    def _place(self, place: str, job: str) -> str:
        return f"{self.url}{PREFIX}/{place}/{job}?api-version=2023-04-01"

    def _state(self, job: str) -> dict[str, Any]:
        found = self._jobs[job]
        status = found["steps"].pop(0) if len(found["steps"]) > 1 else found["steps"][0]
        state: dict[str, Any] = {"jobId": job, "createdDateTime": _TIME, "lastUpdatedDateTime": _TIME, "status": status}
        if status in {"succeeded", "failed", "partiallyCompleted"}:
            state["errors"] = self.job_errors.get(found["kind"], [])
            state["warnings"] = self.job_warnings.get(found["kind"], [])
        if found["kind"] == "export" and status == "succeeded":
            state["resultUrl"] = f"{self.url}{PREFIX}/{found['place']}/{job}/result?api-version=2023-04-01"
        if found["kind"] == "train":
            state["result"] = {**found["result"], "trainingStatus": {"percentComplete": 50, "status": status}}
        return state

    # -- what they do -----------------------------------------------------------------------------------------------

    def _metadata(self, name: str) -> dict[str, Any]:
        return {**self.projects[name]["metadata"], "createdDateTime": _TIME, "lastModifiedDateTime": _TIME}

    def _create(self, name: str, body: dict[str, Any]) -> Answer:
        new = name not in self.projects
        assets = {"projectKind": body["projectKind"], "documents": []}
        project = self.projects.setdefault(
            name, {"projectFileVersion": "2022-05-01", "stringIndexType": "Utf16CodeUnit", "assets": assets}
        )
        project["metadata"] = {**project.get("metadata", {}), **body}
        return Answer(201 if new else 200, self._metadata(name))

    def _import(self, name: str, body: dict[str, Any]) -> Answer:
        if problem := import_problem(body):
            return _refused(400, "InvalidArgument", problem)
        # The job goes on when its caller goes away, so the project is there for whoever asks next.
        if self.steps[-1] in {"succeeded", "partiallyCompleted"}:
            self.projects[name] = copy.deepcopy(body)
            self.projects[name]["metadata"]["projectName"] = name
        return self._accepted(f"{name}/import/jobs", {}, "import")

    def _train(self, name: str, body: dict[str, Any]) -> Answer:
        result = {"modelLabel": body["modelLabel"], "trainingConfigVersion": body["trainingConfigVersion"]}
        model = {
            "label": body["modelLabel"],
            "modelId": "1",
            "lastTrainedDateTime": _TIME,
            "lastTrainingDurationInSeconds": 60,
            "modelExpirationDate": "2027-01-01",
            "modelTrainingConfigVersion": body["trainingConfigVersion"],
            "hasSnapshot": False,
        }
        self.models.setdefault(name, {})[body["modelLabel"]] = model
        return self._accepted(f"{name}/train/jobs", {"result": result}, "train")

    def _deploy(self, name: str, deployment: str, body: dict[str, Any]) -> Answer:
        if body["trainedModelLabel"] not in self.models.get(name, {}):
            return _refused(404, "NotFound", "The trained model was not found.")
        self.deployments.setdefault(name, {})[deployment] = {
            "deploymentName": deployment,
            "modelId": "1",
            "lastTrainedDateTime": _TIME,
            "lastDeployedDateTime": _TIME,
            "deploymentExpirationDate": "2027-01-01",
            "modelTrainingConfigVersion": "2024-11-15",
        }
        return self._accepted(f"{name}/deployments/{deployment}/jobs", {}, "deploy")


def import_problem(body: Mapping[str, Any]) -> str | None:
    """Return why the service would refuse a labels file, as far as its documentation says."""
    metadata, assets = body.get("metadata", {}), body.get("assets") or {}
    kind = metadata.get("projectKind")
    if assets.get("projectKind") != kind:
        return "The project kind in the exported project's metadata must match the assets' project kind."
    declared = {item["category"] for item in assets.get("entities" if kind == "CustomEntityRecognition" else "classes")}
    for entry in assets.get("documents", ()):
        used = [entry["class"]] if "class" in entry else entry.get("classes", [])
        for region in entry.get("entities", ()):
            used = used + region["labels"]
            if any(label["offset"] + label["length"] > region["regionLength"] for label in region["labels"]):
                return f"A label of {entry['location']} lies outside its region."
        if not {label["category"] for label in used} <= declared:
            return f"A label of {entry['location']} is not declared."
    return None


def _refused(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}}, {"x-ms-error-code": code})


class Contract:
    """The service's OpenAPI description."""

    def __init__(self, path: Path) -> None:
        from openapi_core import Config, OpenAPI

        merge_patch = {"application/merge-patch+json": lambda body, **_: json.loads(body)}
        content = json.loads(path.read_bytes())
        del content["security"]  # it knows no OAuth2, and lets requests without a key pass: checked by hand
        self._api = OpenAPI.from_dict(content, config=Config(extra_media_type_deserializers=merge_patch))

    def request_problem(self, asked: Asked, url: str) -> str | None:
        """Return what is wrong with a request, or None."""
        from openapi_core.exceptions import OpenAPIError

        try:
            self._api.validate_request(self._request(asked, url))
        except OpenAPIError as error:
            return _told(error)
        return None

    def response_problem(self, asked: Asked, answer: Answer, url: str, outside: bool) -> str | None:
        """Return what is wrong with an answer; ``outside``: an exported project, for which there is no path."""
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.testing import MockResponse

        if outside:
            return None
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        response = MockResponse(body, status_code=answer.status, headers=answer.headers)
        try:
            self._api.validate_response(self._request(asked, url), response)
        except OpenAPIError as error:
            return _told(error)
        return None

    def _request(self, asked: Asked, url: str) -> Any:
        from openapi_core.testing import MockRequest

        return MockRequest(
            url,
            asked.method.lower(),
            asked.path,
            args=asked.query,
            headers=asked.headers,
            data=asked.body,
            content_type=asked.headers.get("content-type", "application/json"),
        )


@cache
def _contract(path: Path) -> Contract:
    return Contract(path)  # reading it takes a third of a second


def _told(error: BaseException) -> str:
    cause = error.__cause__
    more = "; ".join(str(item)[:300] for item in getattr(cause, "schema_errors", ()))
    return f"{type(error).__name__}: {error} {type(cause).__name__ if cause else ''} {more}".strip()


def _handler(service: AzureService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = service.reply(Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body))
            if answer.cut:
                self.close_connection = True
                return
            payload = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *arguments: object) -> None:
            """Stay silent."""

    return Handler
