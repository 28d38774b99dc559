"""What is known about one text, built once and asked for any number of answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import repeat

from llmlabel.resolvers.automaton import search_all
from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.characters import is_border, writes_without_spaces
from llmlabel.resolvers.exact import verbatim_places
from llmlabel.resolvers.fold import FoldedText, LettersOnly
from llmlabel.resolvers.numbers import same_numbers
from llmlabel.resolvers.places import Places, Surface, ranked
from llmlabel.resolvers.vocabulary import Vocabulary

_APOSTROPHES = "'’ʼ`´′"


class TextIndex:
    """A text and its views, each made when first needed: folded words, letters alone, vocabulary.

    Args:
        text: The source; every span returned is one of this text.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def folded(self) -> FoldedText:
        """The folded words, with the way back to the source."""
        return FoldedText(self.text)

    @cached_property
    def letters(self) -> LettersOnly:
        """The folded words without spaces."""
        return LettersOnly(self.folded.words)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The folded words one by one."""
        return Vocabulary(self.folded.words)

    def by_words(self, surfaces: Iterable[Surface]) -> dict[str, Places]:
        """Return where the words of each surface stand, whatever is between and around them."""
        by_pattern: dict[str, list[Surface]] = {}
        for surface in surfaces:
            if surface.key:
                by_pattern.setdefault(surface.pattern, []).append(surface)
        found: dict[str, Places] = {}
        hits = search_all(self.folded.words, list(by_pattern))
        # A verbatim place needs no way back for its end; the way back for all beginnings is quickest in their order.
        first = self.folded.firsts(sorted({at for starts in hits for at in starts})) if self.folded.direct else None
        for (pattern, owners), starts in zip(by_pattern.items(), hits, strict=True):
            if not starts:
                continue
            size = len(pattern.strip(" "))
            left = pattern[0] == " "
            for surface in owners:
                verbatim, others = ([], starts) if first is None else self._verbatim_first(surface, starts, first)
                spans = self.folded.spans([at + left for at in others], size) if others else ()
                self.keep(found, surface, spans, verbatim)
        return found

    def _verbatim_first(
        self, surface: Surface, starts: list[int], first: dict[int, int]
    ) -> tuple[list[Span], list[int]]:
        """Split the places of a pattern into those where the surface stands verbatim, and the others."""
        said, lead, size = surface.text, len(surface.lead), len(surface.text)
        at = [first[start] - lead for start in starts]
        same = list(map(self.text.startswith, repeat(said), at))
        if all(same) and at[0] >= 0:
            return [(start, start + size) for start in at], []
        verbatim = [(start, start + size) for start, equal in zip(at, same, strict=True) if equal and start >= 0]
        others = [place for place, start, equal in zip(starts, at, same, strict=True) if not equal or start < 0]
        return verbatim, others

    def by_letters(self, surfaces: Iterable[Surface]) -> dict[str, Places]:
        """Return where the letters of each surface stand, spaced, joined or hyphenated in another way."""
        by_key: dict[str, list[Surface]] = {}
        for surface in surfaces:
            key = surface.key.replace(" ", "")
            if len(key) > 1:
                by_key.setdefault(key, []).append(surface)
        found: dict[str, Places] = {}
        if not by_key:
            return found
        hits = search_all(self.letters.text, list(by_key))
        for (key, owners), starts in zip(by_key.items(), hits, strict=True):
            spans = [span for at in starts if (span := self._whole_words(at, len(key)))]
            for surface in owners:
                self.keep(found, surface, [span for span in spans if self._same_ending(surface, span)])
        return found

    def _whole_words(self, letter: int, count: int) -> Span | None:
        """Return the source span of these letters if it begins and ends at borders of words."""
        words = self.folded.words
        # Most hits lie inside words: the folded text shows that without going back to the source.
        first = self.letters.position(letter)
        if not _may_part(words[first - 1], words[first]):
            return None
        last = self.letters.position(letter + count - 1)
        if not _may_part(words[last], words[last + 1]):
            return None
        span = self.folded.span(first, last + 1)
        return span if span and is_border(self.text, span[0]) and is_border(self.text, span[1]) else None

    def _same_ending(self, surface: Surface, span: Span) -> bool:
        """Return whether both end in an apostrophe and s, or neither: ``fathers`` is not ``father's``."""
        found = self.text[span[0] : span[1]]
        core = surface.text[len(surface.lead) : len(surface.text) - len(surface.trail)]
        return _is_possessive(found) == _is_possessive(core)

    def verbatim(self, surfaces: Sequence[Surface]) -> dict[str, list[Span]]:
        """Return where surfaces stand character for character: symbols too, and parts of a character reference."""
        found = search_all(self.text, [surface.text for surface in surfaces])
        return {
            surface.text: spans
            for surface, starts in zip(surfaces, found, strict=True)
            if (spans := verbatim_places(self.text, surface.text, starts))
        }

    def keep(
        self, found: dict[str, Places], surface: Surface, spans: Sequence[Span], verbatim: Sequence[Span] = ()
    ) -> None:
        """Add the places of a surface at which its numbers are the same; at ``verbatim`` all of it stands."""
        ranks = dict.fromkeys(verbatim, 0.0)
        if spans:
            ranks = ranks | ranked(self.text, surface, spans)
            changed = [span for span, rank in ranks.items() if rank >= 1]
            for start, end in changed:
                if not same_numbers(surface.text, self.text[start:end]):
                    del ranks[start, end]
        if ranks:
            found[surface.text] = Places(surface, ranks)


def _is_possessive(text: str) -> bool:
    return text[-1:] in "sS" and text[:-1].rstrip()[-1:] in _APOSTROPHES and len(text) > 2


def _may_part(before: str, after: str) -> bool:
    """Return whether a word may end between two characters of the folded text."""
    return " " in (before, after) or writes_without_spaces(before) or writes_without_spaces(after)
