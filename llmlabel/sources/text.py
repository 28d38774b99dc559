"""Plain text: one document per file, or one per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

from llmlabel.errors import SourceError
from llmlabel.sources.records import Records, check_file, numbered_lines, open_text
from llmlabel.types import Document, Rejected


def read_text(
    path: str | Path,
    *,
    per: Literal["file", "line"] = "file",
    pattern: str = "**/*.txt",
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[Document | Rejected]:
    """Return the documents of a text file, or of the files in a folder, read one by one.

    The text is what the file holds: newlines and Unicode forms stay, NUL bytes too (exporters decide on them); only a
    UTF-8 byte order mark is dropped. Ids are file names (relative to the folder, with ``/``); with ``per="line"``
    ``name:number``, and blank lines are passed over.

    Args:
        path: A file, or a folder.
        per: What makes a document.
        pattern: Which files of a folder are read (``pathlib`` glob), in sorted order.
        encoding: Of the files.
        errors: ``strict`` rejects a document that cannot be decoded; ``replace`` and ``ignore`` as in Python.

    Raises:
        SourceError: There is no such file, no file in the folder matches, or the encoding is wrong for the whole file.
    """
    place = Path(path)
    if not place.is_dir():
        return _read([(check_file(place), place.name)], per, encoding, errors, alone=True)
    files = sorted((file.relative_to(place).as_posix(), file) for file in place.glob(pattern) if file.is_file())
    if not files:
        raise SourceError(f"{place}: no file in the folder matches {pattern!r}", path=str(place))
    return _read([(file, name) for name, file in files], per, encoding, errors, alone=False)


def _read(
    files: list[tuple[Path, str]], per: str, encoding: str, errors: str, *, alone: bool
) -> Iterator[Document | Rejected]:
    records = Records("", encoding=encoding, id_field="id")
    for path, name in files:
        records.name = name
        try:
            file = open_text(path, encoding, errors, newline="\n" if per == "line" else "")
            if per == "line":
                for number, line in numbered_lines(file):
                    if line.strip():
                        record = {"id": f"{name}:{number}", "text": line}
                        yield cast("Document | Rejected", records.read(record, f"line {number}"))
                continue
            with file:
                record = {"id": name, "text": file.read()}
        except (OSError, UnicodeDecodeError, SourceError) as error:
            if alone and isinstance(error, SourceError):
                raise
            records.index += 1
            yield records.reject(_reason(error), id=name)
            continue
        yield cast("Document | Rejected", records.read(record, ""))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding}: {error.reason} at byte {error.start}"
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
