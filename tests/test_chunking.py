"""Cutting long texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel.chunking import cut, estimate_tokens, is_cluster_border
from llmlabel.errors import ConfigurationError

PIECES = [
    "Dr. Who left. ",
    "\r\n\r\n",
    "\n",
    "我在这里。",
    "你好",
    "กรุงเทพ",
    "👩‍👧",
    "🇫🇷",
    "e\u0301",
    " ",
    ", ",
    "x" * 9,
]
texts = st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)).map("".join)


@given(texts, st.integers(1, 30), st.integers(0, 15))
def test_pieces_without_context_are_the_text(text, most, overlap):
    """
    Nothing is lost or doubled, every piece stands at its offsets, and fits unless it is one character as shown.
    """
    chunks = cut(text, most, min(overlap, most // 2))

    assert text == "".join(chunk.own for chunk in chunks)
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        inside = range(1, len(chunk.own))
        assert estimate_tokens(chunk.text) <= most or not any(is_cluster_border(chunk.own, at) for at in inside)


@given(texts, st.integers(1, 30))
def test_no_character_is_cut(text, most):
    """
    An accent, an emoji with its parts and CRLF stay together.
    """
    assert all(is_cluster_border(text, chunk.start) for chunk in cut(text, most)[1:])


@given(texts, texts)
def test_the_estimate_adds_up(one, other):
    """
    Cutting changes the sum by rounding only.
    """
    assert 0 <= estimate_tokens(one) + estimate_tokens(other) - estimate_tokens(one + other) <= 1


def test_cuts_are_made_at_the_best_border():
    """
    Paragraphs first, then sentences; an abbreviation ends no sentence.
    """
    text = "Mr. Lee met Dr. Who. They left.\n\nThen it rained all day. Nobody came."
    ends = [chunk.own for chunk in cut(text, 14)]

    assert ["Mr. Lee met Dr. Who. They left.\n\n", "Then it rained all day. Nobody came."] == ends
    assert "Mr. Lee met Dr. Who. " == cut(text, 7)[0].own


def test_context_repeats_the_end_of_the_piece_before():
    """
    The overlap begins at a word and is marked as not to be labelled.
    """
    first, second, *_ = cut("one two three. four five six. seven eight nine. " * 3, 12, 4)

    assert second.context > 0
    assert first.own.endswith(second.text[: second.context])
    assert second.text[: second.context] == second.text[: second.context].lstrip()


def test_a_counter_of_the_callers_is_respected():
    """
    Pieces fit by the given count.
    """
    chunks = cut("a b c d e f g h", 3, count=lambda text: len(text.split()))

    assert ["a b c ", "d e f ", "g h"] == [chunk.text for chunk in chunks]


@pytest.mark.parametrize(("most", "overlap"), [(0, 0), (10, -1), (10, 6)])
def test_impossible_sizes_are_refused(most, overlap):
    """
    The message names the argument.
    """
    with pytest.raises(ConfigurationError, match="tokens"):
        cut("x", most, overlap)


@pytest.mark.parametrize("text", ["x" * 10**6, "a b " * 250_000, "我" * 10**5, "\u0301" * 10**4])
def test_cutting_takes_linear_time(text):
    """
    A megabyte of anything is cut in seconds.
    """
    started = time.process_time()
    cut(text, 500, 50)

    assert time.process_time() - started < 20
