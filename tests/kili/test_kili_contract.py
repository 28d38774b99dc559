"""The exporter contract, kept by ``KiliExporter`` with the real SDK against a local server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("kili")

from llmlabel.exporters.kili import KiliExporter
from llmlabel.exporters.kili_create import create_kili_project
from llmlabel.platforms.kili.answers import labeled_from_json_response
from llmlabel.platforms.kili.interface import interface_from_schema
from llmlabel.platforms.kili.ontology import bind
from llmlabel.schema import LabelSchema
from llmlabel.testing.exporter import ExporterContract
from llmlabel.types import Document, ExportReport, LabeledDocument
from tests.servers.kili_stub import KiliStub


class TestKiliExporter(ExporterContract):
    """One project per test; read back from the server's memory, not through the SDK."""

    @pytest.fixture(autouse=True)
    def server(self):
        with KiliStub() as stub:
            self.stub, self.projects = stub, {}
            yield

    def project(self, tmp_path: Path, schema: LabelSchema) -> str:
        if tmp_path not in self.projects:
            access = {"api_key": self.stub.api_key, "api_endpoint": self.stub.endpoint}
            self.projects[tmp_path] = create_kili_project(str(tmp_path), schema=schema, **access)
        return self.projects[tmp_path]

    def make_exporter(self, tmp_path: Path, schema: LabelSchema) -> KiliExporter:
        return KiliExporter(
            self.project(tmp_path, schema),
            schema=schema,
            api_key=self.stub.api_key,
            api_endpoint=self.stub.endpoint,
            pause=0,
        )

    def read_back(self, tmp_path: Path, report: ExportReport) -> Mapping[str, LabeledDocument | None]:
        schema, state = self.schema(), self.stub.state
        ontology = bind(schema, interface_from_schema(schema))
        found: dict[str, LabeledDocument | None] = {}
        for asset in state.assets.values():
            document = Document(id=asset["externalId"], text=state.text_of(asset))
            labels = [one for one in state.labels.values() if one["assetId"] == asset["id"]]
            assert len(labels) <= 1
            answers = [
                labeled_from_json_response(json.loads(one["jsonResponse"]), document, ontology) for one in labels
            ]
            found[document.id] = next(itertools.chain(answers, [None]))
        return found

    def snapshot(self, tmp_path: Path) -> object:
        state = self.stub.state
        return {key: dict(one) for key, one in state.assets.items()}, {
            key: dict(one) for key, one in state.labels.items()
        }
