"""The second look at doubtful spans: what is asked, and what becomes of each answer."""

from __future__ import annotations

import json

import pytest

from llmlabel import (
    Asking,
    ClassLabel,
    Document,
    Entity,
    JsonlExporter,
    LabeledDocument,
    LabelSchema,
    Mention,
    Pipeline,
    Placement,
    Prediction,
    Relation,
    Usage,
)
from llmlabel.errors import ConfigurationError, ServiceError
from llmlabel.testing.scripted import ScriptedLabeler
from llmlabel.workflows import Verified, compare, compare_runs, doubtful, verification_schema, verify

TEXT = "Ann ⟦x⟧ met Bob at the Bank of England."
SCHEMA = LabelSchema(entities={"PER": "a person", "ORG": "an organisation"}, guidelines="Be strict.")


def entity(surface, label, confidence=None, **more):
    start = TEXT.index(surface)
    return Entity(start=start, end=start + len(surface), label=label, text=surface, confidence=confidence, **more)


def predicted(*entities, **more):
    return Prediction(document=Document(id="a", text=TEXT), entities=entities, outcome="labeled", **more)


def answering(label):
    return json.dumps({"classes": {"label of the marked words": label}})


def pipeline(answers, schema=SCHEMA, **more):
    labeler = ScriptedLabeler(verification_schema(schema), answers)
    return labeler, Pipeline(labeler, progress=False, **more)


def spans(item):
    return [(e.text, e.label) for e in item.entities]


def test_only_doubtful_spans_are_asked_about():
    """
    A sure one costs nothing; a doubtful one is shown in its context, marked, with marks of the text made plain.
    """
    labeler, asking = pipeline([answering("PER")])
    [found] = verify([predicted(entity("Ann", "PER", 0.9), entity("Bob", "PER", 0.4))], asking, context=12)

    [prompt] = labeler.prompts
    assert "nn [x] met ⟦Bob⟧ at the Bank" in prompt.messages[-1].content
    assert "Be strict." in prompt.messages[0].content
    assert [("Ann", "PER"), ("Bob", "PER")] == spans(found)


@pytest.mark.parametrize(
    ("answer", "expected", "lost"),
    [
        ("PER", [("Bob", "PER")], []),
        ("ORG", [("Bob", "ORG")], []),
        ("none of these", [], ["rejected on a second look"]),
    ],
)
def test_the_verdict_is_carried_out(answer, expected, lost):
    """
    Kept, relabelled, or in the ledger.
    """
    _, asking = pipeline([answering(answer)])
    [found] = verify([predicted(entity("Bob", "PER", 0.4))], asking)

    assert expected == spans(found)
    assert lost == [item.reason for item in found.discarded]


@pytest.mark.parametrize("answer", ["no JSON", ServiceError("down")])
def test_a_failed_second_look_changes_nothing(answer):
    """
    Failure is not a verdict.
    """
    _, asking = pipeline(lambda prompt: answer, asking=Asking(max_reasks=0))
    [found] = verify([predicted(entity("Bob", "PER", 0.4))], asking)

    assert [("Bob", "PER")] == spans(found)


def test_a_label_that_stands_there_already_is_not_doubled():
    """
    The relabelled one goes to the ledger then.
    """
    _, asking = pipeline([answering("PER")])
    [found] = verify([predicted(entity("Bob", "PER", 0.9), entity("Bob", "ORG", 0.1))], asking)

    assert [("Bob", "PER")] == spans(found)
    assert ["a second look says PER, which stands there already"] == [item.reason for item in found.discarded]


def test_relations_of_changed_entities_go_to_the_ledger():
    """
    The others point where they pointed.
    """
    _, asking = pipeline([answering("none of these")])
    links = (Relation(head=0, tail=2, label="at"), Relation(head=1, tail=2, label="at"))
    item = predicted(entity("Ann", "PER", 0.1), entity("Bob", "PER"), entity("Bank of England", "ORG"), relations=links)
    [found] = verify([item], asking)

    assert [("Bob", "Bank of England")] == [
        (found.entities[r.head].text, found.entities[r.tail].text) for r in found.relations
    ]
    assert {"item", "relation"} == {item.kind for item in found.discarded}


