"""Token probabilities, where the endpoint gives them, become the confidence of entities."""

from __future__ import annotations

import json
from math import log

import pytest

from llmlabel import Asking, Completion, LabelSchema, Pipeline, TokenLogprob
from llmlabel.testing.scripted import ScriptedLabeler

SCHEMA = LabelSchema(entities=["PER"])


def answer(probability, *names):
    """An answer whose names each were that likely, everything else certain."""
    pieces = [('{"entities": [', 0.0)]
    for number, name in enumerate(names):
        pieces += [(", " if number else "", 0.0), ('{"text": "', 0.0), (name, log(probability)), ('", "label": "', 0.0)]
        pieces += [("PER", log(probability)), ('"}', 0.0)]
    pieces.append(("]}", 0.0))
    tokens = tuple(TokenLogprob(token=token, logprob=p) for token, p in pieces if token)
    return Completion(text="".join(token for token, _ in pieces), token_logprobs=tokens)


def confidences(answers, text="Ann met Bob.", **asking):
    labeler = ScriptedLabeler(SCHEMA, answers)
    with Pipeline(labeler, asking=Asking(**asking), progress=False) as pipeline:
        found = pipeline.label(text)
    return [(e.text, e.confidence and pytest.approx(e.confidence), e.confidence_method) for e in found.entities]


def test_token_probabilities_are_the_confidence():
    """
    With their method recorded, and nothing said where there are none.
    """
    plain = json.dumps({"entities": [{"text": "Ann", "label": "PER"}]})

    assert [("Ann", 0.5, "logprobs"), ("Bob", 0.5, "logprobs")] == confidences([answer(0.5, "Ann", "Bob")])
    assert [("Ann", None, None)] == confidences([plain])


def test_votes_come_before_token_probabilities():
    """
    Asked for samples, the user wants their share.
    """
    assert [("Ann", 1.0, "votes")] == confidences([answer(0.5, "Ann"), answer(0.4, "Ann")], samples=2)


def test_passes_take_the_best_score():
    """
    A name that two passes give has the higher of both.
    """
    found = confidences([answer(0.5, "Ann"), answer(0.8, "Ann", "Bob")], passes=2)

    assert [("Ann", 0.8, "logprobs"), ("Bob", 0.8, "logprobs")] == found


def test_pieces_are_scored_at_their_own_place():
    """
    The second piece's name has the second answer's score, at its place in the whole text.
    """
    text = "Ann was here. " * 6 + "\n\n" + "Bob was here. " * 6
    answers = lambda prompt: answer(0.9, "Ann") if "Ann" in prompt.messages[-1].content else answer(0.2, "Bob")  # noqa: E731

    found = confidences(answers, text, max_document_tokens=24)

    assert {("Ann", 0.9), ("Bob", 0.2)} == {(name, round(float(score.expected), 6)) for name, score, _ in found}


def test_a_class_has_the_probability_of_its_label():
    """
    Named as it is for an entity, so that no platform shows it before it is calibrated.
    """
    pieces = [('{"classes": {"tone": "', 0.0), ("good", log(0.5)), ('"}}', 0.0)]
    said = Completion(
        text="".join(token for token, _ in pieces),
        token_logprobs=tuple(TokenLogprob(token=token, logprob=p) for token, p in pieces),
    )
    labeler = ScriptedLabeler(LabelSchema(classifications={"tone": ["good", "bad"]}), [said])
    with Pipeline(labeler, progress=False) as pipeline:
        [found] = pipeline.label("Ann met Bob.").classes["tone"]

    assert ("good", pytest.approx(0.5), "logprobs") == (found.label, found.confidence, found.confidence_method)
