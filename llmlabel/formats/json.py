"""The ``json`` format: a list of ``{"text", "label"}`` in reading order, every occurrence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmlabel.formats.answers import read_answers
from llmlabel.formats.base import AnswerFormat, Request
from llmlabel.formats.schemas import (
    INTEGER,
    STRING,
    Json,
    any_of,
    array,
    choices,
    one_of,
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
    shown_attributes,
    shown_others,
    shown_packed,
)
from llmlabel.schema import LabelSchema
from llmlabel.types import Completion, Document, LabeledDocument, ParsedAnswer


class JsonFormat(AnswerFormat):
    """Asks for ``{"entities": [{"text": …, "label": …}], "relations": …, "classes": …, "texts": …}``.

    Parts that the schema does not have are left out. With relations, each entity carries a number (``id``) that the
    ends of relations repeat: models lose count of long lists, and surfaces may stand twice.
    """

    name = "json"

    def ask(self, schema: LabelSchema, *, packed: bool = False, reasons: bool = False) -> Request:
        parts = [f'"{key}": ...' for key in _section_schema(schema, reasons)]
        lines = [ONLY_JSON, packed_asked(", ".join(parts)) if packed else f"It has the shape {{{', '.join(parts)}}}:"]
        if schema.entities:
            lines += _entities_asked(schema, reasons)
        lines += others_asked(schema, "the id of an entity", reasons)
        section = _section_schema(schema, reasons)
        answer_schema = within_limits(record(packed_in(section) if packed else section))
        return Request(instructions="\n".join(lines), answer_schema=answer_schema)

    def show(self, labeled: Sequence[LabeledDocument], schema: LabelSchema, *, packed: bool = False) -> str:
        sections = [_shown(document, schema) for document in labeled]
        return shown_packed(sections) if packed else dumped(sections[0])

    def parse(
        self, completion: Completion, documents: Sequence[Document], schema: LabelSchema
    ) -> dict[str, ParsedAnswer]:
        parts = ['"entities": [{"text": "...", "label": "..."}]'] if schema.entities else []
        others = (("relations", schema.relations), ("classes", schema.classifications), ("texts", schema.texts))
        parts += [f'"{name}": ...' for name, asked in others if asked]
        shape = f"{{{', '.join(parts)}}}"
        if len(documents) > 1:
            shape = f'{{"documents": [{{"id": "1", {shape[1:]}]}}'
        return read_answers(completion, documents, schema, expected=f"one JSON object {shape}")


def _entities_asked(schema: LabelSchema, reasons: bool) -> list[str]:
    keys = (["id"] if schema.relations else []) + ["text"] + (["reason"] if reasons else []) + ["label"]
    lines = [
        f'- "entities": a list with one object per occurrence, in reading order, with {_listed(keys)}:',
        '  - "text": the words exactly as they stand in the document.',
        '  - "label": one of the entity labels, exactly as written above.',
    ]
    if schema.relations:
        lines.insert(1, '  - "id": the number of the entity in your list: 1, 2, 3, ...')
    if reasons:
        lines.append('  - "reason": why these words carry the label, in a few words.')
    lines += ["  " + line for line in attributes_asked(schema)]
    return [*lines, '  If nothing in the document carries a label: "entities": [].']


def _listed(keys: Sequence[str]) -> str:
    names = [f'"{key}"' for key in keys]
    return " and ".join((", ".join(names[:-1]), names[-1]))


def _section_schema(schema: LabelSchema, reasons: bool) -> Json:
    section: Json = {}
    if schema.entities:
        section["entities"] = array(any_of([_item(schema, *group, reasons) for group in variants(schema.entities)]))
    return {**section, **other_tasks(schema, INTEGER, reasons)}


def _item(schema: LabelSchema, names: tuple[str, ...], attributes: Any, reasons: bool) -> Json:
    properties: Json = {"id": INTEGER} if schema.relations else {}
    properties["text"] = STRING
    if reasons:  # before the label: a reason thought of first can still change the choice
        properties["reason"] = STRING
    properties["label"] = one_of(names)
    if attributes:
        properties["attributes"] = choices(attributes)
    return record(properties)


def _shown(labeled: LabeledDocument, schema: LabelSchema) -> dict[str, Any]:
    entities, place = in_reading_order(labeled)
    answer: dict[str, Any] = {}
    if schema.entities:
        answer["entities"] = [
            {
                **({"id": number} if schema.relations else {}),
                "text": entity.text,
                **({"reason": entity.reason} if entity.reason else {}),
                "label": entity.label,
                **({"attributes": found} if (found := shown_attributes(schema, entity)) else {}),
            }
            for number, entity in enumerate(entities, 1)
        ]
    relations = [{"head": place[r.head] + 1, "label": r.label, "tail": place[r.tail] + 1} for r in labeled.relations]
    return {**answer, **shown_others(labeled, schema, relations)}
