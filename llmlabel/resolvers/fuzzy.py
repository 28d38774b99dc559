"""Places that differ from a mention by one or two letters: typing errors, never another word.

An edit is an insertion, a deletion, a replacement, or a swap of neighbours (optimal string alignment; Damerau 1964).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from rapidfuzz.distance import OSA

from llmlabel.resolvers.automaton import search_all
from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.lexicon import FUNCTION_WORDS, MEANT
from llmlabel.resolvers.vocabulary import MOST_POSITIONS, Vocabulary, long_words

_LEAST_LETTERS = 5
_LONG = 8  # letters in which two edits are still a misspelling
_LEAST_CHANGED = 6  # letters of a word that is known again although its first letter is another
_MOST_WORDS = 40
_MOST_ANCHORS = 3
_ROMAN = re.compile("m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")


@dataclass(slots=True)
class Similar:
    """Spans of the folded text that are spelled almost like a mention.

    Attributes:
        edits: How many letters differ.
        spans: Where they stand, ascending.
        letters: The different spellings among them.
    """

    edits: int
    spans: list[Span]
    letters: set[str]


class _Window(NamedTuple):
    """Some words beside a place that are spelled almost like a mention: where from there, and their letters."""

    edits: int
    start: int
    end: int
    letters: str


def searchable(key: str) -> bool:
    """Return whether the folded words are long enough, and few enough, to be misspelled recognisably."""
    return len(key.replace(" ", "")) >= _LEAST_LETTERS and key.count(" ") < _MOST_WORDS


def words_to_locate(vocabulary: Vocabulary, keys: Iterable[str], edits: int) -> set[str]:
    """Return the words of the text that ``similar_spans`` will start from, for one pass over the text."""
    wanted: set[str] = set()
    for key in keys:
        words = key.split()
        unknown = [word for word in words if not vocabulary.knows(word)]
        if edits == 1:
            wanted.update(long_words(filter(vocabulary.knows, words)))
        for word in unknown:
            wanted.update(_near(vocabulary, word, edits, alone=len(unknown) == 1 < len(words)))
    return wanted


def _near(vocabulary: Vocabulary, word: str, edits: int, *, alone: bool) -> list[str]:
    """Return words of the text that a word may be; ``alone``: all other words of the mention are in the text."""
    if edits == 1:
        return vocabulary.one_edit(word) if len(word) > 1 else []
    return vocabulary.two_edits(word) if len(word) >= (_LEAST_LETTERS if alone else _LONG) else []


def misspelled_word(
    vocabulary: Vocabulary, keys: Iterable[str], edits: int, *, in_slot: bool = False
) -> dict[str, Similar]:
    """Return the places at which all words of a key stand but one, which is misspelled: the most frequent case.

    Args:
        vocabulary: The words of the text.
        keys: The words of the mentions.
        edits: Most edits (1 or 2) of the word.
        in_slot: Whether to read what the word may be off the places of the others: for a few mentions in a long text.
    """
    phrases: dict[str, dict[str, str]] = {}
    for key in keys:
        comparison = _comparison(vocabulary, key, edits)
        if comparison:
            phrases[key] = comparison.one_word_off(in_slot=in_slot)
    wanted = list(dict.fromkeys(phrase for said in phrases.values() for phrase in said))
    hits = dict(zip(wanted, search_all(vocabulary.text, [f" {phrase} " for phrase in wanted]), strict=True))
    found: dict[str, Similar] = {}
    for key, said in phrases.items():
        spans = sorted((start + 1, start + 1 + len(phrase)) for phrase in said for start in hits[phrase])
        if spans:
            found[key] = Similar(edits, spans, {other for phrase, other in said.items() if hits[phrase]})
    return found


def _comparison(vocabulary: Vocabulary, key: str, edits: int) -> _Comparison | None:
    words = key.split()
    budget = 1 if len(key) - len(words) + 1 < _LONG else 2
    if budget < edits or vocabulary.knows_all(words):
        return None  # a word of this text that stands in another place says something else
    return _Comparison(vocabulary, words, budget, edits)


def similar_spans(vocabulary: Vocabulary, key: str, edits: int) -> Similar | None:
    """Return the spans with the fewest edits from the several words of ``key``; None if there are none.

    Args:
        vocabulary: The words of the text.
        key: The words of the mention.
        edits: Most edits (1 or 2) of the word that the search starts from.
    """
    comparison = _comparison(vocabulary, key, edits)
    if not comparison or len(comparison.words) == 1:
        return None
    for number, anchors in comparison.anchors():
        found = comparison.around(number, anchors)
        if found:
            return found
    return None


class _Comparison:
    """A mention's words beside the windows of the text that may be a misspelling of them."""

    def __init__(self, vocabulary: Vocabulary, words: list[str], budget: int, edits: int) -> None:
        self.vocabulary, self.words, self.budget, self.edits = vocabulary, words, budget, edits
        self.letters = "".join(words)

    def one_word_off(self, *, in_slot: bool = False) -> dict[str, str]:
        """Return the words with the unknown one replaced by what it may be, which is the value; none if several are."""
        unknown = [number for number, word in enumerate(self.words) if not self.vocabulary.knows(word)]
        if len(unknown) != 1:
            return {}
        before, word, after = self.words[: unknown[0]], self.words[unknown[0]], self.words[unknown[0] + 1 :]
        alone = bool(before or after)
        if not in_slot:
            near = _near(self.vocabulary, word, self.edits, alone=alone)
        elif alone and len(word) > 1:
            near = self.vocabulary.in_slot(" ".join(before), word, " ".join(after)) or []
        else:
            near = []
        meant = [other for other in near if self._is_typo(word, other)]
        if not alone and self.edits > 1:
            least = min((OSA.distance(word, other) for other in meant), default=0)
            meant = [other for other in meant if OSA.distance(word, other) == least]
        return {" ".join([*before, other, *after]): other for other in meant}

    def anchors(self) -> list[tuple[int, list[str]]]:
        """Return the numbers of words of the mention, and the words of the text each may be, the rarest first."""
        found = []
        alone = sum(not self.vocabulary.knows(word) for word in self.words) == 1 < len(self.words)
        long = long_words(filter(self.vocabulary.knows, self.words))
        for number, word in enumerate(self.words):
            known = self.vocabulary.knows(word)
            if not known or (self.edits == 1 and word in long):
                found.append((number, [word] if known else _near(self.vocabulary, word, self.edits, alone=alone)))
        return sorted((a for a in found if a[1]), key=lambda anchor: self._frequency(anchor[1]))[:_MOST_ANCHORS]

    def _frequency(self, words: list[str]) -> int:
        return sum(len(self.vocabulary.positions(word)) for word in words)

    def around(self, number: int, words: list[str]) -> Similar | None:
        """Compare the windows in which word ``number`` of the mention stands about where it should."""
        before = len(" ".join(self.words[:number])) + 2 * self.budget + 8
        after = len(" ".join(self.words[number:])) + 2 * self.budget + 8
        text, pieces = self.vocabulary.text, self._pieces(number)
        # What stands in many places word for word is compared once.
        known: dict[str, list[_Window]] = {}
        found: list[tuple[int, _Window]] = []
        for place in sorted(place for word in words for place in self.vocabulary.positions(word))[:MOST_POSITIONS]:
            near = text[max(0, place - before - 1) : place + after + 1]
            windows = known.get(near)
            if windows is None:
                letters = near.replace(" ", "")
                likely = not pieces or any(map(letters.__contains__, pieces))
                windows = self._compare(number, *self.vocabulary.around(place, before, after)) if likely else []
                if place > before:
                    known[near] = windows
            found += [(place, window) for window in windows]
        if not found:
            return None
        least = min(window.edits for _, window in found)
        close = [(place, window) for place, window in found if window.edits == least]
        spans = dict.fromkeys((place + window.start, place + window.end) for place, window in close)
        return Similar(least, list(spans), {window.letters for _, window in close})

    def _pieces(self, number: int) -> list[str]:
        """Return parts of the other words of which one is intact in any window with no more edits than allowed."""
        left = self.budget if self.vocabulary.knows(self.words[number]) else self.budget - 1
        others = [word for at, word in enumerate(self.words) if at != number]
        parts = [0] * len(others)
        for _ in range(left + 1):  # one part more than there are edits, each as long as can be
            longest = max(range(len(others)), key=lambda at: len(others[at]) / (parts[at] + 1))
            parts[longest] += 1
        pieces: list[str] = []
        for other, count in zip(others, parts, strict=True):
            size = len(other) // max(1, count)
            pieces += [other[at * size : (at + 1) * size if at < count - 1 else None] for at in range(count)]
        return [] if "" in pieces else pieces

    def _compare(self, number: int, left: list[str], right: list[str]) -> list[_Window]:
        """Return the windows around a word, which is the first of ``right``, that are a misspelling of the mention."""
        found = []
        tokens = left + right
        letters, ends = "".join(tokens), [0, *accumulate(map(len, tokens))]
        for first, last in self._windows(len(left) - number, len(tokens)):
            if abs(ends[last] - ends[first] - len(self.letters)) <= self.budget:
                text, window = letters[ends[first] : ends[last]], tokens[first:last]
                edits = OSA.distance(self.letters, text, score_cutoff=self.budget)
                if edits <= self.budget and self._only_typos(window):
                    start = _width(right[: max(0, first - len(left))]) - _width(left[first:])
                    found.append(_Window(edits, start, start + _width(window) - 1, text))
        return found

    def _windows(self, expected: int, tokens: int) -> Iterator[tuple[int, int]]:
        """Yield the first token of windows that begin about where it is expected, and the token after their last."""
        size = len(self.words)
        for first in range(max(0, expected - 1), expected + 2):
            for count in (size, size + 1, size - 1):
                if count and first + count <= tokens:
                    yield first, first + count

    def _only_typos(self, window: list[str]) -> bool:
        if len(self.words) != len(window):
            fixed = list(filter(_is_fixed, window)) == list(filter(_is_fixed, self.words))
            return len(self.letters) >= _LONG and window[-1] not in self.words[:1] and fixed
        return all(said == found or self._is_typo(said, found) for said, found in zip(self.words, window, strict=True))

    def _is_typo(self, said: str, found: str) -> bool:
        """Return whether one word is a misspelling of the other rather than another word.

        A word that stands elsewhere in the text is meant as it is. In a short word a replaced letter makes another
        word (``man``, ``men``), unless the letters are only swapped, one is missing or doubled, or it means nothing.
        """
        if said in MEANT or self.vocabulary.knows(said) or (_ROMAN.fullmatch(said) and _ROMAN.fullmatch(found)):
            return False
        edits = OSA.distance(said, found)
        if len(found) <= 3:
            same_letters = len(said) != len(found) or sorted(said) == sorted(found)
            return edits == 1 and (same_letters or found in FUNCTION_WORDS)
        return edits == 1 or (len(found) > 4 and 2 * edits < len(found) and _same_beginning(said, found))


def _same_beginning(said: str, found: str) -> bool:
    """Return whether two edits leave the beginning of a word that makes it another: ``South``, ``increase``."""
    if said[0] == found[0] or said[:2] == found[1::-1]:
        return True
    size = min(len(said), len(found))
    return size >= _LEAST_CHANGED and said[2 - size :] != found[2 - size :]


def _is_fixed(word: str) -> bool:
    """Return whether a word may be neither misspelled nor left out: a Roman numeral, a title, a pronoun."""
    return word in MEANT or _ROMAN.fullmatch(word) is not None


def _width(words: list[str]) -> int:
    return sum(map(len, words)) + len(words)
