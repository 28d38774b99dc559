"""What is known about one text, built once and asked for any number of answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import add
from types import MappingProxyType

from llmlabel.resolvers.automaton import FEW_STRINGS, hits_of_all, search_all
from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.characters import has_script_without_spaces, is_border, writes_without_spaces
from llmlabel.resolvers.exact import verbatim_places
from llmlabel.resolvers.fold import FoldedText, LettersOnly
from llmlabel.resolvers.numbers import same_numbers
from llmlabel.resolvers.places import Places, Surface, ends_whole, ranked
from llmlabel.resolvers.vocabulary import Vocabulary

_SLACK = 40
_FEW_LETTERS = 3
_APOSTROPHES = "'’ʼ`´′"
_NOTHING: Mapping[str, Places] = MappingProxyType({})


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

    def by_words_or_letters(self, surfaces: Collection[Surface]) -> dict[str, Places]:
        """Return where the words of each surface stand; where its letters do, if its words do not."""
        words = self.vocabulary
        if len(surfaces) < FEW_STRINGS and not words.is_apart:
            surfaces = possible = [s for s in surfaces if self._stands(s.key.replace(" ", ""))]
        else:
            possible = [s for s in surfaces if words.knows_all(s.key.split()) or s.pattern != f" {s.key} "]
        found = self.by_words(possible)
        return found | self.by_letters([surface for surface in surfaces if surface.text not in found])

    def _stands(self, letters: str) -> bool:
        """Return whether these letters stand between borders of words somewhere."""
        text, count = self.letters.text, len(letters)
        at = text.find(letters)
        while at >= 0 and count > 1 and not self._whole_words(at, count):
            at = text.find(letters, at + 1)
        return at >= 0

    def by_words(self, surfaces: Iterable[Surface]) -> dict[str, Places]:
        """Return where the words of each surface stand, whatever is between and around them."""
        owners: dict[str, list[Surface]] = {}
        for surface in surfaces:
            if surface.key:
                owners.setdefault(surface.pattern, []).append(surface)
        if not owners:
            return {}
        numbers, letters = hits_of_all(self.folded.words, list(owners))
        if not numbers:
            return {}
        spaced = [pattern[0] == " " for pattern in owners]
        shifts: Iterable[int] = repeat(1) if all(spaced) else map(spaced.__getitem__, numbers)
        letters = list(map(add, letters, shifts))
        first = self.folded.firsts(letters)
        said = [self._plain_text(pattern, among) for pattern, among in owners.items()]
        same = map(self.text.startswith, map(said.__getitem__, numbers), first)
        verbatim: list[list[int]] = [[] for _ in said]
        others: dict[int, list[tuple[int, int]]] = {}
        for number, letter, start, equal in zip(numbers, letters, first, same, strict=True):
            if equal:
                verbatim[number].append(start)
            else:
                others.setdefault(number, []).append((letter, start))
        found: dict[str, Places] = {}
        for number, (among, starts) in enumerate(zip(owners.values(), verbatim, strict=True)):
            if number in others or len(among) > 1:
                found |= self._ranked_by_spelling(among, starts, others.get(number, ()))
            elif starts:
                found[among[0].text] = Places(among[0], starts=starts)
        return found

    def _plain_text(self, pattern: str, among: Sequence[Surface]) -> str | tuple[()]:
        """Return the text that decides whether a place of a pattern is verbatim; none begins with ``()``."""
        first = among[0]
        plain = pattern[0] == pattern[-1] == " " and not (first.lead or first.trail or self.folded.has_marks)
        return first.text if plain and (len(among) == 1 or _differ_in_case_only(among)) else ()

    def _ranked_by_spelling(
        self, among: Sequence[Surface], verbatim: Sequence[int], others: Sequence[tuple[int, int]]
    ) -> dict[str, Places]:
        """Return the places of surfaces with the same words: hits in the fold and in the source, by their spelling.

        The verbatim ones are those of the first surface.
        """
        found: dict[str, Places] = {}
        spelled: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for surface in among:
            size = len(surface.text)
            if size not in spelled:
                spelled[size] = self._by_spelling(others, size)
            plain = not (surface.lead or surface.trail) and surface.pattern == f" {surface.key} "
            said = surface.text.lower()
            starts, cased, rest = list[int](), list[int](), list[int]()
            (starts if surface is among[0] else cased).extend(verbatim)
            for spelling, hits in spelled[size].items():
                if not plain or spelling.lower() != said:
                    rest += [letter for letter, _ in hits]
                elif spelling == surface.text:
                    starts += [start for _, start in hits]
                else:
                    cased += [start for _, start in hits]
            places = Places(surface, starts=starts, cased=sorted(cased))
            if rest:
                places.add(self._ranked(surface, self.folded.spans(sorted(rest), len(surface.key))))
            if places.count:
                found[surface.text] = places
        return found

    def _by_spelling(self, hits: Sequence[tuple[int, int]], size: int) -> dict[str, list[tuple[int, int]]]:
        """Return the hits by what stands there; by nothing, where a mark follows that belongs to the last letter."""
        text, has_marks = self.text, self.folded.has_marks
        spelled: dict[str, list[tuple[int, int]]] = {}
        for hit in hits:
            start = hit[1]
            end = start + size
            spelling = "" if has_marks and not ends_whole(text, end) else text[start:end]
            spelled.setdefault(spelling, []).append(hit)
        return spelled

    def by_letters(self, surfaces: Iterable[Surface], known: Mapping[str, Places] = _NOTHING) -> dict[str, Places]:
        """Return where the letters of each surface stand, spaced, joined or hyphenated in another way.

        Args:
            surfaces: What to search for.
            known: What ``by_words`` found: where there is no other place, no surface of these letters is looked at.
        """
        by_key: dict[str, list[Surface]] = {}
        for surface in surfaces:
            key = surface.key.replace(" ", "")
            if len(key) > 1:
                by_key.setdefault(key, []).append(surface)
        if by_key and (len(by_key) >= FEW_STRINGS or self.vocabulary.is_apart):
            by_key = {key: by_key[key] for key in self._likely(by_key)}
        found: dict[str, Places] = {}
        if not by_key:
            return found
        hits = search_all(self.letters.text, list(by_key))
        for (key, owners), starts in zip(by_key.items(), hits, strict=True):
            if len({surface.key for surface in owners}) == 1:
                first = known.get(owners[0].text)
                if first and len(starts) == first.count:
                    continue
            spans = [span for at in starts if (span := self._whole_words(at, len(key)))]
            for surface in owners if spans else ():
                ranks = self._ranked(surface, [span for span in spans if self._same_ending(surface, span)])
                if ranks:
                    found[surface.text] = Places(surface, ranks)
        return found

    def _likely(self, keys: Iterable[str]) -> list[str]:
        """Return the strings of letters that may be words of the text."""
        likely, phrases = [], dict[str, str]()
        for key in keys:
            if has_script_without_spaces(key):
                likely.append(key)
            elif len(key) <= _FEW_LETTERS:
                # They stand inside of so many words that it pays to look for the words that they may be.
                phrases |= {f" {phrase} ": key for phrase in self.vocabulary.phrases_of(key)}
            elif self.vocabulary.may_begin_and_end(key):
                likely.append(key)
        hits = search_all(self.folded.words, list(phrases))
        return likely + list(dict.fromkeys(key for key, starts in zip(phrases.values(), hits, strict=True) if starts))

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

    def near(self, surface: Surface, low: int, high: int) -> dict[Span, float]:
        """Return the ranks of all places of a surface that begin between two positions, each at a border of words."""
        end = high + len(surface.text) + _SLACK
        while not is_border(self.text, end):
            end += 1
        part = TextIndex(self.text[low:end])
        ranks: dict[Span, float] = {}
        for found in (part.by_letters([surface]), part.by_words([surface])):
            for places in found.values():
                ranks |= places.ranks
        return {(start + low, stop + low): rank for (start, stop), rank in ranks.items() if start + low <= high}

    def verbatim(self, surfaces: Sequence[Surface]) -> dict[str, list[Span]]:
        """Return where surfaces stand character for character: symbols too, and parts of a character reference."""
        found = search_all(self.text, [surface.text for surface in surfaces])
        return {
            surface.text: spans
            for surface, starts in zip(surfaces, found, strict=True)
            if (spans := verbatim_places(self.text, surface.text, starts))
        }

    def _ranked(self, surface: Surface, spans: Sequence[Span]) -> dict[Span, float]:
        """Return the ranks of the places of a surface at these spans, with its edges, if its numbers are the same."""
        ranks = ranked(self.text, surface, spans)
        changed = [span for span, rank in ranks.items() if rank >= 1]
        for start, end in changed:
            if not same_numbers(surface.text, self.text[start:end]):
                del ranks[start, end]
        return ranks


def _differ_in_case_only(surfaces: Iterable[Surface]) -> bool:
    return len({(surface.text.lower(), len(surface.text), surface.lead, surface.trail) for surface in surfaces}) == 1


def _is_possessive(text: str) -> bool:
    return text[-1:] in "sS" and text[:-1].rstrip()[-1:] in _APOSTROPHES and len(text) > 2


def _may_part(before: str, after: str) -> bool:
    """Return whether a word may end between two characters of the folded text."""
    return " " in (before, after) or writes_without_spaces(before) or writes_without_spaces(after)
