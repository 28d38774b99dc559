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
    from azure.storage.blob import ContainerClient

CONNECTION_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
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
        api_version: Version of the storage service, for emulators that know older ones only.
        retries: How often a request that failed is sent again.

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
        api_version: str | None = None,
        retries: int = 3,
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
        more: dict[str, Any] = {"permit_redirects": False, "logging_enable": False, "retry_total": retries}
        if api_version is not None:
            more["api_version"] = api_version
        if connection_string is not None:
            self._client = _from_connection_string(_plain(connection_string), container, more)
        else:
            self._client = _from_url(str(account_url), container, credential, more)
        self.account = checked_endpoint(_account(self._client), "account_url")
        logging.getLogger("urllib3.connectionpool").addFilter(_FILTER)

    def exists(self) -> bool:
        """Return whether the container is there."""
        return bool(self._call("look for the container", self._client.exists))

    def create(self) -> None:
        """Make the container if it is absent."""
        if not self.exists():
            self._call("create the container", self._client.create_container, taken=None)

    def texts(self) -> Iterator[StoredText]:
        """Yield the ``.txt`` blobs at the root; the list is read page by page."""
        # The delimiter keeps blobs in folders out of the list.
        pages = iter(self._client.walk_blobs(delimiter="/").by_page())
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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, action: str, call: Callable[[], _Result], taken: Any = ...) -> _Result:
        """Return what ``call`` returns, or ``taken`` where something of this name is there already."""
        from azure.core.exceptions import AzureError, ResourceExistsError

        try:
            return call()
        except ResourceExistsError as error:
            if taken is not ...:
                return taken  # type: ignore[no-any-return]  # the caller's own value
            failure = self._failure(action, error)
        except AzureError as error:
            failure = self._failure(action, error)
        # Azure's errors hold the request with its headers, and their messages parts of signatures: not chained.
        raise failure

    def _failure(self, action: str, error: Any) -> LabelerError:
        status, code = getattr(error, "status_code", None), str(getattr(error, "error_code", None) or "")
        head = f"Azure Storage: {action} in container {self.container!r} of {self.account}: "
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
    secret: Any = credential
    if isinstance(credential, str | SecretStr):
        secret = _plain(credential).strip().removeprefix("?")
        if "sig=" in secret:
            from azure.core.credentials import AzureSasCredential

            secret = AzureSasCredential(secret)
    return kind(account, container, credential=secret, **more)
