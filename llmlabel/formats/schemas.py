"""JSON Schemas of answers, in the subset that strict structured output accepts.

Every property is required, ``additionalProperties`` is false, and there is no min/max, pattern or format
(OpenAI, "Structured model outputs", supported schemas). Above its limits enums become plain strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llmlabel.schema import Classification, Label, LabelSchema

Json = dict[str, Any]

MAX_ENUM_VALUES = 1_000
MAX_LONG_ENUM_CHARACTERS = 15_000  # of one enum with more than 250 values
MAX_PROPERTIES = 5_000
MAX_CHARACTERS = 120_000  # names and enum values together

STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}


def record(properties: Mapping[str, Any]) -> Json:
    """Return an object schema with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def array(items: Mapping[str, Any]) -> Json:
    """Return a list schema."""
    return {"type": "array", "items": dict(items)}


def one_of(names: Iterable[str]) -> Json:
    """Return a string schema closed to these names."""
    return {"type": "string", "enum": list(names)}


def choice(part: Classification) -> Json:
    """Return the answer to a classification: a list of labels, or one label or null."""
    if part.multi_label:
        return array(one_of(part.label_names))
    return {"anyOf": [one_of(part.label_names), {"type": "null"}]}


def choices(parts: Iterable[Classification]) -> Json:
    """Return one answer per classification, by its name."""
    return record({part.name: choice(part) for part in parts})


def variants(labels: Sequence[Label]) -> list[tuple[tuple[str, ...], tuple[Classification, ...]]]:
    """Return labels grouped by equal attributes: names, and the attributes they share."""
    groups: dict[str, tuple[list[str], tuple[Classification, ...]]] = {}
    for label in labels:
        key = repr(label.attributes)
        groups.setdefault(key, ([], label.attributes))[0].append(label.name)
    return [(tuple(names), attributes) for names, attributes in groups.values()]


def any_of(options: Sequence[Json]) -> Json:
    """Return a choice of schemas, or the only one."""
    return options[0] if len(options) == 1 else {"anyOf": list(options)}


def other_tasks(schema: LabelSchema, ends: Mapping[str, Any], reasons: bool = False) -> Json:
    """Return the properties for relations (whose ends look like ``ends``), classifications and free texts."""
    properties: Json = {}
    if schema.relations:
        names = one_of(part.name for part in schema.relations)
        properties["relations"] = array(record({"head": ends, "label": names, "tail": ends}))
    if schema.classifications and reasons:  # before the labels: a reason thought of first can still change the choice
        properties["class_reasons"] = record({part.name: STRING for part in schema.questions})
    if schema.classifications:
        properties["classes"] = choices(schema.questions)
    if schema.texts:
        properties["texts"] = record({part.name: STRING for part in schema.texts})
    return properties


def packed_in(section: Mapping[str, Any]) -> Json:
    """Return the properties of an answer for several documents, each with its number as ``id``."""
    return {"documents": array(record({"id": STRING, **section}))}


def within_limits(schema: Json) -> Json | None:
    """Return the schema, without enums if they exceed the limits, or None if it is too large even so."""
    enums = [part["enum"] for part in _parts(schema) if "enum" in part]
    names = [name for part in _parts(schema) for name in part.get("properties", ())]
    characters = sum(map(len, names))
    if len(names) > MAX_PROPERTIES or characters > MAX_CHARACTERS:
        return None
    lengths = [sum(map(len, enum)) for enum in enums]
    fits = (
        sum(map(len, enums)) <= MAX_ENUM_VALUES
        and sum(lengths) + characters <= MAX_CHARACTERS
        and all(
            len(enum) <= 250 or length <= MAX_LONG_ENUM_CHARACTERS for enum, length in zip(enums, lengths, strict=True)
        )
    )
    return schema if fits else _open(schema)


def _parts(schema: Any) -> Iterator[Json]:
    yield schema
    for child in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from _parts(child)
    if "items" in schema:
        yield from _parts(schema["items"])


def _open(schema: Json) -> Json:
    opened = {key: value for key, value in schema.items() if key != "enum"}
    if "properties" in schema:
        opened["properties"] = {name: _open(part) for name, part in schema["properties"].items()}
    if "anyOf" in schema:
        opened["anyOf"] = [_open(part) for part in schema["anyOf"]]
    if "items" in schema:
        opened["items"] = _open(schema["items"])
    return opened
