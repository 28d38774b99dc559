"""Who may see a credential: one origin, over https or on this machine; and the headers that carry it there."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from pydantic import SecretStr

from llmlabel.errors import AuthenticationError, ConfigurationError, ServiceError

SCOPE = "https://cognitiveservices.azure.com/.default"
KEY_VARIABLE = "AZURE_LANGUAGE_KEY"
_PORTS = {"http": 80, "https": 443}


class AccessToken(Protocol):
    """What an Entra ID credential returns."""

    @property
    def token(self) -> str:
        """The bearer token."""
        ...


class TokenCredential(Protocol):
    """An Entra ID credential, as the classes of ``azure.identity`` are."""

    def get_token(self, *scopes: str) -> AccessToken:
        """Return a token for the scopes."""
        ...


def checked_endpoint(url: str, argument: str = "endpoint") -> str:
    """Return the address of a resource without a slash at the end.

    Raises:
        ConfigurationError: Not an address, one that holds a password, query or fragment, or plain http to another
            machine, where the credential would travel readable.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, SplitResult("", "", "", "", "")
    if parts.scheme not in _PORTS or not host:
        raise ConfigurationError(f"{argument}: expected an address like https://NAME.cognitiveservices.azure.com")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(f"{argument}: expected an address without user name, password, '?' and '#'")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"{argument}: expected https, found http to another machine ({host})")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Return whether a host name is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def same_origin(url: str, endpoint: str, what: str) -> str:
    """Return an address that the service named, made absolute, if it leads to the service itself.

    Args:
        url: Where to go, as the service said.
        endpoint: The configured address: the only place that gets the credential.
        what: Where the address stood, for the message.

    Raises:
        ServiceError: It leads elsewhere; nothing was sent there.
    """
    try:
        found = urljoin(f"{endpoint}/", url)
        leads_home = _origin(found) == _origin(endpoint) and not urlsplit(found).username
    except ValueError:
        leads_home = False
    if leads_home:
        return found
    try:
        host = urlsplit(url).hostname or "no host"
    except ValueError:
        host = "no address"
    raise ServiceError(
        f"Azure Language: {what} leads to {host!r}, not to the configured endpoint {urlsplit(endpoint).hostname!r}; "
        "the credential was not sent there. If a proxy rewrites addresses, give its address as endpoint="
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


class Access:
    """A key or an Entra ID credential; shows neither.

    Args:
        api_key: Key of the Language resource; default: the environment variable ``AZURE_LANGUAGE_KEY``.
        credential: An Entra ID credential instead of a key.
        scope: What its tokens are for.

    Raises:
        ConfigurationError: Neither or both, or a key that cannot be one.
    """

    def __init__(
        self, api_key: str | SecretStr | None, credential: TokenCredential | None = None, scope: str = SCOPE
    ) -> None:
        if api_key is not None and credential is not None:
            raise ConfigurationError("give api_key= or credential=, not both")
        if api_key is None and credential is None:
            api_key = os.environ.get(KEY_VARIABLE) or None
            if api_key is None:
                raise ConfigurationError(
                    f"no credential: give api_key= or credential=, or set the environment variable {KEY_VARIABLE}"
                )
        self._key = None if api_key is None else _checked_key(api_key)
        self._credential = credential
        self.scope = scope

    def headers(self) -> dict[str, str]:
        """Return the header that signs a request in.

        Raises:
            AuthenticationError: The credential gave no token.
        """
        if self._key is not None:
            return {"Ocp-Apim-Subscription-Key": self._key.get_secret_value()}
        assert self._credential is not None
        failure = "it returned no token"
        try:
            token = self._credential.get_token(self.scope).token
            if token and token.isprintable() and token.isascii():
                return {"Authorization": f"Bearer {token}"}
        except Exception as error:  # whatever a credential raises; it may hold secrets
            failure = f"it raised {type(error).__name__}"
        raise AuthenticationError(
            f"the Entra ID credential gave no token for the scope {self.scope}: {failure}; sign in (az login), or "
            "check the identity",
            fatal=True,
        )

    @staticmethod
    def redact(text: str, headers: Mapping[str, str]) -> str:
        """Return ``text`` with what ``headers`` sign in with blotted out."""
        for value in headers.values():
            text = text.replace(value.removeprefix("Bearer "), "[hidden]")
        return text

    @property
    def hint(self) -> str:
        """What to check when the service refuses the credential."""
        if self._key is not None:
            return "check the key, and that it belongs to this Language resource"
        return "check that the identity has the role Cognitive Services Language Owner on this resource"

    def __getstate__(self) -> object:
        raise TypeError("credentials are not pickled; make the client in the process that uses it")

    def __repr__(self) -> str:
        return f"Access({'key' if self._key is not None else 'Entra ID'})"


def _checked_key(given: str | SecretStr) -> SecretStr:
    value = (given.get_secret_value() if isinstance(given, SecretStr) else given).strip()
    # A header cannot carry these, and the encoding error would hold the key.
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError("api_key: expected printable ASCII without spaces; copy the key again")
    return SecretStr(value)
