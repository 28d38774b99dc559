"""What a model said stands before and after a mention, held against the text."""

from __future__ import annotations

from collections.abc import Sequence

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.fold import fold_words

_SLACK = 40
_LEAST_LETTERS = 3


def in_context(text: str, places: Sequence[Span], before: str | None, after: str | None) -> Sequence[Span]:
    """Return the places whose surroundings agree best with the context; all of them if none agrees.

    Args:
        text: The source.
        places: Possible places of a mention.
        before: What stands before it, in the model's words.
        after: What stands after it.
    """
    said_before, said_after = _letters(before or ""), _letters(after or "")
    if len(places) < 2 or not (said_before or said_after):
        return places
    reach_before, reach_after = len(before or "") + _SLACK, len(after or "") + _SLACK
    agreed = []
    for start, end in places:
        left = _letters(text[max(0, start - reach_before) : start])
        right = _letters(text[end : end + reach_after])
        agreed.append(_common(said_before[::-1], left[::-1]) + _common(said_after, right))
    best = max(agreed)
    if best < min(_LEAST_LETTERS, len(said_before) + len(said_after)):
        return places
    return [place for place, score in zip(places, agreed, strict=True) if score == best]


def _letters(text: str) -> str:
    return fold_words(text).replace(" ", "")


def _common(one: str, other: str) -> int:
    size = min(len(one), len(other))
    return next((number for number in range(size) if one[number] != other[number]), size)
