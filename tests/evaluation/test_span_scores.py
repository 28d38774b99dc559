"""Span scores: tables worked out by hand, laws, and what is counted as what."""

from __future__ import annotations

import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import (
    ConfigurationError,
    Document,
    Entity,
    LabeledDocument,
    LabelSchema,
    Mention,
    Placement,
    Prediction,
    Usage,
)
from llmlabel.evaluation import Evaluation, Score, evaluate
from llmlabel.evaluation.matching import Span, pair_up
from llmlabel.evaluation.spans import compare_spans

TEXT = "The University of California, Berkeley hired Ann Lee in Oslo."


def labeled(*spans, id="a", text=TEXT, **more):
    entities = tuple(Entity(start=s, end=e, label=label, text=text[s:e]) for s, e, label in spans)
    return LabeledDocument(document=Document(id=id, text=text), entities=entities, **more)


def predicted(*spans, id="a", text=TEXT, outcome="labeled", **more):
    return Prediction(**dict(labeled(*spans, id=id, text=text)), outcome=outcome, **more)


def exact(gold, guess, **more):
    return evaluate([gold], [guess], samples=0, **more).exact


spans = st.frozensets(
    st.tuples(st.integers(0, 12), st.integers(1, 5), st.sampled_from("AB")).map(
        lambda t: Span(t[0], t[0] + t[1], t[2])
    ),
    max_size=6,
)


@pytest.mark.parametrize(
    ("gold", "guess", "counts", "ratios"),
    [
        ([], [], (0, 0, 0), (None, None, None)),
        ([], [(0, 3, "A")], (0, 1, 0), (0.0, None, 0.0)),
        ([(0, 3, "A")], [], (0, 0, 1), (None, 0.0, 0.0)),
        ([(0, 3, "A")], [(0, 3, "A")], (1, 0, 0), (1.0, 1.0, 1.0)),
        ([(0, 3, "A")], [(0, 3, "B")], (0, 1, 1), (0.0, 0.0, 0.0)),
        ([(0, 3, "A")], [(0, 4, "A")], (0, 1, 1), (0.0, 0.0, 0.0)),
        ([(0, 3, "A"), (4, 9, "B")], [(4, 9, "B")], (1, 0, 1), (1.0, 0.5, 2 / 3)),
    ],
)
def test_exact_scores(gold, guess, counts, ratios):
    """
    Place and label must be right; a ratio of nothing is None, not 0 and not 1.
    """
    score = exact(labeled(*gold), predicted(*guess))

    assert counts == (score.tp, score.fp, score.fn)
    assert ratios == (score.precision, score.recall, score.f1)


def test_scores_by_label_and_their_means():
    """
    Each label has its own score; macro is over the labels that occur in gold, weighted by their support.
    """
    found = evaluate(
        [labeled((0, 3, "A"), (4, 9, "A"), (10, 12, "B"))],
        [predicted((0, 3, "A"), (10, 12, "A"), (13, 15, "C"))],
        schema=LabelSchema(entities=["A", "B", "C", "D"]),
        samples=0,
    )

    assert {
        "A": Score(tp=1, fp=1, fn=1),
        "B": Score(fn=1),
        "C": Score(fp=1),
        "D": Score(),
    } == found.by_label
    assert 0.25 == found.macro_f1
    assert pytest.approx(1 / 3) == found.weighted_f1


@given(spans, spans)
def test_labels_add_up_to_the_whole(gold, guess):
    """
    Every measure that counts spans accounts for each gold and each predicted span once.
    """
    result = compare_spans(gold, guess)

    for score in (result.exact, result.boundaries, result.overlap, result.partial):
        assert (len(gold), len(guess)) == (score.support, score.predicted)
    errors = result.errors
    paired = errors.correct + errors.wrong_label + errors.wrong_boundary + errors.both
    assert (len(gold), len(guess)) == (paired + errors.missed, paired + errors.spurious)
    assert sum(result.confused.values()) == paired + errors.missed + errors.spurious


