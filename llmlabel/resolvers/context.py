"""What a model said stands before and after a mention, held against the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.fold import fold_words

_SLACK = 40
_LEAST_LETTERS = 3
_MOST_PLACES = 500


class Surroundings:
    """The places of one surface, to be chosen from by what stands beside them.

    Args:
        text: The source.
        places: Possible places of a mention.
    """

    def __init__(self, text: str, places: Sequence[Span]) -> None:
        self._text, self._places = text, places
        self._known: dict[tuple[str, str], Sequence[Span]] = {}
        self._beside: dict[tuple[bool, int], dict[str, list[Span]]] = {}

    def agreeing(self, before: str, after: str) -> Sequence[Span]:
        """Return the places whose surroundings agree best with a context; all of them if none agrees."""
        known = self._known.get((before, after))
        if known is None:
            known = self._known[before, after] = self._agreeing(before, after)
        return known

    def _agreeing(self, before: str, after: str) -> Sequence[Span]:
        said_before, said_after = _letters(before), _letters(after)
        if len(self._places) < 2 or not (said_before or said_after):
            return self._places
        places = self._likely(said_before[::-1], said_after)
        agreed = []
        for start, end in places:
            left = _letters(self._text[max(0, start - len(before) - _SLACK) : start])
            right = _letters(self._text[end : end + len(after) + _SLACK])
            agreed.append(_common(said_before[::-1], left[::-1]) + _common(said_after, right))
        best = max(agreed, default=0)
        if best < min(_LEAST_LETTERS, len(said_before) + len(said_after)):
            return self._places
        return [place for place, score in zip(places, agreed, strict=True) if score == best]

    def _likely(self, said_before: str, said_after: str) -> Iterable[Span]:
        """Return the places to compare: of very many only some at which the nearest letters are those of a context."""
        if len(self._places) <= _MOST_PLACES:
            return self._places
        found: dict[Span, None] = {}
        for said, leftwards in ((said_before, True), (said_after, False)):
            near = said[:_LEAST_LETTERS]
            if near:
                found.update(dict.fromkeys(self._nearest(leftwards, len(near)).get(near, ())[:_MOST_PLACES]))
        return sorted(found)

    def _nearest(self, leftwards: bool, size: int) -> dict[str, list[Span]]:
        """Return the places by the nearest letters on one side, read outwards."""
        beside = self._beside.get((leftwards, size))
        if beside is None:
            beside = self._beside[leftwards, size] = {}
            for start, end in self._places:
                if leftwards:
                    letters = _letters(self._text[max(0, start - _SLACK) : start])[::-1]
                else:
                    letters = _letters(self._text[end : end + _SLACK])
                beside.setdefault(letters[:size], []).append((start, end))
        return beside


def _letters(text: str) -> str:
    return fold_words(text).replace(" ", "")


def _common(one: str, other: str) -> int:
    size = min(len(one), len(other))
    return next((number for number in range(size) if one[number] != other[number]), size)
