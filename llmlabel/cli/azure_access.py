"""How ``llmlabel azure`` reaches the service and the texts: keys from the environment, or Entra ID.

``AZURE_LANGUAGE_KEY`` for the service; ``AZURE_STORAGE_CONNECTION_STRING``, ``AZURE_STORAGE_KEY`` or
``AZURE_STORAGE_SAS_TOKEN`` for the texts. ``AZURE_LANGUAGE_SCOPE`` and ``AZURE_STORAGE_AUDIENCE`` say what tokens are
for, in clouds where that differs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from llmlabel.cli import terminal
from llmlabel.errors import ConfigurationError
from llmlabel.platforms.azure_language.access import SCOPE
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.jobs import Job
from llmlabel.platforms.azure_language.texts import FolderTexts, TextStore


def client(endpoint: str, *, entra: bool, api_version: str = "2023-04-01") -> AzureLanguageClient:
    """Return a client that tells on stderr how its jobs go on."""
    return AzureLanguageClient(
        endpoint,
        credential=_credential() if entra else None,
        scope=_variable("AZURE_LANGUAGE_SCOPE") or SCOPE,
        api_version=api_version,
        on_progress=_progress,
    )


def _progress(job: Job) -> None:
    if not job.ended:
        terminal.line(f"{job.kind} job: {job.status}", error=True)


def storage(container: str, account: str, folder: Path | None, *, entra: bool) -> TextStore:
    """Return where the texts lie: a folder, or a container of a storage account."""
    if folder is not None:
        return FolderTexts(folder)
    from llmlabel.platforms.azure_language.blobs import BlobTexts

    if not account:
        return BlobTexts(container)
    credential: Any = _credential() if entra else _variable("AZURE_STORAGE_KEY") or _variable("AZURE_STORAGE_SAS_TOKEN")
    if not credential:
        raise ConfigurationError(
            "--storage-account: set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or sign in with --entra"
        )
    audience = _variable("AZURE_STORAGE_AUDIENCE") or None
    return BlobTexts(container, account_url=account, credential=credential, audience=audience)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _credential() -> Any:
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise ImportError('--entra needs azure-identity: pip install "llmlabel[azure]"') from error
    return DefaultAzureCredential()
