"""What reaches a platform: reviewed labels where only these are wanted, and confidences that can be believed."""

from __future__ import annotations

import json

import pytest

from llmlabel import (
    AzureLanguageBundleExporter,
    Classification,
    ClassLabel,
    Document,
    Entity,
    JsonlExporter,
    KiliBundleExporter,
    Label,
    LabelSchema,
    Prediction,
    Provenance,
    read_jsonl,
)
from llmlabel.exporters.options import azure_bundle, jsonl, kili_bundle

SCHEMA = LabelSchema(
    entities=["Name"], classifications=[Classification(name="tone", labels=(Label(name="good"), Label(name="bad")))]
)
NAMES = LabelSchema(entities=["Name"])
BY_PERSON = [Provenance(kind="human"), Provenance(kind="model", reviewed=True)]


def ann(id="d", method=None, provenance=None, **more):
    entity = Entity(start=0, end=3, label="Name", text="Ann", confidence=0.6, confidence_method=method)
    return Prediction(
        document=Document(id=id, text="Ann"), entities=(entity,), outcome="labeled", provenance=provenance, **more
    )


def answer(directory, item, **options):
    KiliBundleExporter(directory / "k", schema=SCHEMA, **options).export([item])
    return json.loads((directory / "k/labels/d.json").read_bytes())


def category(answer):
    return answer["NAMED_ENTITIES_RECOGNITION_JOB"]["annotations"][0]["categories"][0]


@pytest.mark.parametrize("provenance", BY_PERSON)
@pytest.mark.parametrize("kind", ["kili", "azure"])
def test_only_reviewed_labels_are_published(tmp_path, kind, provenance):
    """
    The others are held back with the reason; their texts are written.
    """
    if kind == "kili":
        exporter = KiliBundleExporter(tmp_path / "b", schema=NAMES, only_reviewed=True)
    else:
        exporter = AzureLanguageBundleExporter(
            tmp_path / "b", schema=NAMES, project="p", container="texts", only_reviewed=True
        )
    report = exporter.export([ann("seen", provenance=provenance), ann("open"), ann("said", provenance=None)])

    assert 1 == report.written
    assert [("open", "no person has reviewed it"), ("said", "no person has reviewed it")] == [
        (item.document_id, item.reason) for item in report.held_back
    ]
    assert 3 == len(list(tmp_path.rglob("*.txt")))


@pytest.mark.parametrize("method", ["votes", "logprobs", "self-reported"])
def test_a_raw_score_is_not_shown_as_a_percentage(tmp_path, method):
    """
    Nobody reads a vote share on a platform as what it is.
    """
    assert {"name": "NAME"} == category(answer(tmp_path, ann(method=method)))


def test_a_calibrated_score_is_shown(tmp_path):
    """
    A probability may stand there as a percentage.
    """
    found = category(answer(tmp_path, ann(method="votes (calibrated: isotonic)")))

    assert {"name": "NAME", "confidence": 60} == found


def test_a_score_that_was_chosen_is_shown(tmp_path):
    """
    Naming a method lets its scores through, and no other's.
    """
    assert 60 == category(answer(tmp_path / "1", ann(method="votes"), confidence="votes"))["confidence"]
    assert "confidence" not in category(answer(tmp_path / "2", ann(method="logprobs"), confidence=["votes"]))


def test_a_confidence_of_the_callers_own_is_passed_on(tmp_path):
    """
    A number without a method was not made by llmlabel: whoever wrote it there wants it seen.
    """
    item = ann(classes={"tone": (ClassLabel(label="good", confidence=0.7),)})

    assert 60 == category(answer(tmp_path, item))["confidence"]
    assert [{"name": "GOOD", "confidence": 70}] == answer(tmp_path / "2", item)["TONE"]["categories"]


def test_a_class_score_obeys_the_same_rule(tmp_path):
    """
    The vote share of a class is shown only where votes were chosen.
    """
    voted = ClassLabel(label="good", confidence=0.7, confidence_method="votes")
    item = ann(classes={"tone": (voted,)})

    assert [{"name": "GOOD"}] == answer(tmp_path / "1", item)["TONE"]["categories"]
    assert [{"name": "GOOD", "confidence": 70}] == answer(tmp_path / "2", item, confidence="votes")["TONE"][
        "categories"
    ]


def test_a_file_can_hold_reviewed_documents_only(tmp_path):
    """
    The others are held back, and counted so.
    """
    report = JsonlExporter(tmp_path / "x.jsonl", only_reviewed=True).export([ann("a", provenance=BY_PERSON[1]), ann()])

    assert (1, ["d"]) == (report.written, [item.document_id for item in report.held_back])
    assert ["a"] == [item.document.id for item in read_jsonl(tmp_path / "x.jsonl")]


def test_the_command_line_has_both_options(tmp_path):
    """
    They come as texts.
    """
    given = {"out": str(tmp_path), "only_reviewed": "yes"}
    kili = kili_bundle(NAMES, {**given, "confidence": "votes, logprobs"})
    azure = azure_bundle(NAMES, given)
    file = jsonl(NAMES, given)

    assert (True, {"votes", "logprobs"}) == (kili.trust.only_reviewed, kili.trust.confidence)
    assert azure.only_reviewed
    assert file.trust.only_reviewed
