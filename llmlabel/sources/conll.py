"""CoNLL and its kin: one token per line with its tag, blank lines between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from llmlabel.errors import SourceError
from llmlabel.sources.records import Records, check_file, numbered_lines, open_text, undecodable
from llmlabel.sources.tags import Scheme, all_tags, looks_like_tag
from llmlabel.sources.tokens import Detokenizer, labeled_tokens
from llmlabel.types import Entity, LabeledDocument, Rejected, explain

_PEEK = 2000  # lines looked at to tell the columns
_BLANKS = re.compile(r"[ \t]+")


@dataclass(slots=True)
class _Layout:
    """Which columns a file has; a tab anywhere in its rows means that only tabs separate."""

    tabs: bool
    columns: int
    token: int
    label: int

    def split(self, line: str) -> list[str]:
        return line.split("\t") if self.tabs else _BLANKS.split(line.strip(" \t"))

    def is_comment(self, line: str) -> bool:
        """Whether a line that begins with # is a remark rather than a token such as ``#MH17``."""
        cells = self.split(line)
        return len(cells) != self.columns or not looks_like_tag(cells[self.label])


@dataclass(slots=True)
class _Sentence:
    line: int = 0
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    starts_document: bool = False


def read_conll(
    path: str | Path,
    *,
    scheme: Scheme = "auto",
    token_column: int | None = None,
    label_column: int | None = None,
    detokenizer: Detokenizer = "auto",
    per: Literal["sentence", "document"] = "sentence",
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[LabeledDocument | Rejected]:
    """Return the sentences of a CoNLL-like file as labelled documents; spans count code points of the text made.

    Columns are separated by tabs, or by blanks where there are no tabs. ``# text = …`` gives the text itself,
    ``# sent_id = …`` the id; other comment lines and ``-DOCSTART-`` are passed over. Ids are otherwise file name and
    position. A sentence with a broken row is rejected, with its line; the others go on.

    Args:
        path: The file (CoNLL-2002/2003, IOB2 of Universal NER, one character per line, …).
        scheme: How tags are checked; ``auto`` reads all schemes by the lenient rule of conlleval.
        token_column: 0-based; by default the first, or the second where the first counts the tokens.
        label_column: 0-based, negative from the right; by default the last column that holds only tags.
        detokenizer: How tokens become a text: ``auto``, ``space``, ``none``, or a callable on the tokens.
        per: ``document`` joins the sentences between two ``-DOCSTART-`` (or ``# newdoc``) by newlines.
        encoding: Of the file.
        errors: ``strict`` rejects a sentence that cannot be decoded; ``replace`` and ``ignore`` as in Python.

    Raises:
        SourceError: There is no such file, or no column of tags can be told.
    """
    place = check_file(path)
    lines = numbered_lines(open_text(place, encoding, errors, newline="\n"))
    head = list(islice(lines, _PEEK))
    layout = _layout(place, [line for _, line in head], token_column, label_column)
    records = Records(place.name, encoding=encoding)
    sentences = _sentences(chain(head, lines), layout, records)
    found = _labeled(sentences, records, scheme, detokenizer)
    return _joined(found) if per == "document" else (item for _, item in found)


def _is_token_row(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", "-DOCSTART-"))


def _layout(path: Path, head: list[str], token: int | None, label: int | None) -> _Layout:
    rows = [line for line in head if _is_token_row(line)]
    if not rows:
        raise SourceError(f"{path}: expected tokens with tags, found no such line", path=str(path))
    layout = _Layout(any("\t" in row for row in rows[:100]), 0, 0, 0)
    cells = [layout.split(row) for row in rows]
    widths = [len(row) for row in cells]
    layout.columns = max(set(widths), key=widths.count)
    regular = [row for row in cells if len(row) == layout.columns]
    columns = list(zip(*regular, strict=True))
    if label is None:
        tagged = [n for n in range(layout.columns) if all_tags(columns[n])]
        tagged = tagged or [n for n in range(1, layout.columns) if "O" in columns[n]]
        if not tagged or layout.columns < 2:
            raise SourceError(
                f"{path}: expected a column of tags such as B-PER or O, found none in {layout.columns} column(s); "
                "name it with label_column",
                path=str(path),
            )
        label = tagged[-1]
    layout.label = label % layout.columns if -layout.columns <= label < layout.columns else label
    counted = layout.columns > 2 and all(re.fullmatch(r"\d+([-.]\d+)?", cell) for cell in columns[0])
    layout.token = token if token is not None else int(counted and columns[0][0] == "1")
    for what, number in (("token", layout.token), ("label", layout.label)):
        if not 0 <= number < layout.columns:
            raise SourceError(
                f"{path}: there is no {what} column {number}, the file has {layout.columns}", path=str(path)
            )
    return layout


def _sentences(lines: Iterable[tuple[int, str]], layout: _Layout, records: Records) -> Iterator[_Sentence]:
    sentence = _Sentence()
    for number, line in lines:
        if line.startswith("-DOCSTART-") or not line.strip(" \t\r\ufeff"):
            if sentence.tokens or sentence.problem:
                yield sentence
                sentence = _Sentence()
            sentence.starts_document |= line.startswith("-DOCSTART-")
        elif not sentence.tokens and line.startswith("#") and layout.is_comment(line):
            name, equals, value = line.lstrip("#").partition("=")
            if equals:
                sentence.comments[name.strip()] = value.removeprefix(" ")
            sentence.starts_document |= name.split()[:1] == ["newdoc"]
        else:
            sentence.line = sentence.line or number
            _add_row(sentence, layout, number, line, records.encoding)
    if sentence.tokens or sentence.problem:
        yield sentence


def _add_row(sentence: _Sentence, layout: _Layout, number: int, line: str, encoding: str) -> None:
    cells = layout.split(line)
    if len(cells) != layout.columns:
        problem: str | None = f"line {number}: expected {layout.columns} columns, found {len(cells)}"
    elif byte := undecodable(line, encoding):
        problem = f"line {number}: {byte}"
    elif layout.token and re.search(r"[-.]", cells[0]):
        return  # a CoNLL-U range (1-2) or empty node (1.1): its parts follow, or it is not in the text
    else:
        problem = None
        sentence.tokens.append(cells[layout.token])
        sentence.tags.append(cells[layout.label])
    sentence.problem = sentence.problem or problem


def _labeled(
    sentences: Iterable[_Sentence], records: Records, scheme: Scheme, how: Detokenizer
) -> Iterator[tuple[bool, LabeledDocument | Rejected]]:
    for sentence in sentences:
        records.index += 1
        id = sentence.comments.get("sent_id", "").strip() or f"{records.name}-{records.index + 1:06d}"
        text = sentence.comments.get("text")
        if sentence.problem:
            yield sentence.starts_document, records.reject(sentence.problem, id=id)
            continue
        try:
            item: LabeledDocument | Rejected = labeled_tokens(
                sentence.tokens, sentence.tags, id=id, scheme=scheme, how=how, text=text
            )
        except ValidationError as error:
            item = records.reject(explain(error), f"line {sentence.line}", id)
        except ValueError as error:
            item = records.reject(str(error), f"line {sentence.line}", id)
        yield sentence.starts_document, item


def _joined(found: Iterable[tuple[bool, LabeledDocument | Rejected]]) -> Iterator[LabeledDocument | Rejected]:
    """Join the sentences of each document by newlines; rejected sentences go on their own."""
    parts: list[LabeledDocument] = []
    for starts, item in found:
        if starts and parts:
            yield _join(parts)
            parts = []
        if isinstance(item, Rejected):
            yield item
        else:
            parts.append(item)
    if parts:
        yield _join(parts)


def _join(parts: list[LabeledDocument]) -> LabeledDocument:
    text = "\n".join(part.document.text for part in parts)
    entities: list[Entity] = []
    position = 0
    for part in parts:
        entities += [e.model_copy(update={"start": e.start + position, "end": e.end + position}) for e in part.entities]
        position += len(part.document.text) + 1
    document = parts[0].document.model_copy(update={"text": text})
    return LabeledDocument(document=document, entities=tuple(entities))
