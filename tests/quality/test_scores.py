"""Scores from grounding and from token probabilities."""

from __future__ import annotations

from math import log

import pytest

from llmlabel.quality import class_scores, grounding_scores, logprob_scores, mention_scores
from llmlabel.types import ClassLabel, Completion, Mention, Placement, TokenLogprob
from tests.quality.kit import predicted

ANN, BOB = (0, 3, "PER"), (8, 11, "PER")


def completion(*tokens):
    """A completion of (token, probability) pairs."""
    logprobs = tuple(TokenLogprob(token=token, logprob=log(p)) for token, p in tokens)
    return Completion(text="".join(token for token, _ in tokens), token_logprobs=logprobs)


def test_grounding_is_similarity_over_candidates():
    """
    A verbatim copy with one place has 1; a fuzzy one of two possible places less; an unexplained entity stays.
    """
    found = Placement(mention=Mention(text="Ann", label="PER"), status="exact", start=0, end=3)
    fuzzy = Placement(
        mention=Mention(text="Bobb", label="PER"), status="fuzzy", start=8, end=11, similarity=0.8, candidates=2
    )
    [scored] = grounding_scores([predicted(ANN, BOB, (19, 34, "ORG"), placements=(found, fuzzy))])

    assert [(1.0, "grounding"), (0.4, "grounding"), (None, None)] == [
        (e.confidence, e.confidence_method) for e in scored.entities
    ]


def test_tokens_of_surface_and_label_count():
    """
    The geometric mean of the tokens that say the mention; brackets and keys do not count.
    """
    answer = completion(
        ('{"text": "', 0.01), ("An", 0.9), ("n", 0.4), ('", "label": "', 0.01), ("PER", 0.5), ('"}', 0.01)
    )

    assert pytest.approx([(0.9 * 0.4 * 0.5) ** (1 / 3)]) == list(
        mention_scores(answer, [Mention(text="Ann", label="PER")])
    )


def test_repeats_are_taken_in_order():
    """
    The second "Ann" has the tokens of the second.
    """
    answer = completion(('{"PER": ["', 1.0), ("Ann", 0.9), ('", "', 1.0), ("Ann", 0.2), ('"]}', 1.0))
    mention = Mention(text="Ann", label="PER")

    assert pytest.approx([0.9, 0.2]) == list(mention_scores(answer, [mention, mention]))


def test_escaped_surfaces_are_found():
    """
    A surface is found as JSON writes it.
    """
    answer = completion(('["', 1.0), ("\\u00c9va", 0.5), ('", "a\\"b', 0.25), ('"]', 1.0))

    assert pytest.approx([0.5, 0.25]) == list(
        mention_scores(answer, [Mention(text="Éva", label="PER"), Mention(text='a"b', label="PER")])
    )


def test_without_probabilities_there_is_no_score():
    """
    No token probabilities, tokens that do not spell the answer, or a surface that is not in it: None, not a guess.
    """
    mention = Mention(text="Ann", label="PER")
    other = completion(("Bob", 0.5))

    assert (None,) == mention_scores(Completion(text='"Ann"'), [mention])
    assert (None,) == mention_scores(other.model_copy(update={"text": "Ann"}), [mention])
    assert (None,) == mention_scores(other, [mention])


def test_a_prediction_takes_the_scores_of_its_answer():
    """
    Through its placements; what the answer does not say keeps its confidence.
    """
    answer = completion(('["', 1.0), ("Ann", 0.25), ('"]', 1.0))
    place = Placement(mention=Mention(text="Ann", label="PER"), status="exact", start=0, end=3)
    found = logprob_scores(predicted(ANN, (*BOB, 0.3), placements=(place,)), answer)

    assert [(pytest.approx(0.25), "logprobs"), (0.3, "votes")] == [
        (e.confidence, e.confidence_method) for e in found.entities
    ]


def test_a_class_has_the_probability_of_its_label():
    """
    What stands behind the key of its classification; a label that is not there, or said elsewhere, keeps its own.
    """
    answer = completion(
        ('{"entities": [{"text": "good"}], "classes": {"tone": "', 0.1), ("go", 0.9), ("od", 0.4),
        ('", "topic": ["', 0.1), ("a", 0.5), ('", "', 0.1), ("b", 0.25), ('"]}, "texts": {"x": "c"}}', 0.1),
    )  # fmt: skip
    classes = {name: tuple(ClassLabel(label=x) for x in labels) for name, labels in (("tone", ["good"]),
               ("topic", ["a", "b", "c"]), ("other", ["a"]))}  # fmt: skip
    found = class_scores(answer, classes)

    assert [(pytest.approx(0.6), "logprobs")] == [(c.confidence, c.confidence_method) for c in found["tone"]]
    assert [pytest.approx(0.5), pytest.approx(0.25), None] == [c.confidence for c in found["topic"]]
    assert classes["other"] == found["other"]
    assert classes == class_scores(Completion(text=answer.text), classes)
