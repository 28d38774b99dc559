"""What people made of predictions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmlabel.evaluation.corrections import corrections
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Provenance

TEXT = "Ann met Bob in Rome on Monday."


def document(*spans, text=TEXT, author=None, classes=None):
    """A labelled document with spans (start, end, label)."""
    return LabeledDocument(
        document=Document(id="d", text=text),
        entities=tuple(Entity(start=a, end=b, label=label, text=text[a:b]) for a, b, label in spans),
        classes={name: (ClassLabel(label=label),) for name, label in (classes or {}).items()},
        provenance=Provenance(kind="human", author=author),
    )


def test_each_kind_is_told_apart():
    """One document with one of each kind."""
    ours = document((0, 3, "PER"), (8, 11, "LOC"), (15, 19, "LOC"), (23, 29, "PER"))
    theirs = document((0, 3, "PER"), (8, 11, "PER"), (12, 19, "LOC"), (4, 7, "ACT"), author="a@b")
    found = corrections([ours], [theirs])

    assert {"accepted": 1, "added": 1, "deleted": 1, "moved": 1, "relabelled": 1} == found.totals
    assert {"PER": {"accepted": 1, "deleted": 1}, "LOC": {"moved": 1, "relabelled": 1}, "ACT": {"added": 1}} == (
        found.by_label
    )
    assert {"a@b": found.totals} == found.by_author


def test_an_exact_match_wins_over_a_relabelled_one():
    """Two predictions on one place: the one that was kept is accepted, the other deleted."""
    found = corrections([document((0, 3, "LOC"), (0, 3, "PER"))], [document((0, 3, "PER"))])

    assert [("accepted", "PER"), ("deleted", "LOC")] == [(item.kind, item.label) for item in found.items]


def test_the_nearest_overlap_is_the_moved_one():
    """Of two candidates the one with more overlap was moved."""
    found = corrections([document((0, 7, "PER"), (8, 11, "PER"))], [document((4, 11, "PER"))])

    assert {("moved", "Ann met"), ("deleted", "Bob")} == {(item.kind, item.before.text) for item in found.items} or {
        ("moved", "Bob"),
        ("deleted", "Ann met"),
    } == {(item.kind, item.before.text) for item in found.items}


def test_classes_are_compared():
    """A class is accepted, relabelled, deleted or added."""
    ours = document(classes={"topic": "sport", "tone": "warm", "gone": "x"})
    theirs = document(classes={"topic": "news", "tone": "warm", "new": "y"})
    found = {(item.kind, item.label, item.to) for item in corrections([ours], [theirs]).items}

    assert {
        ("relabelled", "topic=sport", "topic=news"),
        ("accepted", "tone=warm", "tone=warm"),
        ("deleted", "gone=x", None),
        ("added", "new=y", "new=y"),
    } == found


def test_changed_texts_are_not_compared():
    """Where the text is another one, spans say nothing."""
    found = corrections([document((0, 3, "PER"))], [document((0, 3, "PER"), text="Bob met Ann")])

    assert ((), ("d",)) == (found.items, found.changed_texts)


def test_documents_without_a_prediction_are_listed():
    """Labels on documents that nobody predicted are not called additions."""
    assert ("d",) == corrections([], [document((0, 3, "PER"))]).not_predicted


SPANS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 9), st.sampled_from(["A", "B"])).map(
        lambda s: (s[0], s[0] + s[1], s[2])
    ),
    max_size=6,
)


@given(SPANS, SPANS)
def test_every_entity_is_in_exactly_one_correction(ours, theirs):
    """Nothing of either side is lost or counted twice."""
    items = corrections([document(*ours)], [document(*theirs)]).items

    assert sorted(ours) == sorted((i.before.start, i.before.end, i.before.label) for i in items if i.before)
    assert sorted(theirs) == sorted((i.after.start, i.after.end, i.after.label) for i in items if i.after)


@given(SPANS)
def test_labels_that_were_not_touched_are_accepted(spans):
    """The same labels again are all accepted."""
    assert {"accepted"} >= set(corrections([document(*spans)], [document(*spans)]).totals)
