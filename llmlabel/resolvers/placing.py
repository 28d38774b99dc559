"""From possible places to placements: which place each mention gets, and how it is described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from itertools import repeat

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.changes import changes_between, similarity_after
from llmlabel.resolvers.context import Surroundings
from llmlabel.resolvers.index import TextIndex
from llmlabel.resolvers.occurrences import arrange
from llmlabel.resolvers.placements import Fields, made, placed, refused
from llmlabel.resolvers.places import Places, Surface
from llmlabel.resolvers.reading_order import Wish, starts_of
from llmlabel.resolvers.tiers import find_places
from llmlabel.types import Mention, Placement, Status

_NOWHERE = Wish((), ())


def place(index: TextIndex, mentions: Sequence[Mention], min_similarity: float, repeats: bool) -> list[Placement]:
    """Return the placement of each mention, in order.

    Args:
        index: The text.
        mentions: What the model said about it.
        min_similarity: Places below this similarity are refused.
        repeats: Whether to name every further place of a mention's surface.
    """
    wanted = Counter([mention.text for mention in mentions])
    found = find_places(index, wanted, {mention.text: mention.label for mention in mentions})
    choices = _choices(index.text, found, wanted, min_similarity)
    nothing = _Choice(index.text, Places(Surface("", "", "", "")), min_similarity, _NOWHERE, False)
    chosen = [choices.get(mention.text, nothing) for mention in mentions]
    wishes = [
        choice.wish_of(mention) if mention.before or mention.after or mention.hint is not None else choice.wish
        for mention, choice in zip(mentions, chosen, strict=True)
    ]
    spans = arrange(wishes, [mention.label for mention in mentions], partial(_spare, index, mentions, choices))
    further = _further(mentions, choices, spans) if repeats else repeat((), len(mentions))
    return made(
        placed(mention, "exact", span, len(wish.places), repeats=more)
        if span and choice.is_verbatim
        else choice.placement(mention, len(wish.places), span, more)
        for mention, choice, wish, span, more in zip(mentions, chosen, wishes, spans, further, strict=True)
    )


def _choices(
    text: str, found: Mapping[str, Places], wanted: Mapping[str, int], min_similarity: float
) -> dict[str, _Choice]:
    choices: dict[str, _Choice] = {}
    demand: Mapping[str, int] = {}
    for said, places in found.items():
        spans = places.verbatim(wanted[said])
        if spans:
            choices[said] = _Choice(text, places, min_similarity, Wish(spans, places.starts), True)
            continue
        demand = demand or _demand(found, wanted)
        choices[said] = choice = _Choice(text, places, min_similarity, _NOWHERE, False)
        choice.choose(wanted[said], demand[places.surface.key])
    return choices


def _demand(found: Mapping[str, Places], wanted: Mapping[str, int]) -> dict[str, int]:
    """Return how many mentions have the same folded words."""
    demand: dict[str, int] = {}
    for said, places in found.items():
        key = places.surface.key
        demand[key] = demand.get(key, 0) + wanted[said]
    return demand


def _spare(
    index: TextIndex, mentions: Sequence[Mention], choices: Mapping[str, _Choice], number: int, low: int, high: int
) -> Sequence[Span]:
    """Return the places of a mention that begin between two positions and are less like it than those it wants."""
    mention = mentions[number]
    if mention.before or mention.after:
        return ()
    return choices[mention.text].spare(index, low, high)


def _further(
    mentions: Sequence[Mention], choices: Mapping[str, _Choice], spans: Sequence[Span | None]
) -> list[tuple[Span, ...]]:
    """Return the places that no mention took, each once, for the first placed mention of their surface."""
    taken = {span for span in spans if span}
    further: list[tuple[Span, ...]] = []
    told: set[str] = set()
    for mention, span in zip(mentions, spans, strict=True):
        free: tuple[Span, ...] = ()
        if span and mention.text not in told:
            told.add(mention.text)
            free = tuple(other for other in choices[mention.text].quiet() if other not in taken)
            taken.update(free)
        further.append(free)
    return further


class _Choice:
    """The places of one surface that are similar enough, and how they are described."""

    def __init__(self, text: str, places: Places, limit: float, wish: Wish, is_verbatim: bool) -> None:
        self._text, self.places, self._limit = text, places, limit
        self.wish, self.is_verbatim = wish, is_verbatim

    def choose(self, wanted: int, demand: int) -> None:
        """Choose among places that are not all verbatim."""
        places = self.places
        spans = [] if places.ambiguous else self._similar(places.select(wanted, demand))
        self.wish = Wish(spans, starts_of(spans), bool(spans) and bool(places.changes))

    @cached_property
    def _surroundings(self) -> Surroundings:
        return Surroundings(self._text, self.wish.places)

    def wish_of(self, mention: Mention) -> Wish:
        """Return what a mention with a context or a hint wants."""
        wish = self.wish
        spans, starts = wish.places, wish.starts
        if mention.before or mention.after:
            spans = self._surroundings.agreeing(mention.before or "", mention.after or "")
            starts = starts_of(spans)
        return Wish(spans, starts, wish.weak, mention.hint)

    def quiet(self) -> list[Span]:
        """Return all places that are the surface but for changes nobody notices, those that were not chosen too."""
        if self.is_verbatim and self.places.starts:
            return list(self.wish.places)
        unnoticed = [span for span, rank in self.places.ranks.items() if rank < 1]
        return sorted({*self.wish.places, *self._similar(unnoticed)}) if self.wish.places else []

    def spare(self, index: TextIndex, low: int, high: int) -> list[Span]:
        """Return the places beginning between two positions that are similar enough too, though others are more so."""
        if self.places.changes:
            return []
        found = index.near(self.places.surface, low, high)
        self.places.add({span: rank for span, rank in found.items() if span not in self.places.ranks})
        self.is_verbatim = False
        return self._similar([span for span in sorted(found) if span not in self.wish.places])

    def _changes(self, span: Span) -> tuple[str, ...]:
        done = self.places.changes
        if self.places.ranks[span] == 0:
            return done
        between = changes_between(self.places.surface.text, self._text[span[0] : span[1]]) or ()
        return (*done, *(name for name in between if name not in done)) if done else between

    def _similarity(self, changes: Sequence[str]) -> float:
        similarity = similarity_after(changes) if changes else 1.0
        if self.places.edits:
            letters = max(1, len(self.places.surface.key.replace(" ", "")))
            similarity = max(0.0, similarity - self.places.edits / letters)
        return similarity

    def _similar(self, spans: list[Span]) -> list[Span]:
        """Return the places that are similar enough."""
        ranks = set(self.places.ranks.values())
        if not self.places.changes and not any(ranks):
            return spans
        sure = self._similarity(self.places.changes)
        if sure - max([rank if rank < 1 else rank - 1 for rank in ranks]) >= self._limit:
            return spans
        return [span for span in spans if self._is_similar(span, sure)]

    def _is_similar(self, span: Span, sure: float) -> bool:
        rank = self.places.ranks[span]
        if rank == 0 and not self.places.changes:
            return True
        # The rank holds the weight of what differs; exact sums are only needed near the limit.
        return (
            sure - (rank if rank < 1 else rank - 1) >= self._limit
            or self._similarity(self._changes(span)) >= self._limit
        )

    def placement(self, mention: Mention, candidates: int, span: Span | None, further: tuple[Span, ...]) -> Fields:
        """Return the fields of the placement of a mention at ``span``, or the reason why it has none."""
        places = self.places
        if span is None:
            status: Status = "ambiguous" if places.ambiguous else "duplicate" if candidates else "not_found"
            return refused(mention, status, places.count if places.ambiguous else candidates)
        if not places.changes and places.ranks[span] == 0:
            return placed(mention, "exact", span, candidates, repeats=further)
        changes = self._changes(span)
        status = "fuzzy" if places.edits else "normalized"
        return placed(mention, status, span, candidates, self._similarity(changes), changes, further)
