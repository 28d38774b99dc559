"""Laws that hold for every text and every answer."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmlabel.resolvers.automaton as automaton
from llmlabel.resolvers.aligned import AlignedResolver
from llmlabel.resolvers.characters import is_blank, is_border
from llmlabel.resolvers.exact import ExactResolver
from llmlabel.resolvers.fold import FoldedText, LettersOnly
from llmlabel.types import Mention

# Pieces that folding, borders and maps go wrong on, mixed with any character of Unicode.
PIECES = [
    "Ann", "ann", "ANN", " ", "  ", "\n", "\r\n", "-\n", "\u00ad\n", "İ", "ı", "ß", "ẞ", "ﬁ", "ﬃ", "é", "e\u0301", "Å",
    "\u200b", "\u200d", "\ufeff", "😀", "👩‍👧", "🇫🇷", "𠮷", "马云", "ガ", "カ\u3099", "ﾄﾖﾀ", "서울",
    "\u1109\u1165", "กรุงเทพ", "ิ",
    "नमस्ते",
    "أَحْمَدُ", "ـ", "&amp;", "&", "&#39;", "'s", "’s", "“", "”", "...", "…", "the ", "1.", "10", "½", "²", "C++", "_", "•",
]  # fmt: skip
characters = st.characters(exclude_categories=["Cs"])
texts = st.lists(st.sampled_from(PIECES) | st.text(characters, max_size=3), max_size=25).map("".join)


@st.composite
def questions(draw):
    """A text, and mentions of which most are parts of it."""
    text = draw(texts)
    said = []
    for _ in range(draw(st.integers(0, 6))):
        if text and draw(st.integers(0, 3)):
            start = draw(st.integers(0, len(text) - 1))
            said.append(text[start : draw(st.integers(start, len(text)))])
        else:
            said.append(draw(texts))
    return text, [Mention(text=one, label=draw(st.sampled_from(["A", "B"]))) for one in said]


names = st.lists(st.sampled_from(["Ann", "Ann Lee", "Ann Lee Roy", "Lee", "Bob"]), min_size=1, max_size=10)


@st.composite
def nested(draw):
    """A text of names, and names that begin where others do."""
    said = [Mention(text=one, label=draw(st.sampled_from(["A", "B"]))) for one in draw(names)]
    return " met ".join(draw(names)), said


RESOLVERS = [ExactResolver(), AlignedResolver(), AlignedResolver(min_similarity=0, occurrences="all")]


@pytest.mark.parametrize("resolver", RESOLVERS, ids=repr)
@given(questions())
def test_one_placement_each_within_the_text(resolver, question):
    """
    As many placements as mentions, in order; spans are non-empty slices; blank mentions have none.
    """
    text, mentions = question
    found = resolver.resolve(text, mentions)

    assert [id(m) for m in mentions] == [id(p.mention) for p in found]
    for placement in found:
        assert 0 <= placement.similarity <= 1
        assert not (placement.placed and is_blank(placement.mention.text))
        for start, end in [(placement.start, placement.end), *placement.repeats] if placement.placed else []:
            assert 0 <= start < end <= len(text)
            assert text[start:end].strip()
        if placement.status == "exact":
            assert text[placement.start : placement.end] == placement.mention.text


@pytest.mark.parametrize("resolver", RESOLVERS[:2], ids=repr)
@given(texts, st.data())
def test_a_unique_verbatim_mention_is_placed_exactly_there(resolver, text, data):
    """
    A part of the text that stands there once, at borders of words, is placed exactly there.
    """
    borders = [at for at in range(len(text) + 1) if is_border(text, at)]
    start, end = sorted((data.draw(st.sampled_from(borders)), data.draw(st.sampled_from(borders))))
    surface = text[start:end]
    if not is_blank(surface) and text.find(surface, text.find(surface) + 1) < 0:
        (placement,) = resolver.resolve(text, [Mention(text=surface, label="A")])

        assert ("exact", start, end) == (placement.status, placement.start, placement.end)


@pytest.mark.parametrize("resolver", RESOLVERS, ids=repr)
@given(questions())
def test_the_same_question_has_the_same_answer(resolver, question):
    """
    Placements depend on nothing but the text and the mentions; a prepared text gives the same.
    """
    text, mentions = question
    place = resolver.prepare(text)

    assert resolver.resolve(text, mentions) == list(place(mentions)) == list(place(mentions))


@given(questions(), st.lists(st.integers(0, 6), max_size=3))
def test_absent_mentions_change_nothing(question, places):
    """
    The answer for a mention does not depend on others that are not in the text.
    """
    text, mentions = question
    beside = list(mentions)
    for place in places:
        beside.insert(place, Mention(text="Zyx Wvutsrq", label="A"))
    found = AlignedResolver().resolve(text, beside)
    kept = [p for p in found if p.mention.text != "Zyx Wvutsrq"]

    assert AlignedResolver().resolve(text, mentions) == kept


@pytest.mark.parametrize("resolver", RESOLVERS, ids=repr)
@given(questions() | nested())
def test_no_span_is_given_twice_under_one_label(resolver, question):
    """
    Two mentions with one label never share a span.
    """
    text, mentions = question
    taken = [(p.start, p.end, p.mention.label) for p in resolver.resolve(text, mentions) if p.placed]

    assert len(set(taken)) == len(taken)


@given(texts)
def test_the_map_of_the_fold_is_exact(text):
    """
    Every folded word maps to a stretch of the source that folds to it, in order.
    """
    folded = FoldedText(text)
    at, last = 1, 0
    for word in folded.words.split():
        span = folded.span(at, at + len(word))
        if span is not None:
            start, end = span
            assert last <= start < end <= len(text)
            last = start
        at += len(word) + 1

    assert folded.words == FoldedText(unicodedata.normalize("NFC", text)).words or "&" in text or not text.isascii()


@given(st.text(alphabet="ab ", max_size=60).map(lambda text: f" {' '.join(text.split())} " * 40))
@settings(max_examples=30)
def test_letters_alone_know_their_places(words):
    """
    Every letter of the view without spaces is traced back to itself, over many blocks.
    """
    letters = LettersOnly(words)
    places = [at for at, letter in enumerate(words) if letter != " "]

    assert places == [letters.position(number) for number in range(len(places))]


@given(st.text("ab ", max_size=60), st.lists(st.text("ab ", min_size=1, max_size=5), unique=True, max_size=12))
def test_the_automaton_finds_what_plain_search_finds(text, strings):
    """
    With and without the compiled automaton the hits are the same, overlaps included.
    """
    assert automaton.search_each(text, strings) == automaton.search_all(text, strings)


@settings(max_examples=40)
@given(questions())
def test_without_the_compiled_automaton_the_answer_is_the_same(question):
    """
    On a machine without a wheel the results do not change.
    """
    text, mentions = question
    with_wheel = AlignedResolver().resolve(text, mentions)
    automaton.compiled = False
    try:
        assert with_wheel == AlignedResolver().resolve(text, mentions)
    finally:
        automaton.compiled = True


def hard(n):
    """Inputs of about ``n`` characters that make careless algorithms quadratic."""
    return {
        "one word without end": ("a" * n, ["a", "aa", "a" * 1000, "b", "a" * (n // 10) + "b"]),
        "one word again and again": ("a " * (n // 2), [" ".join("a" * k) for k in range(1, 60)]),
        "many times the same": ("Ann met Bob. " * (n // 125), ["Ann"] * (n // 10)),
        "all places taken": ("Ann " * (n // 50), ["Ann", "Bob"] * (n // 50)),
        "only spaces": (" " * n, [" ", "a b"]),
        "only references": ("&amp;" * (n // 5), ["&", "amp"]),
        "only accents": ("e\u0301" * (n // 2), ["é", "ee"]),
        "near misses": ("London " * (n // 10), [f"Londo{c} {d}aris" for c in "bcdfghjk" for d in "bcdfghjk"]),
        "mentions without end": ("Ann left. ", ["Ann " * (n // 10), "(" * (n // 10), "s " * (n // 20) + "..."]),
    }


@pytest.mark.parametrize("size", [10**5, pytest.param(10**6, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", hard(0))
def test_hard_inputs_take_linear_time(case, size):
    """
    No input costs more than 20 microseconds for each character and mention, on a slow machine.
    """
    text, said = hard(size)[case]
    started = time.process_time()
    found = AlignedResolver().resolve(text, [Mention(text=one, label="A") for one in said])
    seconds = time.process_time() - started

    assert len(said) == len(found)
    assert seconds < 20e-6 * (len(text) + sum(map(len, said)) + len(said)) + 0.5
