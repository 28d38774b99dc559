"""Verbatim grounding: the mention stands in the text character for character, or it is not placed."""

from __future__ import annotations

from collections.abc import Sequence

from llmlabel.resolvers.automaton import search_all
from llmlabel.resolvers.base import OffsetResolver
from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.characters import is_blank, is_border
from llmlabel.resolvers.occurrences import arrange
from llmlabel.resolvers.placements import Fields, made, placed, refused
from llmlabel.resolvers.reading_order import Wish, starts_of
from llmlabel.types import Mention, Placement


class ExactResolver(OffsetResolver):
    """Places mentions that stand in the text character for character, at the borders of words.

    Nothing is tolerated: not another case, not another kind of space. Among several places, mentions take theirs in
    reading order, as ``AlignedResolver`` does.
    """

    def resolve(self, text: str, mentions: Sequence[Mention]) -> Sequence[Placement]:
        surfaces = list(dict.fromkeys(m.text for m in mentions if not is_blank(m.text)))
        found = search_all(text, surfaces)
        places = {
            surface: verbatim_places(text, surface, starts) for surface, starts in zip(surfaces, found, strict=True)
        }
        starts = {surface: starts_of(spans) for surface, spans in places.items()}
        wishes = [Wish(places.get(m.text, []), starts.get(m.text, []), hint=m.hint) for m in mentions]
        spans = arrange(wishes, [m.label for m in mentions])
        return made(_placement(m, wish, span) for m, wish, span in zip(mentions, wishes, spans, strict=True))

    def __repr__(self) -> str:
        return "ExactResolver()"


def verbatim_places(text: str, surface: str, starts: Sequence[int]) -> list[Span]:
    """Return the spans that begin at ``starts`` and are not part of a longer word."""
    return [
        (start, start + len(surface))
        for start in starts
        if is_border(text, start) and is_border(text, start + len(surface))
    ]


def _placement(mention: Mention, wish: Wish, span: Span | None) -> Fields:
    candidates = len(wish.places)
    if span is None:
        return refused(mention, "duplicate" if candidates else "not_found", candidates)
    return placed(mention, "exact", span, candidates)
