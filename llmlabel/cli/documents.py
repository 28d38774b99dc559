"""Reading what the commands work on: documents to label, and labelled documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from llmlabel.cli import names, terminal
from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.exporters.jsonl import read_jsonl
from llmlabel.pipeline.result import RunResult
from llmlabel.sources import open_source, select
from llmlabel.sources.selection import Record
from llmlabel.types import Document, LabeledDocument, Rejected


def expect(path: Path, out: Path | None = None) -> None:
    """Look at input and folder before a key is asked for, and before anything is opened.

    Raises:
        SourceError: There is no such input.
        ConfigurationError: A file stands where a folder is to be made.
    """
    if not path.exists():
        raise SourceError(f"{path}: expected a file or folder; there is none of this name", path=str(path))
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigurationError(f"--out: expected a folder, found the file {out}")


def read(
    path: Path,
    text_field: str | None,
    id_field: str | None,
    input_option: Sequence[str] = (),
    *,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Iterator[Record]:
    """Yield the documents of a file or folder, and the records that cannot be one; read lazily.

    Raises:
        SourceError: The file cannot be read.
        ConfigurationError: Its reader has no such option.
    """
    fields = {"text_field": text_field, "id_field": id_field}
    options: dict[str, str] = {name: value for name, value in fields.items() if value is not None}
    found = open_source(path, **options, **names.pairs(input_option, "--input-option"))
    return select(found, limit=limit, sample=sample, seed=seed)


def valid(records: Iterable[Record]) -> Iterator[Document]:
    """Yield the documents; records that cannot be one are named on stderr."""
    for record in records:
        if isinstance(record, Rejected):
            terminal.line(f"rejected: {record.id or f'input {record.index}'}: {record.reason}", error=True)
        else:
            yield record.document if isinstance(record, LabeledDocument) else record


def labelled(path: Path) -> list[LabeledDocument]:
    """Return the labelled documents of a saved run, a file of the jsonl exporter, or any source that holds labels.

    Raises:
        SourceError: The file cannot be read, or a record of it has no labels.
    """
    return list(each_labelled(path))


def each_labelled(path: Path) -> Iterator[LabeledDocument]:
    """Yield the same one by one, so that a large file is never in memory as a whole."""
    kind = _kind(path)
    if kind == "format":
        yield from read_jsonl(path)
    elif kind == "kind":
        yield from RunResult.read_predictions(path)
    else:
        for record in open_source(path):
            if isinstance(record, Rejected):
                raise SourceError(f"{path}: {record.reason}", path=str(path))
            if not isinstance(record, LabeledDocument):
                raise SourceError(
                    f"{path}: expected labelled documents, found {record.id!r} without labels", path=str(path)
                )
            yield record


def _kind(path: Path) -> str | None:
    """Return which of llmlabel's own headers a file starts with."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        first = file.readline(1_000_000)
    try:
        header = json.loads(first)
    except ValueError:
        return None
    return next((key for key in ("format", "kind") if isinstance(header, dict) and key in header), None)
