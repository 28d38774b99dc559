"""The seam for span grounding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmlabel.types import Mention, Placement


class OffsetResolver(ABC):
    """Finds where mentions stand in a text; subclass it and write one method, ``resolve``."""

    @abstractmethod
    def resolve(self, text: str, mentions: Sequence[Mention]) -> Sequence[Placement]:
        """Return one placement per mention, in the same order; offsets are code points of ``text``.

        A mention that cannot be placed is returned with its status, never dropped and never guessed.
        """

    def prepare(self, text: str) -> Callable[[Sequence[Mention]], Sequence[Placement]]:
        """Return ``resolve`` for one text; override it to build an index once for several answers."""
        return partial(self.resolve, text)
