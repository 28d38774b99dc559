"""Addresses of OpenAI-compatible services: checked, normalised, and free of secrets."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit, urlunsplit

from llmlabel.errors import ConfigurationError

OPENAI_URL = "https://api.openai.com/v1"
_OWN = (".openai.com", ".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


def parse_url(url: str, argument: str) -> SplitResult:
    """Return the parts of an http(s) address.

    Raises:
        ConfigurationError: No scheme or host, or a user name, password or fragment in it.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{argument}: not an address; expected something like https://host/v1") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{argument}: a user name or password stands in the address; give keys as api_key=")
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(f"{argument}: expected an address like https://host/v1, found {url!r}")
    return parts


def openai_base_url(url: str, argument: str = "base_url") -> str:
    """Return the address below which ``/chat/completions`` stands, without a slash at the end.

    Raises:
        ConfigurationError: Not an http(s) address, or one with a query (where keys hide) or a fragment.
    """
    parts = parse_url(url, argument)
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{argument}: expected an address without '?' and '#'")
    path = parts.path.rstrip("/")
    for ending in ("/chat/completions", "/responses"):
        path = path.removesuffix(ending)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def azure_resource(url: str) -> str:
    """Return a resource's address without ``/openai…``; takes what the portal shows, the whole target URI included.

    Raises:
        ConfigurationError: Not an address, or plain http to another machine (the key would travel readable).
    """
    parts = parse_url(url, "endpoint")
    if parts.scheme == "http" and not is_loopback(url):
        raise ConfigurationError(f"endpoint: expected https, found http://{parts.netloc}")
    path = parts.path
    for marker in ("/openai/", "/openai"):
        if marker in path + "/":
            path = (path + "/").split(marker, 1)[0]
            break
    return urlunsplit((parts.scheme, parts.netloc, path.rstrip("/"), "", ""))


def is_loopback(url: str) -> bool:
    """Return whether the address names this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_openai(url: str) -> bool:
    """Return whether the address is OpenAI's or Azure's own, not a server that only speaks the protocol."""
    return f".{urlsplit(url).hostname or ''}".endswith(_OWN)


def origin(url: str) -> str:
    """Return scheme, host and port of an address: what may stand in messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
