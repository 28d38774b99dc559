"""Cutting long texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlabel.chunking import around, cut, estimate_tokens, is_cluster_border
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


# What UAX #29 keeps together, beside ordinary text; regex's \X is the oracle.
MARKS = st.sampled_from(
    "\u0e01\u0e33\u0e19\u0e49\u0915\u0937\u0d23\u0d4d\u094d\u200d\u200c\ufe0f\uff9e\u1100\u1161\u11a8\uac00\uac01\u0600\u0301\u1dca\u0903\u3002"
    "e🇫🇷👩❤🏽\U000e0067\r\n ."
)


@given(st.lists(MARKS | st.characters(exclude_categories=["Cs", "Cn"]), max_size=40).map("".join), st.integers(1, 8))
@settings(max_examples=300)
def test_pieces_are_whole_grapheme_clusters(text, most):
    """
    Every cut stands where an independent implementation of UAX #29 allows one.
    """
    regex = pytest.importorskip("regex", reason="the oracle of this test is not installed")
    allowed = {match.start() for match in regex.finditer(r"\X", text)}

    assert {chunk.start for chunk in cut(text, most)[1:]} <= allowed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("我们到了。", "然后下雨了。"),
        ("彼は「行く。」", "雨が降った。"),
        ("वह आया। ", "फिर बारिश हुई।"),
        ("وصل القطار؟ ", "ثم بدأ المطر."),
        ("یہ درست ہے۔ ", "بارش ہوئی۔"),
        ("እሱ መጣ። ", "ዝናብ ዘነበ።"),
        ("Նա եկավ։ ", "Անձրև եկավ։"),
        ("သူလာတယ်။ ", "မိုးရွာတယ်။"),
        ("ខ្ញុំមក។ ", "ភ្លៀង។"),
        ("Er kam am 3. Mai zurück. ", "Dann ging er."),
        ("See e.g. the law. ", "It rained."),
        ("He said “no!” ", "She left."),
        ("Wait ! ! ! ", "Go on."),
        ("Он приехал в 2020 г. в Москву. ", "Шёл дождь."),
        ("It went on\r\nfor days. ", "Then it\r\nended."),
        ("line one\n", "line two"),
    ],
)
def test_sentences_end_where_they_end_in_any_language(first, second):
    """
    A sentence is cut off behind its own mark, its quotes and its spaces, never behind an abbreviation or a broken line.
    """
    most = max(len(first), len(second))

    assert [first, second] == [chunk.own for chunk in cut(first + second, most, count=len)]


def test_text_without_any_border_fills_its_pieces():
    """
    Endless text is cut into as few pieces as the limit allows, however its density changes.
    """
    text = ("a" * 3_000 + "我" * 300) * 5
    chunks = cut(text, 100)

    assert all(estimate_tokens(chunk.text) <= 100 for chunk in chunks)
    assert len(chunks) < 1.3 * estimate_tokens(text) / 100


def test_cuts_are_as_good_as_those_of_a_well_kept_splitter():
    """
    In prose broken into lines, cuts stand at ends of sentences at least as often, in no more pieces.
    """
    splitter = pytest.importorskip("semantic_text_splitter", reason="the splitter to compare with is not installed")
    sentences = [
        f"Sentence {n} tells of Mr. Lee,\nwho in {1900 + n} went " + "on and\non " * (n % 5) + "to rest."
        for n in range(200)
    ]
    text = " ".join(sentences)
    ends = {end for n in range(200) if (end := len(" ".join(sentences[: n + 1])) + 1)}
    ours = [chunk.start for chunk in cut(text, 400, count=len)[1:]]
    theirs = [start for start, _ in splitter.TextSplitter(400, trim=False).chunk_indices(text)][1:]

    assert set(ours) <= ends
    assert not set(theirs) <= ends
    assert len(ours) <= 1.3 * len(theirs)


@given(texts, st.integers(16, 40), st.integers(0, 20))
def test_what_stands_around_a_piece_is_shown_in_whole_characters(text, most, tokens):
    """
    The neighbours' text touches the piece, fits, and starts and ends where characters do.
    """
    for chunk in cut(text, most):
        before, after = around(text, chunk, tokens)

        assert text[: chunk.start].endswith(before)
        assert text[chunk.end :].startswith(after)
        assert max(estimate_tokens(before), estimate_tokens(after)) <= tokens
        start, end = chunk.start - len(before), chunk.end + len(after)
        assert all(is_cluster_border(text, at) for at in (start, end) if 0 < at < len(text) and tokens)
