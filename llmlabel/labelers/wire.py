"""Reading HTTP replies of OpenAI-compatible services: JSON, waiting times, rate limits. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llmlabel.types import RateLimit

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_AGAIN = re.compile(r"(?:try again in|retry after) (\d\S*?)\.?(?:\s|$)(milli)?", re.IGNORECASE)
_IDENTIFIER = re.compile(r"(?=.{1,64}$)[a-z_.]+(?:\[\d{1,6}\][a-z_.]*)*|\d{1,6}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """One HTTP response, read to its end. Its repr shows no content: error bodies of services repeat keys.

    ``cause`` is the vendor's exception for it, without the request.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    cause: Exception | None = None

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> dict[str, Any] | None:
        """Return the body if it is a JSON object, else None; lone surrogates become U+FFFD."""
        from pydantic_core import from_json

        try:
            value = from_json(self.content)
        except ValueError:
            value = _lenient(self.content)
        return value if isinstance(value, dict) else None

    def error(self) -> dict[str, Any]:
        """Return the error object of the body, in whichever of the usual places it stands; empty if there is none."""
        body = self.json() or {}
        found = body.get("error", body.get("detail", body))
        if isinstance(found, dict):
            return found
        return {"message": found if isinstance(found, str) else json.dumps(found)} if found else {}


def _lenient(content: bytes) -> object:
    try:
        value = json.loads(content)
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def identifier(value: object) -> str | None:
    """Return ``value`` if it is a name such as an error code; all else may be content or a key: left out."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def seconds(value: str | None) -> float | None:
    """Return a duration header in seconds: ``6m0s``, ``20ms``, ``1.5``; None if absent or not understood."""
    if not value:
        return None
    text = value.strip()
    pieces = _DURATION.findall(text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in pieces)
    return _number(text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def retry_after(headers: Mapping[str, str], message: str = "", now: datetime | None = None) -> float | None:
    """Return how many seconds the service asked to wait, or None.

    Looks at ``retry-after-ms``, then ``Retry-After`` (seconds or an HTTP date, RFC 9110 section 10.2.3), then at the
    sentence in which OpenAI and Azure repeat it, then at when a quota of more than a minute is full again. Dates are
    compared with the service's own clock, if it told the time.
    """
    now = now or _moment(headers.get("date", "")) or datetime.now(UTC)
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after", "").strip()
    wait = seconds(given)
    if wait is None and given:
        moment = _moment(given)
        wait = None if moment is None else max(0.0, (moment - now).total_seconds())
    if wait is None and (said := _AGAIN.search(message)):
        wait = seconds(said[1])
        wait = wait / 1000 if wait is not None and said[2] else wait
    return _used_up(headers) if wait is None else _from_now(wait, now)


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _from_now(wait: float, now: datetime) -> float:
    """Return seconds to wait; some gateways give the moment instead, in seconds or milliseconds since 1970."""
    moment = wait / 1000 if wait >= 1e12 else wait
    return max(0.0, moment - now.timestamp()) if 1e9 <= moment < 1e10 else wait


def _used_up(headers: Mapping[str, str]) -> float | None:
    """Return when a quota that is used up is full again, if that takes longer than a minute: it is a daily one then."""
    limit = rate_limit(headers)
    if limit is None:
        return None
    pairs = ((limit.requests_remaining, limit.requests_reset), (limit.tokens_remaining, limit.tokens_reset))
    waits = [reset for left, reset in pairs if left == 0 and reset is not None and reset > 60]
    return max(waits, default=None)


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Return what ``x-ratelimit-*`` says, or None if it says nothing; -1 and a limit of 0 mean unknown."""
    found: dict[str, float | int | None] = {}
    for kind in ("requests", "tokens"):
        limit = _count(headers.get(f"x-ratelimit-limit-{kind}")) or None
        left = _count(headers.get(f"x-ratelimit-remaining-{kind}"))
        found[kind] = limit
        # Without a limit, "0 left" is the placeholder some services send, not news.
        found[f"{kind}_remaining"] = left if limit else left or None
        reset = seconds(headers.get(f"x-ratelimit-reset-{kind}"))
        found[f"{kind}_reset"] = None if reset is None else _from_now(reset, datetime.now(UTC))
    if all(value is None for value in found.values()):
        return None
    return RateLimit.model_validate(found)


def _count(value: str | None) -> int | None:
    number = _number(value.strip()) if value else None
    return None if number is None else int(number)


def error_inside(body: dict[str, Any], headers: Mapping[str, str] = {}) -> Reply | None:
    """Return the error that a response with status 200 holds, as a reply of its own, or None.

    Gateways send errors this way, and the Responses API reports a failed run so.
    """
    error = body.get("error")
    if not isinstance(error, dict) or body.get("choices"):
        return None
    code = str(error.get("code"))
    known = {"rate_limit_exceeded": 429, "invalid_prompt": 400, "content_filter": 400, "model_not_found": 404}
    status = int(code) if code.isdecimal() and 400 <= int(code) < 600 else known.get(code, 500)
    return Reply(status, headers, json.dumps({"error": error}).encode())