@given(spans, spans)
def test_looser_measures_find_at_least_as_much(gold, guess):
    """
    Exact is the strictest: boundaries, overlap and partial never find less.
    """
    result = compare_spans(gold, guess)

    assert result.exact.tp <= result.boundaries.tp <= result.partial.correct
    assert result.exact.tp <= result.overlap.tp
    assert result.exact.tp == result.errors.correct


@given(spans, spans)
def test_gold_and_predictions_may_change_places(gold, guess):
    """
    Changing sides swaps false positives and negatives, and nothing else.
    """
    one, two = compare_spans(gold, guess), compare_spans(guess, gold)

    assert (one.exact.tp, one.exact.fp, one.exact.fn) == (two.exact.tp, two.exact.fn, two.exact.fp)
    assert (one.partial.f1, one.overlap.f1, one.characters.f1) == (two.partial.f1, two.overlap.f1, two.characters.f1)


@given(spans)
def test_gold_against_itself_is_perfect(gold):
    """
    Nested and overlapping spans match themselves in every measure.
    """
    result = compare_spans(gold, gold)
    perfect = 1.0 if gold else None

    assert [perfect] * 5 == [
        s.f1 for s in (result.exact, result.boundaries, result.overlap, result.partial, result.characters)
    ]


@given(spans, spans)
def test_characters_are_counted_as_sets(gold, guess):
    """
    Interval arithmetic equals counting (character, label) pairs one by one.
    """
    mine = {(n, s.label) for s in gold for n in range(s.start, s.end)}
    theirs = {(n, s.label) for s in guess for n in range(s.start, s.end)}
    score = compare_spans(gold, guess).characters

    assert (len(mine & theirs), len(theirs - mine), len(mine - theirs)) == (score.tp, score.fp, score.fn)


@given(spans, spans)
def test_pairing_finds_as_many_pairs_as_there_can_be(gold, guess):
    """
    The number of pairs equals the best of all assignments (by brute force).
    """
    gold, guess = list(gold)[:5], list(guess)[:5]

    def best(left, free):
        if not left:
            return 0
        options = [g for g in free if min(g.end, left[0].end) > max(g.start, left[0].start)]
        return max([best(left[1:], free), *(1 + best(left[1:], free - {g}) for g in options)])

    pairs = pair_up(gold, guess, lambda a, b: True)

    assert best(gold, frozenset(guess)) == len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@given(st.randoms(use_true_random=False), spans, spans)
def test_the_order_of_spans_does_not_matter(shuffle, gold, guess):
    """
    Gold (0, 13) against (0, 8), (0, 13) is one right and one spurious, whichever comes first.
    """
    gold_spans, guesses = sorted(gold), sorted(guess)
    shuffled = list(guesses)
    shuffle.shuffle(shuffled)
    text = "x" * 20

    def score(order):
        return evaluate([labeled(*gold_spans, text=text)], [predicted(*order, text=text)], samples=0)

    assert score(guesses) == score(shuffled)


def test_touching_spans_do_not_overlap():
    """
    Ends are exclusive: [0, 5) and [5, 9) share nothing.
    """
    found = evaluate([labeled((0, 5, "A"))], [predicted((5, 9, "A"))], samples=0)

    assert (0, 0, 0) == (found.overlap.tp, found.partial.partial, found.characters.tp)


def test_error_kinds():
    """
    Each span has one kind: correct, wrong label, wrong boundary, both, missed, spurious.
    """
    gold = labeled((0, 3, "A"), (4, 14, "A"), (18, 28, "A"), (30, 38, "A"), (39, 44, "A"))
    guess = predicted((0, 3, "A"), (4, 14, "B"), (18, 25, "A"), (33, 38, "B"), (45, 52, "A"))

    found = evaluate([gold], [guess], samples=0)

    assert [1] * 6 == list(found.errors.model_dump().values())
    assert {("A", "A", 2), ("A", "B", 2), ("A", None, 1), (None, "A", 1)} == {
        (c.gold, c.predicted, c.count) for c in found.confusion
    }
    assert (1, 2, 2, 1, 1) == tuple(getattr(found.review, n) for n in ("accept", "relabel", "move", "delete", "add"))


