"""The order of a review queue, and its reasons, reach the assets."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("kili")

from llmlabel.errors import ConfigurationError
from llmlabel.exporters.kili_queue import prioritize_kili_assets
from llmlabel.testing.batches import labeled

ANN = [labeled(f"d{n}", f"Ann, time {n}", ("Ann",), label="Person") for n in range(4)]


def prioritize(kili, order, **options):
    return prioritize_kili_assets(
        kili.project, order, api_key=kili.stub.api_key, api_endpoint=kili.stub.endpoint, **options
    )


def assets(kili):
    return {asset["externalId"]: asset for asset in kili.stub.state.assets.values()}


def test_the_first_document_gets_the_highest_priority(kili):
    """Priorities fall with the order."""
    kili.push(ANN)
    missed = prioritize(kili, ["d2", "d0", "d3", "d1"], levels=4)

    assert {"d2": 4, "d0": 3, "d3": 2, "d1": 1} == {name: asset["priority"] for name, asset in assets(kili).items()}
    assert {} == missed


def test_reasons_are_merged_into_metadata(kili):
    """Each asset gets its own reasons, and what it had stays."""
    kili.push(ANN)
    assets(kili)["d1"]["jsonMetadata"] = '{"customer": 7}'
    prioritize(kili, ["d3", "d1"], reasons={"d1": {"doubt": "one"}, "d3": {"doubt": "three"}})
    found = {name: json.loads(asset["jsonMetadata"]) for name, asset in assets(kili).items()}

    assert {"d0": {}, "d1": {"customer": 7, "doubt": "one"}, "d2": {}, "d3": {"doubt": "three"}} == found


def test_what_could_not_be_set_is_told(kili):
    """An asset that is done, and one that does not exist, come back with the reason."""
    kili.push(ANN)
    kili.add_label("d0")
    missed = prioritize(kili, ["d0", "d1", "nowhere"])

    assert ["d0", "nowhere"] == sorted(missed)
    assert "not in the project" == missed["nowhere"]


def test_an_order_names_each_document_once(kili):
    """Twice the same id is an error before any request."""
    with pytest.raises(ConfigurationError):
        prioritize(kili, ["d0", "d0"])
