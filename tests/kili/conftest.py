"""A project on a local server for every test that pushes with the real SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from llmlabel.exporters.kili import KiliExporter
from llmlabel.exporters.kili_report import KiliReport
from llmlabel.platforms.kili.interface import interface_from_schema
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument

if TYPE_CHECKING:
    from tests.servers.kili_stub import KiliStub  # needs what the kili package brings

SCHEMA = LabelSchema(entities=("Person", "Place"))
MUTATIONS = ("createProject", "appendManyAssets", "appendManyLabels", "deleteLabels", "bucket-put")


@dataclass
class Kili:
    """One project on a server, and what a test asks of it."""

    stub: KiliStub
    project: str
    schema: LabelSchema

    def exporter(self, **options: Any) -> KiliExporter:
        """Return an exporter for the project."""
        settings = {
            "schema": self.schema,
            "api_key": self.stub.api_key,
            "api_endpoint": self.stub.endpoint,
            "model_name": "m",
            "pause": 0,
        }
        return KiliExporter(self.project, **{**settings, **options})

    def push(self, documents: list[LabeledDocument], **options: Any) -> KiliReport:
        """Push documents and return the report."""
        return self.exporter(**options).export(documents)

    def mutations(self, since: int = 0) -> list[str]:
        """Return the names of all requests that changed something."""
        return [name for name in self.stub.operations()[since:] if name in MUTATIONS]

    def labels(self, model: str | None = "m") -> dict[str, list[str]]:
        """Return the answers of one model name by external id."""
        found: dict[str, list[str]] = {}
        for label in self.stub.state.labels.values():
            if label["modelName"] == model:
                asset = self.stub.state.assets[label["assetId"]]
                found.setdefault(asset["externalId"], []).append(label["jsonResponse"])
        return found

    def texts(self) -> dict[str, str | None]:
        """Return the text of every asset by external id."""
        return {asset["externalId"]: self.stub.state.text_of(asset) for asset in self.stub.state.assets.values()}

    def add_label(
        self, external_id: str, kind: str = "DEFAULT", model: str | None = None, answer: str = "{}", **more: str
    ) -> str:
        """Put a label on an asset, as a person or another model would; return its id."""
        state = self.stub.state
        asset = next(one for one in state.assets.values() if one["externalId"] == external_id)
        label = {"id": state.new_id("label"), "assetId": asset["id"], "labelType": kind, "modelName": model}
        state.labels[label["id"]] = {**label, "jsonResponse": answer, "secondsToLabel": 1.0, **more}
        return label["id"]


@pytest.fixture(scope="session", autouse=True)
def unpaced() -> None:
    """The SDK sends at most 500 requests a minute to a server that others share; the tests' server is theirs."""
    from kili.core.graphql import graphql_client
    from pyrate_limiter import Duration, Rate
    from pyrate_limiter.limiter import Limiter

    graphql_client._limiter = Limiter(Rate(1_000_000, Duration.MINUTE))


@pytest.fixture
def kili() -> Iterator[Kili]:
    from tests.servers.kili_stub import KiliStub

    with KiliStub() as stub:
        made = {"title": "t", "inputType": "TEXT", "jsonInterface": json.dumps(interface_from_schema(SCHEMA))}
        project = stub.state.root()["createProject"](None, made)["id"]
        yield Kili(stub, project, SCHEMA)
