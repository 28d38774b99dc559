"""From the text of an answer to one ``ParsedAnswer`` per document: finds the JSON and tells the documents apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llmlabel.errors import CompletionError
from llmlabel.formats.keys import CLASSES, DOCUMENTS, ENTITIES, LABEL, RELATIONS, TEXTS, key_of, key_used
from llmlabel.formats.reading import SectionReader, is_item
from llmlabel.parsing import CutDict, JsonAnswer, read_json
from llmlabel.schema import LabelSchema
from llmlabel.types import Completion, Document, ParsedAnswer, clean

_ID = re.compile(r"\D{0,20}(\d{1,9})\D?")

Read = Callable[[SectionReader, Document, object], bool]
"""Reads what is said of one document into a draft; returns whether that was complete."""


def read_section(draft: SectionReader, document: Document, value: object) -> bool:
    """Read one document's labels as JSON."""
    draft.section(value)
    return True


def read_answers(
    completion: Completion,
    documents: Sequence[Document],
    schema: LabelSchema,
    *,
    expected: str,
    read: Read = read_section,
    extra_keys: frozenset[str] = frozenset(),
) -> dict[str, ParsedAnswer]:
    """Return the answer of each document that the completion speaks of.

    A packed answer names documents by their number, from "1". A number that is unknown, or given twice with different
    labels, comes under a key that is no document's id, so that nothing is taken for the wrong document.

    Raises:
        CompletionError: There is no JSON of the expected shape; the message says what was ``expected``.
    """
    shape = _Shape(schema, extra_keys, packed=len(documents) > 1)
    try:
        source = read_json(completion.text, shape.fits, cut=completion.finish == "length")
    except CompletionError as error:
        raise CompletionError(f"{error}; expected {expected}") from None
    sections = list(_sections(source.value, documents, schema, packed=shape.packed))
    if not sections and shape.packed and source.value:
        raise CompletionError(f'the answer does not say by "id" which document is meant; expected {expected}')
    answers: dict[str, ParsedAnswer] = {}
    for number, (key, document, value) in enumerate(sections):
        last = number == len(sections) - 1
        draft = SectionReader(schema, rest=source.rest if last else "")
        for replaced in source.passed_over if last else ():
            for _, _, part in _sections(replaced, documents, schema, packed=shape.packed):
                _pass_over(draft, part)
        whole = read(draft, document, value)
        ends_here = source if last else JsonAnswer(None, repaired=source.repaired)
        answer = draft.answer(ends_here, complete=whole and (source.complete or not last))
        if unreadable := _unreadable(answer):  # not "nothing found": ask again
            if not shape.packed:
                raise CompletionError(f"{unreadable}; expected {expected}")
            continue
        answers[key] = answer
    return answers


def _pass_over(draft: SectionReader, value: object) -> None:
    """Enter each item of a part that a later one of the answer replaces into the ledger."""
    other = SectionReader(draft.schema)
    other.section(value)
    answer, reason = other.answer(), "a later part of the answer replaces it"
    for mention in answer.mentions:
        draft.drop({"text": mention.text, "label": mention.label}, reason)
    for relation in answer.relations:
        draft.drop(f"{relation.label}: {relation.head + 1} → {relation.tail + 1}", reason, "relation")
    for name, chosen in answer.classes.items():
        for item in chosen:
            draft.drop(f"{name}: {item.label}", reason, "class")
    for name in answer.texts:
        draft.drop(name, reason, "text")
    draft.problems += answer.problems


def _unreadable(answer: ParsedAnswer) -> str:
    """Say why an answer of which nothing could be taken is no empty answer, or return an empty string."""
    taken = answer.mentions or answer.relations or answer.classes or answer.texts
    problems = [problem for problem in answer.problems if problem.kind != "copy"]
    if taken or not problems or not answer.complete:
        return ""
    reasons = "; ".join(dict.fromkeys(problem.reason for problem in problems))
    return f"none of the {len(problems)} items of the answer can be read ({reasons})"


