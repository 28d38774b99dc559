"""JSON records: one per line, or a list of them in one file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from llmlabel.errors import SourceError
from llmlabel.sources.records import Records, check_file, numbered_lines, open_text, undecodable
from llmlabel.types import Document, LabeledDocument, Rejected


def read_json_lines(
    path: str | Path,
    *,
    text_field: str = "text",
    id_field: str | None = None,
    language_field: str | None = None,
    metadata: Iterable[str] | None = (),
    classes: Mapping[str, str] = {},
    spans_field: str | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[Document | LabeledDocument | Rejected]:
    """Return the documents of a JSON Lines file, read line by line; a line may also be a JSON string, a bare text.

    Not for llmlabel's own lossless format, which ``llmlabel.exporters.jsonl`` writes and reads.

    Args:
        path: The file; blank lines are passed over.
        text_field: Where the text stands.
        id_field: Where the id stands; a record without one is then rejected. By default ``id`` where there is one,
            else file name and position.
        language_field: Where the language stands, if anywhere.
        metadata: Fields kept as the document's metadata; None keeps all others.
        classes: ``{classification: field}`` of human labels (a name, or a list of names): gives ``LabeledDocument``.
        spans_field: Field with a list of ``{"start", "end", "label"}`` in code points: gives ``LabeledDocument``.
        encoding: Of the file.
        errors: ``strict`` rejects a record that cannot be decoded; ``replace`` and ``ignore`` as in Python.

    Raises:
        SourceError: There is no such file, or it is in another encoding.
    """
    place = check_file(path)
    records = Records(
        place.name,
        encoding=encoding,
        text_field=text_field,
        id_field=id_field,
        language_field=language_field,
        metadata=metadata,
        classes=classes,
        spans_field=spans_field,
    )
    file = open_text(place, encoding, errors, newline="\n")
    return _parse_lines(numbered_lines(file), records)


def _parse_lines(lines: Iterable[tuple[int, str]], records: Records) -> Iterator[Document | LabeledDocument | Rejected]:
    for number, line in lines:
        if not line.strip():
            continue
        where = f"line {number}"
        problem = undecodable(line, records.encoding)
        try:
            record = None if problem else json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"expected one JSON value, found an error in column {error.colno}: {error.msg}"
        except (ValueError, RecursionError):
            problem = "expected one JSON value, found a number or nesting too long to read"
        if problem:
            records.index += 1
            yield records.reject(problem, where)
        else:
            yield records.read(record, where)


def read_json(
    path: str | Path,
    *,
    text_field: str = "text",
    id_field: str | None = None,
    language_field: str | None = None,
    metadata: Iterable[str] | None = (),
    classes: Mapping[str, str] = {},
    spans_field: str | None = None,
    encoding: str = "utf-8",
) -> Iterator[Document | LabeledDocument | Rejected]:
    """Return the documents of a JSON file that holds one list of records (or of texts); it is read whole.

    Arguments as for ``read_json_lines``.

    Raises:
        SourceError: There is no such file, or it does not hold a list.
    """
    place = check_file(path)
    records = Records(
        place.name,
        encoding=encoding,
        text_field=text_field,
        id_field=id_field,
        language_field=language_field,
        metadata=metadata,
        classes=classes,
        spans_field=spans_field,
    )
    with open_text(place, encoding, "strict") as file:
        try:
            items = json.load(file)
        except json.JSONDecodeError as error:
            message = f"{place}, line {error.lineno}: expected one JSON list, found an error in column {error.colno}"
            raise SourceError(f"{message}: {error.msg}", path=str(place), line=error.lineno) from None
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{place}: cannot be read as JSON ({type(error).__name__})", path=str(place)) from None
    if not isinstance(items, list):
        raise SourceError(
            f"{place}: expected a list of records, found {type(items).__name__}; "
            "one record per line belongs in a .jsonl file",
            path=str(place),
        )
    return (records.read(item, f"item {number}") for number, item in enumerate(items, start=1))