def test_semeval_partial_gives_half_credit():
    """
    Same place counts 1 whatever the label, an overlap counts 1/2.
    """
    partial = evaluate([labeled((0, 3, "A"), (4, 14, "A"))], [predicted((0, 3, "B"), (4, 10, "B"))], samples=0).partial

    assert (1, 1, 0.75, 0.75) == (partial.correct, partial.partial, partial.precision, partial.recall)


def test_nested_and_doubly_labelled_gold():
    """
    Nested spans, and two labels at one place, are spans of their own.
    """
    gold = labeled((4, 38, "ORG"), (18, 28, "LOC"), (18, 28, "GPE"))

    assert Score(tp=3) == exact(gold, predicted((18, 28, "GPE"), (18, 28, "LOC"), (4, 38, "ORG")))
    assert Score(tp=1, fn=2) == exact(gold, predicted((18, 28, "LOC")))


def test_repeated_entities_count_once_and_are_reported():
    """
    A doubled prediction is no second hit; a reviewer has to delete it.
    """
    found = evaluate([labeled((0, 3, "A"))], [predicted((0, 3, "A"), (0, 3, "A"))], samples=0)

    assert (Score(tp=1), 1) == (found.exact, found.counts.duplicates)
    assert (1, 0) == (found.review.delete, found.review.untouched)
    assert any("repeated entities" in note for note in found.notes)


@pytest.mark.parametrize("outcome", ["failed", "refused", "invalid", "skipped", "not_run", "partial", "truncated"])
def test_unlabelled_documents_count_as_missed(outcome):
    """
    Failure is not emptiness: gold labels are missed, and the document is reported by outcome.
    """
    gold = [labeled((0, 3, "A"), id="a"), labeled((0, 3, "A"), id="b")]
    found = evaluate(gold, [predicted((0, 3, "A"), id="a"), predicted((0, 3, "A"), id="b", outcome=outcome)], samples=0)

    assert (Score(tp=1, fn=1), Score(tp=1)) == (found.exact, found.answered)
    assert ({outcome: 1}, 1) == (found.counts.unanswered, found.counts.answered)
    assert (1, 1) == (found.review.add, found.review.untouched)


def test_partial_answers_count_on_request():
    """
    ``include`` takes the labels of further outcomes.
    """
    guess = predicted((0, 3, "A"), outcome="truncated")

    assert Score(tp=1) == exact(labeled((0, 3, "A")), guess, include={"truncated"})


def test_missing_and_extra_documents():
    """
    Without prediction: missed. Without gold: not scored, but counted.
    """
    found = evaluate([labeled((0, 3, "A"), id="a")], [predicted((0, 3, "A"), id="b")], samples=0)

    assert (Score(fn=1), {"missing": 1}, 1) == (found.exact, found.counts.unanswered, found.counts.without_gold)


def test_a_gold_document_without_entities_counts():
    """
    What is predicted where people saw nothing is wrong.
    """
    assert Score(fp=1) == exact(labeled(), predicted((0, 3, "A")))


def test_labels_outside_the_schema_are_wrong_and_reported():
    """
    An invented label costs precision.
    """
    found = evaluate([labeled((0, 3, "A"))], [predicted((0, 3, "Z"))], schema=LabelSchema(entities=["A"]), samples=0)

    assert (Score(fp=1, fn=1), {"Z": 1}) == (found.exact, found.counts.out_of_schema)


def test_different_texts_cannot_be_compared():
    """
    Offsets of another text mean nothing: the error names document and place, not the text.
    """
    with pytest.raises(
        ConfigurationError, match="'a': gold and predicted have different texts from character 4 on"
    ) as caught:
        evaluate([labeled()], [predicted(text=TEXT.replace("University", "Academy"))])

    assert "Berkeley" not in str(caught.value)


