"""Turns what went wrong at a service into llmlabel's errors: once, here, for every labeler.

Vendor exceptions hold the request, so its headers (the key) and its body (documents). Errors raised by labelers carry a
cause of the vendor's own class, rebuilt without either, and without a traceback through frames that hold them.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmlabel.errors import AuthenticationError, LabelerError, RateLimitError, ServiceError, TransportError
from llmlabel.labelers.endpoints import origin
from llmlabel.labelers.wire import Reply, identifier, retry_after

if TYPE_CHECKING:
    import httpx2

_TRANSIENT = frozenset({408, 409})
_OUT_OF_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_KEPT_HEADERS = re.compile(r"retry-after|x-ratelimit-|x-request-id|apim-request-id|content-type|date", re.IGNORECASE)
_REQUEST_ID = re.compile(r"(?:req_)?[0-9a-f-]{8,64}", re.IGNORECASE)
_TOO_LONG = re.compile(r"context.?length|maximum context|too many tokens|string too long", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Where:
    """What messages may say about the place of a failure; nothing here is secret.

    ``target`` reads like ``model 'gpt-4o' at https://api.openai.com``; ``key_hint`` and ``target_hint`` say what to
    check; ``redact`` blots the key out of a service's own message, which is shown only for ``debug_content``.
    """

    target: str
    endpoint: str
    key_hint: str
    target_hint: str
    redact: Callable[[str], str]
    debug_content: bool = False


def status_error(reply: Reply, where: Where, *, asked_for: frozenset[str] = frozenset()) -> LabelerError:
    """Return the error for a response that is not an answer.

    Args:
        reply: The response.
        where: The place, for the message.
        asked_for: Parameters that the user gave by name: if the service refuses one, no request can succeed.
    """
    status, error = reply.status, reply.error()
    code = identifier(error.get("code")) or identifier(error.get("type"))
    facts = _facts(reply, where)
    if status in {401, 403}:
        return AuthenticationError(
            f"{where.target} did not accept the key{facts}: {where.key_hint}", status_code=status, fatal=True
        )
    if status == 404:
        return ServiceError(f"{where.target} was not found{facts}: {where.target_hint}", status_code=404, fatal=True)
    if status == 402 or {code, identifier(error.get("type"))} & _OUT_OF_MONEY:
        kind: type[LabelerError] = RateLimitError if status == 429 else ServiceError
        return kind(
            f"{where.target}: the quota is used up{facts}; check the plan and the billing of the account",
            status_code=status,
            fatal=True,
        )
    wait = retry_after(reply.headers, str(error.get("message") or ""))
    if status == 429:
        return RateLimitError(
            f"{where.target}: too many requests{facts}", status_code=429, retryable=True, retry_after=wait
        )
    if status in _TRANSIENT or status >= 500:
        return ServiceError(
            f"{where.target}: the service failed{facts}", status_code=status, retryable=True, retry_after=wait
        )
    return _refused(reply, where, facts, asked_for)


def _refused(reply: Reply, where: Where, facts: str, asked_for: frozenset[str]) -> ServiceError:
    error, status = reply.error(), reply.status
    if 300 <= status < 400:
        to = origin(reply.headers.get("location", "")) if "://" in reply.headers.get("location", "") else "another path"
        return ServiceError(
            f"{where.target} redirects to {to} (HTTP {status}); redirects are not followed, since they would carry the "
            "key along: give the final address",
            status_code=status,
            fatal=True,
        )
    param = error.get("param")
    if isinstance(param, str) and param in asked_for:
        return ServiceError(
            f"{where.target} does not take the parameter {param!r} that was asked for{facts}: leave it out",
            status_code=status,
            fatal=True,
        )
    what = "the request is longer than the model's context" if _TOO_LONG.search(str(error)) else "refused the request"
    return ServiceError(f"{where.target}: {what}{facts}", status_code=status)


def not_an_answer(reply: Reply, where: Where, why: str) -> LabelerError:
    """Return the error for a response with status 200 whose body is not an answer."""
    html = "html" in reply.media_type or reply.content[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))
    if html:
        return ServiceError(
            f"{where.target} sent a web page where an answer was expected: {where.target_hint}; a proxy or a login "
            "page may stand in between",
            status_code=reply.status,
            retryable=True,
        )
    return ServiceError(f"{where.target}: {why}", status_code=reply.status, retryable=True)


def _facts(reply: Reply, where: Where) -> str:
    """Return status, code, type and parameter in brackets; the service's own words only for ``debug_content``."""
    error = reply.error()
    names = [f"HTTP {reply.status}"]
    # On 401 and 403 services repeat a part of the key, wherever they like.
    discreet = reply.status in {401, 403}
    for part in () if discreet else ("code", "type", "param"):
        value = identifier(error.get(part))
        if value is not None and value not in names:
            names.append(value if part == "code" else f"{part} {value}")
    request_id = reply.headers.get("x-request-id") or reply.headers.get("apim-request-id") or ""
    if _REQUEST_ID.fullmatch(request_id):
        names.append(f"request {where.redact(request_id)}")
    said = ""
    if where.debug_content and not discreet:
        said = f" {where.redact(str(error.get('message') or ''))[:500]!r}"
    return f" ({', '.join(names)}){said}"


