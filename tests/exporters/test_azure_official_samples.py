"""Microsoft's own sample projects, read in and exported again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter
from llmlabel.platforms.azure_language.labels_file import read_labels_file, read_project

CONTRACT = "contracts/azure-language"
SAMPLES = {
    "ner": "loanagreements/loanAgreementsLabels.json",
    "multi": "movieLabels.multi.json",
    "single": "webOfScience.single.json",
}


def round_trip(shared: Path, name: str, tmp_path: Path) -> tuple[dict, dict, Path]:
    """Return the official file, ours, and the bundle; classification samples come without texts, so these get some."""
    place = shared / CONTRACT / "samples" / SAMPLES[name]
    official = json.loads(place.read_text(encoding="utf-8-sig"))
    texts = place.parent if name == "ner" else str
    schema, documents = read_labels_file(place, texts)
    project = read_project(place)
    exporter = AzureLanguageBundleExporter(
        tmp_path / "bundle",
        schema=schema,
        project=project.project,
        container=project.container,
        language=project.language,
        multilingual=project.multilingual,
        description=project.description,
        settings=project.settings,
    )
    exporter.export(documents)
    return official, json.loads((tmp_path / "bundle" / "labels.json").read_bytes()), tmp_path / "bundle"


def texts_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.txt")}


def test_loan_agreements_equal_the_official_file(shared, tmp_path):
    """All 240 labels come out as Microsoft wrote them."""
    official, ours, _ = round_trip(shared, "ner", tmp_path)

    assert 240 == sum(len(r["labels"]) for d in ours["assets"]["documents"] for r in d["entities"])
    assert official == ours


def test_loan_agreement_texts_are_byte_exact(shared, tmp_path):
    """The 20 texts, with their CRLF line ends, are the bytes that Microsoft published."""
    _, _, bundle = round_trip(shared, "ner", tmp_path)
    source = shared / CONTRACT / "samples" / "loanagreements"

    assert {p.name: p.read_bytes() for p in source.glob("*.txt")} == {
        p.name: p.read_bytes() for p in bundle.glob("*.txt")
    }


def test_single_label_sample_equals_the_official_file(shared, tmp_path):
    """210 documents with one class each come out as Microsoft wrote them."""
    official, ours, _ = round_trip(shared, "single", tmp_path)

    assert official == ours


def test_multi_label_sample_equals_the_official_file_but_for_its_spelling_mistake(shared, tmp_path):
    """The official file spells one projectKind with a small c, which the strict schema and we do not."""
    official, ours, _ = round_trip(shared, "multi", tmp_path)
    assert "customMultiLabelClassification" == official["assets"]["projectKind"]
    official["assets"]["projectKind"] = "CustomMultiLabelClassification"

    assert official == ours


@pytest.mark.parametrize("name", SAMPLES)
def test_exported_samples_pass_the_strict_schema(shared, tmp_path, strict, name):
    """What we write of a sample is a valid labels file."""
    _, ours, _ = round_trip(shared, name, tmp_path)

    assert [] == strict(ours)
