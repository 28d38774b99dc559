"""All occurrences of many strings in one pass over a text, in time linear in the text and the hits."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import itemgetter

try:
    import ahocorasick_rs
except ImportError:  # no wheel for this machine: slower, and right all the same
    compiled = False
else:
    compiled = True

FEW_STRINGS = 12
_PREFIX = 200
_FIRST_WINDOW, _WINDOW = 1 << 13, 1 << 16
_HITS_PER_CHARACTER = 2
_LEAST_HITS = 1000
_END = itemgetter(2)


def search_each(text: str, strings: Sequence[str]) -> list[list[int]]:
    """Return the starts of each string, looking for one after the other."""
    found: list[list[int]] = []
    for string in strings:
        starts: list[int] = []
        at = text.find(string)
        while at >= 0:
            starts.append(at)
            if len(starts) >= _LEAST_HITS and len(starts) >= _limit(text, strings, len(string)):
                break
            at = text.find(string, at + 1)
        found.append(starts)
    return found


def _limit(text: str, strings: Sequence[str], length: int) -> int:
    """Return how many hits of a string are taken in: its share, and fewer of a long one, which costs more to check."""
    share = _HITS_PER_CHARACTER * len(text) // max(1, len(strings))
    return max(_LEAST_HITS, share * _PREFIX // (_PREFIX + length))


def search_all(text: str, strings: Sequence[str]) -> list[list[int]]:
    """Return the starts of each of several distinct, non-empty strings, ascending, overlaps included.

    One Aho-Corasick automaton finds them all. A text of endless repetition can hold more hits than characters: once
    there are two for each character, a string with more than its share of them is looked for no further.
    """
    if _few(strings):
        return search_each(text, strings)
    found: list[list[int]] = [[] for _ in strings]
    for number, start in zip(*hits_of_all(text, strings), strict=True):
        found[number].append(start)
    return found


def hits_of_all(text: str, strings: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the hits of the same search: the number of each string, and where it starts.

    They come about as they stand in the text, each string's in order.
    """
    if _few(strings):
        each = search_each(text, strings)
        numbers = chain.from_iterable(map(repeat, range(len(strings)), map(len, each)))
        return list(numbers), list(chain.from_iterable(each))
    # A long string is found by its beginning, so that windows overlap by little.
    by_prefix: dict[str, list[int]] = {}
    for number, string in enumerate(strings):
        by_prefix.setdefault(string[:_PREFIX], []).append(number)
    return _Pass(text, strings, by_prefix).run()


def _few(strings: Sequence[str]) -> bool:
    return len(strings) < FEW_STRINGS or not compiled


def _automaton(strings: list[str]) -> ahocorasick_rs.AhoCorasick:
    # Built six times faster than the table that the library prefers for few strings, and searched as fast.
    kind = ahocorasick_rs.Implementation.ContiguousNFA
    return ahocorasick_rs.AhoCorasick(strings, store_patterns=False, implementation=kind)


class _Pass:
    """Reads the text window by window, which bounds the memory that hits take before they are sorted in."""

    def __init__(self, text: str, strings: Sequence[str], by_prefix: dict[str, list[int]]) -> None:
        self.text, self.strings, self.by_prefix = text, strings, by_prefix
        self.numbers: list[int] = []
        self.starts: list[int] = []
        self.budget = _HITS_PER_CHARACTER * len(text) + _LEAST_HITS
        self.hits = 0
        self._build(list(by_prefix))

    def _build(self, prefixes: list[str]) -> None:
        self.prefixes = prefixes
        self.owners = [self.by_prefix[prefix] for prefix in prefixes]
        # The number of the string that a prefix is; None if a hit of it is no more than a beginning.
        self.whole = [
            numbers[0] if len(prefix) < _PREFIX else None for prefix, numbers in zip(prefixes, self.owners, strict=True)
        ]
        self.same_numbers = self.whole == list(range(len(self.strings)))
        self.automaton = _automaton(prefixes)
        self.overlap = max(map(len, prefixes), default=1) - 1

    def run(self) -> tuple[list[int], list[int]]:
        start, window = 0, _FIRST_WINDOW
        while start < len(self.text) and self.prefixes:
            end = start + window
            if end + window // 2 > len(self.text):
                end = len(self.text)  # no small rest
            self._window(start, end)
            if self.hits > self.budget:
                self._drop_the_frequent()
            start, window = end, min(2 * window, _WINDOW)
        return self.numbers, self.starts

    def _window(self, start: int, end: int) -> None:
        """Take in the hits that begin in ``[start, end)``."""
        part = self.text[start : end + self.overlap]
        hits = self.automaton.find_matches_as_indexes(part, overlapping=True)
        self.hits += len(hits)
        size = end - start
        if len(part) > size:
            last = bisect_right(hits, size, key=_END)  # they come as they end
            hits[last:] = [hit for hit in hits[last:] if hit[1] < size]
        if not hits:
            return
        numbers, within, _ = zip(*hits, strict=True)
        starts = map(start.__add__, within)
        if self.same_numbers:
            self.numbers += numbers
            self.starts += starts
        else:
            self._verify(numbers, starts)

    def _verify(self, prefixes: Iterable[int], starts: Iterable[int]) -> None:
        for prefix, start in zip(prefixes, starts, strict=True):
            number = self.whole[prefix]
            for owner in self.owners[prefix] if number is None else (number,):
                if number is not None or self.text.startswith(self.strings[owner], start):
                    self.numbers.append(owner)
                    self.starts.append(start)

    def _drop_the_frequent(self) -> None:
        found = Counter(self.numbers)
        kept = [
            prefix
            for prefix, numbers in zip(self.prefixes, self.owners, strict=True)
            if max(found[n] for n in numbers) < _limit(self.text, self.strings, len(self.strings[numbers[0]]))
        ]
        if len(kept) < len(self.prefixes):
            self._build(kept)
