"""Hiding parts of a text before anything is built from it, with a way back for spans."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import index

from llmlabel.errors import ConfigurationError
from llmlabel.types import Placement, well_formed


class Redaction:
    """A redacted text and where each piece of it stands in the original.

    Args:
        original: The text as it came.
        replacements: ``(start, end, replacement)`` in code points of ``original``, not overlapping, in any order.

    Raises:
        ConfigurationError: Replacements overlap or lie outside the text.
    """

    def __init__(self, original: str, replacements: Iterable[tuple[int, int, str]] = ()) -> None:
        pieces: list[str] = []
        self._starts: list[int] = []  # of each replacement, in the redacted text
        self._ends: list[int] = []
        self._sources: list[tuple[int, int]] = []
        cursor = length = 0
        for start, end, replacement in sorted(replacements):
            if not cursor <= start <= end <= len(original):
                raise ConfigurationError(
                    f"redactor: replacement [{start}, {end}) overlaps another or lies outside a text of {len(original)}"
                )
            pieces += (original[cursor:start], replacement)
            length += start - cursor
            self._starts.append(length)
            length += len(replacement)
            self._ends.append(length)
            self._sources.append((start, end))
            cursor = end
        self.original = original
        try:
            self.text = well_formed("".join([*pieces, original[cursor:]]))
        except ValueError as error:
            raise ConfigurationError(f"redactor: {error}") from None

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original that ``[start, end)`` of the redacted text stands for.

        An end inside a replacement takes the whole replaced span: its characters have no places of their own.
        """
        return self._boundary(start, last=False), self._boundary(end, last=True)

    def grounded(self, placement: Placement, offset: int = 0) -> Placement:
        """Return a placement of the redacted text, or of its piece at ``offset``, in spans that the original has.

        A span takes the whole of each replacement that it touches, so that two mentions inside one of them have the
        same place; a mention of nothing but inserted text was not found.
        """
        if placement.start is None or placement.end is None:
            return placement
        spans = [self._whole(a + offset, b + offset) for a, b in ((placement.start, placement.end), *placement.repeats)]
        there = [(a - offset, b - offset) for a, b in dict.fromkeys(spans) if len({*self.source(a, b)}) == 2]
        start, end = there[0] if there else (None, None)
        status = placement.status if there else "not_found"
        return placement.model_copy(update={"status": status, "start": start, "end": end, "repeats": tuple(there[1:])})

    def _whole(self, start: int, end: int) -> tuple[int, int]:
        first, last = bisect_right(self._starts, start) - 1, bisect_left(self._starts, end) - 1
        return (
            self._starts[first] if first >= 0 and start < self._ends[first] else start,
            max(end, self._ends[last]) if last >= 0 else end,
        )

    def _boundary(self, position: int, *, last: bool) -> int:
        # A span that starts just behind a replacement leaves it out, one that ends just before it too.
        number = (bisect_left(self._starts, position) if last else bisect_right(self._starts, position)) - 1
        if number < 0:
            return position
        start, end = self._sources[number]
        if position < self._ends[number]:
            return end if last else start
        return end + position - self._ends[number]


Redactor = Callable[[str], "Redaction | tuple[str, Sequence[int]]"]


def redact(redactor: Redactor | None, text: str) -> Redaction:
    """Apply a redactor, or none.

    A redactor returns a ``Redaction``, or ``(redacted, positions)``: for every character of the redacted text the code
    point of the original at which its source begins (characters of one replacement share that number), optionally with
    ``len(original)`` behind it.
    """
    if redactor is None:
        return Redaction(text)
    answer = redactor(text)
    if isinstance(answer, Redaction):
        if answer.original != text:
            raise ConfigurationError("redactor: it returned the Redaction of another text")
        return answer
    try:
        redacted, positions = answer
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"redactor: expected a Redaction or (redacted text, positions), found {type(answer).__name__}"
        ) from None
    return Redaction(text, _replacements(text, redacted, positions))


def _replacements(original: str, redacted: str, positions: Sequence[int]) -> list[tuple[int, int, str]]:
    """Turn a position per character into replacements."""
    try:
        positions = [index(place) for place in positions]
    except TypeError:
        raise ConfigurationError("redactor: expected a whole number for each character") from None
    if len(positions) not in (len(redacted), len(redacted) + 1):
        raise ConfigurationError(
            f"redactor: expected one position for each of the {len(redacted)} characters, found {len(positions)}"
        )
    places = [*positions[: len(redacted)], len(original)]
    if any(a > b for a, b in pairwise(places)):
        raise ConfigurationError("redactor: positions must not decrease and must lie inside the original")
    found: list[tuple[int, int, str]] = []
    if redacted and places[0]:
        found.append((0, places[0], ""))
    elif not redacted and original:
        return [(0, len(original), "")]
    begin = 0
    while begin < len(redacted):
        end = begin + 1
        while end < len(redacted) and places[end] == places[begin]:
            end += 1
        source, replacement = original[places[begin] : places[end]], redacted[begin:end]
        if source != replacement:
            found.append((places[begin], places[end], replacement))
        begin = end
    return found
