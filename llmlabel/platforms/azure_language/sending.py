"""One request over httpx: an answer, or an error of our tree that holds no request, and so no credential."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from llmlabel.errors import LabelerError, TransportError
from llmlabel.platforms.azure_language.access import Access
from llmlabel.platforms.azure_language.replies import refusal

if TYPE_CHECKING:
    import httpx

_TRANSIENT = frozenset({408, 500, 502, 503, 504})
_MOST_PATIENCE = 300.0


class NotSentError(TransportError):
    """No connection: the service has not seen the request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response: headers in lower case, and the body if it was JSON."""

    headers: Mapping[str, str]
    body: object


class Sender:
    """Sends single requests.

    Args:
        http: The connections.
        access: Signs requests in.
        timeout: Seconds for one request, for messages.
    """

    def __init__(self, http: httpx.Client, access: Access, timeout: float) -> None:
        self._http = http
        self._access = access
        self._timeout = timeout

    def send(
        self, method: str, url: str, what: str, body: Mapping[str, object] | None, content_type: str
    ) -> Reply | LabelerError:
        """Return the answer, or the error to raise or to try again after."""
        import httpx

        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        sent = {"Accept": "application/json", **({} if content is None else {"Content-Type": content_type})}
        signed = self._access.headers()
        try:
            response = self._http.request(method, url, content=content, headers={**sent, **signed})
        # httpx's errors hold the request with its headers: they are neither raised nor chained.
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NotSentError(f"Azure Language: {what}: no connection ({type(error).__name__})", retryable=True)
        except httpx.TimeoutException:
            return TransportError(f"Azure Language: {what}: no answer in {self._timeout:g} s", retryable=True)
        except httpx.HTTPError as error:
            return TransportError(f"Azure Language: {what}: {type(error).__name__}", retryable=True)
        if response.is_success:
            return Reply({name.lower(): value for name, value in response.headers.items()}, _parsed(response.text))
        parsed = _parsed(self._access.redact(response.text, signed))
        wait = _seconds(response.headers.get("retry-after"))
        return refusal(response.status_code, parsed, what, retry_after=wait, access_hint=self._access.hint)


def pause_before(error: LabelerError, method: str, attempt: int) -> float | None:
    """Return the seconds to wait before sending again, or None if that may not be done.

    A change is repeated only where the service surely has not taken it: refused with 429, or never connected.
    """
    unseen = error.status_code == 429 or isinstance(error, NotSentError)
    failed = isinstance(error, TransportError) or error.status_code in _TRANSIENT
    if not unseen and not (method == "GET" and failed):
        return None
    pause = error.retry_after if error.retry_after is not None else min(2.0**attempt, 30.0)
    return pause if pause <= _MOST_PATIENCE else None


def _parsed(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        return None


def _seconds(value: str | None) -> float | None:
    """Return how long ``Retry-After`` asks to wait: seconds or an HTTP date (RFC 9110 section 10.2.3)."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
