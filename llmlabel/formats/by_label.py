"""The ``by_label`` format: the surfaces under each label. The fewest tokens, and no order between labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmlabel.formats.answers import read_answers
from llmlabel.formats.base import AnswerFormat, Request
from llmlabel.formats.schemas import STRING, Json, array, choices, other_tasks, packed_in, record, within_limits
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
from llmlabel.schema import Label, LabelSchema
from llmlabel.types import Completion, Document, Entity, LabeledDocument, ParsedAnswer


class ByLabelFormat(AnswerFormat):
    """Asks for ``{LABEL: [surfaces]}``; with other tasks or several documents, under the key ``entities``.

    Surfaces become objects where there is more to say (attributes, reasons). Relations name their ends by surface; a
    surface that is listed several times under one label means the first of them.
    """

    name = "by_label"

    def ask(self, schema: LabelSchema, *, packed: bool = False, reasons: bool = False) -> Request:
        bare = _bare(schema) and not packed
        table = record({label.name: array(_item(label, reasons)) for label in schema.entities})
        section: Json = {"entities": table} if schema.entities else {}
        section |= other_tasks(schema, STRING, reasons)
        answer_schema = table if bare else record(packed_in(section) if packed else section)
        parts = ", ".join(f'"{key}": ...' for key in section)
        lines = [ONLY_JSON]
        if not bare:
            lines.append(packed_asked(parts) if packed else f"It has the shape {{{parts}}}:")
        if schema.entities:
            lines += _entities_asked(schema, bare, reasons)
        lines += others_asked(schema, "the words of an entity", reasons)
        return Request(instructions="\n".join(lines), answer_schema=within_limits(answer_schema))

    def show(self, labeled: Sequence[LabeledDocument], schema: LabelSchema, *, packed: bool = False) -> str:
        sections = [_shown(document, schema) for document in labeled]
        if packed:
            return shown_packed(sections)
        return dumped(sections[0]["entities"] if _bare(schema) else sections[0])

    def parse(
        self, completion: Completion, documents: Sequence[Document], schema: LabelSchema
    ) -> dict[str, ParsedAnswer]:
        label = quoted(schema.entities[0].name) if schema.entities else ""
        shape = f'{{{label}: ["...", ...], ...}}' if label else '{"classes": ..., "texts": ...}'
        if label and (len(documents) > 1 or not _bare(schema)):
            shape = f'{{"entities": {shape}, ...}}'
        if len(documents) > 1:
            shape = f'{{"documents": [{{"id": "1", {shape[1:]}, ...]}}'
        return read_answers(completion, documents, schema, expected=f"one JSON object {shape}")


def _bare(schema: LabelSchema) -> bool:
    return bool(schema.entities) and not (schema.relations or schema.classifications or schema.texts)


def _plain(label: Label, reasons: bool) -> bool:
    return not (label.attributes or reasons)


def _item(label: Label, reasons: bool) -> Json:
    if _plain(label, reasons):
        return STRING
    item = {"text": STRING, **({"reason": STRING} if reasons else {})}
    return record({**item, **({"attributes": choices(label.attributes)} if label.attributes else {})})


def _entities_asked(schema: LabelSchema, bare: bool, reasons: bool) -> list[str]:
    keys = ", ".join(quoted(name) for name in schema.entity_names)
    where = "It has" if bare else '- "entities": an object with'
    lines = [
        f"{where} exactly these keys, the entity labels: {keys}.",
        "  Under each label stands a list of the words that carry it, exactly as they stand in the document, in "
        "reading order; words that occur several times are listed several times; an empty list if there are none.",
    ]
    if reasons:
        lines.append('  Each item is an object with "text" (the words) and "reason" (why they carry the label, short).')
    if attributes := attributes_asked(schema):
        lines.append('  Under labels with attributes, each item is an object with "text" (the words) and:')
        lines += ["  " + line for line in attributes]
    return lines


def _shown_item(entity: Entity, schema: LabelSchema) -> str | dict[str, Any]:
    attributes = shown_attributes(schema, entity)
    if not (attributes or entity.reason):
        return entity.text
    reason = {"reason": entity.reason} if entity.reason else {}
    return {"text": entity.text, **reason, **({"attributes": attributes} if attributes else {})}


def _shown(labeled: LabeledDocument, schema: LabelSchema) -> dict[str, Any]:
    entities, _ = in_reading_order(labeled)
    answer: dict[str, Any] = {}
    if schema.entities:
        answer["entities"] = {
            name: [_shown_item(entity, schema) for entity in entities if entity.label == name]
            for name in schema.entity_names
        }
    relations = [
        {"head": labeled.entities[r.head].text, "label": r.label, "tail": labeled.entities[r.tail].text}
        for r in labeled.relations
    ]
    return {**answer, **shown_others(labeled, schema, relations)}
