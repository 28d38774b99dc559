"""Grounding that tolerates what models do to a mention, and nothing that changes its meaning."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from llmlabel.errors import ConfigurationError
from llmlabel.resolvers.base import OffsetResolver
from llmlabel.resolvers.index import TextIndex
from llmlabel.resolvers.placing import place
from llmlabel.types import Mention, Placement


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep the garbage collector out while a text is searched.

    The thousands of tuples made there are in no cycle, and looking for one takes up to a third of the time.
    """
    pause = gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


class AlignedResolver(OffsetResolver):
    """Finds each mention although case, spacing, punctuation or a letter differ, or says why it has no place.

    Args:
        min_similarity: Refuse places whose similarity to the mention, in [0, 1], is lower.
        occurrences: ``"in_order"`` gives each mention one place; ``"all"`` adds every further place of its surface
            that no mention has taken as ``Placement.repeats``.

    Raises:
        ConfigurationError: ``min_similarity`` is outside [0, 1] or ``occurrences`` is unknown.
    """

    def __init__(self, *, min_similarity: float = 0.6, occurrences: Literal["in_order", "all"] = "in_order") -> None:
        if not 0 <= min_similarity <= 1:
            raise ConfigurationError(f"min_similarity: expected a number from 0 to 1, found {min_similarity}")
        if occurrences not in ("in_order", "all"):
            raise ConfigurationError(f'occurrences: expected "in_order" or "all", found {occurrences!r}')
        self.min_similarity = min_similarity
        self.occurrences = occurrences

    def resolve(self, text: str, mentions: Sequence[Mention]) -> Sequence[Placement]:
        return self.prepare(text)(mentions)

    def prepare(self, text: str) -> Callable[[Sequence[Mention]], Sequence[Placement]]:
        """Return ``resolve`` for one text, with its index built once."""
        index = TextIndex(text)

        def placed(mentions: Sequence[Mention]) -> Sequence[Placement]:
            with _uninterrupted():
                return place(index, mentions, self.min_similarity, repeats=self.occurrences == "all")

        return placed

    def __repr__(self) -> str:
        return f"AlignedResolver(min_similarity={self.min_similarity}, occurrences={self.occurrences!r})"
