"""Near-miss label names taken for the label, where the user asks for it (``Asking(near_labels="map")``)."""

from __future__ import annotations

from collections.abc import Iterable

from llmlabel.parsing import closest_label
from llmlabel.schema import Classification, LabelSchema
from llmlabel.types import ClassLabel, Mention, ParsedAnswer


def mapped(parsed: ParsedAnswer, schema: LabelSchema) -> ParsedAnswer:
    """Return an answer in which every name that surely means one of the schema is spelled like it.

    Covers labels of entities, relations, classifications and attributes; names that mean none stay as they are.
    """
    relations = [part.name for part in schema.relations]
    return parsed.model_copy(
        update={
            "mentions": tuple(_mention(mention, schema) for mention in parsed.mentions),
            "relations": tuple(r.model_copy(update={"label": _near(r.label, relations)}) for r in parsed.relations),
            "classes": {
                name: tuple(_choice(item, schema.classification(name)) for item in chosen)
                for name, chosen in parsed.classes.items()
            },
        }
    )


def _near(name: str, known: Iterable[str]) -> str:
    return closest_label(name, known) or name


def _choice(item: ClassLabel, part: Classification | None) -> ClassLabel:
    return item.model_copy(update={"label": _near(item.label, part.label_names)}) if part else item


def _mention(mention: Mention, schema: LabelSchema) -> Mention:
    label = _near(mention.label, schema.entity_names)
    known = schema.entity(label)
    parts = {part.name: part for part in known.attributes} if known else {}
    attributes = {
        name: tuple(_near(value, parts[name].label_names) for value in values) if name in parts else values
        for name, values in mention.attributes.items()
    }
    return mention.model_copy(update={"label": label, "attributes": attributes})
