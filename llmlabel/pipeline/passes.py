"""What the earlier of several passes over a text found: later ones add what overlaps nothing of it."""

from __future__ import annotations


class Passes:
    """Which characters the passes of one sample have given to entities.

    Args:
        length: Characters of the text.
    """

    def __init__(self, length: int) -> None:
        self._earlier = bytearray(length)
        self._current: list[tuple[int, int]] = []
        self._turn = 0

    def crosses_earlier(self, turn: int, start: int, end: int) -> bool:
        """Whether a pass before this one has an entity there."""
        if turn > self._turn:
            for begin, stop in self._current:
                self._earlier[begin:stop] = b"\1" * (stop - begin)
            self._turn, self._current = turn, []
        return turn > 0 and self._earlier.find(1, start, end) >= 0

    def take(self, turn: int, start: int, end: int) -> None:
        """Note an entity of this pass."""
        self._current.append((start, end))
