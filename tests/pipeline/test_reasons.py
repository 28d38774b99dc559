"""Reasons on request: one for each entity and each classification, in every format, into no platform's field."""

from __future__ import annotations

import json

import pytest

from llmlabel import (
    Asking,
    AzureLanguageBundleExporter,
    ClassLabel,
    Document,
    Example,
    KiliBundleExporter,
    LabeledDocument,
    LabelSchema,
    Pipeline,
    PromptTemplate,
)
from llmlabel.quality import vote
from llmlabel.testing.scripted import ScriptedLabeler

SCHEMA = LabelSchema(entities=["PER"], classifications={"tone": ["good", "bad"]})
ONLY_CLASSES = LabelSchema(classifications={"tone": ["good", "bad"]})
TEXT = "Ann met Bob."
WHY = {"class_reasons": {"tone": "sounds kind"}, "classes": {"tone": "good"}}
ANSWERS = {
    "json": {"entities": [{"text": "Ann", "reason": "a name", "label": "PER"}]},
    "by_label": {"entities": {"PER": [{"text": "Ann", "reason": "a name"}]}},
    "inline": {"marked": "[[Ann|PER|1]] met Bob.", "details": [{"id": 1, "reason": "a name"}]},
}


def asked(schema, answers, format="json", **asking):
    """The prediction for one document, and the first prompt."""
    labeler = ScriptedLabeler(schema, answers, prompt=PromptTemplate(reasons=True, answer_format=format))
    with Pipeline(labeler, asking=Asking(**asking), progress=False) as pipeline:
        return pipeline.label(Document(id="a", text=TEXT)), labeler.prompts[0]


@pytest.mark.parametrize("format", ANSWERS)
def test_entities_and_classes_come_with_their_reason(format):
    """
    Asked for before the label, so that thinking of one can still change it; nothing goes to the ledger.
    """
    found, prompt = asked(SCHEMA, [json.dumps({**ANSWERS[format], **WHY})], format)
    keys = list(prompt.answer_schema["properties"])

    assert [("Ann", "a name")] == [(entity.text, entity.reason) for entity in found.entities]
    assert (ClassLabel(label="good", reason="sounds kind"),) == found.classes["tone"]
    assert () == found.discarded
    assert keys.index("class_reasons") < keys.index("classes")
    assert '"class_reasons"' in prompt.messages[0].content


def test_a_task_without_entities_has_reasons_too():
    """
    And without the request there are none to be paid for.
    """
    found, _ = asked(ONLY_CLASSES, [json.dumps(WHY)])
    plain = PromptTemplate().prompt(ONLY_CLASSES, [Document(id="a", text=TEXT)])

    assert "sounds kind" == found.classes["tone"][0].reason
    assert "reason" not in json.dumps(plain.answer_schema) + plain.messages[0].content


def test_a_vote_keeps_a_reason():
    """
    Of samples, and of several models: one that was given for the label that won.
    """
    bad = json.dumps({"class_reasons": {"tone": "sounds cold"}, "classes": {"tone": "bad"}})
    found, _ = asked(ONLY_CLASSES, [json.dumps(WHY), bad, json.dumps(WHY)], samples=3)
    [again] = vote([[found], [found]])

    assert ("good", "sounds kind") == (found.classes["tone"][0].label, found.classes["tone"][0].reason)
    assert "sounds kind" == again.classes["tone"][0].reason


def test_reasons_enter_no_platform(tmp_path):
    """
    Both bundles are valid without them: a category has no field for a reason.
    """
    found, _ = asked(SCHEMA, [json.dumps({**ANSWERS["json"], **WHY})])
    KiliBundleExporter(tmp_path / "kili", schema=SCHEMA).export([found])
    AzureLanguageBundleExporter(
        tmp_path / "azure", schema=LabelSchema(entities=["PER"]), project="p", container="texts"
    ).export([found.model_copy(update={"classes": {}})])
    written = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "review.jsonl"
    )

    assert b"good" in written
    assert b"sounds kind" not in written
    assert b"a name" not in written


def test_a_demonstration_shows_its_reason():
    """
    An example that has a reason is answered as the request asks.
    """
    document = Document(id="x", text="Dan won.")
    labeled = LabeledDocument(document=document, classes={"tone": (ClassLabel(label="good", reason="a win"),)})
    shown = PromptTemplate(reasons=True).format.show([labeled], ONLY_CLASSES)

    assert {"class_reasons": {"tone": "a win"}, "classes": {"tone": "good"}} == json.loads(shown)
    assert Example.from_labeled(labeled).classes == {"tone": ("good",)}


def test_the_reason_is_shown_as_text():
    """
    In a terminal, and in a notebook that shows no HTML.
    """
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    found, _ = asked(SCHEMA, [json.dumps({**ANSWERS["json"], **WHY})])
    expected = "a: Ann met Bob.\n  PER [0, 3) Ann (a name)\n  outcome: labeled\n  tone: good (sounds kind)"

    assert expected == str(found) == pretty(found)
    assert "entity: PER\ntone: good\ntone: bad" == str(SCHEMA) == pretty(SCHEMA)
