"""Decisions of a reviewer, read from a file and carried out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmlabel import ClassLabel, Document, Entity, LabeledDocument, Mention, Placement, Prediction, Provenance, Relation
from llmlabel.errors import SourceError
from llmlabel.review import Decision, apply_decisions, read_decisions
from llmlabel.review.decisions import text_hash

TEXT = "😀 Ann works for Bolt in Rome."
ANN = Entity(start=2, end=5, label="PERSON", text="Ann", confidence=0.9, reason="a name")
BOLT = Entity(start=16, end=20, label="PERSON", text="Bolt")
ROME = Entity(start=24, end=28, label="LOCATION", text="Rome")
ANN_SPAN, BOLT_SPAN, ROME_SPAN = ((e.start, e.end, e.label) for e in (ANN, BOLT, ROME))
WORKS_FOR, LIVES_IN = (ANN_SPAN, BOLT_SPAN, "WORKS_FOR"), (ANN_SPAN, ROME_SPAN, "LIVES_IN")
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


def prediction(**changes: object) -> Prediction:
    values: dict[str, object] = {
        "document": Document(id="d", text=TEXT),
        "entities": (ANN, BOLT, ROME),
        "relations": (Relation(head=0, tail=1, label="WORKS_FOR"), Relation(head=0, tail=2, label="LIVES_IN")),
        "classes": {"kind": (ClassLabel(label="News"),)},
        "outcome": "labeled",
    }
    return Prediction.model_validate(values | changes)


def decide(action: str, **values: object) -> Decision:
    return Decision.model_validate(
        {"document": "d", "text": text_hash(TEXT), "action": action, "by": "kim", "at": AT} | values
    )


def apply(*decisions: Decision, **changes: object) -> LabeledDocument:
    return apply_decisions([prediction(**changes)], decisions)[0]


def spans(document: LabeledDocument) -> list[tuple[int, int, str]]:
    return [(e.start, e.end, e.label) for e in document.entities]


DONE = decide("done")


def test_documents_without_decisions_come_back_as_they_are() -> None:
    """
    Nothing is changed where nobody decided anything, and the order stays.
    """
    documents = [prediction(), prediction(document=Document(id="e", text=TEXT))]

    assert documents == apply_decisions(documents, [])


def test_done_accepts_what_is_left() -> None:
    """
    A document marked as done is reviewed, with all entities that were not rejected.
    """
    reviewed = apply(DONE)

    assert (ANN, BOLT, ROME) == reviewed.entities
    assert Provenance(kind="model", author="kim", created_at=AT, reviewed=True) == reviewed.provenance


def test_rejected_entity_goes_with_its_relations() -> None:
    """
    Rejecting an entity drops the relations at it; the others point at the right entities still.
    """
    reviewed = apply(decide("reject", entity=(16, 20, "PERSON")), DONE)

    assert (ANN, ROME) == reviewed.entities
    assert (Relation(head=0, tail=1, label="LIVES_IN"),) == reviewed.relations


def test_relabelled_entity_keeps_its_relations_and_loses_the_models_confidence() -> None:
    """
    A new label is a person's: relations stay, the model's score and reason go.
    """
    reviewed = apply(decide("change", entity=(2, 5, "PERSON"), to=(2, 5, "LOCATION")), DONE)

    assert Entity(start=2, end=5, label="LOCATION", text="Ann", match="human") == reviewed.entities[0]
    assert 2 == len(reviewed.relations)


def test_moved_border_takes_the_text_there() -> None:
    """
    A moved entity holds the words that stand at its new place.
    """
    reviewed = apply(decide("change", entity=(24, 28, "LOCATION"), to=(21, 28, "LOCATION")))

    assert "in Rome" == reviewed.entities[2].text


def test_added_entity_stands_in_reading_order() -> None:
    """
    An added span is put where it belongs, and relations follow.
    """
    reviewed = apply(decide("add", to=(0, 1, "PERSON")))

    assert ["😀", "Ann", "Bolt", "Rome"] == [e.text for e in reviewed.entities]
    assert [(1, 2), (1, 3)] == [(r.head, r.tail) for r in reviewed.relations]


def test_entity_changed_into_an_existing_one_is_kept_once() -> None:
    """
    Two entities that become equal are one.
    """
    reviewed = apply(decide("change", entity=(16, 20, "PERSON"), to=(2, 5, "PERSON")))

    assert (ANN, ROME) == reviewed.entities
    assert [(0, 0), (0, 1)] == [(r.head, r.tail) for r in reviewed.relations]


def test_last_decision_about_an_entity_counts() -> None:
    """
    A later line of the file replaces an earlier one about the same entity.
    """
    reviewed = apply(decide("reject", entity=(2, 5, "PERSON")), decide("accept", entity=(2, 5, "PERSON")))

    assert (ANN, BOLT, ROME) == reviewed.entities


def test_people_who_decided_differently_are_not_overruled() -> None:
    """
    Two reviewers may agree; where they do not, the last one does not win silently.
    """
    mine, same = decide("accept", entity=(2, 5, "PERSON")), decide("accept", entity=(2, 5, "PERSON"), by="lou")

    assert (ANN, BOLT, ROME) == apply(mine, same).entities
    with pytest.raises(SourceError, match="kim, lou decided differently about entity"):
        apply(mine, decide("reject", entity=(2, 5, "PERSON"), by="lou"))


def test_reset_takes_back_ones_own_decisions() -> None:
    """
    A reset leaves what somebody else decided.
    """
    mine, other = decide("reject", entity=(2, 5, "PERSON")), decide("reject", entity=(16, 20, "PERSON"), by="lou")

    assert (ANN, ROME) == apply(mine, other, decide("reset")).entities


def test_class_is_replaced_and_may_be_emptied() -> None:
    """
    A chosen class replaces the model's; none chosen means none.
    """
    chosen = apply(decide("class", name="kind", labels=("Support",)))
    none = apply(decide("class", name="kind", labels=()))

    assert {"kind": (ClassLabel(label="Support"),)} == chosen.classes
    assert {} == none.classes


def test_document_with_open_entities_is_not_reviewed() -> None:
    """
    One decision changes the document, but does not make it reviewed.
    """
    changed = apply(decide("reject", entity=(2, 5, "PERSON")))

    assert isinstance(changed, Prediction)
    assert changed.provenance is None


def test_document_with_every_entity_decided_is_reviewed() -> None:
    """
    Nothing left open means reviewed, without "done"; a relation that nobody looked at is open.
    """
    entities = [decide("accept", entity=(e.start, e.end, e.label)) for e in (ANN, BOLT, ROME)]
    relations = [decide("reject", relation=WORKS_FOR), decide("accept", relation=LIVES_IN)]

    assert None is apply(*entities).provenance
    assert None is apply(*entities, relations[0]).provenance
    reviewed = apply(*entities, *relations).provenance
    assert reviewed is not None
    assert reviewed.reviewed


def test_relation_whose_end_was_rejected_is_not_left_open() -> None:
    """
    It went with its entity: there is nothing to decide about it.
    """
    entities = [
        decide("accept", entity=ANN_SPAN),
        decide("reject", entity=BOLT_SPAN),
        decide("accept", entity=ROME_SPAN),
    ]

    reviewed = apply(*entities, decide("accept", relation=LIVES_IN))

    assert reviewed.provenance is not None


def test_relation_is_rejected_and_its_ends_stay() -> None:
    """
    Only the relation goes.
    """
    reviewed = apply(decide("reject", relation=WORKS_FOR), DONE)

    assert (ANN, BOLT, ROME) == reviewed.entities
    assert (Relation(head=0, tail=2, label="LIVES_IN"),) == reviewed.relations


def test_relation_is_retyped_and_turned() -> None:
    """
    Another label, other ends: the relation is what the person made of it, without the model's confidence.
    """
    reviewed = apply(decide("change", relation=WORKS_FOR, link=(BOLT_SPAN, ANN_SPAN, "EMPLOYS")), DONE)

    assert (Relation(head=1, tail=0, label="EMPLOYS"), Relation(head=0, tail=2, label="LIVES_IN")) == reviewed.relations


def test_relation_is_added_between_entities_as_they_became() -> None:
    """
    Its ends are named as they stand after all decisions: a relabelled entity, an added one.
    """
    reviewed = apply(
        decide("change", entity=BOLT_SPAN, to=(16, 20, "ORG")),
        decide("add", to=(0, 1, "MOOD")),
        decide("add", link=((0, 1, "MOOD"), (16, 20, "ORG"), "ABOUT")),
        DONE,
    )

    assert ["😀", "Ann", "Bolt", "Rome"] == [e.text for e in reviewed.entities]
    assert Relation(head=0, tail=2, label="ABOUT") == reviewed.relations[-1]


def test_relation_to_nothing_is_refused() -> None:
    """
    A relation may not end at an entity that was rejected, nor name one that was never there.
    """
    link = (ANN_SPAN, BOLT_SPAN, "KNOWS")

    with pytest.raises(SourceError, match="which is no entity or was rejected"):
        apply(decide("reject", entity=BOLT_SPAN), decide("add", link=link))
    with pytest.raises(SourceError, match="it has no relation"):
        apply(decide("accept", relation=link))


def test_attributes_are_chosen_kept_by_a_move_and_dropped_by_another_label() -> None:
    """
    They are about the label: a moved entity has them still, a relabelled one only those that were chosen for it.
    """
    doctor, patient = {"role": (ClassLabel(label="doctor"),)}, {"role": (ClassLabel(label="patient"),)}
    entities = (ANN.model_copy(update={"attributes": doctor}), BOLT, ROME)

    def first(to: tuple[int, int, str], **attributes: object) -> Entity:
        return apply(decide("change", entity=ANN_SPAN, to=to, **attributes), entities=entities).entities[0]

    assert doctor == first((2, 4, "PERSON")).attributes
    assert {} == first((2, 5, "ORG")).attributes
    assert patient == first(ANN_SPAN, attributes={"role": ["patient"]}).attributes
    assert {} == first(ANN_SPAN, attributes={"role": []}).attributes


def test_free_text_is_corrected_and_may_be_emptied() -> None:
    """
    A text that a person wrote replaces the model's; an empty one means none.
    """
    texts = {"summary": "Ann works.", "title": "Ann"}

    reviewed = apply(
        decide("text", name="summary", value="Ann works for Bolt."), decide("text", name="title", value=""), texts=texts
    )

    assert {"summary": "Ann works for Bolt."} == reviewed.texts


def test_one_reviewer_is_chosen_where_people_differ() -> None:
    """
    With ``reviewer`` that person's decisions count where they differ; all others are kept.
    """
    decisions = [
        decide("accept", entity=ANN_SPAN),
        decide("reject", entity=ANN_SPAN, by="lou"),
        decide("reject", entity=BOLT_SPAN),
        decide("class", name="kind", labels=("A",)),
        decide("class", name="kind", labels=("B",), by="lou"),
    ]

    merged = apply_decisions([prediction()], decisions, reviewer="lou")[0]

    assert (ROME,) == merged.entities
    assert {"kind": (ClassLabel(label="B"),)} == merged.classes


def test_reviewed_document_of_a_failed_prediction_can_be_exported() -> None:
    """
    What a person labelled is a labelled document, whatever became of the model's answer.
    """
    lost = Placement(mention=Mention(text="Oslo", label="LOCATION"), status="not_found")
    reviewed = apply(
        decide("add", to=(2, 5, "PERSON")), DONE, outcome="refused", entities=(), relations=(), placements=(lost,)
    )

    assert type(reviewed) is LabeledDocument
    assert [(2, 5, "PERSON")] == spans(reviewed)


def test_decisions_that_do_not_fit_are_refused_together() -> None:
    """
    Unknown documents, other texts, unknown entities and impossible spans are all named; nothing is applied.
    """
    wrong = [
        decide("done", document="x"),
        decide("done", text="0" * 16),
        decide("accept", entity=(0, 1, "PERSON")),
        decide("add", to=(5, 99, "PERSON")),
    ]

    with pytest.raises(SourceError) as caught:
        apply(*wrong)

    assert str(caught.value).startswith("4 decision(s) do not fit the documents:")
    assert TEXT not in str(caught.value)


def test_file_of_decisions_is_read_in_order(tmp_path: Path) -> None:
    """
    Each line of the file is one decision; empty lines are passed over.
    """
    path = tmp_path / "decisions.jsonl"
    decisions = [decide("accept", entity=(2, 5, "PERSON")), DONE]
    path.write_text("\n\n".join(d.model_dump_json() for d in decisions) + "\n", encoding="utf-8")

    assert decisions == read_decisions(path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", "Invalid JSON"),
        (
            json.dumps({"document": "d", "text": "", "action": "add"}),
            "action 'add' needs 'to' or 'link', found neither",
        ),
        (
            json.dumps({"document": "d", "text": "", "action": "done", "attributes": {}}),
            "'attributes' belong to the entity that 'to' names",
        ),
        (
            json.dumps({"document": "d", "text": "", "action": "accept", "entity": [0, 1, "A"], "to": [0, 1, "A"]}),
            "action 'accept' needs 'entity' or 'relation', found entity, to",
        ),
        (json.dumps({"document": "d", "text": "", "action": "done", "version": 2}), "version: Input should be 1"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    """
    A line that is no decision is an error with its number.
    """
    path = tmp_path / "decisions.jsonl"
    path.write_text(f"{DONE.model_dump_json()}\n{line}\n", encoding="utf-8")

    with pytest.raises(SourceError, match="line 2: ") as caught:
        read_decisions(path)

    assert 2 == caught.value.line
    assert problem in str(caught.value)
