"""The real service, only when asked for: see ``docs/azure.md``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from llmlabel import AzureLanguageExporter
from llmlabel.platforms.azure_language.blobs import BlobTexts
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from tests.azure.test_exporter import BATCH, SCHEMA

_NEEDED = (
    "AZURE_LANGUAGE_ENDPOINT",
    "AZURE_LANGUAGE_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "LLMLABEL_LIVE_CONTAINER",
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("LLMLABEL_LIVE_AZURE") != "1", reason="talks to Azure: LLMLABEL_LIVE_AZURE=1"),
]


def test_labels_go_in_and_are_verified(tmp_path: Path):
    """
    Three texts are uploaded, their labels imported and found again; the project is deleted.
    """
    endpoint, key, _, container = (os.environ[name] for name in _NEEDED)
    project = f"llmlabel-test-{secrets.token_hex(4)}"
    with AzureLanguageClient(endpoint, api_key=key) as client:
        exporter = AzureLanguageExporter(
            endpoint,
            schema=SCHEMA,
            project=project,
            container=container,
            storage=BlobTexts(container),
            directory=tmp_path,
            client=client,
        )
        try:
            report = exporter.export(BATCH)
        finally:
            client.delete_project(project)

    assert 3 == report.written
