"""What both Kili exporters tell about a batch: its model, and where the offset unit matters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmlabel.newlines import Newlines
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument, Prediction

_BEYOND_BMP = re.compile("[^\x00-\uffff]")  # counts two in UTF-16


@dataclass
class Facts:
    """What the report says of a batch."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    models: set[str | None] = field(default_factory=set)
    fingerprints: set[str | None] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    labels: int = 0

    def count(self, labeled: LabeledDocument) -> None:
        """Take one document with labels into account."""
        text = labeled.document.text
        self.labels += 1
        self.models.add(labeled.model if isinstance(labeled, Prediction) else None)
        self.fingerprints.add(labeled.fingerprint if isinstance(labeled, Prediction) else None)
        self.counts["spans"] += len(labeled.entities)
        self.counts["cr"] += "\r" in text
        wide = _BEYOND_BMP.search(text)
        if wide:
            moved = sum(entity.end > wide.start() for entity in labeled.entities)
            self.counts["moved spans"] += moved
            self.counts["moved documents"] += bool(moved)

    def model_name(self, schema: LabelSchema, *, by_prompt: bool = False) -> str:
        """Return ``model@fingerprint``: of the schema, or (``by_prompt``) of all that shaped the answers, if known."""
        known = [model for model in self.models if model]
        prompts = [one for one in self.fingerprints if one]
        shaped = prompts[0] if by_prompt and len(self.fingerprints) == 1 and prompts else schema.fingerprint
        return f"{known[0] if len(self.models) == 1 and known else 'llmlabel'}@{shaped}"

    def offset_notes(self, newlines: Newlines = "keep") -> Iterator[str]:
        """Yield what a person should look at in Kili: the offset unit, where it matters, and carriage returns."""
        yield (
            f"{self.counts['moved spans']} of {self.counts['spans']} span(s), in {self.counts['moved documents']} "
            "document(s), have other offsets in UTF-16 than in code points; check one of them in Kili"
            if self.counts["moved spans"]
            else "no span depends on the offset unit: UTF-16 and code points agree"
        )
        if self.counts["cr"]:
            written = "written as line feeds" if newlines == "lf" else "written unchanged; check one of them in Kili"
            yield f"{self.counts['cr']} document(s) hold carriage returns, {written}"
