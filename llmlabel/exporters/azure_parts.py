"""The documents of an Azure Language export, one part per project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llmlabel.exporters.azure_import import ProjectImport
from llmlabel.exporters.jsonl import read_jsonl, to_line
from llmlabel.types import ExportReport, HeldBack


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


def twice(parts: list[Part]) -> list[str]:
    """Return a line for each file name that several documents would have."""
    found = Counter(name.lower() for part in parts for name in part.names.values())
    said = "documents would have this file name; give them other ids"
    return [f"{name!r}: {times} {said}" for name, times in found.items() if times > 1]
