"""Votes over grounded spans, by the stated rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import ClassLabel, Document, LabeledDocument, Relation
from llmlabel.errors import ConfigurationError
from llmlabel.quality import agreement_scores, vote
from tests.quality.kit import TEXT, gold, predicted

ANN, BOB, BANK, ENGLAND = (0, 3, "PER"), (8, 11, "PER"), (19, 34, "ORG"), (27, 34, "LOC")
CITY, TOWN = (38, 48, "LOC"), (38, 53, "LOC")


def spans(item):
    return [(e.start, e.end, e.label) for e in item.entities]


def test_the_share_of_voters_decides_and_is_the_confidence():
    """
    Half of four sources is enough at 0.5; one of four is outvoted, and in the ledger.
    """
    [found] = vote([[predicted(ANN, BOB)], [predicted(ANN, BOB)], [predicted(ANN)], [predicted(ANN, BANK)]])

    assert [ANN, BOB] == spans(found)
    assert [(1.0, "votes"), (0.5, "votes")] == [(e.confidence, e.confidence_method) for e in found.entities]
    assert [("item", "ORG: Bank of England", "outvoted: 1 of 4")] == [
        (item.kind, item.value, item.reason) for item in found.discarded
    ]


def test_the_threshold_is_a_parameter():
    """
    The same votes give the union at a low threshold, the intersection at 1.
    """
    sources = [[predicted(ANN, BOB)], [predicted(ANN, BANK)], [predicted(ANN, BOB)]]

    assert [ANN, BOB, BANK] == spans(vote(sources, threshold=0.1)[0])
    assert [ANN, BOB] == spans(vote(sources, threshold=2 / 3)[0])
    assert [ANN] == spans(vote(sources, threshold=1)[0])


def test_who_failed_does_not_vote():
    """
    Failure is not a vote for "no entities"; a document that nobody labelled keeps its outcome.
    """
    failed = predicted(outcome="failed")
    [found] = vote([[predicted(ANN)], [failed], [failed]])

    assert [1.0] == [e.confidence for e in found.entities]
    assert "failed" == vote([[failed], [predicted(outcome="refused")]])[0].outcome


def test_a_repeated_entity_is_one_vote():
    """
    A source cannot vote twice.
    """
    [found] = vote([[predicted(ANN, ANN)], [predicted()], [predicted()]], threshold=0.3)

    assert [1 / 3] == [e.confidence for e in found.entities]


def test_near_places_can_count_as_one():
    """
    With min_iou, "Old London" and "Old London Town" vote together, and the more frequent place stays.
    """
    sources = [[predicted(CITY)], [predicted(TOWN)], [predicted(TOWN)]]
    [found] = vote(sources, threshold=1, min_iou=0.5)

    assert [TOWN] == spans(found)
    assert ["another place had more votes"] == [item.reason for item in found.discarded]
    assert [] == spans(vote(sources, threshold=1)[0])


def test_overlapping_survivors_stay_unless_asked():
    """
    Nested labels are labels; overlaps="best" keeps the one with more votes.
    """
    sources = [[predicted(BANK, ENGLAND)], [predicted(BANK)]]

    assert [BANK, ENGLAND] == spans(vote(sources)[0])
    assert [BANK] == spans(vote(sources, overlaps="best")[0])


def test_relations_classes_and_texts_are_voted_on():
    """
    What else a document holds follows the same threshold; equal votes for one question give no answer.
    """

    def labeled(tone, note, link):
        base = gold(ANN, BOB)
        links = (Relation(head=0, tail=1, label="met"),) if link else ()
        classes = {"tone": (ClassLabel(label=tone),)}
        return base.model_copy(update={"relations": links, "classes": classes, "texts": {"note": note}})

    [found] = vote([[labeled("good", "x", True)], [labeled("good", "y", True)], [labeled("bad", "x", False)]])
    [tied] = vote([[labeled("good", "x", True)], [labeled("bad", "x", True)]])

    assert [(0, 1, "met", 2 / 3)] == [(r.head, r.tail, r.label, r.confidence) for r in found.relations]
    assert [("good", 2 / 3)] == [(c.label, c.confidence) for c in found.classes["tone"]]
    assert {"note": "x"} == found.texts
    assert {"class", "text"} == {item.kind for item in found.discarded}
    assert {} == tied.classes


def test_agreement_scores_change_nothing_but_the_confidence():
    """
    The share of the others that have an entity; None voted, none scored.
    """
    [found] = agreement_scores([predicted(ANN, BOB)], [[predicted(ANN)], [predicted(ANN, BOB)], []])
    [alone] = agreement_scores([predicted(ANN)], [[predicted(outcome="failed")]])

    assert [(1.0, "agreement"), (0.5, "agreement")] == [(e.confidence, e.confidence_method) for e in found.entities]
    assert predicted(ANN) == alone


def test_wrong_input_is_refused():
    """
    Two texts under one id cannot be compared, nor can an id stand twice.
    """
    other = LabeledDocument(document=Document(id="a", text="another"))
    with pytest.raises(ConfigurationError, match="different texts"):
        vote([[predicted()], [other]])
    with pytest.raises(ConfigurationError, match="stands twice"):
        vote([[predicted(), predicted()]])
    with pytest.raises(ConfigurationError, match="at least one run"):
        vote([])
    with pytest.raises(ConfigurationError, match="threshold"):
        vote([[predicted()]], threshold=0)


PLACES = st.sampled_from([ANN, BOB, BANK, ENGLAND, CITY, TOWN, (0, 3, "ORG")])


@given(st.lists(st.frozensets(PLACES), min_size=1, max_size=5), st.floats(0.01, 1), st.sampled_from([0.3, 1.0]))
def test_every_voted_span_is_kept_or_in_the_ledger(sources, threshold, min_iou):
    """
    Nothing is lost, nothing is new, and the order of the sources does not matter.
    """
    runs = [[predicted(*sorted(source))] for source in sources]
    [found] = vote(runs, threshold=threshold, min_iou=min_iou, overlaps="best")
    [again] = vote(runs[::-1], threshold=threshold, min_iou=min_iou, overlaps="best")

    assert len(frozenset().union(*sources)) == len(found.entities) + len(found.discarded)
    assert spans(found) == spans(again)
    assert all(TEXT[e.start : e.end] == e.text for e in found.entities)
