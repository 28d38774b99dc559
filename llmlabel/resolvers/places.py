"""The possible places of one surface: spans of the source that may be what the model meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.changes import QUIET, changes_between, plain_sign, similarity_after
from llmlabel.resolvers.characters import TABLE, is_mark, writes_without_spaces
from llmlabel.resolvers.fold import FoldedText, fold_words

_ASCII_SIGNS = "".join(chr(code) for code in range(128) if not chr(code).isalnum())
RANK_OF_CASE = 2.0 - similarity_after(("case",))


@dataclass(slots=True)
class Surface:
    """A string to search for, cut into what stands before its first letter, its letters, and what stands after.

    Attributes:
        text: The string.
        key: Its folded words; empty if it has no letter and no digit.
        lead: What precedes the first letter.
        trail: What follows the last letter.
    """

    text: str
    key: str
    lead: str
    trail: str

    @classmethod
    def of(cls, text: str) -> Surface:
        """Return a string with its parts."""
        if text.isascii() and "&" not in text:
            key = fold_words(text)
            if not key:
                return cls(text, "", text, "")
            if text[0].isalnum() and text[-1].isalnum():
                return cls(text, key, "", "")
            first = len(text) - len(text.lstrip(_ASCII_SIGNS))
            last = len(text.rstrip(_ASCII_SIGNS))
            return cls(text, key, text[:first], text[last:])
        folded = FoldedText(text)
        key = folded.words.strip()
        span = folded.span(1, len(folded.words) - 1) if key else None
        if span is None:
            return cls(text, "", text, "")
        return cls(text, key, text[: span[0]], text[span[1] :])

    @property
    def pattern(self) -> str:
        """The key with a space at each end where only a border of words may be."""
        if self.key.isascii():
            return f" {self.key} "
        before = "" if writes_without_spaces(self.key[0]) else " "
        after = "" if writes_without_spaces(self.key[-1]) else " "
        return f"{before}{self.key}{after}"


class Places:
    """Where a surface may stand.

    Args:
        surface: What was searched for.
        ranks: Rank of each span: 0 verbatim, below 1 for changes nobody notices, above 1 for the others. Made from
            ``starts`` and ``cased`` when first needed, if there are no other places: for most it never is.
        changes: What else was done to the mention or to the place.
        starts: Where the surface stands verbatim, ascending.
        cased: Where it stands in another case, ascending.

    Attributes:
        edits: How many letters differ.
        ambiguous: Whether the spans are different words, equally similar.
    """

    __slots__ = ("_ranks", "ambiguous", "cased", "changes", "edits", "starts", "surface")

    def __init__(
        self,
        surface: Surface,
        ranks: dict[Span, float] | None = None,
        changes: tuple[str, ...] = (),
        *,
        starts: Sequence[int] = (),
        cased: Sequence[int] = (),
    ) -> None:
        self.surface, self._ranks, self.changes, self.starts, self.cased = surface, ranks, changes, starts, cased
        self.edits = 0
        self.ambiguous = False

    @property
    def ranks(self) -> dict[Span, float]:
        """The rank of each span."""
        if self._ranks is None:
            self._ranks = dict.fromkeys(self._spans(self.starts), 0.0)
            self._ranks.update(dict.fromkeys(self._spans(self.cased), RANK_OF_CASE))
        return self._ranks

    def add(self, ranks: Mapping[Span, float]) -> None:
        """Add spans; those that are known keep the better rank."""
        known = self.ranks
        self._ranks = {**ranks, **known, **{span: 0.0 for span, rank in ranks.items() if rank == 0}}
        self.starts = self.cased = ()

    @property
    def is_verbatim(self) -> bool:
        """Whether the surface stands somewhere character for character."""
        return bool(self.starts) or (self._ranks is not None and 0.0 in self._ranks.values())

    @property
    def count(self) -> int:
        """How many spans there are."""
        return len(self.starts) + len(self.cased) if self._ranks is None else len(self._ranks)

    def _spans(self, starts: Sequence[int]) -> list[Span]:
        size = len(self.surface.text)
        return [(start, start + size) for start in starts]

    def verbatim(self, wanted: int) -> list[Span]:
        """Return the verbatim places if they are the best and as many as ``wanted``: for most, at no cost."""
        enough = not self.changes and len(self.starts) >= (wanted if self.cased else 1)
        return self._spans(self.starts) if enough else []

    def select(self, wanted: int, demand: int = 0) -> list[Span]:
        """Return the best places, ascending: at least as many as are ``wanted``, if there are so many.

        Args:
            wanted: How many mentions have this surface.
            demand: How many have these words: they share the places at which the surface is not verbatim.
        """
        ranks = set(self.ranks.values())
        if len(ranks) < 2:
            return sorted(self.ranks)
        best = min(ranks)
        if best == 0 and wanted == 1 and len(self.ranks) > 1:
            verbatim = [span for span, rank in self.ranks.items() if rank == 0]
            if len(verbatim) == 1:
                return verbatim
        if best > 0:
            wanted = max(wanted, demand)
        limit = max(best, 0.99)
        chosen = [span for span, rank in self.ranks.items() if rank <= limit]
        if len(chosen) < wanted:
            chosen = list(self.ranks)
        return sorted(chosen)


def shared_demand(surfaces: Iterable[Surface], wanted: Mapping[str, int]) -> Counter[str]:
    """Return how many mentions have the same folded words, whatever their spelling."""
    demand: Counter[str] = Counter()
    for surface in surfaces:
        demand[surface.key] += wanted[surface.text]
    return demand


def ranked(text: str, surface: Surface, spans: Sequence[Span]) -> dict[Span, float]:
    """Return the ranks of the places at which the letters of a surface stand, edges included.

    Args:
        text: The source.
        surface: What was searched for.
        spans: Where its letters stand, first to last.
    """
    said, lead, trail = surface.text, len(surface.lead), len(surface.trail)
    shifted = [(start - lead, end + trail) for start, end in spans]
    verbatim = [
        span
        for span in shifted
        if span[0] >= 0 and text.startswith(said, span[0]) and (trail or ends_whole(text, span[1]))
    ]
    ranks = dict.fromkeys(verbatim, 0.0)
    if len(verbatim) < len(spans):
        cores = [(start + lead, end - trail) for start, end in verbatim]
        for start, end in sorted(set(spans).difference(cores)):
            whole = whole_characters(text, start, end)
            if whole is not None:
                span = with_edges(text, surface, whole) if lead or trail else whole
                ranks.setdefault(span, _rank(said, text[span[0] : span[1]]))
    return ranks


@lru_cache(maxsize=4096)
def _rank(said: str, found: str) -> float:
    changes = changes_between(said, found)
    if changes is None:
        return 2.0
    cost = 1.0 - similarity_after(changes)
    return cost if all(name in QUIET for name in changes) else 1.0 + cost


def ends_whole(text: str, end: int) -> bool:
    """Return whether no mark follows that belongs to the letter before: ``e`` alone is no place in ``e\u0301``."""
    return end >= len(text) or text[end] <= "\u02ff" or not is_mark(text[end])


def whole_characters(text: str, start: int, end: int) -> Span | None:
    """Return the span with the accents of its last letter; None if a vowel sign follows that is a letter itself."""
    while end < len(text) and text[end] > "\u02ff" and is_mark(text[end]):
        if TABLE[ord(text[end])]:
            return None
        end += 1
    return start, end


def with_edges(text: str, surface: Surface, span: Span) -> Span:
    """Return the span with the punctuation at the ends of the surface, as far as it stands in the source too.

    Quotes and brackets around the whole surface belong together: both are taken, or none.
    """
    start, end = span
    lead, trail = _signs(surface.lead), _signs(surface.trail)
    left = _taken(reversed(lead), lambda at: _sign_before(text, at), start)
    right = _taken(trail, lambda at: _sign_after(text, at), end)
    if lead and trail and lead[-1] in _OPENING and trail[0] in _OPENING[lead[-1]] and (not left[0] or not right[0]):
        return span
    return left[1], right[1]


# What may close a quotation or bracket, after all quotes have been made plain.
_OPENING = {"'": "'", '"': '"', "(": ")", "[": "]", "{": "}", "*": "*", "_": "_", "`": "'`"}
_SIGN = re.compile(r"&#?\w{1,32};|\S")
_LAST_SIGN = re.compile(r"(?:&#?\w{1,32};|\S)\s*$")
_FARTHEST = 40


@lru_cache(maxsize=1024)
def _signs(text: str) -> tuple[str, ...]:
    return tuple(plain_sign(sign) for sign in _SIGN.findall(text))


def _taken(signs: Iterable[str], next_sign: Callable[[int], tuple[str, int] | None], at: int) -> tuple[int, int]:
    """Return how many of the signs follow each other outwards from ``at``, and where the last of them ends."""
    count = 0
    for sign in signs:
        found = next_sign(at)
        if found is None or found[0] != sign:
            break
        count, at = count + 1, found[1]
    return count, at


def _sign_after(text: str, at: int) -> tuple[str, int] | None:
    match = _SIGN.search(text, at, at + _FARTHEST)
    if match is None or text[at : match.start()].strip():
        return None
    return plain_sign(match.group()), match.end()


def _sign_before(text: str, at: int) -> tuple[str, int] | None:
    first = max(0, at - _FARTHEST)
    match = _LAST_SIGN.search(text[first:at])
    return (plain_sign(match.group().rstrip()), first + match.start()) if match else None
