"""The order in which a mention is searched for: from verbatim to what a typing error would explain.

A tier is tried for the mentions that no earlier tier found; the first that finds places ends the search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from llmlabel.resolvers.automaton import search_all
from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.characters import has_script_without_spaces, is_blank
from llmlabel.resolvers.gaps import join_parts, may_miss_a_word, one_phrase, one_word_missing, parts_of
from llmlabel.resolvers.index import TextIndex
from llmlabel.resolvers.numbers import same_numbers
from llmlabel.resolvers.places import Places, Surface, ranked, shared_demand, whole_characters, with_edges
from llmlabel.resolvers.variants import Variant, inflected, is_clitic, takes_clitics, unwrapped, without_article
from llmlabel.resolvers.vocabulary import long_words

if TYPE_CHECKING:
    from llmlabel.resolvers.fuzzy import Similar

_FEW = 6
# Longer answers are no mentions; they are placed verbatim, folded or not at all.
_LONGEST = 1000
# What models write where they found nothing: it stands in the text verbatim, or nowhere.
_CHATTER = re.compile(
    r"(?:none|nil|null|n/?a|unknown|nothing|empty|not (?:found|mentioned|applicable|specified|available|present|given)"
    r"|no (?:entit(?:y|ies)|mentions?|answer|labels?|results?|match(?:es)?|data|information|relevant \w+)"
    r"(?: (?:found|mentioned|present|given|identified))?|(?:note|explanation|reason)\s*:.*)",
    re.IGNORECASE | re.DOTALL,
)


def find_places(index: TextIndex, wanted: Mapping[str, int], labels: Mapping[str, str]) -> dict[str, Places]:
    """Return the possible places of every text that has any.

    Args:
        index: The text to search.
        wanted: How often each mention's text was said.
        labels: The label each was given.
    """
    search = _Search(index, {text: Surface.of(text) for text in wanted if not is_blank(text)})
    search.folded(wanted)
    search.drop_chatter()
    if search.open:
        search.clitics()
        search.unwrapped(labels)
        search.rewrite()
        search.variants(search.inflected)
        search.missing_word()
        search.variants(search.articles)
        search.ellipsis()
        search.typos()
    return search.found


class _Search:
    def __init__(self, index: TextIndex, surfaces: dict[str, Surface]) -> None:
        self.index = index
        self.found: dict[str, Places] = {}
        self.open = surfaces
        self.done: dict[str, tuple[str, ...]] = {}
        self.looked_up: dict[str, Places] = {}
        self.inflected: dict[str, list[Variant]] = {}
        self.articles: dict[str, list[Variant]] = {}

    def folded(self, wanted: Mapping[str, int]) -> None:
        """Search for the words, then for what they cannot show, then for the letters alone."""
        index, surfaces = self.index, list(self.open.values())
        self.found = index.by_words(surfaces)
        if index.folded.context_free:
            unsure = [surface for surface in surfaces if not surface.key]
        else:
            unsure = [surface for surface in surfaces if not (surface.key and self._is_verbatim(surface.text))]
        for text, spans in index.verbatim(unsure).items() if unsure else ():
            self._add(text, Places(self.open[text], dict.fromkeys(spans, 0.0)))
        scarce = self._scarce(surfaces, wanted)
        for text, places in index.by_letters(scarce, self.found).items():
            self._add(text, places)
        self._close()

    def _add(self, text: str, places: Places) -> None:
        known = self.found.setdefault(text, places)
        if known is not places:
            known.add(places.ranks)

    def _scarce(self, surfaces: Sequence[Surface], wanted: Mapping[str, int]) -> list[Surface]:
        """Return those with fewer places than mentions; spellings of one name share the folded ones."""
        scarce: list[Surface] = []
        demand: Mapping[str, int] = {}
        for surface in surfaces:
            said = surface.text
            places = self.found.get(said)
            if places is None:
                scarce.append(surface)
            elif len(places.starts) < wanted[said]:
                if places.count < wanted[said]:
                    scarce.append(surface)
                elif not places.is_verbatim:
                    demand = demand or shared_demand(surfaces, wanted)
                    if places.count < demand[surface.key]:
                        scarce.append(surface)
        return scarce

    def _is_verbatim(self, text: str) -> bool:
        return text in self.found and self.found[text].is_verbatim

    def _close(self) -> None:
        self.open = {
            said: surface
            for said, surface in self.open.items()
            if said not in self.found and surface.key and len(said) <= _LONGEST
        }

    def drop_chatter(self) -> None:
        """Give up mentions that say that there is nothing; folded hits of them are no hits either."""
        unsure = [text for text, places in self.found.items() if not places.is_verbatim]
        for text in (*self.open, *unsure):
            if _CHATTER.fullmatch(text.strip(" .*-_\"'()[]")):
                self.open.pop(text, None)
                self.found.pop(text, None)

    def unwrapped(self, labels: Mapping[str, str]) -> None:
        """Search for mentions without their wrapping; later tiers see them so."""
        plain = {said: unwrapped(surface.text, labels.get(said, "")) for said, surface in self.open.items()}
        self.look_up(variant for variants in plain.values() for variant in variants)
        for said, variants in plain.items():
            for text, changes in variants:
                self.open[said], self.done[said] = Surface.of(text), changes
                if text in self.looked_up:
                    self.found[said] = Places(self.open[said], self.looked_up[text].ranks, changes)
        self._close()

    def look_up(self, variants: Iterable[Variant]) -> None:
        """Search for rewritten mentions, those of several tiers in one pass."""
        surfaces = [Surface.of(text) for text in dict.fromkeys(text for text, _ in variants)]
        self.looked_up |= self.index.by_words_or_letters(surfaces)

    def rewrite(self) -> None:
        """Search for mentions in another number, and without an article."""
        self.inflected = {said: inflected(surface.text) for said, surface in self.open.items()}
        self.articles = {said: without_article(surface.text) for said, surface in self.open.items()}
        self.look_up(
            variant for forms in (self.inflected, self.articles) for variants in forms.values() for variant in variants
        )

    def variants(self, forms: Mapping[str, list[Variant]]) -> None:
        """Take the first of a mention's forms that was found."""
        if not self.looked_up:
            return
        for said in self.open:
            found = next((variant for variant in forms[said] if variant[0] in self.looked_up), None)
            if found:
                places = self.looked_up[found[0]]
                self.found[said] = Places(places.surface, places.ranks, (*self.done.get(said, ()), *found[1]))
        self._close()

    def clitics(self) -> None:
        """Search for Arabic and Hebrew names behind the particles that are written together with them."""
        surfaces = [surface for surface in self.open.values() if takes_clitics(surface.key)]
        words = self.index.folded.words
        for surface, starts in zip(surfaces, search_all(words, [f"{s.key} " for s in surfaces]), strict=True):
            starts = [at for at in starts if is_clitic(words[words.rfind(" ", 0, at) + 1 : at])]
            spans = self.index.folded.spans(starts, len(surface.key))
            ranks = ranked(self.index.text, surface, spans)
            if ranks:
                self.found[surface.text] = Places(surface, ranks, ("clitic",))
        self._close()

    def missing_word(self) -> None:
        """Search for the words with one more between them."""
        words = self.index.vocabulary
        surfaces = {
            said: surface
            for said, surface in self.open.items()
            if may_miss_a_word(surface.key) and words.knows_all(surface.key.split())
        }
        if not words.is_short:
            words.locate(word for surface in surfaces.values() for word in long_words(surface.key.split()))
        for said, surface in surfaces.items():
            spans = self._sources(surface, one_word_missing(words, surface.key))
            self._found(
                said,
                surface,
                [s for s in spans if one_phrase(self.index.text[s[0] : s[1]], surface.text)],
                "missing_word",
            )
        self._close()

    def ellipsis(self) -> None:
        """Search for the parts around an ellipsis, in order and close together."""
        parts = {said: [Surface.of(part) for part in parts_of(surface.text)] for said, surface in self.open.items()}
        parts = {said: cut for said, cut in parts.items() if len(cut) > 1}
        hits = self.index.by_words(part for cut in parts.values() for part in cut)
        signs = [part for cut in parts.values() for part in cut if not part.key]
        places = {text: sorted(found.ranks) for text, found in hits.items()} | self.index.verbatim(signs)
        for said, cut in parts.items():
            if all(part.text in places for part in cut):
                self._found(said, self.open[said], join_parts([places[part.text] for part in cut]), "ellipsis")
        self._close()

    def typos(self) -> None:
        """Search for words spelled almost like those of the mention."""
        if not self.open:
            return
        # Not at the top: most answers need no edit distance, and its library takes longer to load than all of this.
        from llmlabel.resolvers.fuzzy import misspelled_word, searchable, similar_spans, words_to_locate

        words = self.index.vocabulary
        surfaces = {
            said: surface
            for said, surface in self.open.items()
            if searchable(surface.key) and not has_script_without_spaces(surface.key)
        }
        if len(surfaces) <= _FEW:
            self._typos(
                surfaces,
                misspelled_word(words, dict.fromkeys(surface.key for surface in surfaces.values()), 1, in_slot=True),
            )
        for edits in (1, 2):
            surfaces = {said: surface for said, surface in surfaces.items() if said not in self.found}
            similar = misspelled_word(words, dict.fromkeys(surface.key for surface in surfaces.values()), edits)
            keys = {surface.key: None for surface in surfaces.values() if surface.key not in similar}
            if keys and not words.is_short:
                words.locate(words_to_locate(words, keys, edits))
            similar |= {key: spans for key in keys if (spans := similar_spans(words, key, edits))}
            self._typos(surfaces, similar)
        self._close()

    def _typos(self, surfaces: Mapping[str, Surface], similar: Mapping[str, Similar]) -> None:
        for said, surface in surfaces.items():
            alike = similar.get(surface.key)
            if alike:
                self._found(said, surface, self._sources(surface, alike.spans), "typo")
                if said in self.found:
                    self.found[said].edits = alike.edits
                    self.found[said].ambiguous = len(alike.letters) > 1

    def _sources(self, surface: Surface, spans: Iterable[Span]) -> list[Span]:
        """Return the source spans of folded spans that hold the same numbers as the surface."""
        text, folded, found = self.index.text, self.index.folded, list[Span]()
        has_edges, has_marks = surface.lead or surface.trail, folded.has_marks
        same: dict[str, bool] = {}
        for first, last in spans:
            span = folded.span(first, last)
            whole = span and (whole_characters(text, *span) if has_marks else span)
            if whole:
                stands = text[whole[0] : whole[1]]
                if stands not in same:
                    same[stands] = same_numbers(surface.text, stands)
                if same[stands]:
                    found.append(with_edges(text, surface, whole) if has_edges else whole)
        return found

    def _found(self, said: str, surface: Surface, spans: Iterable[Span], change: str) -> None:
        ranks = dict.fromkeys(spans, 1.0)
        if ranks:
            self.found[said] = Places(surface, ranks, (*self.done.get(said, ()), change))
