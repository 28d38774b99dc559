"""Tables with named columns: CSV, TSV, Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from llmlabel.errors import SourceError
from llmlabel.sources.records import Records, check_file, open_text
from llmlabel.types import Document, LabeledDocument, Rejected

_LONGEST_FIELD = 2**31 - 1


def read_csv(
    path: str | Path,
    *,
    text_column: str = "text",
    id_column: str | None = None,
    language_column: str | None = None,
    metadata: Iterable[str] | None = (),
    classes: Mapping[str, str] = {},
    delimiter: str | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[Document | LabeledDocument | Rejected]:
    """Return the documents of a CSV file with a header row, read row by row.

    Every cell is text: ``001``, ``NA`` and ``1e5`` stay as they are, and so do CRLF and newlines inside quotes. A
    UTF-8 byte order mark is dropped. Fields may be of any length; ``csv.field_size_limit`` is raised for that, which
    holds for the process.

    Args:
        path: The file.
        text_column: The column with the text.
        id_column: The column with the id; by default ``id`` where there is one, else file name and position.
        language_column: The column with the language, if any.
        metadata: Columns kept as metadata; None keeps all others.
        classes: ``{classification: column}`` of human labels: gives ``LabeledDocument``; empty cells mean no label.
        delimiter: Between cells; by default a tab for ``.tsv`` and ``.tab``, else a comma.
        encoding: Of the file.
        errors: ``strict`` rejects a row that cannot be decoded; ``replace`` and ``ignore`` as in Python.

    Raises:
        SourceError: There is no such file, it has no header, or a named column is missing.
    """
    place = check_file(path)
    file = open_text(place, encoding, errors)
    if csv.field_size_limit() < _LONGEST_FIELD:
        csv.field_size_limit(_LONGEST_FIELD)
    separator = delimiter or ("\t" if place.suffix.lower() in {".tsv", ".tab"} else ",")
    records = Records(
        place.name,
        encoding=encoding,
        text_field=text_column,
        id_field=id_column,
        language_field=language_column,
        metadata=metadata,
        classes=classes,
    )
    try:
        rows = _Rows(file, separator)
        header = rows.next() or []
        _check_columns(place, header, [text_column, id_column, language_column, *(metadata or ()), *classes.values()])
    except (csv.Error, UnicodeDecodeError) as error:
        file.close()
        raise SourceError(f"{place}, line 1: expected a header row: {error}", path=str(place), line=1) from None
    except SourceError:
        file.close()
        raise
    return _read_rows(file, rows, header, records)


class _Rows:
    """The rows of a CSV file. A quote that is not closed spoils its own line, not the good rows behind it."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self.line = 0
        self._delimiter = delimiter
        self._lines = iter(file)
        self._taken: list[str] = []
        self._reader = csv.reader(self._take(), delimiter=delimiter, strict=True)

    def _take(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            self.line += 1
            yield line

    def next(self) -> list[str] | None:
        """Return the next row, None at the end; after ``csv.Error`` reading goes on with the next line."""
        self._taken = []
        try:
            return next(self._reader, None)
        except csv.Error:
            _, *behind = self._taken
            self.line -= len(behind)
            self._lines = chain(behind, self._lines)
            self._reader = csv.reader(self._take(), delimiter=self._delimiter, strict=True)
            raise


def _check_columns(path: Path, found: list[str], wanted: Iterable[str | None]) -> None:
    missing = [name for name in wanted if name is not None and name not in found]
    if missing:
        there = ", ".join(map(repr, found)) if found else "none: the file is empty"
        other = next((mark for mark in ";\t|" if len(found) == 1 and mark in found[0]), None)
        advice = f"give delimiter={other!r}" if other else "name the columns to read"
        raise SourceError(
            f"{path}, line 1: expected a column {missing[0]!r}, found {there}; {advice}",
            path=str(path),
            line=1,
        )
    twice = [name for name in wanted if name is not None and found.count(name) > 1]
    if twice:
        raise SourceError(f"{path}, line 1: the column {twice[0]!r} stands twice", path=str(path), line=1)


def _read_rows(
    file: TextIO, rows: _Rows, header: list[str], records: Records
) -> Iterator[Document | LabeledDocument | Rejected]:
    with file:
        while True:
            where = f"line {rows.line + 1}"
            try:
                row = rows.next()
            except csv.Error as error:
                records.index += 1
                yield records.reject(f"expected a row of cells: {error} (a quote opened here may not be closed)", where)
                continue
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{file.name}, {where}: not {error.encoding}: {error.reason}", path=file.name
                ) from None
            if row is None:
                return
            if not row:
                continue  # a blank line
            if len(row) != len(header):
                records.index += 1
                yield records.reject(f"expected {len(header)} cells, found {len(row)}", where)
                continue
            yield records.read(dict(zip(header, row, strict=True)), where)


def read_parquet(
    path: str | Path,
    *,
    text_column: str = "text",
    id_column: str | None = None,
    language_column: str | None = None,
    metadata: Iterable[str] | None = (),
    classes: Mapping[str, str] = {},
    batch_size: int = 1024,
) -> Iterator[Document | LabeledDocument | Rejected]:
    """Return the documents of a Parquet file, read batch by batch; arguments as for ``read_csv``.

    Raises:
        SourceError: There is no such file, it is not Parquet, or a named column is missing.
        ImportError: pyarrow is not installed.
    """
    place = check_file(path)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError('reading Parquet needs pyarrow: pip install "llmlabel[parquet]"') from error
    try:
        table = pq.ParquetFile(place)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{place}: expected a Parquet file ({type(error).__name__})", path=str(place)) from error
    columns = list(table.schema_arrow.names)
    kept = None if metadata is None else list(metadata)
    _check_columns(place, columns, [text_column, id_column, language_column, *(kept or ()), *classes.values()])
    wanted = {text_column, id_column or "id", language_column, *(kept or ()), *classes.values()}
    records = Records(
        place.name,
        text_field=text_column,
        id_field=id_column,
        language_field=language_column,
        metadata=kept,
        classes=classes,
    )
    read = columns if kept is None else [name for name in columns if name in wanted]
    return _read_batches(table, read, batch_size, records)


def _read_batches(
    table: Any, columns: list[str], batch_size: int, records: Records
) -> Iterator[Document | LabeledDocument | Rejected]:
    with table:
        for batch in table.iter_batches(batch_size=batch_size, columns=columns):
            for row in batch.to_pylist():
                yield records.read(row, f"row {records.index + 2}")
