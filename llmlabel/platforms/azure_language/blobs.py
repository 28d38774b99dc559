"""The texts of a project in Azure Blob Storage. Needs the extra ``azure``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from llmlabel.errors import (
    AuthenticationError,
    ConfigurationError,
    LabelerError,
    RateLimitError,
    ServiceError,
    TransportError,
)
from llmlabel.platforms.azure_language.access import TokenCredential, checked_endpoint
from llmlabel.platforms.azure_language.limits import CONTAINER_NAME
from llmlabel.platforms.azure_language.texts import StoredText, md5

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport
    from azure.storage.blob import ContainerClient

CONNECTION_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
_PAGE = 5000  # the most that the service puts into one answer
_Result = TypeVar("_Result")
_ROLE = "Storage Blob Data Contributor (Reader is enough where nothing is uploaded)"


class _HideSignatures(logging.Filter):
    """urllib3 logs whole addresses at DEBUG; a SAS signs in with a part of its address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "sig=" in record.getMessage():
            record.msg, record.args = re.sub(r"sig=[^&\s\"']+", "sig=[hidden]", record.getMessage()), ()
        return True


_FILTER = _HideSignatures()


class BlobTexts:
    """The ``.txt`` blobs at the root of one container.

    Args:
        container: Name of the container.
        account_url: Address of the storage account, ``https://NAME.blob.core.windows.net``.
        credential: Its key, a SAS (without ``?``), or an Entra ID credential.
        connection_string: Instead of both; default: the environment variable ``AZURE_STORAGE_CONNECTION_STRING``.
        audience: What an Entra ID credential's tokens are for; default: storage of the public cloud.
        api_version: Version of the storage service, for emulators that know older ones only.
        retries: How often a request that failed is sent again.
        transport: An ``azure.core`` transport of your own (a proxy, another certificate authority).

    Raises:
        ConfigurationError: No account, or one that would be reached by plain http on another machine.
        ImportError: The extra ``azure`` is not installed.
    """

    def __init__(
        self,
        container: str,
        *,
        account_url: str | None = None,
        credential: str | SecretStr | TokenCredential | None = None,
        connection_string: str | SecretStr | None = None,
        audience: str | None = None,
        api_version: str | None = None,
        retries: int = 3,
        transport: HttpTransport[Any, Any] | None = None,
    ) -> None:
        if not CONTAINER_NAME.fullmatch(container):
            raise ConfigurationError(f"container: not a name of a blob container: {container!r}")
        self.container = container
        if account_url is None and connection_string is None:
            connection_string = os.environ.get(CONNECTION_VARIABLE) or None
        if (account_url is None) == (connection_string is None):
            raise ConfigurationError(
                f"give account_url= (with credential=) or connection_string= (or {CONNECTION_VARIABLE}), one of them"
            )
        given = {"audience": audience, "api_version": api_version, "transport": transport}
        more: dict[str, Any] = {"permit_redirects": False, "logging_enable": False, "retry_total": retries}
        more |= {name: value for name, value in given.items() if value is not None}
        if connection_string is not None:
            self._client = _from_connection_string(_plain(connection_string), container, more)
        else:
            self._client = _from_url(str(account_url), container, credential, more)
        self.account = checked_endpoint(_account(self._client), "account_url")
        logging.getLogger("urllib3.connectionpool").addFilter(_FILTER)

    def exists(self) -> bool:
        """Return whether the container is there."""

        def look() -> bool:
            from azure.core.exceptions import ResourceNotFoundError

            # Listing, for a SAS of a container may not ask for the container's properties.
            try:
                next(self._client.list_blobs(results_per_page=1).by_page(), None)
            except ResourceNotFoundError:
                return False
            return True

        return self._call("look for the container", look)

    def create(self) -> None:
        """Make the container if it is absent."""
        if not self.exists():
            self._call("create the container", self._client.create_container, taken=None)

    def texts(self) -> Iterator[StoredText]:
        """Yield the ``.txt`` blobs at the root; the list is read page by page."""
        # The delimiter keeps blobs in folders out of the list.
        pages = iter(self._client.walk_blobs(delimiter="/", results_per_page=_PAGE).by_page())
        while (page := self._call("list the blobs", lambda: _page(pages))) is not None:
            for blob in page:
                name = str(blob.name)
                if name.endswith(".txt") and "/" not in name:
                    known = blob.content_settings.content_md5
                    yield StoredText(name, int(blob.size), bytes(known) if known else None)

    def read(self, name: str) -> bytes:
        """Return the bytes of a blob."""
        data: bytes = self._call(f"read {name!r}", lambda: self._client.download_blob(name).readall())
        return data

    def write(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        """Store a text; False if another one of this name is there, which is then left as it is."""
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_type="text/plain; charset=utf-8", content_md5=bytearray(md5(data)))

        def upload() -> bool:
            self._client.upload_blob(name, data, overwrite=overwrite, content_settings=settings)
            return True

        # A retry after a lost answer finds its own blob.
        return bool(self._call(f"upload {name!r}", upload, taken=False)) or self.read(name) == data

    def may_write(self) -> bool:
        """Return whether the credential may upload; asks under a condition that never holds, so nothing is written.

        Raises:
            LabelerError: The storage did not say.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        def ask() -> bool:
            condition: dict[str, Any] = {"etag": '"0x0"', "match_condition": MatchConditions.IfNotModified}
            try:
                self._client.upload_blob("llmlabel-doctor.txt", b"", overwrite=True, **condition)
            except (ResourceModifiedError, ResourceNotFoundError):
                return True
            return True

        try:
            return self._call("ask to upload", ask)
        except AuthenticationError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, action: str, call: Callable[[], _Result], taken: Any = ...) -> _Result:
        """Return what ``call`` returns, or ``taken`` where something of this name is there already."""
        from azure.core.exceptions import AzureError, ResourceExistsError

        failure: LabelerError
        try:
            return call()
        except ResourceExistsError as error:
            if taken is not ...:
                return taken  # type: ignore[no-any-return]  # the caller's own value
            failure = self._failure(action, error)
        except _NoTokenError as error:
            failure = AuthenticationError(
                f"Azure Storage: the Entra ID credential gave no token for {self.account}: {error}; sign in "
                "(az login), or check the identity",
                fatal=True,
            )
        except AzureError as error:
            failure = self._failure(action, error)
        # Azure's errors hold the request with its headers, and their messages parts of signatures: not chained.
        raise failure

    def _failure(self, action: str, error: Any) -> LabelerError:
        from azure.core.exceptions import ClientAuthenticationError

        status, code = getattr(error, "status_code", None), getattr(error, "error_code", None) or ""
        code = str(getattr(code, "value", code))
        head = f"Azure Storage: {action} in container {self.container!r} of {self.account}: "
        if status is None and isinstance(error, ClientAuthenticationError):
            said = "the request cannot be signed; the key is not one of a storage account, copy it again"
            return AuthenticationError(f"{head}{said}", fatal=True)
        if status is None:
            return TransportError(f"{head}{type(error).__name__}", retryable=True)
        said = f"HTTP {status} {code}".strip()
        if status in {401, 403}:
            hint = f"check key, SAS or identity; the identity needs the role {_ROLE}"
            return AuthenticationError(f"{head}{said}; {hint}", status_code=status, fatal=True)
        if status == 429:
            return RateLimitError(f"{head}{said}", status_code=status, retryable=True)
        hint = "; create the container, or check its name" if code == "ContainerNotFound" else ""
        return ServiceError(f"{head}{said}{hint}", status_code=status, retryable=status >= 500)

    def __repr__(self) -> str:
        return f"BlobTexts({self.container!r}, account={self.account!r})"


class _NoTokenError(Exception):
    """A credential gave no token; says what kind of error it raised, without its words: they may hold secrets."""


class _Credential:
    """A user's Entra ID credential as Azure's clients call it, its errors without their words.

    Args:
        given: The credential.
    """

    def __init__(self, given: TokenCredential) -> None:
        self._given = given

    def get_token(self, *scopes: str, **options: Any) -> Any:
        failure = ""
        try:
            return self._given.get_token(*scopes, **options)
        except Exception as error:  # whatever a credential raises
            failure = f"it raised {type(error).__name__}"
        raise _NoTokenError(failure)


def _page(pages: Iterator[Any]) -> list[Any] | None:
    # Prefixes (folders) stand in a page between the blobs.
    page = next(pages, None)
    return None if page is None else [item for item in page if hasattr(item, "content_settings")]


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _account(client: ContainerClient) -> str:
    """Return the address that requests go to, without container and SAS."""
    return str(client.url).split("?", 1)[0].rpartition("/")[0]


def _client_class() -> type[ContainerClient]:
    try:
        from azure.storage.blob import ContainerClient
    except ImportError as error:
        raise ImportError(
            'texts in Azure Blob Storage need azure-storage-blob: pip install "llmlabel[azure]"'
        ) from error
    return ContainerClient


def _from_connection_string(value: str, container: str, more: dict[str, Any]) -> ContainerClient:
    kind = _client_class()
    # Its parsing error may repeat the string.
    try:
        made = kind.from_connection_string(value, container, **more)
    except (ValueError, KeyError, TypeError):
        made = None
    if made is None:
        raise ConfigurationError("connection_string: not a connection string of a storage account; copy it again")
    return made


def _from_url(
    url: str, container: str, credential: str | SecretStr | TokenCredential | None, more: dict[str, Any]
) -> ContainerClient:
    kind = _client_class()
    account = checked_endpoint(url, "account_url")
    if credential is None:
        raise ConfigurationError("credential: expected a key, a SAS or an Entra ID credential of the storage account")
    if hasattr(credential, "get_token"):
        if not account.startswith("https:"):
            raise ConfigurationError("account_url: expected https, for an Entra ID credential is never sent otherwise")
        return kind(account, container, credential=_Credential(credential), **more)
    secret: Any = credential
    if isinstance(credential, str | SecretStr):
        secret = _plain(credential).strip().removeprefix("?")
        if "sig=" in secret:
            from azure.core.credentials import AzureSasCredential

            secret = AzureSasCredential(secret)
    return kind(account, container, credential=secret, **more)
