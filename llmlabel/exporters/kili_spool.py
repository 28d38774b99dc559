"""Documents and plans outside of memory, so that a push needs no more of it for many documents than for few."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmlabel.platforms.kili.answers import Json
from llmlabel.types import LabeledDocument

BLOCK_DOCUMENTS, BLOCK_CHARACTERS = 1000, 4_000_000
_LABELS = {"document": {"id", "text"}, "entities": True, "relations": True, "classes": True, "texts": True}


@dataclass(slots=True)
class Row:
    """One document as it was spooled; ``answer`` is None if it was not labelled."""

    id: str
    text: str
    answer: Json | None


class Spool:
    """Labelled documents on disk, read back in blocks, with the answers that a project's ontology gives them.

    Args:
        path: The file to write; its folder must be private.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def add(self, labeled: LabeledDocument, *, publish: bool) -> None:
        """Write one document: with its labels, or (not ``publish``) as a text alone."""
        parts: Any = _LABELS if publish else {"document": _LABELS["document"]}
        mark = b"+" if publish else b"-"
        self._file.write(mark + labeled.model_dump_json(include=parts).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def blocks(self, answer: Callable[[LabeledDocument], Json]) -> Iterator[list[Row]]:
        """Yield all documents, in order, in blocks; the same blocks each time."""
        self._file.flush()
        block: list[Row] = []
        size = 0
        with self._path.open("rb") as file:
            for line in file:
                labeled = LabeledDocument.model_validate_json(line[1:])
                document = labeled.document
                if block and (len(block) == BLOCK_DOCUMENTS or size + len(document.text) > BLOCK_CHARACTERS):
                    yield block
                    block, size = [], 0
                block.append(Row(document.id, document.text, answer(labeled) if line[:1] == b"+" else None))
                size += len(document.text)
        if block:
            yield block


class Packed(Sequence[list[Any]]):
    """Rows of JSON values, kept compressed a block at a time; some ten bytes a row."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._ends: list[int] = []  # number of rows up to the end of each block
        self._open: tuple[int, list[list[Any]]] = (-1, [])  # the block last looked into

    def add(self, rows: list[list[Any]]) -> None:
        """Add one block."""
        self._blocks.append(zlib.compress(json.dumps(rows).encode(), 1))
        self._ends.append(len(self) + len(rows))

    def blocks(self) -> Iterator[list[list[Any]]]:
        """Yield the blocks as they were added."""
        yield from map(_unpacked, self._blocks)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[list[Any]]:
        for block in self.blocks():
            yield from block

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        place = bisect_right(self._ends, number)
        before = self._ends[place - 1] if place else 0
        opened = self._open if self._open[0] == place else (place, _unpacked(self._blocks[place]))
        self._open = opened
        return opened[1][number - before]


def _unpacked(block: bytes) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(zlib.decompress(block))
    return rows
