"""Relations and classes: voted, compared, calibrated, judged, queued, and withheld like entities."""

from __future__ import annotations

import pytest

from llmlabel import ClassLabel, Document, Entity, LabeledDocument, Prediction, Relation
from llmlabel.errors import ConfigurationError
from llmlabel.exporters.trust import Trust
from llmlabel.quality import (
    Calibration,
    Judged,
    agreement_scores,
    calibrate,
    judged,
    measured_budget,
    reliability,
    review_queue,
    threshold_for,
    thresholds_for,
    vote,
)

TEXT = "Ann met Bob."
ENDS = (Entity(start=0, end=3, label="PER", text="Ann"), Entity(start=8, end=11, label="PER", text="Bob"))


def labeled(id, *, links=(), confidence=None, method=None, made=LabeledDocument, **classes):
    """Links are (head, tail, label); classes lists of labels; all have the same confidence."""
    scored = {"confidence": confidence, "confidence_method": method}
    more = {"outcome": "labeled"} if made is Prediction else {}
    return made(
        document=Document(id=str(id), text=TEXT),
        entities=ENDS if links else (),
        relations=tuple(Relation(head=a, tail=b, label=label, **scored) for a, b, label in links),
        classes={name: tuple(ClassLabel(label=x, **scored) for x in labels) for name, labels in classes.items()},
        **more,
    )


def test_classes_are_judged_by_the_labels_of_people():
    """
    Named with their classification; one that nobody answered is not judged.
    """
    gold = [labeled("a", tone=["good"], topic=[]), labeled("b")]
    guess = [labeled("a", tone=["good"], topic=["x"], confidence=0.9, method="votes"),
             labeled("b", tone=["bad"], confidence=0.9)]  # fmt: skip

    expected = [Judged("tone: good", 0.9, True, "votes"), Judged("topic: x", 0.9, False, "votes")]
    assert expected == judged(gold, guess, "classes")


def test_relations_are_judged_with_their_ends():
    """
    The wrong direction is wrong; a repeated relation counts once.
    """
    gold = [labeled("a", links=[(0, 1, "met")])]
    guess = [labeled("a", links=[(0, 1, "met"), (0, 1, "met"), (1, 0, "met")], confidence=0.5)]

    assert [True, False] == [item.right for item in judged(gold, guess, "relations")]


def test_a_kind_that_is_none_is_told():
    """
    With the ones there are.
    """
    with pytest.raises(ConfigurationError, match=r"expected one of \['entities', 'relations', 'classes'\]"):
        judged([], [], "texts")


@pytest.mark.parametrize("kind", ["classes", "relations"])
def test_classes_and_relations_are_calibrated(kind):
    """
    Of labels with the score 0.9, half are right; entities keep their confidence, and a second method is refused.
    """

    def given(right):
        return {"tone": ["good" if right else "bad"]} if kind == "classes" else {"links": [(0, 1, "met")][:right]}

    gold = [labeled(n, **given(n % 2)) for n in range(100)]
    guess = [labeled(n, confidence=0.9, method="votes", **given(True)) for n in range(100)]
    made = calibrate(gold, guess, kind=kind)
    [first, *_] = made.apply(guess)
    [found] = first.classes["tone"] if kind == "classes" else first.relations

    assert made == Calibration.model_validate_json(made.model_dump_json())
    assert ["tone: good" if kind == "classes" else "met"] == list(made.by_label)
    assert (0.5, "votes (calibrated: isotonic)") == (found.confidence, found.confidence_method)
    assert [None, None][: len(first.entities)] == [entity.confidence for entity in first.entities]
    with pytest.raises(ConfigurationError, match="made for 'votes'"):
        made.apply([labeled("x", confidence=0.9, method="agreement", **given(True))])


def test_agreement_scores_relations_and_classes():
    """
    The share of the sources that have it; of classes, among those that have answered.
    """
    links = [(0, 1, "met")]
    mine = labeled("a", links=links, tone=["good"], topic=["x"])
    others = [[labeled("a", links=links, tone=["good"])], [labeled("a", tone=["bad"])], [labeled("a", links=links)]]
    [found] = agreement_scores([mine], others)

    assert (2 / 3, "agreement") == (found.relations[0].confidence, found.relations[0].confidence_method)
    assert (0.5, "agreement") == (found.classes["tone"][0].confidence, found.classes["tone"][0].confidence_method)
    assert None is found.classes["topic"][0].confidence


def test_votes_for_relations_stay_out_of_a_platform():
    """
    They name their method, so an exporter withholds them until they are calibrated or asked for.
    """
    links = [(0, 1, "met")]
    [voted] = vote([[labeled("a", links=links)], [labeled("a", links=links)], [labeled("a")]])
    shown = [Trust.of(False, names).scored(voted).relations[0].confidence for names in ((), "votes", "all")]

    assert (2 / 3, "votes") == (voted.relations[0].confidence, voted.relations[0].confidence_method)
    assert [None, 2 / 3, 2 / 3] == shown


def test_reliability_is_told_for_each_label():
    """
    Over all, and label by label.
    """
    gold = [labeled(n, tone=["good"]) for n in range(4)]
    guess = [labeled(n, tone=["good" if n % 2 else "bad"], confidence=0.8) for n in range(4)]
    found = reliability(gold, guess, kind="classes")

    assert {"tone: bad": 0.0, "tone: good": 1.0} == {name: own.right for name, own in found.by_label.items()}
    assert "tone: bad: 2 labels; ECE 0.800" in str(found)
    assert "tone: bad: 2 labels; ECE 0.800" in found._repr_html_()


def test_each_label_has_its_threshold():
    """
    A label that is never right has none: nothing of it is taken without a look.
    """
    items = [Judged("A", 0.9, True)] * 30 + [Judged("A", 0.4, False)] * 30 + [Judged("B", 0.9, False)] * 30
    found = thresholds_for(items, 0.95)

    assert [True, False, False] == [found["A"].accepts(score) for score in (0.9, 0.4, None)]
    assert (None, False) == (found["B"].value, found["B"].accepts(1.0))
    assert None is threshold_for(items, 0.95).value


def test_doubtful_classes_come_first_in_the_queue():
    """
    A project without entities has a queue too: an unsure class, and one that others contradict, before a sure one.
    """
    guess = [
        labeled("sure", tone=["good"], confidence=0.99),
        labeled("unsure", tone=["good"], confidence=0.2),
        labeled("contradicted", tone=["good"], confidence=0.6),
    ]
    queue = review_queue(guess, [[labeled("contradicted", tone=["bad"])]])

    assert "sure" == queue[-1].document_id
    by_id = {item.document_id: item for item in queue}
    assert (0.99, 1.0) == (by_id["sure"].right, by_id["contradicted"].missed)


def test_relations_that_others_have_are_missed():
    """
    By the share of the others that have them; entities are compared as ever.
    """
    links = [(0, 1, "met")]
    [found] = review_queue([labeled("a", links=links[:0] or [(1, 0, "met")])], [[labeled("a", links=links)]] * 2)

    assert 1.0 == found.missed


def test_a_budget_is_measured_on_classes():
    """
    Where the gold documents have no entities.
    """
    gold = [labeled(n, tone=["good"]) for n in range(4)]
    guess = [labeled(n, tone=["bad" if n == 2 else "good"], confidence=0.1 if n == 2 else 0.9) for n in range(4)]
    table = measured_budget(gold, guess, review_queue(guess), [0, 0.25])

    assert [0.75, 1.0] == [row.f1 for row in table.rows]
    assert 1.0 == table.at(0.25).oracle