class _Shape:
    """Tells an answer from other JSON that may stand in prose."""

    def __init__(self, schema: LabelSchema, extra_keys: frozenset[str], *, packed: bool) -> None:
        self.packed = packed
        self.tasks = ENTITIES | RELATIONS | CLASSES | TEXTS | DOCUMENTS | extra_keys
        self.names = set(schema.entity_names)
        self.names |= {part.name for part in schema.questions} | {part.name for part in schema.texts}
        self.entities = bool(schema.entities)
        self.classes = bool(schema.classifications)

    def fits(self, value: object) -> bool:
        if isinstance(value, list):
            inner = [part for item in value for part in (item if isinstance(item, list) else [item])]
            return not value or any(isinstance(part, dict) for part in inner) or any(map(self._is_pair, value))
        if not isinstance(value, dict):
            return False
        if not value or is_item(value) or any(key in self.names or key_of(key) in self.tasks for key in value):
            return True
        if self.classes and key_used(value, LABEL):
            return True
        return self.entities and any(isinstance(part, list | dict) for part in value.values())

    def _is_pair(self, item: object) -> bool:
        return isinstance(item, list) and len(item) == 2 and any(part in self.names for part in _texts(item))


def _texts(items: Sequence[object]) -> Iterator[str]:
    return (item for item in items if isinstance(item, str))


def _sections(
    value: Any, documents: Sequence[Document], schema: LabelSchema, *, packed: bool
) -> Iterator[tuple[str, Document, object]]:
    """Yield key, document and value of each section; unknown and contradictory ones under a key of their own."""
    inner = _documents_part(value, schema)
    if not packed:
        sole = inner[0][1] if inner is not None and len(inner) == 1 else value
        yield documents[0].id, documents[0], sole
        return
    given = inner if inner is not None else _by_number(value)
    if given and all(said is None for said, _ in given) and len(given) == len(documents):
        given = [(str(number), part) for number, (_, part) in enumerate(given, 1)]
    seen: dict[str, list[object]] = {}
    for said, part in given:
        seen.setdefault(_number(said), []).append(part)
    taken = {document.id for document in documents}
    for said, parts in seen.items():
        known = said.isdecimal() and 0 < int(said) <= len(documents)
        document = documents[int(said) - 1] if known else documents[0]
        if known and all(part == parts[0] for part in parts):
            yield document.id, document, parts[0]
            continue
        for part in parts:
            key = f"(no such document: {said[:40]})"
            while key in taken:
                key += "'"
            taken.add(key)
            yield key, document, part


def _documents_part(value: Any, schema: LabelSchema) -> list[tuple[object, object]] | None:
    """Return the sections of ``{"documents": […]}``, or None if the value has no such part."""
    if not isinstance(value, dict):
        return None
    key = next((k for k in value if key_of(k) in DOCUMENTS and k not in schema.entity_names), None)
    if key is None or (len(value) > 1 and not isinstance(value[key], list | dict)):
        return None
    part = value[key]
    return _by_number(part) if isinstance(part, list | dict) else None


def _by_number(value: Any) -> list[tuple[object, object]]:
    if isinstance(value, list):
        return [_with_id(item) for item in value if item is not None]
    if isinstance(value, dict) and ("id" in value or not all(_ID.fullmatch(key[:40]) for key in value)):
        return [_with_id(value)] if "id" in value else []
    return list(value.items()) if isinstance(value, dict) else []


def _with_id(item: object) -> tuple[object, object]:
    if not isinstance(item, dict):
        return None, item
    key = key_used(item, ("id", "document", "doc", "document_id", "number"))
    if key is None:
        return None, item
    rest = {name: part for name, part in item.items() if name != key}
    return item[key], CutDict(rest) if isinstance(item, CutDict) else rest


def _number(said: object) -> str:
    text = clean(str(said)[:40]) if isinstance(said, str | int) and not isinstance(said, bool) else "none"
    match = _ID.fullmatch(text.strip())
    return str(int(match[1])) if match else text
