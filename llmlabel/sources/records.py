"""What every source shares: opening files, and turning one record into a document, or into a reason why not."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from llmlabel.errors import SourceError
from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Rejected, explain

# Python's surrogateescape keeps an undecodable byte 0xNN as U+DCNN, so that one bad record does not end the file.
_BYTE = re.compile("[\udc80-\udcff]")


def check_file(path: str | Path) -> Path:
    """Return the path of a readable file.

    Raises:
        SourceError: It is missing, or a folder, or empty.
    """
    place = Path(path)
    if not place.is_file():
        what = "it is a folder" if place.is_dir() else "there is no such file"
        raise SourceError(f"{place}: expected a file; {what}", path=str(place))
    return place


def open_text(path: Path, encoding: str, errors: str, newline: str = "") -> TextIO:
    r"""Open a file as text: a UTF-8 byte order mark is dropped, newlines are kept.

    With ``newline="\n"`` lines end there only, so that a lone carriage return does not tear a record.

    Raises:
        SourceError: The encoding is unknown, or the file is UTF-16 and another encoding was asked for.
    """
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise SourceError(f"{path}: the encoding {encoding!r} is unknown", path=str(path)) from None
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}", path=str(path)) from error
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not codec.startswith(("utf-16", "utf-32")):
        raise SourceError(f'{path}: the file is UTF-16; read it with encoding="utf-16"', path=str(path))
    if codec == "utf-8":
        codec = "utf-8-sig"
    escapes = errors == "strict" and not codec.startswith(("utf-16", "utf-32"))
    return path.open(encoding=codec, errors="surrogateescape" if escapes else errors, newline=newline)


def undecodable(text: str, encoding: str) -> str | None:
    """Return what to say of a text that holds an undecodable byte, or None."""
    if text.isascii() or not (match := _BYTE.search(text)):
        return None
    return f'byte {ord(match.group()) - 0xDC00:#04x} is not {encoding}; give the right encoding, or errors="replace"'


def make_id(value: object) -> str | None:
    """Return an id as text; numbers become their digits, and what cannot be an id becomes None."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


class Records:
    """Turns the records of one source into documents; counts them, so that each rejected one has its position.

    Args:
        name: What the source is called in reasons and generated ids (a file's name).
        encoding: What undecodable bytes are said not to be.
        metadata: Fields kept as metadata; None keeps every other field.
    """

    def __init__(
        self,
        name: str,
        *,
        encoding: str = "utf-8",
        text_field: str = "text",
        id_field: str | None = None,
        language_field: str | None = None,
        metadata: Iterable[str] | None = (),
        classes: Mapping[str, str] = {},
        spans_field: str | None = None,
    ) -> None:
        self.name = name
        self.encoding = encoding
        self.text_field = text_field
        self.id_field = id_field
        self.language_field = language_field
        self.metadata = None if metadata is None else tuple(metadata)
        self.classes = dict(classes)
        self.spans_field = spans_field
        self.index = -1

    def reject(self, reason: str, where: str = "", id: str | None = None) -> Rejected:
        """Return the current record as rejected; ``where`` is such as ``"line 3"``."""
        place = ", ".join(part for part in (self.name, where) if part)
        safe = None if id is None else id.encode("utf-8", "backslashreplace").decode()
        return Rejected(index=self.index, id=safe, reason=f"{place}: {reason}")

    def read(self, record: object, where: str) -> Document | LabeledDocument | Rejected:
        """Return one record (text, or a mapping of fields) as a document, a labelled one, or a rejected one."""
        self.index += 1
        bare = isinstance(record, str)
        if bare:
            record = {self.text_field: record}
        if not isinstance(record, Mapping):
            return self.reject(f"expected an object with {self.text_field!r}, found {type(record).__name__}", where)
        if self.text_field not in record:
            known = ", ".join(map(str, list(record)[:10])) or "no fields at all"
            return self.reject(f"expected a field {self.text_field!r}, found {known}", where)
        field = self.id_field or "id"
        id = make_id(record[field]) if field in record else f"{self.name or 'doc'}-{self.index + 1:06d}"
        if id is None or (self.id_field and field not in record and not bare):
            found = record.get(field)
            what = "none" if found is None else "an empty one" if found == "" else type(found).__name__
            return self.reject(f"expected an id in {field!r}, found {what}", where)
        try:
            return self._labeled(self._document(id, record), record)
        except ValidationError as error:
            return self.reject(explain(error), where, id)
        except ValueError as error:
            return self.reject(str(error), where, id)

    def _document(self, id: str, record: Mapping[str, Any]) -> Document:
        text = record[self.text_field]
        if not isinstance(text, str):
            raise ValueError(f"expected text in {self.text_field!r}, found {type(text).__name__}")
        if problem := undecodable(text, self.encoding) or undecodable(id, self.encoding):
            raise ValueError(problem)
        language = record.get(self.language_field) if self.language_field else None
        own = {self.text_field, self.id_field or "id", self.language_field, self.spans_field, *self.classes.values()}
        kept = [name for name in record if name not in own] if self.metadata is None else self.metadata
        return Document(
            id=id, text=text, language=language or None, metadata={n: record[n] for n in kept if n in record}
        )

    def _labeled(self, document: Document, record: Mapping[str, Any]) -> Document | LabeledDocument:
        if not self.classes and self.spans_field is None:
            return document
        classes = {name: _chosen(record.get(field), field) for name, field in self.classes.items()}
        spans = (record.get(self.spans_field) if self.spans_field else None) or []
        if not isinstance(spans, list):
            raise ValueError(f"expected a list of spans in {self.spans_field!r}, found {type(spans).__name__}")
        return LabeledDocument(
            document=document,
            entities=tuple(_entity(document.text, span, f"{self.spans_field}[{n}]") for n, span in enumerate(spans)),
            classes={name: chosen for name, chosen in classes.items() if chosen is not None},
        )


def _chosen(value: object, field: str) -> tuple[ClassLabel, ...] | None:
    """A cell as the labels it holds: a name, a list of names, or (null, empty) not labelled."""
    if value is None or value == "":
        return None
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"expected a label or a list of labels in {field!r}, found {type(value).__name__}")
    return tuple(ClassLabel(label=item) for item in items)


def _entity(text: str, span: object, where: str) -> Entity:
    """A span ``{"start", "end", "label"}`` in code points; if it carries its text, that must stand there."""
    if not isinstance(span, Mapping) or not {"start", "end", "label"} <= span.keys():
        raise ValueError(f"{where}: expected start, end and label")
    start, end = span["start"], span["end"]
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)):
        raise ValueError(f"{where}: expected 0 <= start < end <= {len(text)} in code points")
    if span.get("text", text[start:end]) != text[start:end]:
        raise ValueError(f"{where}: its text does not stand at [{start}, {end}); offsets must count code points")
    return Entity(start=start, end=end, label=span["label"], text=text[start:end])


def numbered_lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Yield (1-based number, line without its line end); a file that cannot be decoded ends with ``SourceError``."""
    number = 0
    try:
        with file:
            for number, line in enumerate(file, start=1):
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{file.name}, after line {number}: not {error.encoding}: {error.reason}", path=file.name, line=number + 1
        ) from None
