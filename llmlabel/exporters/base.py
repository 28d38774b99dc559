"""The seam for annotation platforms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmlabel.types import ExportReport, LabeledDocument


class Exporter(ABC):
    """Writes labelled documents for one target; subclass it and write one method, ``export``."""

    @abstractmethod
    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        """Publish the labels and return what was written and what was held back, with reasons.

        A prediction whose outcome is not ``labeled`` is held back, never written as "no entities". Everything is
        checked before anything is published.

        Raises:
            ExportError: The batch cannot be published; it lists every problem, each with its document.
        """
