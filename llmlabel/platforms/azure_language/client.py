"""Client of the authoring API of Azure Language: projects, import, export, training, deployments.

API: "Language Text Analysis Authoring", version 2023-04-01, ``{endpoint}/language/authoring/analyze-text``. Plain
httpx, because Microsoft's SDK exists as a beta only and cannot import on this version.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pydantic import SecretStr

from llmlabel.errors import ServiceError
from llmlabel.platforms.azure_language.access import SCOPE, Access, TokenCredential, checked_endpoint, same_origin
from llmlabel.platforms.azure_language.jobs import Job, job_of, wait_for
from llmlabel.platforms.azure_language.limiter import Clock, MinuteLimiter
from llmlabel.platforms.azure_language.sending import Reply, Sender, pause_before

if TYPE_CHECKING:
    import httpx

API_VERSION = "2023-04-01"


class AzureLanguageClient:
    """Talks to one Language resource; the credential goes to its origin only.

    Args:
        endpoint: Address of the Language resource, ``https://NAME.cognitiveservices.azure.com``.
        api_key: Its key; default: the environment variable ``AZURE_LANGUAGE_KEY``.
        credential: An Entra ID credential (``azure.identity``) instead of a key.
        scope: What the credential's tokens are for.
        api_version: Another version of the API, such as ``"2025-05-15-preview"``.
        timeout: Seconds for one request.
        job_deadline: Most seconds to wait for a job.
        retries: How often a request is sent again that the service did not take (429), or that only reads.
        on_progress: Called with each state of a job that is waited for.
        clock: Where the time comes from.
        transport: An ``httpx`` transport of your own (a proxy, client certificates); never closed here.

    Raises:
        ConfigurationError: No credential, or plain http to another machine.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        api_key: str | SecretStr | None = None,
        credential: TokenCredential | None = None,
        scope: str = SCOPE,
        api_version: str = API_VERSION,
        timeout: float = 100.0,
        job_deadline: float = 1800.0,
        retries: int = 5,
        on_progress: Callable[[Job], None] | None = None,
        clock: Clock = time,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.endpoint = checked_endpoint(endpoint)
        self.api_version = api_version
        self.timeout = timeout
        self.job_deadline = job_deadline
        self.retries = retries
        self.on_progress = on_progress
        self.clock = clock
        self.transport = transport
        self._access = Access(api_key, credential, scope)
        self._limiter = MinuteLimiter(clock)
        self._http: httpx.Client | None = None

    # -- projects ---------------------------------------------------------------------------------------------------

    def projects(self) -> Iterator[dict[str, Any]]:
        """Yield the metadata of every project of the resource."""
        return self._pages("")

    def project(self, name: str) -> dict[str, Any] | None:
        """Return the metadata of a project, or None if there is none of this name."""
        reply = self._send("GET", self._url(name), f"project {name!r}", absent=True)
        return None if reply is None else _object(reply.body)

    def create_project(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Create a project without labels, or change the settings of one; return its metadata."""
        name = str(metadata["projectName"])
        reply = self._sent(
            "PATCH", self._url(name), f"create {name!r}", metadata, content_type="application/merge-patch+json"
        )
        return _object(reply.body)

    def delete_project(self, name: str) -> Job:
        """Delete a project with all its labels and models; the texts stay in their container."""
        return self._job("delete", "DELETE", self._url(name))

    def import_project(self, name: str, content: Mapping[str, Any]) -> Job:
        """Replace a project by a labels file and wait until that is done.

        Raises:
            ServiceError: The service refused the file; with codes, targets and hints.
        """
        return self._job("import", "POST", self._url(name, ":import"), content)

    def export_project(self, name: str) -> dict[str, Any]:
        """Return a project as a labels file.

        Raises:
            ServiceError: The job failed, or its result lies elsewhere.
        """
        url = self._url(name, ":export", stringIndexType="Utf16CodeUnit")
        job = self._job("export", "POST", url)
        where = job.state.get("resultUrl")
        if not isinstance(where, str):
            raise ServiceError(f"Azure Language: the export job {job.id!r} names no resultUrl")
        reply = self._sent("GET", same_origin(where, self.endpoint, "resultUrl"), f"labels of {name!r}")
        return _object(reply.body)

    # -- models -----------------------------------------------------------------------------------------------------

    def training_versions(self, project_kind: str) -> list[str]:
        """Return the training configurations of the service, newest first."""
        pages = self._pages("global", "training-config-versions", projectKind=project_kind)
        return sorted((str(item["trainingConfigVersion"]) for item in pages), reverse=True)

    def languages(self, project_kind: str) -> list[str]:
        """Return the language codes that the service takes."""
        return [str(item["languageCode"]) for item in self._pages("global", "languages", projectKind=project_kind)]

    def models(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the trained models of a project."""
        return self._pages(name, "models")

    def deployments(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the deployments of a project."""
        return self._pages(name, "deployments")

    def train(
        self,
        name: str,
        model: str,
        *,
        config_version: str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        wait: bool = True,
    ) -> Job:
        """Train a model and wait for it (hours for large projects); costs money.

        Args:
            name: The project.
            model: What to call the model; a model of this name is replaced.
            config_version: Training configuration; default: the newest of the service.
            evaluation: ``{"kind": "percentage", "trainingSplitPercentage": 80, "testingSplitPercentage": 20}``, or
                ``{"kind": "manual"}`` to use the documents' own ``dataset``.
            wait: False returns the job when it was accepted.

        Raises:
            ServiceError: There is no such project, or the training failed.
        """
        if config_version is None:
            found = self.project(name)
            if found is None:
                raise ServiceError(f"Azure Language: there is no project {name!r} to train", status_code=404)
            versions = self.training_versions(str(found["projectKind"]))
            if not versions:
                raise ServiceError("Azure Language: the service lists no training configuration; give config_version=")
            config_version = versions[0]
        body: dict[str, Any] = {"modelLabel": model, "trainingConfigVersion": config_version}
        if evaluation is not None:
            body["evaluationOptions"] = dict(evaluation)
        return self._job("training", "POST", self._url(name, ":train"), body, wait=wait)

    def training_job(self, name: str, job_id: str) -> Job:
        """Return the present state of a training job."""
        reply = self._sent("GET", self._url(name, "train", "jobs", job_id), f"training job {job_id!r}")
        return job_of("training", reply.body)

    def cancel_training(self, name: str, job_id: str) -> Job:
        """Stop a training job and return its last state."""
        return self._job("training", "POST", self._url(name, "train", "jobs", job_id, ":cancel"), wait=False)

    def deploy(self, name: str, deployment: str, model: str) -> Job:
        """Make a trained model callable under a deployment name, and wait for it."""
        url = self._url(name, "deployments", deployment)
        return self._job("deployment", "PUT", url, {"trainedModelLabel": model})

    # -- life -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections; they are opened anew when needed."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AzureLanguageClient({self.endpoint!r}, api_version={self.api_version!r})"

    # -- requests ---------------------------------------------------------------------------------------------------

    def _url(self, *path: str, **query: str) -> str:
        base = f"{self.endpoint}/language/authoring/analyze-text/projects"
        place = "".join(f"/{quote(part, safe=':')}" for part in path if part)
        asked = "&".join(f"{key}={quote(value)}" for key, value in {"api-version": self.api_version, **query}.items())
        return f"{base}{place}?{asked}"

    def _pages(self, *path: str, **query: str) -> Iterator[dict[str, Any]]:
        url: str | None = self._url(*path, **query)
        while url:
            body = _object(self._sent("GET", url, "list").body)
            yield from body.get("value") or ()
            url = body.get("nextLink")
            if url:
                url = same_origin(url, self.endpoint, "nextLink")

    def _job(
        self, kind: str, method: str, url: str, body: Mapping[str, Any] | None = None, *, wait: bool = True
    ) -> Job:
        reply = self._sent(method, url, f"{kind} job", body)
        place = reply.headers.get("operation-location")
        if not place:
            raise ServiceError(f"Azure Language: the {kind} job was accepted without an Operation-Location")
        status_url = same_origin(place, self.endpoint, "Operation-Location")

        def ask() -> Job:
            return job_of(kind, self._sent("GET", status_url, f"state of the {kind} job").body)

        if not wait:
            return ask()
        return wait_for(ask, clock=self.clock, deadline=self.job_deadline, on_progress=self.on_progress)

    def _sent(
        self,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Reply:
        reply = self._send(method, url, what, body, content_type)
        assert reply is not None
        return reply

    def _send(
        self,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        absent: bool = False,
    ) -> Reply | None:
        """Send until the service has taken it; a change whose fate is unknown is not repeated."""
        sender = Sender(self._opened(), self._access, self.timeout)
        attempt = 0
        while True:
            self._limiter.wait(method)
            found = sender.send(method, url, what, body, content_type)
            if isinstance(found, Reply):
                return found
            if absent and found.status_code == 404:
                return None
            pause = pause_before(found, method, attempt)
            if attempt == self.retries or pause is None:
                raise found
            self.clock.sleep(pause)
            attempt += 1

    def _opened(self) -> httpx.Client:
        if self._http is None:
            import httpx

            self._http = httpx.Client(transport=self.transport, follow_redirects=False, timeout=self.timeout)
        return self._http


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ServiceError("Azure Language: expected a JSON object as answer; is this the endpoint of a resource?")
    return body
