"""From possible places to placements: which place each mention gets, and how it is described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.changes import changes_between, similarity_after
from llmlabel.resolvers.context import Surroundings
from llmlabel.resolvers.index import TextIndex
from llmlabel.resolvers.occurrences import arrange
from llmlabel.resolvers.placements import placed, refused
from llmlabel.resolvers.places import Places
from llmlabel.resolvers.reading_order import Wish, starts_of
from llmlabel.resolvers.tiers import find_places
from llmlabel.types import Mention, Placement, Status


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
    chosen = [choices.get(mention.text) for mention in mentions]
    wishes = [
        _wish(mention, choice) if choice else Wish(mention.label, (), ())
        for mention, choice in zip(mentions, chosen, strict=True)
    ]
    spans = arrange(wishes, partial(_spare, index, mentions, choices))
    further = _further(mentions, choices, spans) if repeats else {}
    return [
        choice.placement(mention, len(wish.places), span, further.get(number, ()))
        if choice
        else refused(mention, "not_found")
        for number, (mention, choice, wish, span) in enumerate(zip(mentions, chosen, wishes, spans, strict=True))
    ]


def _choices(
    text: str, found: Mapping[str, Places], wanted: Mapping[str, int], min_similarity: float
) -> dict[str, _Choice]:
    demand: Counter[str] = Counter()
    for said, places in found.items():
        demand[places.surface.key] += wanted[said]
    return {
        said: _Choice(text, places, wanted[said], demand[places.surface.key], min_similarity)
        for said, places in found.items()
    }


def _spare(
    index: TextIndex, mentions: Sequence[Mention], choices: Mapping[str, _Choice], number: int, low: int, high: int
) -> Sequence[Span]:
    """Return the places of a mention that begin between two positions and are less like it than those it wants."""
    mention = mentions[number]
    if mention.before or mention.after:
        return ()
    return choices[mention.text].spare(index, low, high)


def _wish(mention: Mention, choice: _Choice) -> Wish:
    spans, starts = choice.spans, choice.starts
    if mention.before or mention.after:
        spans = choice.surroundings.agreeing(mention.before or "", mention.after or "")
        starts = starts_of(spans)
    return Wish(mention.label, spans, starts, mention.hint, choice.weak)


def _further(
    mentions: Sequence[Mention], choices: Mapping[str, _Choice], spans: Sequence[Span | None]
) -> dict[int, tuple[Span, ...]]:
    """Return the places that no mention took, each once, for the first placed mention of their surface."""
    taken = {span for span in spans if span}
    further: dict[int, tuple[Span, ...]] = {}
    told: set[str] = set()
    for number, (mention, span) in enumerate(zip(mentions, spans, strict=True)):
        if span and mention.text not in told:
            told.add(mention.text)
            free = tuple(other for other in choices[mention.text].quiet() if other not in taken)
            if free:
                further[number] = free
                taken.update(free)
    return further


class _Choice:
    """The places of one surface that are similar enough, and how they are described."""

    __slots__ = ("_limit", "_surroundings", "_text", "_verbatim", "places", "spans", "starts", "weak")

    def __init__(self, text: str, places: Places, wanted: int, demand: int, min_similarity: float) -> None:
        self._text, self.places, self._limit = text, places, min_similarity
        self._surroundings: Surroundings | None = None
        self.weak = False
        self.spans: Sequence[Span] = places.verbatim(wanted)
        self._verbatim = bool(self.spans)
        self.starts = places.starts
        if not self.spans:
            self.spans = [] if places.ambiguous else self._similar(places.select(wanted, demand))
            self.starts = starts_of(self.spans)
            self.weak = bool(self.spans) and bool(places.changes)

    @property
    def surroundings(self) -> Surroundings:
        """What stands beside the places."""
        if self._surroundings is None:
            self._surroundings = Surroundings(self._text, self.spans)
        return self._surroundings

    def quiet(self) -> list[Span]:
        """Return all places that are the surface but for changes nobody notices, those that were not chosen too."""
        if self._verbatim and self.places.starts:
            return list(self.spans)
        unnoticed = [span for span, rank in self.places.ranks.items() if rank < 1]
        return sorted({*self.spans, *self._similar(unnoticed)}) if self.spans else []

    def spare(self, index: TextIndex, low: int, high: int) -> list[Span]:
        """Return the places beginning between two positions that are similar enough too, though others are more so."""
        if self.places.changes:
            return []
        found = index.near(self.places.surface, low, high)
        self.places.add({span: rank for span, rank in found.items() if span not in self.places.ranks})
        self._verbatim = False
        return self._similar([span for span in sorted(found) if span not in self.spans])

    def _changes(self, span: Span) -> tuple[str, ...]:
        done = self.places.changes
        if self.places.ranks[span] == 0:
            return done
        between = changes_between(self.places.surface.text, self._text[span[0] : span[1]]) or ()
        return (*done, *(name for name in between if name not in done))

    def _similarity(self, changes: Sequence[str]) -> float:
        letters = max(1, len(self.places.surface.key.replace(" ", "")))
        return max(0.0, similarity_after(changes) - self.places.edits / letters)

    def _similar(self, spans: list[Span]) -> list[Span]:
        """Return the places that are similar enough."""
        if not self.places.changes and not any(self.places.ranks.values()):
            return spans
        sure = self._similarity(self.places.changes)
        if sure - max(rank if rank < 1 else rank - 1 for rank in self.places.ranks.values()) >= self._limit:
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

    def placement(self, mention: Mention, candidates: int, span: Span | None, further: tuple[Span, ...]) -> Placement:
        """Return the placement of a mention of this surface at ``span``, or the reason why it has none."""
        if span and self._verbatim:
            return placed(mention, "exact", span, candidates, repeats=further)
        places = self.places
        if span is None:
            status: Status = "ambiguous" if places.ambiguous else "duplicate" if candidates else "not_found"
            return refused(mention, status, places.count if places.ambiguous else candidates)
        if not places.changes and places.ranks[span] == 0:
            return placed(mention, "exact", span, candidates, repeats=further)
        changes = self._changes(span)
        status = "fuzzy" if places.edits else "normalized"
        return placed(mention, status, span, candidates, self._similarity(changes), changes, further)
