"""The documents of an Azure Language export, one part per project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from llmlabel.exporters.azure_import import ProjectImport
from llmlabel.exporters.jsonl import read_jsonl, to_line
from llmlabel.platforms.azure_language.selection import by_person
from llmlabel.platforms.azure_language.texts import LOCATION
from llmlabel.types import ExportReport, HeldBack, LabeledDocument


@dataclass(slots=True)
class Part:
    """The documents of one project; ``names`` maps files of the bundle to names in the container."""

    folder: Path
    spool: Path
    report: ExportReport
    names: dict[str, str]
    work: ProjectImport

    @property
    def published(self) -> bool:
        """Whether any document of it has labels to import."""
        return self.report.written > 0

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield names and bytes of the texts, one in memory at a time."""
        return ((name, (self.folder / file).read_bytes()) for file, name in self.names.items())

    def write_held(self, file: BinaryIO) -> list[HeldBack]:
        """Write the documents of which a merge held labels back, and return those labels."""
        by_id: dict[str, list[tuple[str, str]]] = {}
        for name, key, reason in self.work.merged.held if self.published else ():
            by_id.setdefault(self.work.ids[name], []).append((key[0], reason))
        for labeled in read_jsonl(self.spool) if by_id else ():
            found = by_id.get(labeled.document.id)
            if found:
                file.write(to_line(labeled, held_back=[{"label": label, "reason": reason} for label, reason in found]))
        return [
            HeldBack(document_id=identity, label=label, reason=reason)
            for identity, found in by_id.items()
            for label, reason in found
        ]


@dataclass(slots=True)
class Noted:
    """What is kept of documents beside their labels, by id: where they came from, and which a person has reviewed."""

    locations: dict[str, str] = field(default_factory=dict)
    reviewed: set[str] = field(default_factory=set)


def noted(batch: Iterable[LabeledDocument], notes: Noted, spool: BinaryIO) -> Iterator[LabeledDocument]:
    """Pass documents on; keep them, the names of those that came from the container, and who has seen them."""
    for labeled in batch:
        if by_person(labeled):
            notes.reviewed.add(labeled.document.id)
        name = labeled.document.metadata.get(LOCATION)
        if isinstance(name, str) and name.endswith(".txt") and "/" not in name and "\\" not in name:
            notes.locations[labeled.document.id] = name
        spool.write(to_line(labeled))
        yield labeled


def twice(parts: list[Part]) -> list[str]:
    """Return a line for each file name that several documents would have."""
    found = Counter(name.lower() for part in parts for name in part.names.values())
    said = "documents would have this file name; give them other ids"
    return [f"{name!r}: {times} {said}" for name, times in found.items() if times > 1]
