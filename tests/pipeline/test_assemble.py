"""The books balance: what the model returned is in the labels or in the ledger."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlabel.pipeline.assemble import Assembler
from llmlabel.pipeline.reading import Reading
from llmlabel.schema import Classification, Label, LabelSchema
from llmlabel.types import ClassLabel, Mention, MentionRelation, ParsedAnswer, Placement
from tests.pipeline.conftest import EVERY_TASK

TEXT = "Ann and Ann met Bob at Acme."


def at(text: str, label: str, start: int, **more) -> Placement:
    mention = Mention(text=text, label=label, **more)
    return Placement(mention=mention, status="exact", start=start, end=start + len(text))


def lost(text: str, label: str, status: str) -> Placement:
    return Placement(mention=Mention(text=text, label=label), status=status)


def reading(*placements: Placement, **more) -> Reading:
    extra = {key: more.pop(key) for key in ("offset", "turn", "sample") if key in more}
    parsed = ParsedAnswer(mentions=tuple(p.mention for p in placements), **more)
    return Reading("labeled", parsed, placements, **extra)


def labels_of(*readings: Reading, samples: int = 1, **more):
    assembler = Assembler(EVERY_TASK, TEXT, samples, **more)
    for item in readings:
        assembler.add(item)
    return assembler.finish()


def test_relations_follow_their_mentions_into_reading_order():
    """
    Entities are sorted by place, and relations point at the same ones as before.
    """
    labels = labels_of(
        reading(
            at("Acme", "ORG", 23), at("Bob", "PER", 16), relations=[MentionRelation(head=1, tail=0, label="WORKS_FOR")]
        )
    )

    assert ["Bob", "Acme"] == [e.text for e in labels.entities]
    assert [(0, 1)] == [(r.head, r.tail) for r in labels.relations]


def test_every_relation_that_is_not_taken_has_a_reason():
    """
    Unknown labels, ends without a place, ends of the wrong kind and repeats are told apart.
    """
    links = [
        (1, 0, "WORKS_FOR"),
        (1, 0, "WORKS_FOR"),
        (0, 1, "WORKS_FOR"),
        (1, 0, "OWNS"),
        (1, 2, "KNOWS"),
        (1, 9, "KNOWS"),
    ]
    relations = [MentionRelation(head=h, tail=t, label=label) for h, t, label in links]
    labels = labels_of(
        reading(at("Acme", "ORG", 23), at("Bob", "PER", 16), lost("Eve", "PER", "not_found"), relations=relations)
    )

    assert 1 == len(labels.relations)
    assert [
        "duplicate",
        "the schema does not allow these ends",
        "unknown_label",
        "an end was not placed",
        "an end was not placed",
    ] == [item.reason for item in labels.discarded]


def test_a_relation_of_a_mention_named_twice_keeps_its_place():
    """
    A duplicate mention means the place that the mention has already.
    """
    labels = labels_of(
        reading(
            at("Bob", "PER", 16),
            at("Acme", "ORG", 23),
            lost("Bob", "PER", "duplicate"),
            relations=[MentionRelation(head=2, tail=1, label="WORKS_FOR")],
        )
    )

    assert [(0, 1)] == [(r.head, r.tail) for r in labels.relations]


def test_classes_outside_the_schema_never_leave():
    """
    A class or a label that the schema does not have goes to the ledger.
    """
    labels = labels_of(
        reading(
            classes={
                "topic": (ClassLabel(label="c"),),
                "mood": (ClassLabel(label="a"),),
                "tags": (ClassLabel(label="x"),),
            }
        )
    )

    assert {"tags": (ClassLabel(label="x"),)} == labels.classes
    assert [("class", "topic: c"), ("class", "mood: a")] == [(d.kind, d.value) for d in labels.discarded]


def test_two_labels_for_a_single_label_question_are_no_answer():
    """
    llmlabel does not choose for the model.
    """
    labels = labels_of(reading(classes={"topic": (ClassLabel(label="a"), ClassLabel(label="b"))}))

    assert {} == labels.classes
    assert 2 == len(labels.discarded)


def test_attributes_are_closed_by_the_schema():
    """
    An attribute that the label does not have, or a value it does not have, goes to the ledger.
    """
    labels = labels_of(
        reading(
            at("Bob", "PER", 16, attributes={"role": ("boss",), "age": ("9",)}),
            at("Acme", "ORG", 23, attributes={"role": ("boss",)}),
        )
    )

    assert [{"role": (ClassLabel(label="boss"),)}, {}] == [e.attributes for e in labels.entities]
    assert ["age: 9", "role: boss"] == [d.value for d in labels.discarded]


def test_pieces_move_to_their_place_and_seams_are_not_counted_twice():
    """
    The same entity seen by two overlapping pieces is one entity and one duplicate.
    """
    labels = labels_of(reading(at("Bob", "PER", 8), offset=8), reading(at("Bob", "PER", 0), offset=16))

    assert [(16, 19)] == [(e.start, e.end) for e in labels.entities]
    assert ["exact", "duplicate"] == [p.status for p in labels.placements]


def test_a_later_pass_adds_only_what_overlaps_nothing():
    """
    The first pass wins where two passes disagree about borders.
    """
    labels = labels_of(reading(at("Ann and Ann", "PER", 0)), reading(at("Ann", "PER", 8), at("Bob", "PER", 16), turn=1))

    assert ["Ann and Ann", "Bob"] == [e.text for e in labels.entities]
    assert ["exact", "overlap", "exact"] == [p.status for p in labels.placements]


def test_samples_vote_and_the_share_is_the_confidence():
    """
    What at least half of the samples gave stays; what fewer gave is ambiguous.
    """
    labels = labels_of(
        reading(at("Bob", "PER", 16), at("Acme", "ORG", 23), sample=0),
        reading(at("Bob", "PER", 16), sample=1),
        reading(at("Bob", "PER", 16), classes={"topic": (ClassLabel(label="a"),)}, sample=2),
        samples=3,
    )

    assert [("Bob", 1.0, "votes")] == [(e.text, e.confidence, e.confidence_method) for e in labels.entities]
    assert ["exact", "ambiguous", "duplicate", "duplicate"] == [p.status for p in labels.placements]
    assert {} == labels.classes


@pytest.mark.parametrize(("threshold", "kept"), [(0.2, ["Ann", "Bob", "Acme"]), (0.6, ["Ann", "Bob"]), (1.0, ["Ann"])])
def test_the_share_that_must_agree_is_a_parameter(threshold, kept):
    """
    Three of five are 0.6, whatever floating point makes of it.
    """
    ann, bob, acme = at("Ann", "PER", 0), at("Bob", "PER", 16), at("Acme", "ORG", 23)
    votes = [[ann, bob, acme], [ann, bob], [ann, bob], [ann], [ann]]
    readings = [reading(*found, sample=number) for number, found in enumerate(votes)]

    assert kept == [e.text for e in labels_of(*readings, samples=5, threshold=threshold).entities]


def test_relations_are_voted_for_like_entities():
    """
    One that too few samples gave goes to the ledger; the share of the rest is their confidence.
    """
    all_of_them = at("Ann", "PER", 0), at("Bob", "PER", 16), at("Acme", "ORG", 23)
    ann, bob = (MentionRelation(head=number, tail=2, label="WORKS_FOR") for number in (0, 1))
    samples = [[ann], [ann, bob], []]
    labels = labels_of(
        *(reading(*all_of_them, sample=number, relations=said) for number, said in enumerate(samples)), samples=3
    )

    assert [(0, 2, 2 / 3, "votes")] == [(r.head, r.tail, r.confidence, r.confidence_method) for r in labels.relations]
    assert ["duplicate", "outvoted"] == [item.reason for item in labels.discarded]


def test_repeats_become_entities_and_are_counted():
    """
    With occurrences="all" one placement stands for several entities.
    """
    placement = at("Ann", "PER", 0).model_copy(update={"repeats": ((8, 11),)})
    labels = labels_of(reading(placement, at("Ann", "PER", 8)))

    assert [(0, 3), (8, 11)] == [(e.start, e.end) for e in labels.entities]
    assert [((8, 11),), ()] == [p.repeats for p in labels.placements]
    assert "duplicate" == labels.placements[1].status


@st.composite
def placements(draw):
    text = draw(st.sampled_from(["Ann", "Bob", "Acme", "and", "met Bob"]))
    label = draw(st.sampled_from(["PER", "ORG"]))
    start = TEXT.find(text)
    if draw(st.booleans()):
        return lost(text, label, draw(st.sampled_from(["not_found", "ambiguous", "duplicate"])))
    repeats = ((8, 11),) if text == "Ann" and draw(st.booleans()) else ()
    return at(text, label, start).model_copy(update={"repeats": repeats})


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.lists(placements(), max_size=6), st.integers(0, 2), st.integers(0, 2)), max_size=5),
    st.integers(1, 3),
)
def test_places_taken_equal_entities_for_any_answers(answers, samples):
    """
    Whatever the readings, each mention has one placement and each place taken is one entity.
    """
    labels = labels_of(
        *(reading(*found, turn=turn, sample=min(sample, samples - 1)) for found, turn, sample in answers),
        samples=samples,
    )

    assert sum(len(found) for found, _, _ in answers) == len(labels.placements)
    assert sum(1 + len(p.repeats) for p in labels.placements if p.placed) == len(labels.entities)
    assert all(TEXT[e.start : e.end] == e.text for e in labels.entities)


def test_an_entity_that_a_border_cut_off_gives_way_to_the_whole():
    """
    What one piece saw in part, and its neighbour in full, is one entity; the part is a duplicate of it.
    """
    part = reading(
        at("Ac", "ORG", 23), at("Bob", "PER", 16), relations=[MentionRelation(head=1, tail=0, label="WORKS_FOR")]
    )
    part.length = 25
    rest = reading(at("Acme", "ORG", 3), offset=20)
    rest.length = 8

    labels = labels_of(part, rest)

    assert ["Bob", "Acme"] == [e.text for e in labels.entities]
    assert ["duplicate", "exact", "exact"] == [p.status for p in labels.placements]
    assert [(0, 1)] == [(r.head, r.tail) for r in labels.relations]


def test_a_nested_question_is_answered_only_under_its_label():
    """
    The attribute of a class label counts where that label was chosen.
    """
    nested = Label(name="bug", attributes=[Classification(name="severity", labels=["high", "low"])])
    schema = LabelSchema(classifications=[Classification(name="kind", labels=[nested, "praise"])])

    def classes(**chosen):
        assembler = Assembler(schema, "x")
        found = {name: (ClassLabel(label=label),) for name, label in chosen.items()}
        assembler.add(Reading("labeled", ParsedAnswer(classes=found)))
        return assembler.finish()

    assert {"kind", "severity"} == classes(kind="bug", severity="high").classes.keys()
    assert {"kind"} == classes(kind="praise", severity="high").classes.keys()
    assert ["only asked where kind is bug"] == [d.reason for d in classes(kind="praise", severity="high").discarded]
