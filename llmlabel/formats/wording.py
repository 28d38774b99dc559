"""Sentences that answer formats share in their instructions. All of it is static: no document text comes here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llmlabel.schema import Classification, LabelSchema
from llmlabel.types import ClassLabel, Entity, LabeledDocument


def quoted(name: str) -> str:
    """Return a name in double quotes, so that any printable character may stand in it."""
    return json.dumps(name, ensure_ascii=False)


def dumped(value: object) -> str:
    """Return a demonstration's answer as JSON."""
    return json.dumps(value, ensure_ascii=False)


def others_asked(schema: LabelSchema, ends: str, reasons: bool = False) -> list[str]:
    """Return one line for relations, classifications and free texts, where the schema has them."""
    lines = []
    if schema.relations:
        lines.append(
            f'- "relations": a list of {{"head": {ends}, "label": a relation label, "tail": {ends}}}; '
            "only between entities of your answer; an empty list if there are none."
        )
    if schema.classifications and reasons:
        lines.append('- "class_reasons": an object with the keys of "classes": why the labels fit, in a few words.')
    if schema.classifications:
        lines.append('- "classes": an object with one key per classification:')
        lines += [f"  - {quoted(part.name)}: {_choice(part)}{_condition(schema, part)}" for part in schema.questions]
    if schema.texts:
        names = ", ".join(quoted(part.name) for part in schema.texts)
        lines.append(f'- "texts": an object with one text per key: {names}.')
    return lines


def _condition(schema: LabelSchema, part: Classification) -> str:
    parents = schema.asked_under(part.name)
    if not parents:
        return ""
    labels = ", ".join(map(quoted, part.label_names))
    return f" Labels: {labels}. Only if {' or '.join(f'{quoted(name)} is {quoted(label)}' for name, label in parents)}."


def _choice(part: Classification) -> str:
    if part.multi_label:
        return "a list of all its labels that apply; an empty list if none does."
    return "the one label that applies, or null if none does."


def attributes_asked(schema: LabelSchema) -> list[str]:
    """Return the lines on attributes of entities, where the schema has them."""
    if not any(label.attributes for label in schema.entities):
        return []
    lines = ['- "attributes": an object with one key per attribute of the entity\'s label:']
    for label in schema.entities:
        lines += [
            f"  - for {quoted(label.name)}, {quoted(part.name)}: {_choice(part)}"
            f" Labels: {', '.join(map(quoted, part.label_names))}."
            for part in label.attributes
        ]
    return lines


def packed_asked(section: str) -> str:
    """Return how several documents are answered at once."""
    return (
        'There are several documents, numbered from 1. Answer with {"documents": [...]}: for every document, in order, '
        f'one object {{"id": the number as a string, {section}}}. Label each document on its own.'
    )


ONLY_JSON = "Answer with one JSON object and nothing else: no Markdown, no comment before or after it."


# -- demonstrations ---------------------------------------------------------------------------------------------------


def in_reading_order(labeled: LabeledDocument) -> tuple[list[Entity], dict[int, int]]:
    """Return the entities in reading order, and the new number (from 0) of each old one."""
    order = sorted(range(len(labeled.entities)), key=lambda n: (labeled.entities[n].start, -labeled.entities[n].end))
    return [labeled.entities[n] for n in order], {old: new for new, old in enumerate(order)}


def shown_choice(part: Classification, chosen: Sequence[ClassLabel]) -> Any:
    """Return chosen labels as an answer gives them: a list, or one label or null."""
    labels = [item.label for item in chosen]
    if part.multi_label:
        return labels
    return labels[0] if labels else None


def shown_choices(parts: Sequence[Classification], chosen: dict[str, tuple[ClassLabel, ...]]) -> dict[str, Any]:
    """Return the answer to several classifications, none left out."""
    return {part.name: shown_choice(part, chosen.get(part.name, ())) for part in parts}


def shown_attributes(schema: LabelSchema, entity: Entity) -> dict[str, Any]:
    """Return the attributes of an entity, none of its label left out."""
    label = schema.entity(entity.label)
    return shown_choices(label.attributes if label else (), entity.attributes)


def shown_others(labeled: LabeledDocument, schema: LabelSchema, relations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the tasks beside entities, in the order in which they are asked."""
    answer: dict[str, Any] = {}
    if schema.relations:
        answer["relations"] = list(relations)
    if reasons := _shown_reasons(labeled, schema):
        answer["class_reasons"] = reasons
    if schema.classifications:
        answer["classes"] = shown_choices(schema.questions, labeled.classes)
    if schema.texts:
        answer["texts"] = {part.name: labeled.texts.get(part.name, "") for part in schema.texts}
    return answer


def _shown_reasons(labeled: LabeledDocument, schema: LabelSchema) -> dict[str, str]:
    """Return why the labels of classifications fit, where a demonstration says so of any."""
    said = {
        part.name: next((item.reason for item in labeled.classes.get(part.name, ()) if item.reason), "")
        for part in schema.questions
    }
    return said if any(said.values()) else {}


def shown_packed(sections: Sequence[dict[str, Any]]) -> str:
    """Return the answer for several documents."""
    return dumped({"documents": [{"id": str(number), **part} for number, part in enumerate(sections, 1)]})
