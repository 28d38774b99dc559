"""One door for every file: the suffix says how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.sources.conll import read_conll
from llmlabel.sources.json_lines import read_json, read_json_lines
from llmlabel.sources.tables import read_csv, read_parquet
from llmlabel.sources.text import read_text
from llmlabel.types import Document, LabeledDocument, Rejected

_READERS: dict[str, Callable[..., Iterator[Any]]] = {
    ".txt": read_text,
    ".text": read_text,
    ".md": read_text,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".tab": read_csv,
    ".parquet": read_parquet,
    ".conll": read_conll,
    ".iob": read_conll,
    ".iob2": read_conll,
    ".bio": read_conll,
}
_Record = TypeVar("_Record")
_SAME = {"text_field": "text_column", "id_field": "id_column", "language_field": "language_column"}


def open_source(path: str | Path, **options: Any) -> Iterator[Document | LabeledDocument | Rejected]:
    """Return the documents of a file or of a folder of texts; the suffix says how to read it.

    Args:
        path: ``.txt``, ``.md``, a folder, ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv``, ``.parquet``,
            ``.conll``, ``.iob``, ``.iob2``, ``.bio``.
        **options: Arguments of the reader (``text_field`` and ``text_column`` mean the same, so do those of the id).

    Raises:
        SourceError: The suffix is unknown, the file cannot be read, or (after reading) it held no record.
        ConfigurationError: The reader has no such option.
    """
    place = Path(path)
    reader = read_text if place.is_dir() else _READERS.get(place.suffix.lower())
    if reader is None:
        if not place.exists():
            raise SourceError(f"{place}: expected a file or a folder; there is no such file", path=str(place))
        raise SourceError(
            f"{place}: expected a file ending in {', '.join(_READERS)}, or a folder, found {place.suffix!r}",
            path=str(place),
        )
    known = list(signature(reader).parameters)[1:]
    columns = {**_SAME, **{column: field for field, column in _SAME.items()}}
    named = {name if name in known else columns.get(name, name): value for name, value in options.items()}
    unknown = sorted(named.keys() - set(known))
    if unknown:
        raise ConfigurationError(
            f"{place.name}: {reader.__name__} has no option {unknown[0]!r}; it has {', '.join(known)}", field=unknown[0]
        )
    return _some(reader(place, **named), place)


def _some(records: Iterator[_Record], place: Path) -> Iterator[_Record]:
    """Yield the records; a file that holds none is more likely the wrong file than a job done."""
    record = None
    for record in records:
        yield record
    if record is None:
        raise SourceError(f"{place}: the file holds no records; there is nothing to read", path=str(place))
