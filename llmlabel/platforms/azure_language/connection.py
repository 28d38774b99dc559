"""The connection to one Language resource: paced, signed in, tried again where that is safe, jobs waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pydantic import SecretStr

from llmlabel.errors import ServiceError
from llmlabel.platforms.azure_language.access import (
    SCOPE,
    Access,
    TokenCredential,
    checked_endpoint,
    same_origin,
)
from llmlabel.platforms.azure_language.jobs import Job, job_of, wait_for
from llmlabel.platforms.azure_language.limiter import Clock, MinuteLimiter
from llmlabel.platforms.azure_language.sending import Reply, Sender, pause_before

if TYPE_CHECKING:
    import httpx

API_VERSION = "2023-04-01"


class Connection:
    """What ``AzureLanguageClient`` sends its requests through; takes its arguments."""

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

    def _url(self, *path: str, **query: str) -> str:
        base = f"{self.endpoint}/language/authoring/analyze-text/projects"
        place = "".join(f"/{quote(part, safe=':')}" for part in path if part)
        asked = "&".join(f"{key}={quote(value)}" for key, value in {"api-version": self.api_version, **query}.items())
        return f"{base}{place}?{asked}"

    def _pages(self, *path: str, **query: str) -> Iterator[dict[str, Any]]:
        url: str | None = self._url(*path, **query)
        while url:
            body = as_object(self._sent("GET", url, "list").body)
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

            # Through a proxy of the environment, plain http would carry the key to another machine.
            proxied = not self.endpoint.startswith("http:")
            self._http = httpx.Client(
                transport=self.transport, follow_redirects=False, timeout=self.timeout, trust_env=proxied
            )
        return self._http


def as_object(body: object) -> dict[str, Any]:
    """Return the body of an answer that must be a JSON object.

    Raises:
        ServiceError: It is none.
    """
    if not isinstance(body, dict):
        raise ServiceError("Azure Language: expected a JSON object as answer; is this the endpoint of a resource?")
    return body
