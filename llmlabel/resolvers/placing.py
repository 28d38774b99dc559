"""From possible places to placements: which place each mention gets, and how it is described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.changes import changes_between, similarity_after
from llmlabel.resolvers.context import in_context
from llmlabel.resolvers.index import TextIndex
from llmlabel.resolvers.occurrences import Wish, arrange, starts_of
from llmlabel.resolvers.places import Places
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
    wanted = Counter(mention.text for mention in mentions)
    found = find_places(index, wanted, {mention.text: mention.label for mention in mentions})
    descriptions = {text: _Description(index.text, places, min_similarity) for text, places in found.items()}
    demand: Counter[str] = Counter()
    for text, places in found.items():
        demand[places.surface.key] += wanted[text]
    chosen = {
        text: descriptions[text].similar(places.select(wanted[text], demand[places.surface.key]))
        for text, places in found.items()
    }
    starts = {text: starts_of(spans) for text, spans in chosen.items()}
    wishes = [_wish(index.text, m, chosen.get(m.text, ()), starts.get(m.text, ())) for m in mentions]
    for mention, wish in zip(mentions, wishes, strict=True):
        wish.weak = bool(wish.places) and bool(found[mention.text].changes)
    spans = arrange(wishes)
    further = _further(mentions, chosen, spans) if repeats else {}
    return [
        descriptions[mention.text].placement(mention, len(wish.places), span, further.get(number, ()))
        if mention.text in descriptions
        else Placement(mention=mention, status="not_found", similarity=0.0, candidates=0)
        for number, (mention, wish, span) in enumerate(zip(mentions, wishes, spans, strict=True))
    ]


def _wish(text: str, mention: Mention, places: Sequence[Span], starts: Sequence[int]) -> Wish:
    if mention.before or mention.after:
        places = in_context(text, places, mention.before, mention.after)
        starts = starts_of(places)
    return Wish(mention.label, places, starts, mention.hint)


def _further(
    mentions: Sequence[Mention], chosen: dict[str, list[Span]], spans: Sequence[Span | None]
) -> dict[int, tuple[Span, ...]]:
    """Return the places that no mention took, each once, for the first placed mention of their surface."""
    taken = {span for span in spans if span}
    further: dict[int, tuple[Span, ...]] = {}
    for number, (mention, span) in enumerate(zip(mentions, spans, strict=True)):
        if span:
            free = tuple(other for other in chosen.get(mention.text, ()) if other not in taken)
            if free:
                further[number] = free
                taken.update(free)
    return further


class _Description:
    """How the places of one surface are described."""

    def __init__(self, text: str, places: Places, min_similarity: float) -> None:
        self.text, self.places, self.min_similarity = text, places, min_similarity

    def _changes(self, span: Span) -> tuple[str, ...]:
        done = self.places.changes
        if self.places.ranks[span] == 0:
            return done
        between = changes_between(self.places.surface.text, self.text[span[0] : span[1]]) or ()
        return (*done, *(name for name in between if name not in done))

    def _similarity(self, changes: Sequence[str]) -> float:
        letters = max(1, len(self.places.surface.key.replace(" ", "")))
        return max(0.0, similarity_after(changes) - self.places.edits / letters)

    def similar(self, spans: list[Span]) -> list[Span]:
        """Return the places that are similar enough."""
        if self.places.ambiguous:
            return []
        if not self.places.changes and not any(self.places.ranks.values()):
            return spans
        return [span for span in spans if self._is_similar(span)]

    def _is_similar(self, span: Span) -> bool:
        rank = self.places.ranks[span]
        if rank == 0 and not self.places.changes:
            return True
        # The rank holds the weight of what differs; exact sums are only needed near the limit.
        sure = self._similarity(self.places.changes) - (rank if rank < 1 else rank - 1)
        return sure >= self.min_similarity or self._similarity(self._changes(span)) >= self.min_similarity

    def placement(self, mention: Mention, candidates: int, span: Span | None, further: tuple[Span, ...]) -> Placement:
        """Return the placement of a mention of this surface at ``span``, or the reason why it has none."""
        if span is None:
            status: Status = "ambiguous" if self.places.ambiguous else "duplicate" if candidates else "not_found"
            count = len(self.places.ranks) if self.places.ambiguous else candidates
            return Placement(mention=mention, status=status, similarity=0.0, candidates=count)
        start, end = span
        if self.places.ranks[span] == 0 and not self.places.changes:
            return Placement(
                mention=mention, status="exact", start=start, end=end, candidates=candidates, repeats=further
            )
        changes = self._changes(span)
        return Placement(
            mention=mention,
            status="fuzzy" if self.places.edits else "normalized",
            start=start,
            end=end,
            similarity=self._similarity(changes),
            changes=changes,
            candidates=candidates,
            repeats=further,
        )
