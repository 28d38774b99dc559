"""The names under which models put the parts of an answer, the asked-for one first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ENTITIES = frozenset(
    {"entities", "mentions", "spans", "extractions", "items", "annotations", "named_entities", "results"}
)
RELATIONS = frozenset({"relations", "relationships"})
CLASSES = frozenset({"classes", "classifications", "classification"})
CLASS_REASONS = frozenset({"class_reasons"})
TEXTS = frozenset({"texts"})
DOCUMENTS = frozenset({"documents", "docs"})
COMMENTS = frozenset({"id", "reason", "reasoning", "explanation", "thinking", "thoughts", "notes", "note", "comment"})

TEXT = (
    "text", "mention", "surface", "span", "quote", "quote_string", "string", "phrase", "word", "entity_text",
    "extraction_text", "entity", "value", "name",
)  # fmt: skip
LABEL = ("label", "labels", "type", "entity_type", "entity_label", "category", "class", "tag", "extraction_class")
NAME = ("name", "classification", "attribute", "entity")
REASON = ("reason", "justification", "rationale", "explanation")
HEAD = ("head", "subject", "source", "from", "head_id", "arg1")
TAIL = ("tail", "object", "target", "to", "tail_id", "arg2")
RELATION = ("label", "relation", "type", "predicate", "name")


def key_of(name: str) -> str:
    """Return a key as it is compared: lower case, underscores for spaces and hyphens."""
    return name[:80].strip().lower().replace(" ", "_").replace("-", "_")


def key_used(value: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of ``names`` that the object has with a value, in the object's own spelling."""
    for name in names:
        if value.get(name) is not None:
            return name
    if len(value) > 32:  # not an item: do not fold thousands of keys
        return None
    folded = {key_of(key): key for key, part in value.items() if part is not None}
    return next((folded[name] for name in names if name in folded), None)
