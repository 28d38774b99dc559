"""The exporter into a running project passes the public contract of exporters."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmlabel.exporters.azure_bundle import read_azure_bundle
from llmlabel.exporters.azure_language import AzureLanguageExporter
from llmlabel.platforms.azure_language.labels_file import read_labels_file
from llmlabel.platforms.azure_language.texts import FolderTexts
from llmlabel.schema import LabelSchema
from llmlabel.testing.exporter import ExporterContract
from llmlabel.types import ExportReport, LabeledDocument
from tests.azure.conftest import Clock
from tests.servers.azure_service import KEY, AzureService


class TestAzureLanguage(ExporterContract):
    """The labels are read back from the service and the texts from the container."""

    holds_relations = holds_attributes = holds_overlaps = holds_classes = holds_texts = False

    @pytest.fixture(autouse=True)
    def _running(self, service: AzureService, clock: Clock) -> None:
        service.steps = ("succeeded",)
        self.service, self.clock = service, clock

    def make_exporter(self, tmp_path: Path, schema: LabelSchema) -> AzureLanguageExporter:
        self.service.projects.clear()
        return AzureLanguageExporter(
            self.service.url,
            schema=schema,
            project="p",
            container="ccc",
            project_kind="CustomEntityRecognition",
            storage=FolderTexts(tmp_path / "container"),
            create_container=True,
            overwrite_texts=True,
            directory=tmp_path / "kept",
            api_key=KEY,
            clock=self.clock,
        )

    def read_back(self, tmp_path: Path, report: ExportReport) -> dict[str, LabeledDocument | None]:
        store = FolderTexts(tmp_path / "container")
        found = []
        if "p" in self.service.projects:
            _, found = read_labels_file(self.service.projects["p"], lambda name: store.read(name).decode())
        by_text = {labeled.document.text: labeled for labeled in found}
        return {
            document.id: by_text[document.text].model_copy(update={"document": document}) if one is not None else None
            for document, one in read_azure_bundle(tmp_path / "kept" / "bundle")
        }
