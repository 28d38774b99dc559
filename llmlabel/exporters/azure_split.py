"""Which project a document goes to, where there are more documents than one project takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from typing import BinaryIO

from llmlabel.exporters.checks import expect_labeled
from llmlabel.exporters.jsonl import header, to_line
from llmlabel.platforms.azure_language import TARGET
from llmlabel.platforms.azure_language.imported import load_imported, manifest_path
from llmlabel.platforms.azure_language.selection import by_person
from llmlabel.platforms.azure_language.texts import LOCATION
from llmlabel.types import LabeledDocument

_PREDICTIONS = "predictions.jsonl"


def numbered(project: str, number: int) -> str:
    """Return the name of the first, second, … project of those that documents are divided over."""
    return project if number == 1 else f"{project}-{number}"


def projects_of(directory: Path, project: str) -> list[str]:
    """Return the projects that documents were divided over; the first, if there was no import yet."""
    names = takewhile(
        lambda name: manifest_path(directory, name).exists(), (numbered(project, number) for number in count(1))
    )
    return list(names) or [project]


@dataclass(slots=True)
class Share:
    """The documents of one project, spooled; beside them, by id, where they came from and whom a person reviewed."""

    project: str
    folder: Path
    spool: Path
    locations: dict[str, str] = field(default_factory=dict)
    reviewed: set[str] = field(default_factory=set)

    @property
    def unfinished(self) -> Path:
        """Where the documents are until all of the batch was checked."""
        return self.spool.with_name(f".{self.spool.name}.partial")

    def note(self, labeled: LabeledDocument) -> None:
        """Keep the name of a text that came from the container, and whether a person has seen its labels."""
        name = labeled.document.metadata.get(LOCATION)
        if isinstance(name, str) and name.endswith(".txt") and "/" not in name and "\\" not in name:
            self.locations[labeled.document.id] = name
        if by_person(labeled):
            self.reviewed.add(labeled.document.id)


class Shares:
    """Divides documents over ``PROJECT``, ``PROJECT-2`` and so on.

    A document that we imported before stays in its project, whatever the order in which documents come.

    Args:
        directory: Where manifests lie and documents are spooled.
        project: Name of the first project.
        room: Most documents of a project.
        endpoint: Address of the service, as the manifests name it; None begins anew, whatever they say.
    """

    def __init__(self, directory: Path, project: str, room: int, endpoint: str | None) -> None:
        self._directory, self._project, self._room = directory, project, room
        self._number: dict[str, int] = {}
        names = projects_of(directory, project) if endpoint is not None else []
        for number, name in enumerate(names, 1):
            found = load_imported(manifest_path(directory, name), str(endpoint), name)
            known = {**found.documents, **(found.pending or {})}
            self._number |= {item.id: number for item in known.values()}
        self._sizes = Counter(self._number.values())

    @contextmanager
    def spooled(self, documents: Iterable[LabeledDocument]) -> Iterator[list[Share]]:
        """Give the documents in a file per project; the files stay when the block ends well, earlier ones otherwise."""
        shares: dict[int, Share] = {}
        try:
            self._write(documents, shares)
            yield [shares[number] for number in sorted(shares)]
            for share in shares.values():
                share.unfinished.replace(share.spool)
        finally:
            for share in shares.values():
                share.unfinished.unlink(missing_ok=True)

    def _write(self, documents: Iterable[LabeledDocument], shares: dict[int, Share]) -> None:
        """Write documents as they come, one in memory at a time."""
        files: dict[int, BinaryIO] = {}
        with ExitStack() as stack:
            for labeled in documents:
                expect_labeled(TARGET, labeled)
                number = self._place(labeled.document.id)
                if number not in shares:
                    shares[number] = self._share(number)
                    files[number] = stack.enter_context(shares[number].unfinished.open("wb"))
                    files[number].write(header())
                shares[number].note(labeled)
                files[number].write(to_line(labeled))
        if not shares:
            shares[1] = self._share(1)
            shares[1].unfinished.write_bytes(header())

    def _place(self, identity: str) -> int:
        number = self._number.get(identity)
        if number is None:
            number = next(one for one in count(1) if self._sizes[one] < self._room)
            self._number[identity] = number
            self._sizes[number] += 1
        return number

    def _share(self, number: int) -> Share:
        folder = self._directory / ("bundle" if number == 1 else f"bundle-{number}")
        return Share(numbered(self._project, number), folder, self._directory / f"{folder.name}-{_PREDICTIONS}")
