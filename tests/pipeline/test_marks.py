"""Inline answers: marks are placed where they stand, what the model rewrote is repaired or refused, and reported."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlabel import AlignedResolver, ExactResolver, LabelSchema, OffsetResolver, Pipeline, Prediction, PromptTemplate
from llmlabel.testing import ScriptedLabeler

SCHEMA = LabelSchema(entities=["PER", "ORG"])
RESOLVERS = [ExactResolver(), AlignedResolver()]
each_resolver = pytest.mark.parametrize("resolver", RESOLVERS, ids=["exact", "aligned"])


def label(text: str, *answers: str, resolver: OffsetResolver | None = None) -> Prediction:
    """The prediction when the model answers so, the last answer again and again."""
    turns = [*answers, *answers[-1:] * 3]
    labeler = ScriptedLabeler(SCHEMA, turns, prompt=PromptTemplate(answer_format="inline"))
    with Pipeline(labeler, resolver=resolver, progress=False) as pipeline:
        return pipeline.label(text)


def spans(prediction: Prediction) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.label) for entity in prediction.entities]


@each_resolver
@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("Berlinwahl in Berlin", "[[Berlin|ORG]]wahl in Berlin", [(0, 6, "ORG")]),
        ("Berlinwahl in Berlin", "[[berlin|ORG]]wahl in [[Berlin|PER]]", [(0, 6, "ORG"), (14, 20, "PER")]),
        ("Budapesten és Budapestről", "Budapesten és [[Budapest|ORG]]ről", [(14, 22, "ORG")]),
        ("Ann, Ann and Ann", "Ann, [[Ann|PER]] and Ann", [(5, 8, "PER")]),
        ("Ann, Ann and Ann", "Ann, Ann and [[Ann|ORG]]", [(13, 16, "ORG")]),
        ("Ann of Ann Corp", "Ann of [[[[Ann|PER]] Corp|ORG]]", [(7, 10, "PER"), (7, 15, "ORG")]),
        ("See [1]: Ann", "See [1]: {{Ann|PER}}", [(9, 12, "PER")]),
        ("See [1]: Ann", "See [1]: [[Ann|PER]]", [(9, 12, "PER")]),
        ("See {1}: Ann", "See {1}: {{Ann|PER}}", [(9, 12, "PER")]),
        ("See [1] now", "See [[[1]|ORG]] now", [(4, 7, "ORG")]),
        ("Ann met Bob", "[[Ann|PER] met [Bob|PER]]", [(0, 3, "PER"), (8, 11, "PER")]),
        ("Ann met Bob", "[[ Ann |PER]] met Bob", [(0, 3, "PER")]),
    ],
)
def test_a_mark_is_placed_where_it_stands(text, answer, expected, resolver):
    """
    Parts of words, repeats, nested marks, brackets of the text, halved or unagreed markers: the place decides.
    """
    assert sorted(expected) == sorted(spans(label(text, answer, resolver=resolver)))


def test_a_mark_inside_a_word_is_told():
    """
    A reviewer sees that the mark cut a word.
    """
    (placement,) = label("Berlinwahl", "[[Berlin|ORG]]wahl").placements

    assert ("exact", ("part_of_word",)) == (placement.status, placement.changes)


def test_marks_that_cannot_be_told_from_the_text_are_asked_for_again():
    """
    Where the document has [[ ]] of its own, an answer that uses them again says nothing; it is not taken for empty.
    """
    text = "Type [[Ann|PER]] here. Bob came."
    wrong = "Type [[Ann|PER]] here. [[Bob|PER]] came."
    mended = label(text, wrong, "Type [[Ann|PER]] here. {{Bob|PER}} came.")

    assert ("labeled", [(23, 26, "PER")]) == (mended.outcome, spans(mended))
    assert "invalid" == label(text, wrong).outcome


def test_markers_of_the_document_itself_are_no_entities():
    """
    A text that is repeated with its own brackets has no entities.
    """
    text = "Type [[Ann|PER]] here."
    prediction = label(text, text)

    assert ("labeled", [], []) == (prediction.outcome, spans(prediction), list(prediction.discarded))


@pytest.mark.parametrize(
    ("answer", "expected", "told"),
    [
        ("Ann met Bob. Then Ann left; [[Ann|PER]] was happy.", [(28, 31, "PER")], False),
        ("Ann  met\nBob. Then Ann left; [[Ann|PER]] was happy.", [(28, 31, "PER")], False),
        ("ANN MET BOB. THEN ANN LEFT; [[ANN|PER]] WAS HAPPY.", [(28, 31, "PER")], True),
        ("Then Ann left; [[Ann|PER]] was happy.", [(28, 31, "PER")], True),
        ("So: Ann met Bobby. Then Ann left; [[Ann|PER]] was very happy.", [(28, 31, "PER")], True),
        ("**Ann** met Bob. Then [[Ann|PER]] left; Ann was happy.", [(18, 21, "PER")], True),
        ("Ann met Bob. Then Ann left; [[Zoe|PER]] was happy.", [], True),
    ],
)
def test_what_the_model_rewrote_is_repaired_and_reported(answer, expected, told):
    """
    White space is no text; other changes are told once, with the first of them, and no item of the counts.
    """
    prediction = label("Ann met Bob. Then Ann left; Ann was happy.", answer)

    assert expected == spans(prediction)
    assert ["copy"] * told == [item.kind for item in prediction.discarded]


def test_a_mention_in_words_that_the_model_added_is_told_as_searched():
    """
    Its mark has no place in the document, so that it was found by search.
    """
    prediction = label("Ann met Bob. Bob left.", "Ann met Bob. [[Bob|PER]] left. And [[Ann|PER]] stayed at home.")

    assert {"Bob": (), "Ann": ("searched",)} == {p.mention.text: p.changes for p in prediction.placements}
    assert ['"And Ann stayed at home." for "" at 22'] == [item.value for item in prediction.discarded]


@pytest.mark.parametrize(
    ("left_out", "outcome"), [(range(40, 60), "truncated"), (range(93, 100), "truncated"), (range(50, 52), "labeled")]
)
def test_a_copy_that_leaves_parts_out_is_no_answer_about_them(left_out, outcome):
    """
    A model that writes "..." for the middle, or stops before the end, did not label what it left out.
    """
    text = " ".join(f"Sentence {n} is here." for n in range(100))
    copy = " ".join("..." if n in left_out else f"Sentence {n} is here." for n in range(100))

    assert outcome == label(text, re.sub(r"(\.\.\. ?)+", "... ", copy)).outcome


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("[[Ann|PER]] met Bob today. Then Xx [[Ann|PER]] yy; [[Bob|ORG]] slept well.", ["exact"] * 3),
        ("Xx [[Ann|PER]] yy today. Then came Ann again; [[Bob|ORG]] slept well.", ["ambiguous", "exact"]),
    ],
)
def test_a_mark_in_changed_words_is_placed_only_where_it_can_be_meant_once(answer, status):
    """
    Between its neighbours one place is sure, two are a guess.
    """
    prediction = label("Ann met Bob today. Then came Ann again; Bob slept well.", answer)

    assert status == [placement.status for placement in prediction.placements]


def test_two_hundred_thousand_characters_are_aligned():
    """
    With a change every few hundred characters all over a long document, each mark has its place.
    """
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(3_000)]
    text = " ".join("Ann" if n % 50 == 0 else chance.choice(words) for n in range(30_000))
    marked = iter(range(10**6))
    copy = re.sub(r"\bAnn\b", lambda _: "[[Ann|PER]]" if next(marked) % 3 == 0 else "Ann", text)
    copy = re.sub(r"\b\w{9}\b", lambda match: "" if match.start() % 5 == 0 else match[0], copy)
    wanted = [match.start() for n, match in enumerate(re.finditer(r"\bAnn\b", text)) if n % 3 == 0]
    prediction = label(text, copy)

    assert len(text) > 170_000
    assert "labeled" == prediction.outcome
    assert set(spans(prediction)) <= {(place, place + 3, "PER") for place in wanted}
    assert len(prediction.entities) > 0.95 * len(wanted)


PIECES = ["Ann", "Bob", "Acme", "wahl", " ", ". ", "\r\n", "é", "[", "]]", "|PER", "{", "東京", "👩\u200d👧"]
pieces = st.lists(st.sampled_from(PIECES), min_size=1, max_size=14)


@each_resolver
@given(pieces, st.data())
@settings(max_examples=60, deadline=None)
def test_every_mark_of_a_faithful_copy_is_placed_exactly_there(resolver, parts, data):
    """
    Whatever stands in the text, marks around its pieces come back as they were set.
    """
    from llmlabel.formats.markers import mark, markers_for

    text = "".join(parts)
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    chosen = data.draw(st.sets(st.integers(0, len(parts) - 1)))
    wanted = [(ends[n] - len(parts[n]), ends[n], "PER") for n in sorted(chosen) if parts[n].isalnum()]
    copy = mark(text, wanted, markers_for(text))

    if text.strip():
        assert wanted == spans(label(text, copy, resolver=resolver))
