"""Microsoft's own beta SDK as a second, independent client of the service that the tests run against."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from llmlabel.platforms.azure_language.client import AzureLanguageClient
from tests.conftest import absent
from tests.servers.azure_service import KEY, AzureService

pytestmark = pytest.mark.slow
try:
    from azure.ai.textanalytics import authoring
except ImportError:
    absent("azure-sdk", "needs azure-ai-textanalytics-authoring 1.0.0b1 (group oracles)")


@pytest.fixture
def sdk(service: AzureService) -> Any:
    """The SDK's client."""
    from azure.core.credentials import AzureKeyCredential

    service.steps = ("succeeded",)
    return authoring.TextAuthoringClient(service.url, AzureKeyCredential(KEY))


def test_sdk_imports_what_we_export(sdk: Any, service: AzureService, client: AzureLanguageClient, sample: Any):
    """
    A project that the SDK imported is the same project to us.
    """
    from azure.ai.textanalytics.authoring.models import ExportedProject

    exported = ExportedProject(sample)
    sdk.get_project_client("p").project.begin_import(body=exported, polling_interval=0).result()
    expected = copy.deepcopy(sample)
    expected["metadata"]["projectName"] = "p"

    assert expected == client.export_project("p")


def test_sdk_reads_what_we_imported(sdk: Any, client: AzureLanguageClient, sample: Any):
    """
    A project that we imported is listed and read by the SDK.
    """
    client.import_project("p", sample)
    details = sdk.get_project_client("p").project.get_project()

    assert ("p", "CustomEntityRecognition") == (details.project_name, details.project_kind.value)
    assert ["p"] == [item.project_name for item in sdk.list_projects()]
