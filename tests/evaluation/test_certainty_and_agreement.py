"""Intervals, differences, agreement: what can be said, and what cannot."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import ClassLabel, Document, Entity, LabeledDocument, LabelSchema, Prediction
from llmlabel.evaluation import (
    agreement,
    cohen_kappa,
    evaluate,
    intervals_of,
    krippendorff_alpha,
    paired_difference,
    percent_agreement,
    token_table,
    token_tags,
)

TEXT = "Bank of England, House of Lords"


def labeled(*spans, id="a", text=TEXT, **classes):
    entities = tuple(Entity(start=s, end=e, label=label, text=text[s:e]) for s, e, label in spans)
    chosen = {name: tuple(ClassLabel(label=x) for x in labels) for name, labels in classes.items()}
    return LabeledDocument(document=Document(id=id, text=text), entities=entities, classes=chosen)


def rows_of(size, hit, seed):
    """Counts of documents with two entities each, found with the given chance."""
    rng = random.Random(seed)
    hits = [sum(rng.random() < hit for _ in range(2)) for _ in range(size)]
    return [(n, 0, 2 - n) for n in hits]


def test_twenty_documents_have_no_winner():
    """
    However large the difference looks, 20 documents do not prove it.
    """
    found = paired_difference(rows_of(20, 0.3, 1), rows_of(20, 0.9, 2))

    assert found.value > 0.2
    assert not found.real


def test_a_tenth_fewer_entities_is_told_on_a_thousand_documents():
    """
    A real loss of 10 % is called.
    """
    before = [(2, 0, 0)] * 1000
    found = paired_difference(before, rows_of(1000, 0.9, 3))

    assert found.real
    assert found.interval.high < 0


def test_equal_runs_are_rarely_called_different():
    """
    Of 200 pairs of equally good runs at most 7 % are called different.
    """
    called = sum(
        paired_difference(rows_of(60, 0.7, 2 * n), rows_of(60, 0.7, 2 * n + 1), samples=200).real for n in range(200)
    )

    assert called <= 14


def test_many_documents_are_grouped_at_the_same_spread():
    """
    Above 1,000 documents random groups are drawn; the interval is as wide as it must be.
    """
    interval = intervals_of(rows_of(5000, 0.5, 0))["recall"]
    expected = 2 * 1.96 * (0.25 / 10_000) ** 0.5

    assert 0.8 * expected < interval.high - interval.low < 1.2 * expected


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=30))
def test_intervals_stay_in_range(rows):
    """
    Bounds are ordered shares, or there is no interval.
    """
    for interval in intervals_of(rows, samples=50).values():
        assert 0 <= interval.low <= interval.high <= 1


def test_different_numbers_of_documents_cannot_be_paired():
    """
    Paired means the same documents.
    """
    with pytest.raises(ValueError, match="found 1 and 2"):
        paired_difference([(1, 0, 0)], [(1, 0, 0)] * 2)


def test_kappa_is_undefined_where_everyone_says_the_same():
    """
    0/0 is None, perfect agreement on different values 1, chance 0.
    """
    assert None is cohen_kappa([("a", "a")] * 5)
    assert None is cohen_kappa([])
    assert 1.0 == cohen_kappa([("a", "a"), ("b", "b")])
    assert 0.0 == cohen_kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")])
    assert [0.5, None] == [percent_agreement([("a", "a"), ("a", "b")]), percent_agreement([])]


def test_alpha_is_undefined_where_everyone_says_the_same():
    """
    One value only, or no unit with two ratings, has no alpha.
    """
    assert None is krippendorff_alpha([{"u": "a"}, {"u": "a"}])
    assert None is krippendorff_alpha([{"u": "a"}, {"v": "b"}])
    assert None is krippendorff_alpha([])


def test_agreement_compares_shared_documents():
    """
    Spans, tokens and classes of the documents that both have; the others are counted.
    """
    one = [labeled((0, 15, "ORG"), id="a", tone=["good"]), labeled(id="b", tone=["bad"]), labeled(id="c")]
    two = [labeled((0, 15, "ORG"), (17, 31, "ORG"), id="a", tone=["good"]), labeled(id="b", tone=["good"])]

    found = agreement(one, two)

    assert (2, 1, 0) == (found.documents, found.only_first, found.only_second)
    assert (1, 1, 0) == (found.spans.tp, found.spans.fp, found.spans.fn)
    assert {"tone": 0.5} == found.classes
    assert {"tone": 0.0} == found.kappa


def test_tokens_are_tagged_by_place():
    """
    "House of Lords" does not mark the "of" of "Bank of England"; attached signs are tokens of their own.
    """
    assert ["O", "O", "O", "O", "B-ORG", "I-ORG", "I-ORG"] == token_tags(labeled((17, 31, "ORG")))
    both = labeled((17, 31, "ORG"), (0, 15, "ORG"))
    assert ["B-ORG", "I-ORG", "I-ORG", "O", "B-ORG", "I-ORG", "I-ORG"] == token_tags(both)


def test_the_longest_of_nested_entities_tags_its_tokens():
    """
    A token has one tag only.
    """
    assert ["B-ORG", "I-ORG", "I-ORG", "O", "O", "O", "O"] == token_tags(labeled((0, 15, "ORG"), (8, 15, "LOC")))


def test_an_all_o_answer_scores_nothing():
    """
    The mean leaves O out: who finds nothing gets 0, not 0.9. A failed document counts as all O.
    """
    gold = [labeled((0, 15, "ORG"))]
    failed = Prediction(**dict(gold[0]), outcome="failed")

    table = token_table(gold, [failed])

    assert 0.0 == table.all.f1
    assert table.by_tag["O"].recall == 1.0
    assert "all but O" in str(table)
    assert "all but O" in table._repr_html_()


def test_classification_counts_abstentions():
    """
    No answer is wrong, and counted apart; a foreign label is reported.
    """
    schema = LabelSchema(classifications={"tone": ["good", "bad"]})
    gold = [labeled(id=str(n), tone=["good"]) for n in range(4)]
    answers = [
        labeled(id="0", tone=["good"]),
        labeled(id="1", tone=[]),
        labeled(id="2"),
        labeled(id="3", tone=["great"]),
    ]

    found = evaluate(gold, answers, schema=schema, samples=0)
    tone = found.classes["tone"]

    assert (0.25, 0.5, 0.5) == (tone.accuracy, tone.accuracy_answered, tone.coverage)
    assert (2, 1) == (tone.abstained, tone.out_of_schema)
    assert {("good", "good"): 1, ("good", None): 2, ("good", "great"): 1} == {
        (c.gold, c.predicted): c.count for c in tone.confusion
    }
    assert (3, 1) == (found.review.reclass, found.review.untouched)


def test_an_empty_answer_is_an_answer_where_several_labels_are_allowed():
    """
    With several labels allowed, none of them can be right.
    """
    found = evaluate([labeled(tags=[])], [labeled(tags=[])], samples=0).classes["tags"]

    assert (1.0, 0, None, None) == (found.accuracy, found.abstained, found.sample_f1, found.micro.f1)


def test_documents_without_gold_for_a_classification_are_not_scored():
    """
    What nobody has judged cannot be wrong.
    """
    found = evaluate(
        [labeled(id="a", tone=["good"]), labeled(id="b")], [labeled(id="a"), labeled(id="b", tone=["bad"])], samples=0
    )

    assert 1 == found.classes["tone"].documents


def test_no_interval_without_anything_to_count():
    """
    One document, or nothing but empty ones, has no interval.
    """
    assert {} == intervals_of([(1, 0, 0)])
    assert {} == intervals_of([(0, 0, 0)] * 5)
    assert (None, None, False) == tuple(
        getattr(paired_difference([(0, 0, 0)] * 60, [(0, 0, 0)] * 60), name) for name in ("value", "interval", "real")
    )


def test_the_interval_is_printed():
    """
    The headline never stands without its interval.
    """
    found = evaluate([labeled((0, 15, "ORG"), id=str(n)) for n in range(3)], [labeled((0, 15, "ORG"), id="1")])

    assert f"f1: {found.intervals['f1']} (95% bootstrap interval over documents)" in str(found)


def test_review_cost_per_document():
    """
    Edits per document and the share of untouched ones follow from the counts.
    """
    gold = [labeled((0, 15, "ORG"), id="a"), labeled((0, 15, "ORG"), id="b")]
    review = evaluate(gold, [labeled((0, 15, "ORG"), id="a"), labeled((0, 4, "PER"), id="b")], samples=0).review

    assert (2, 1.0, 0.5) == (review.edits, review.edits_per_document, review.untouched_share)