@pytest.mark.parametrize(("gold", "guess"), [([labeled(), labeled()], []), ([labeled()], [predicted(), predicted()])])
def test_doubled_ids_are_refused(gold, guess):
    """
    Matching by id needs ids that differ.
    """
    with pytest.raises(ConfigurationError, match="'a' stands twice"):
        evaluate(gold, guess)


def test_nothing_at_all():
    """
    Without documents everything is undefined, and prints.
    """
    found = evaluate([], [])

    assert (None, None, {}) == (found.exact.f1, found.macro_f1, found.intervals)
    assert "–" in str(found)


def test_relations_need_both_ends():
    """
    Label, direction, and place and label of both entities must be right.
    """
    ends = ((0, 3, "A"), (4, 14, "A"))
    gold = labeled(*ends, relations=({"head": 0, "tail": 1, "label": "r"}, {"head": 1, "tail": 0, "label": "r"}))
    guess = labeled(
        ends[1], ends[0], relations=({"head": 1, "tail": 0, "label": "r"}, {"head": 1, "tail": 0, "label": "q"})
    )

    found = evaluate([gold], [guess], samples=0)

    assert {"r": Score(tp=1, fn=1), "q": Score(fp=1)} == found.relations
    assert 0 == found.review.untouched


def test_the_ledger_and_the_cost_are_added_up():
    """
    Mentions without a place, and money per correct entity, stand beside the score.
    """
    lost = Placement(mention=Mention(text="x", label="A"), status="not_found")
    guess = predicted((0, 3, "A"), placements=(lost,), usage=Usage(requests=1, cost=0.5))

    found = evaluate([labeled((0, 3, "A"))], [guess], samples=0)

    assert ({"not_found": 1}, 0.5) == (found.counts.unplaced, found.cost_per_correct)


def make_run(size, drop, seed=0):
    """Documents with two entities each, of which a share is dropped."""
    rng = random.Random(seed)
    gold = [labeled((0, 3, "A"), (4, 14, "B"), id=str(n)) for n in range(size)]
    guess = [d.keep(lambda e: rng.random() >= drop) for d in gold]
    return gold, guess


def test_intervals_hold_the_value_and_are_the_same_every_time():
    """
    The bootstrap is seeded; more documents give narrower intervals.
    """
    small, large = evaluate(*make_run(20, 0.3)), evaluate(*make_run(400, 0.3))

    assert small == evaluate(*make_run(20, 0.3))
    for found in (small, large):
        assert found.intervals["f1"].low <= found.exact.f1 <= found.intervals["f1"].high
    assert (
        large.intervals["f1"].high - large.intervals["f1"].low < small.intervals["f1"].high - small.intervals["f1"].low
    )
    assert any("only 20 documents" in note for note in small.notes)
    assert not any("only" in note for note in large.notes)


def test_an_evaluation_is_a_value():
    """
    It reads back from JSON, gives plain data, and shows itself as text and HTML, with document labels escaped.
    """
    gold = labeled((0, 3, "<b>"), classes={"tone": [{"label": "good"}]})
    found = evaluate([gold], [predicted((0, 3, "<b>"))])

    assert found == Evaluation.model_validate_json(found.model_dump_json())
    assert 1.0 == json.loads(json.dumps(found.to_dict()))["exact"]["f1"]
    assert "<b>" in str(found)
    assert "<b>" not in found._repr_html_()
    assert "accept" in found._repr_html_()


def test_the_rich_view_escapes_markup():
    """
    A label that looks like markup is shown as it is.
    """
    console = pytest.importorskip("rich.console").Console(width=120, record=True, file=io.StringIO())

    console.print(evaluate([labeled((0, 3, "[red]A"))], []).to_rich())

    assert "[red]A" in console.export_text()
