"""The main job on real texts: gold answers with known mistakes in, both bundles out, every count as injected."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from llmlabel import (
    AzureLanguageBundleExporter,
    JsonlExporter,
    KiliBundleExporter,
    LabeledDocument,
    LabelSchema,
    Limits,
    OpenAILabeler,
    Pipeline,
)
from llmlabel.offsets import slice_units
from llmlabel.platforms.azure_language.labels_file import read_labels_file
from llmlabel.sources import read_conll
from tests.acceptance.conftest import AnsweringServer
from tests.acceptance.noise import NoisyAnnotator
from tests.servers.openai_server import OpenAIServer

FATES = {"labeled": "labeled", "reasked": "labeled", "refused": "refused", "invalid": "invalid", "failed": "failed"}


def run(documents: list[LabeledDocument], schema: LabelSchema, out: Path):
    annotator = NoisyAnnotator(documents)
    exporters = [
        KiliBundleExporter(out / "kili", schema=schema),
        AzureLanguageBundleExporter(
            out / "azure", schema=schema, project="p", container="texts", overlap="keep_longest"
        ),
        JsonlExporter(out / "predictions.jsonl"),
    ]
    with OpenAIServer(AnsweringServer(annotator)) as server:
        labeler = OpenAILabeler(schema, model="mock-model", api_key="sk-test", base_url=server.base_url)
        with Pipeline(labeler, exporters=exporters, limits=Limits(max_concurrency=16), progress=False) as pipeline:
            result = pipeline.run(labeled.document for labeled in documents)
    return annotator, result


def check_counts(annotator: NoisyAnnotator, result) -> None:
    expected = {}
    for fate, count in annotator.fates.items():
        expected[FATES[fate]] = expected.get(FATES[fate], 0) + count
    statuses = result.statuses
    placed = sum(statuses.get(status, 0) for status in ("exact", "normalized", "fuzzy"))

    assert expected == result.outcomes
    assert annotator.total("placed") == placed == sum(len(p.entities) for p in result.predictions)
    assert annotator.total("not_found") == statuses["not_found"]
    assert annotator.total("duplicate") == statuses.get("duplicate", 0)
    assert {*FATES} == annotator.fates.keys()
    assert min(placed, statuses["not_found"], statuses["duplicate"], statuses["normalized"]) > 0


def check_kili(folder: Path, result) -> int:
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["documents"]
    names = {item["id"]: item["asset"] if "asset" in item else item["file"] for item in files}
    sliced = 0
    for prediction in result.predictions:
        stem = Path(names[prediction.document.id]).stem
        raw = (folder / "assets" / f"{stem}.txt").read_bytes().decode("utf-8")
        label = folder / "labels" / f"{stem}.json"
        assert (prediction.outcome == "labeled") == label.exists()
        assert raw == prediction.document.text
        if label.exists():
            jobs = json.loads(label.read_text("utf-8"))
            for annotation in next(iter(jobs.values()))["annotations"]:
                start, content = annotation["beginOffset"], annotation["content"]
                end = start + len(content.encode("utf-16-le")) // 2
                assert content == slice_units(raw, start, end, "utf16")
                sliced += 1
    return sliced


def check_azure(folder: Path, shared: Path) -> int:
    strict = json.loads((shared / "contracts/azure-language/labels-file.strict.schema.json").read_text("utf-8"))
    (path,) = [p for p in folder.glob("*.json") if "projectFileVersion" in p.read_text("utf-8")]
    project = json.loads(path.read_text("utf-8"))
    jsonschema.validate(project, strict)
    _, documents = read_labels_file(path, path.parent)
    labels = sum(len(e["labels"]) for d in project["assets"]["documents"] for e in d["entities"])
    assert labels == sum(len(d.entities) for d in documents)
    return labels


def test_wnut17_goes_through_to_both_bundles(shared, tmp_path):
    """
    1,009 sentences: outcomes and placements equal what was injected, and every exported span slices back.
    """
    documents = [item for item in read_conll(shared / "data/ner/wnut17/dev.conll") if isinstance(item, LabeledDocument)]
    schema = LabelSchema(entities=sorted({e.label for d in documents for e in d.entities}))

    annotator, result = run(documents, schema, tmp_path)

    assert 1009 == len(documents)
    check_counts(annotator, result)
    assert annotator.total("placed") == check_kili(tmp_path / "kili", result)
    assert 0 < check_azure(tmp_path / "azure", shared) <= annotator.total("placed")


def test_loan_agreements_go_through_to_both_bundles(shared, tmp_path):
    """
    20 contracts with CRLF: every exported span slices back to its surface in UTF-16 units.
    """
    folder = shared / "contracts/azure-language/samples/loanagreements"
    schema, documents = read_labels_file(folder / "loanAgreementsLabels.json", folder)

    annotator, result = run(documents, schema, tmp_path)

    assert 240 == sum(len(d.entities) for d in documents)
    check_counts(annotator, result)
    assert annotator.total("placed") == check_kili(tmp_path / "kili", result)
    assert 0 < check_azure(tmp_path / "azure", shared) <= annotator.total("placed")
