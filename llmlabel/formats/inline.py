"""The ``inline`` format: the text repeated with markers, so that repeats are placed without doubt.

Entities alone, one document: the answer is the marked text itself. Otherwise it is JSON: ``marked`` beside the other
tasks, and markers carry a number (``[[words|LABEL|1]]``) where relations, attributes or reasons refer to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from llmlabel.formats.answers import read_answers
from llmlabel.formats.base import AnswerFormat, Request
from llmlabel.formats.draft import CUT_OFF
from llmlabel.formats.keys import REASON
from llmlabel.formats.marked import is_numbered, read_marked
from llmlabel.formats.markers import DEFAULT, mark, markers_for, tags_for
from llmlabel.formats.reading import SectionReader
from llmlabel.formats.schemas import (
    INTEGER,
    STRING,
    Json,
    any_of,
    array,
    choices,
    other_tasks,
    packed_in,
    record,
    variants,
    within_limits,
)
from llmlabel.formats.wording import (
    ONLY_JSON,
    attributes_asked,
    dumped,
    in_reading_order,
    others_asked,
    packed_asked,
    quoted,
    shown_attributes,
    shown_others,
    shown_packed,
)
from llmlabel.parsing import CutDict, has_thoughts, without_thoughts
from llmlabel.schema import LabelSchema
from llmlabel.types import Completion, Document, LabeledDocument, ParsedAnswer, clean

_MARKED_KEYS = ("marked", "marked_text", "text", "answer")
_ECHO = re.compile(r"^[ \t]*(?:```[\w+-]*|</?document-[0-9a-f]+>)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_CUT_MARKED = re.compile(r'"marked"\s*:\s*"(.*)', re.DOTALL)
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_JSON_START = re.compile(r"""[\s`]*(?:json)?\s*\{\s*["'](?:marked|marked_text|documents|entities)["']\s*:""")


class InlineFormat(AnswerFormat):
    """Asks for the document, repeated with ``[[words|LABEL]]`` around each entity.

    ``Mention.hint`` is the place in the document, found by aligning the copy with it; where the model changed the text,
    hints are given only where there is no doubt. Entities may nest, not cross. Where a document has square brackets,
    other markers are agreed on for it (``note``).
    """

    name = "inline"

    def ask(self, schema: LabelSchema, *, packed: bool = False, reasons: bool = False) -> Request:
        numbered = is_numbered(schema, reasons)
        if _plain(schema, reasons) and not packed:
            lines = ["Answer with the whole document, unchanged character for character, and nothing else."]
            return Request(instructions="\n".join([*lines, *_marking(schema, numbered)]))
        section = _section_schema(schema, reasons)
        parts = ", ".join(f'"{key}": ...' for key in section)
        lines = [ONLY_JSON, packed_asked(parts) if packed else f"It has the shape {{{parts}}}:"]
        if schema.entities:
            lines.append('- "marked": the whole document as a string, unchanged character for character.')
            lines += ["  " + line for line in _marking(schema, numbered)]
        if "details" in section:
            lines.append('- "details": a list with one object per entity: "id", the number in its marker, and')
            lines += ['  - "reason": why these words carry the label, in a few words.'] if reasons else []
            lines += ["  " + line for line in attributes_asked(schema)]
        lines += others_asked(schema, "the number of an entity", reasons)
        answer_schema = within_limits(record(packed_in(section) if packed else section))
        return Request(instructions="\n".join(lines), answer_schema=answer_schema)

    def note(self, document: Document) -> str:
        markers = markers_for(document.text)
        if markers == DEFAULT:
            return ""
        return f"In this document, write {markers.open} in place of [[ and {markers.close} in place of ]]."

    def show(self, labeled: Sequence[LabeledDocument], schema: LabelSchema, *, packed: bool = False) -> str:
        reasons = any(entity.reason for document in labeled for entity in document.entities)
        sections = [_shown(document, schema, reasons) for document in labeled]
        if packed:
            return shown_packed(sections)
        return str(sections[0]["marked"]) if _plain(schema, reasons) else dumped(sections[0])

    def parse(
        self, completion: Completion, documents: Sequence[Document], schema: LabelSchema
    ) -> dict[str, ParsedAnswer]:
        text_first = _plain(schema, reasons=False) and len(documents) == 1
        answer = without_thoughts(completion.text)
        if text_first and (_JSON_START.match(documents[0].text) or not _JSON_START.match(answer)):
            return {documents[0].id: _read_text(completion, documents[0], schema)}
        shape = '{"documents": [{"id": "1", "marked": "..."}, ...]}' if len(documents) > 1 else '{"marked": "...", ...}'
        expected = (
            "the whole document with markers around its entities"
            if text_first
            else f"one JSON object {shape if schema.entities else shape.replace('marked', 'classes')}"
        )
        return read_answers(
            completion,
            documents,
            schema,
            expected=expected,
            read=partial(_read_section, packed=len(documents) > 1),
            extra_keys=frozenset(_MARKED_KEYS),
        )


def _plain(schema: LabelSchema, reasons: bool) -> bool:
    other = schema.relations or schema.classifications or schema.texts
    return bool(schema.entities) and not other and not is_numbered(schema, reasons)


def _marking(schema: LabelSchema, numbered: bool) -> list[str]:
    tags = tags_for(schema.entity_names)
    form = "[[words|LABEL|1]]" if numbered else "[[words|LABEL]]"
    lines = [
        f"Put markers around the words of every entity: {form}. An entity inside another one is marked inside it.",
        f"LABEL is one of: {', '.join(tags.values())}.",
    ]
    codes = [f"{tag} is the label {quoted(name)}" for name, tag in tags.items() if tag != name]
    if codes:
        lines.append(f"In markers, {'; '.join(codes)}.")
    if numbered:
        lines.append("The number counts the entities in reading order: 1, 2, 3, ...")
    return [*lines, "A note beside a document may name other brackets to use in place of [[ and ]] there."]


def _section_schema(schema: LabelSchema, reasons: bool) -> Json:
    section: Json = {"marked": STRING} if schema.entities else {}
    details = [
        record(
            {
                "id": INTEGER,
                **({"reason": STRING} if reasons else {}),
                **({"attributes": choices(attributes)} if attributes else {}),
            }
        )
        for _, attributes in variants(schema.entities)
        if attributes or reasons
    ]
    if details:
        section["details"] = array(any_of(details))
    return {**section, **other_tasks(schema, INTEGER, reasons)}


# -- demonstrations ---------------------------------------------------------------------------------------------------


def _shown(labeled: LabeledDocument, schema: LabelSchema, reasons: bool) -> dict[str, Any]:
    entities, place = in_reading_order(labeled)
    tags, numbered = tags_for(schema.entity_names), is_numbered(schema, reasons)
    answer: dict[str, Any] = {}
    if schema.entities:
        spans = [
            (entity.start, entity.end, tags.get(entity.label, entity.label) + (f"|{number}" if numbered else ""))
            for number, entity in enumerate(entities, 1)
        ]
        answer["marked"] = mark(labeled.document.text, spans, markers_for(labeled.document.text))
    if numbered and (reasons or any(label.attributes for label in schema.entities)):
        details = [
            {
                "id": number,
                **({"reason": entity.reason} if entity.reason else {}),
                **({"attributes": found} if (found := shown_attributes(schema, entity)) else {}),
            }
            for number, entity in enumerate(entities, 1)
        ]
        answer["details"] = [detail for detail in details if len(detail) > 1]
    relations = [{"head": place[r.head] + 1, "label": r.label, "tail": place[r.tail] + 1} for r in labeled.relations]
    return {**answer, **shown_others(labeled, schema, relations)}


# -- reading ----------------------------------------------------------------------------------------------------------


def _read_text(completion: Completion, document: Document, schema: LabelSchema) -> ParsedAnswer:
    marked = completion.text if has_thoughts(document.text) else without_thoughts(completion.text)
    if not _ECHO.search(document.text):
        marked = _ECHO.sub("", marked)
    draft = SectionReader(schema)
    whole = read_marked(draft, document, clean(marked))
    return draft.answer(complete=whole and completion.finish != "length")


def _read_section(draft: SectionReader, document: Document, value: object, *, packed: bool) -> bool:
    if not isinstance(value, dict):
        draft.section(value)
        return True
    key = next((key for key in _MARKED_KEYS if isinstance(value.get(key), str)), None)
    whole = True
    if key is not None and draft.schema.entities:
        whole = read_marked(draft, document, clean(value[key]), packed=packed)
    elif isinstance(value, CutDict) and (cut := _CUT_MARKED.match(draft.rest)):
        draft.rest = ""
        whole = read_marked(draft, document, _unescaped(cut[1]), cut=True)
    _add_details(draft, value.get("details"))
    others = {name: part for name, part in value.items() if name not in (key, "details")}
    draft.section(others, tasks_first=key is not None)
    return whole


def _unescaped(text: str) -> str:
    """Return the content of a JSON string whose end is missing."""
    try:
        return clean(str(json.loads(f'"{_CUT_ESCAPE.sub("", text)}"', strict=False)))
    except ValueError:
        return clean(text)


def _add_details(draft: SectionReader, details: object) -> None:
    for detail in details if isinstance(details, list) else [details]:
        if detail is None:
            continue
        number = draft.ids.get(str(detail.get("id"))) if isinstance(detail, dict) else None
        if isinstance(detail, CutDict) or not isinstance(detail, dict) or number is None:
            reason = CUT_OFF if isinstance(detail, CutDict) else "its id is none of the entities"
            draft.drop(detail, reason, "attribute")
            continue
        mention = draft.mentions[number]
        said = next((clean(detail[key]) for key in REASON if isinstance(detail.get(key), str)), mention.reason)
        attributes = draft.attributes(detail, mention.label)
        draft.mentions[number] = mention.model_copy(update={"attributes": attributes, "reason": said})