def test_what_is_doubtful():
    """
    Low votes, a fuzzy match, several places; not what is merely unscored.
    """
    rule = doubtful(0.5)
    several = Placement(mention=Mention(text="Ann", label="PER"), status="exact", start=0, end=3, candidates=2)

    assert rule(entity("Ann", "PER", 0.4), None)
    assert rule(entity("Ann", "PER", match="fuzzy"), None)
    assert rule(entity("Ann", "PER"), several)
    assert not rule(entity("Ann", "PER"), None)
    assert not rule(entity("Ann", "PER", 0.5), several.model_copy(update={"candidates": 1}))


def test_it_is_measured_like_any_variant():
    """
    Quality and cost of both looks stand in one table.
    """
    gold = LabeledDocument(document=Document(id="a", text=TEXT), entities=(entity("Ann", "PER"),))
    first = predicted(entity("Ann", "PER"), entity("Bob", "ORG", 0.1), usage=Usage(input_tokens=5, requests=1))
    _, asking = pipeline([answering("none of these")])
    found = compare_runs([gold], {"plain": [first], "verified": verify([first], asking)})

    assert [2 / 3, 1.0] == [pytest.approx(variant.f1) for variant in found.variants]
    assert [1, 2] == [variant.usage.requests for variant in found.variants]
    assert {"rejected on a second look": 1} == found["verified"].discarded


def test_nothing_doubtful_asks_nothing():
    """
    No question, no request.
    """
    labeler, asking = pipeline([])

    assert [predicted(entity("Ann", "PER"))] == verify([predicted(entity("Ann", "PER"))], asking)
    assert [] == labeler.prompts


def test_a_wrong_pipeline_is_refused(tmp_path):
    """
    Another schema, an exporter, a label that would be mistaken for the answer "none".
    """
    other = Pipeline(ScriptedLabeler(SCHEMA, []), progress=False)
    exporting = pipeline([], exporters=JsonlExporter(tmp_path / "x.jsonl"))[1]
    with pytest.raises(ConfigurationError, match="verification_schema"):
        verify([], other)
    with pytest.raises(ConfigurationError, match="not to be published"):
        verify([], exporting)
    with pytest.raises(ConfigurationError, match="none of these"):
        verification_schema(LabelSchema(entities=["none of these"]))
    with pytest.raises(ConfigurationError, match="entity labels"):
        verification_schema(LabelSchema(texts=["note"]))


def test_attributes_go_with_a_changed_label():
    """
    They belonged to the other label.
    """
    _, asking = pipeline([answering("ORG")])
    item = predicted(entity("Bob", "PER", 0.1, attributes={"role": (ClassLabel(label="guest"),)}))

    assert {} == verify([item], asking)[0].entities[0].attributes


def test_what_was_said_of_the_first_label_goes_with_it():
    """
    Its confidence and its reason say nothing of the label that a second look gives.
    """
    _, asking = pipeline([answering("ORG")])
    [found] = verify([predicted(entity("Bob", "PER", 0.4, confidence_method="votes", reason="a first name"))], asking)

    [changed] = found.entities
    assert ("ORG", None, None, None) == (
        changed.label, changed.confidence, changed.confidence_method, changed.reason
    )  # fmt: skip


def test_a_second_look_is_a_variant_of_a_comparison():
    """
    Run, measured and paid like any other.
    """
    document = Document(id="a", text=TEXT)
    gold = [LabeledDocument(document=document, entities=(entity("Bob", "PER"),))]
    said = {"a": json.dumps({"entities": [{"text": "Bob", "label": "PER"}, {"text": "Ann", "label": "PER"}]})}
    _, second = pipeline([answering("none of these")])

    def first():
        return Pipeline(ScriptedLabeler(SCHEMA, said), progress=False)

    ann = Verified(first(), second, doubt=lambda found, _: found.text == "Ann")
    found = compare(gold, {"plain": first(), "verified": ann})

    assert [(2 / 3), 1.0] == [variant.f1 for variant in found.variants]
    assert {"rejected on a second look": 1} == found["verified"].discarded
    assert [1, 2] == [variant.usage.requests for variant in found.variants]
    assert ("verified: 1 doubtful span(s) were looked at twice",) == found.notes


def test_a_second_look_needs_its_schema():
    """
    Told when the variant is made, before anything is paid.
    """
    plain = Pipeline(ScriptedLabeler(SCHEMA, []), progress=False)
    with pytest.raises(ConfigurationError, match="expected a labeler made with verification_schema"):
        Verified(plain, plain)
