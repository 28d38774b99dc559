"""A real Kili, only when asked for: see ``docs/kili.md``. The same test runs against the local server all the time."""

from __future__ import annotations

import os
import secrets

import pytest

pytest.importorskip("kili")

from llmlabel.exporters.kili import KiliExporter
from llmlabel.exporters.kili_create import create_kili_project
from llmlabel.exporters.kili_queue import prioritize_kili_assets
from llmlabel.platforms.kili import sdk
from llmlabel.sources.kili import KiliSource
from llmlabel.testing.batches import labeled
from tests.kili.conftest import SCHEMA

TEXTS = {
    "plain": "Ann met Bob.",
    "emoji": "😀😀 Ann met Bob.",
    "returns": "one\r\nAnn met Bob.\r\n",
    "link": "https://example.invalid/ Ann met Bob.",
    "none": "Nobody.",
    "a/b [c]": "Ann met Bob.",
}
BATCH = [labeled(name, text, ("Ann", "Bob") if "Ann" in text else (), label="Person") for name, text in TEXTS.items()]


def there_and_back(title: str, **access: str | None) -> None:
    """Create, push, push again, read back, put in order; delete the project."""
    project = create_kili_project(title, schema=SCHEMA, **access)
    try:
        exporter = KiliExporter(project, schema=SCHEMA, model_name="llmlabel-test", **access)
        assert len(BATCH) == exporter.export(BATCH).written
        assert {"assets existing": len(BATCH), "labels unchanged": len(BATCH)} == exporter.export(BATCH).totals

        source = KiliSource(project, **access)
        assert SCHEMA.entity_names == source.schema.entity_names
        assert TEXTS == {one.id: one.text for one in source.documents()}
        assert {one.document.id: [(e.start, e.end, e.label) for e in one.entities] for one in BATCH} == {
            one.document.id: [(e.start, e.end, e.label) for e in one.entities] for one in source.labels("model")
        }
        assert {} == prioritize_kili_assets(project, list(TEXTS), reasons={"emoji": {"doubt": 0.5}}, **access)
    finally:
        sdk.connect(sdk.read_key(access["api_key"]), sdk.check_endpoint(access["api_endpoint"])).delete_project(project)


def test_the_live_test_holds_on_the_local_server(kili):
    """What would be asked of a real Kili is asked of the local one."""
    before = len(kili.stub.state.projects)
    there_and_back("live", api_key=kili.stub.api_key, api_endpoint=kili.stub.endpoint)

    assert before == len(kili.stub.state.projects)


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("LLMLABEL_LIVE_KILI") != "1", reason="talks to Kili: LLMLABEL_LIVE_KILI=1")
def test_a_real_kili_takes_and_gives_back_the_same():
    """Needs KILI_API_KEY, and KILI_API_ENDPOINT for another Kili than the public one; the project is deleted."""
    endpoint = os.environ.get("KILI_API_ENDPOINT")
    there_and_back(f"llmlabel-test-{secrets.token_hex(4)}", api_key=os.environ["KILI_API_KEY"], api_endpoint=endpoint)
