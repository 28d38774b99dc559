"""The words of a text: where single ones stand, what is around them, and which are spelled almost like another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from heapq import nlargest
from operator import itemgetter

from llmlabel.resolvers.automaton import search_all

_PART = 1 << 16
_MOST_COMPARED = 4000
_FEW_WORDS = 3000
_SHORT_TEXT, _LONG_TEXT = 20_000, 200_000
_FEW_SCANS = 24
_MOST_SCANNED = 4000
_LEAST_ANCHOR = 6  # characters of a phrase that does not stand everywhere
MOST_POSITIONS = 2000


class Vocabulary:
    """The distinct words of a folded text, and the positions of those that were asked for.

    Args:
        text: Folded words, each between single spaces.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._positions: dict[str, list[int]] = {}
        self._one_edit: dict[str, list[str]] = {}
        self._two_edits: dict[str, list[str]] = {}
        self._words: frozenset[str] | None = None
        # For a few questions, reading a long text again and again is faster than taking all its words apart.
        self._known: dict[str, bool] = {}
        self._scans = 0

    def knows(self, word: str) -> bool:
        """Return whether the text holds a word."""
        if self._words is None:
            known = self._known.get(word)
            if known is not None:
                return known
            if self._scans < _FEW_SCANS and len(self.text) > _LONG_TEXT:
                self._scans += 1
                known = self._known[word] = f" {word} " in self.text
                return known
        return word in self.words

    def knows_all(self, words: Iterable[str]) -> bool:
        """Return whether the text holds all of these words."""
        return all(map(self.knows, words)) if self._words is None else self._words.issuperset(words)

    def may_begin_and_end(self, letters: str) -> bool:
        """Return whether words of the text may begin and end a string of letters, whatever stands between them."""
        words, sizes = self.words, range(1, len(letters) + 1)
        for size in sizes:
            if letters[:size] in words:
                break
        else:
            return False
        return any(letters[-size:] in words for size in sizes)

    def phrases_of(self, letters: str) -> list[str]:
        """Return the ways to write a few letters as words of the text."""
        return [" ".join(way) for way in _partitions(letters) if self.words.issuperset(way)]

    @property
    def is_apart(self) -> bool:
        """Whether the text has been taken apart, or is so short that this costs little."""
        return self._words is not None or len(self.text) <= _LONG_TEXT

    @property
    def is_short(self) -> bool:
        """Whether it costs less to read the text for each word that is needed than once for all that may be."""
        return len(self.text) <= _SHORT_TEXT

    def locate(self, words: Iterable[str]) -> None:
        """Find the positions of many words in one pass; ``positions`` then knows them."""
        new = [word for word in dict.fromkeys(words) if word not in self._positions]
        found = search_all(self.text, [f" {word} " for word in new])
        self._positions.update(zip(new, ([start + 1 for start in starts] for starts in found), strict=True))

    def rarest(self, words: list[str]) -> int:
        """Return the number of the rarest of the words that were located, or of the long ones if none was."""
        long = self._positions.keys() & set(words) or set(long_words(words))
        numbers = [number for number, word in enumerate(words) if word in long]
        return min(numbers, key=lambda number: len(self.positions(words[number])))

    def positions(self, word: str) -> list[int]:
        """Return where a word begins in the folded text, ascending."""
        if word not in self._positions:
            self.locate([word])
        return self._positions[word]

    def around(self, position: int, before: int, after: int) -> tuple[list[str], list[str]]:
        """Return the words in a number of characters before a word, and from it on; cut words are left out."""
        start = max(0, position - before)
        end = position + after
        left, right = self.text[start:position].split(), self.text[position:end].split()
        if start > 0 and self.text[start - 1] != " " and left:
            del left[0]
        if end < len(self.text) and self.text[end - 1] != " " and self.text[end] != " " and right:
            del right[-1]
        return left, right

    @property
    def words(self) -> frozenset[str]:
        """The distinct words."""
        if self._words is None:
            found: set[str] = set()
            start = 0
            # In parts: a list of all words would take more memory than all else.
            while start < len(self.text):
                end = self.text.find(" ", start + _PART)
                end = len(self.text) if end < 0 else end
                found.update(self.text[start:end].split())
                start = end
            self._words = frozenset(found)
        return self._words

    @cached_property
    def _forward(self) -> list[str]:
        return sorted(self.words)

    @cached_property
    def _backward(self) -> tuple[list[str], list[str]]:
        """The words read from their end, in order, and the same words as they are."""
        reverse = itemgetter(slice(None, None, -1))
        words = sorted(self.words, key=reverse)
        return list(map(reverse, words)), words

    def one_edit(self, word: str) -> list[str]:
        """Return the words of the text that one insertion, deletion, replacement or swap turns into ``word``.

        One edit leaves the first or the second half intact, or swaps the letters between them.
        """
        known = self._one_edit.get(word)
        if known is None:
            from rapidfuzz import process
            from rapidfuzz.distance import OSA

            half = len(word) // 2
            backward, words = self._backward
            near = self._forward[_starting_with(self._forward, word[:half])]
            near += words[_starting_with(backward, word[half:][::-1])]
            swapped = word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :]
            if swapped in self.words:
                near.append(swapped)
            close = process.extract(word, near, scorer=OSA.distance, score_cutoff=1, limit=None)
            known = self._one_edit[word] = sorted({other for other, edits, _ in close if edits})
        return known

    def in_slot(self, before: str, word: str, after: str) -> list[str] | None:
        """Return the words one edit from ``word`` between two phrases, of which one may be empty.

        None if there are too many places to read: then the words are better taken apart.
        """
        from rapidfuzz.distance import OSA

        left, right = f" {before} " if before else " ", f" {after} " if after else " "
        beside = (left, len(left), True) if before else (right, 0, False)
        near = self._words_at(beside) if len(beside[0]) >= _LEAST_ANCHOR else None
        if near is None:
            half = len(word) // 2
            near = self._words_at(
                (left + word[:half], len(left), True),
                (word[half:] + right, len(word) - half, False),
                (left + word[: half - 1] + word[half] + word[half - 1], len(left), True),
            )
        return None if near is None else sorted(w for w in near if OSA.distance(word, w, score_cutoff=1) == 1)

    def _words_at(self, *anchors: tuple[str, int, bool]) -> set[str] | None:
        """Return the words beside some strings; None if these stand in too many places.

        Args:
            anchors: Each a string, how far behind its start the word begins or ends, and whether it begins there.
        """
        text, found, left = self.text, set[str](), _MOST_SCANNED
        for anchor, offset, begins in anchors:
            at = text.find(anchor)
            while at >= 0:
                edge = at + offset
                found.add(text[edge : text.find(" ", edge)] if begins else text[text.rfind(" ", 0, edge) + 1 : edge])
                at = text.find(anchor, at + 1)
                left -= 1
                if left < 0:
                    return None
        return found

    @cached_property
    def _by_ends(self) -> dict[tuple[int, str, int], list[str]]:
        """The words by their first (0) and last (-1) letter and their length."""
        ends: dict[tuple[int, str, int], list[str]] = {}
        for word in self._forward:
            ends.setdefault((0, word[0], len(word)), []).append(word)
            ends.setdefault((-1, word[-1], len(word)), []).append(word)
        return ends

    def two_edits(self, word: str) -> list[str]:
        """Return words of the text at most two edits away that begin or end like ``word``: errors rarely hit both."""
        known = self._two_edits.get(word)
        if known is None:
            from rapidfuzz import process
            from rapidfuzz.distance import OSA

            sizes = range(len(word) - 2, len(word) + 3)
            if len(self.words) < _FEW_WORDS:
                near = self._forward
            else:
                keys = [(end, word[end], size) for end in (0, -1) for size in sizes]
                near = [other for key in keys for other in self._by_ends.get(key, ())[:_MOST_COMPARED]]
            found = process.extract(word, near, scorer=OSA.distance, score_cutoff=2, limit=None)
            close = (other for other, _, _ in found if other[0] == word[0] or other[-1] == word[-1])
            known = self._two_edits[word] = list(dict.fromkeys(close))[:20]
        return known


def _partitions(letters: str) -> Iterator[list[str]]:
    """Yield all ways to cut letters into words."""
    for size in range(1, len(letters)):
        for rest in _partitions(letters[size:]):
            yield [letters[:size], *rest]
    yield [letters]


def long_words(words: Iterable[str]) -> list[str]:
    """Return the two longest words: places of a long one are few, and two are enough to find a phrase by."""
    return nlargest(2, words, key=len)


def _starting_with(ordered: list[str], prefix: str) -> slice:
    """Return where in an ordered list the strings with a prefix are, the first some thousand of them."""
    first = bisect_left(ordered, prefix)
    return slice(first, min(bisect_left(ordered, prefix + "\U0010ffff", first), first + _MOST_COMPARED))
