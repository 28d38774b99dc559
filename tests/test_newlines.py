"""Line ends made one character each: the labels stand where they stood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel.evaluation.corrections import corrections
from llmlabel.newlines import line_feeds, with_line_feeds
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Relation

texts = st.text(st.sampled_from("ab\r\n😀\u2028"), min_size=1, max_size=40)


def span(text, start, end):
    return Entity(start=start, end=end, label="A", text=text[start:end])


def document(text, *spans, **more):
    entities = tuple(span(text, start, end) for start, end in spans)
    return LabeledDocument(document=Document(id="d", text=text), entities=entities, **more)


@given(texts, st.data())
def test_every_span_holds_the_same_words(text, data):
    """
    A span holds after the change what it held before, with line ends of one character.
    """
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    plain = with_line_feeds(document(text, (start, end)))
    (found,) = plain.entities
    whole = text[start - (text[start - 1 : start + 1] == "\r\n") : end + (text[end - 1 : end + 1] == "\r\n")]

    assert line_feeds(text) == plain.document.text
    assert (line_feeds(whole), found.text) == (found.text, plain.document.text[found.start : found.end])


def test_offsets_count_a_line_end_once():
    """
    What stands after two line ends moves by as many characters as they lost.
    """
    plain = with_line_feeds(document("a\r\nb\rc\r\nAnn", (8, 11)))

    assert ("a\nb\nc\nAnn", [(6, 9, "Ann")]) == (
        plain.document.text,
        [(e.start, e.end, e.text) for e in plain.entities],
    )


@pytest.mark.parametrize("place", [(1, 2), (2, 3), (1, 3)])
def test_a_span_inside_of_a_line_end_takes_all_of_it(place):
    """
    No span becomes empty.
    """
    assert [(1, 2, "\n")] == [(e.start, e.end, e.text) for e in with_line_feeds(document("a\r\nb", place)).entities]


def test_all_else_stays():
    """
    Relations, classes and texts are the same; a text without carriage returns is returned as it is.
    """
    more = {"relations": (Relation(head=0, tail=1, label="r"),), "classes": {"c": (ClassLabel(label="x"),)}}
    before = document("a\r\nb", (0, 1), (3, 4), texts={"t": "one\r\ntwo"}, **more)
    after = with_line_feeds(before)

    assert (before.relations, before.classes, before.texts) == (after.relations, after.classes, after.texts)
    assert with_line_feeds(after) is after


def test_corrections_look_past_line_ends():
    """
    Labels of a platform that knows line feeds only are compared with predictions on the text as it was.
    """
    ours = document("one\r\nAnn and Bob", (5, 8), (13, 16))
    theirs = document("one\nAnn and Bob", (4, 7))

    assert {"accepted": 1, "deleted": 1} == corrections([ours], [theirs]).totals