def transport_error(error: BaseException, where: Where, seconds: float) -> TransportError:
    """Return the error for a request without a response: says what happened and what to check."""
    place = origin(where.endpoint)
    chain = list(_causes(error))
    return TransportError(f"{place}: {_what_happened(chain, seconds)}", retryable=True)


def failed_call(error: Exception, where: Where, seconds: float) -> Reply | LabelerError | None:
    """Return what a call of the SDK that raised came to: a refusal's reply, no response, or None for a bug."""
    import aiohttp
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return Reply(error.status_code, error.response.headers, error.response.content, safe_cause(error))
    if isinstance(error, LabelerError):  # from a token provider
        error.__context__ = None
        return error.with_traceback(None)
    network = (openai.APIConnectionError, TimeoutError, aiohttp.ClientError, httpx2.TransportError, OSError)
    if not isinstance(error, network):
        return None
    failed = transport_error(error, where, seconds)
    failed.__cause__ = safe_cause(error, where.endpoint)
    return failed


def reply_of(response: httpx2.Response) -> Reply:
    """Return the reply in a response; one with an error status gets the exception that the SDK has for it as cause."""
    status, headers = response.status_code, response.headers
    if status >= 300:
        return Reply(status, headers, response.content, _status_cause(status, headers, response.request))
    # A plain dictionary: of these headers several are looked up for each answer.
    plain = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers.raw}
    return Reply(status, plain, response.content)


def _what_happened(chain: list[BaseException], seconds: float) -> str:
    names = " ".join(type(item).__name__ for item in chain)
    numbers = {item.errno for item in chain if isinstance(item, OSError)}
    if "Proxy" in names:
        return "the proxy did not connect; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    if any(isinstance(item, ssl.SSLError) for item in chain) or "Certificate" in names:
        return "the TLS connection failed; check the certificate, and SSL_CERT_FILE if a company's proxy re-signs it"
    if any(isinstance(item, socket.gaierror) for item in chain) or "DNS" in names:
        return "the host name was not found; check the address for a misspelling, and the network or VPN"
    if errno.ECONNREFUSED in numbers:
        return "the connection was refused; check that a server is running there and that the port is right"
    # The aiohttp transport reports these as a time-out, so they are looked for first.
    if "Disconnected" in names or "Payload" in names or {errno.ECONNRESET, errno.EPIPE} & numbers:
        return "the connection was closed before the answer was complete"
    if "ConnectionTimeout" in names:
        return "no connection could be made in time; check the address, the network or VPN, and the proxy variables"
    if "Timeout" in names:
        return f"no answer within {seconds:g} s; check the network, or allow more with timeout="
    detail = f" ({type(chain[-1]).__name__})" if chain else ""
    return f"the connection failed{detail}; check the address and the network"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "os_error", None)
        if isinstance(inner, BaseException):
            yield inner
        error = error.__cause__ or error.__context__


def safe_cause(error: BaseException, address: str = "") -> Exception:
    """Return an exception of the vendor's class that holds neither headers nor body of the request."""
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return _status_cause(error.status_code, error.response.headers, error.request)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        request = httpx2.Request("POST", address)
        if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
            return openai.APITimeoutError(request=request)
        return openai.APIConnectionError(request=request)
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror) if error.errno else TimeoutError("timed out")
    return ConnectionError(type(error).__name__)


def _status_cause(status: int, headers: Mapping[str, str], asked: httpx2.Request) -> Exception:
    import httpx2
    import openai

    kinds = {getattr(kind, "status_code", None): kind for kind in openai.APIStatusError.__subclasses__()}
    kind = openai.InternalServerError if status >= 500 else kinds.get(status, openai.APIStatusError)
    request = httpx2.Request(asked.method, str(asked.url.copy_with(query=None, userinfo=b"")))
    kept = {name: value for name, value in headers.items() if _KEPT_HEADERS.match(name)}
    response = httpx2.Response(status, headers=kept, request=request)
    return kind(f"Error code: {status}", response=response, body=None)
