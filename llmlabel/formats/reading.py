"""Reads the JSON value of one document's answer, in the shape asked for or one of the usual others.

Nothing is lost: each item becomes a mention, relation, class or text, or a ``Discarded`` with its reason. Names of
labels stay as the model said them; closing the schema is the pipeline's part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmlabel.formats.draft import CUT_OFF, Draft, strings
from llmlabel.formats.keys import (
    CLASS_REASONS,
    CLASSES,
    COMMENTS,
    ENTITIES,
    HEAD,
    LABEL,
    NAME,
    RELATIONS,
    TEXT,
    TEXTS,
    key_of,
    key_used,
)
from llmlabel.parsing import CutDict
from llmlabel.types import clean

_MAX_DEPTH = 8
_SAYS_LABEL = (*LABEL, *NAME)


def is_item(value: object) -> bool:
    """Whether a value looks like one entity: an object with a text and a label."""
    return isinstance(value, dict) and bool(key_used(value, TEXT)) and bool(key_used(value, LABEL))


class SectionReader(Draft):
    """Reads the JSON value of one document."""

    def section(self, value: object, depth: int = 0, *, tasks_first: bool = False) -> None:
        """Read everything said about one document; ``tasks_first`` if its keys are surely no labels."""
        if isinstance(value, list):
            self.entities(value)
        elif is_item(value) and not self._is_label_table(value):
            self.entities([value])
        elif isinstance(value, dict):
            tasks_first = tasks_first or self._has_tasks(value)
            for key, part in value.items():
                self._part(clean(key), part, depth, tasks_first)
        elif value is not None:
            self.drop(value, "expected an object or a list")

    def _is_label_table(self, value: object) -> bool:
        names = set(self.schema.entity_names)
        return isinstance(value, dict) and all(key in names for key in value)

    def _has_tasks(self, value: dict[str, Any]) -> bool:
        """Whether keys are tasks, not labels: a label may be called "entities" or "relations"."""
        part = next((part for key, part in value.items() if key_of(key) in ENTITIES), ())
        if isinstance(part, list) and not part:
            return not self._is_label_table(value)
        return isinstance(part, dict) or (isinstance(part, list) and any(isinstance(i, dict | list) for i in part))

    def _part(self, key: str, value: Any, depth: int, tasks_first: bool) -> None:
        task = key_of(key)
        is_label = key in self.schema.entity_names and not tasks_first
        if not is_label and task in ENTITIES and (self.schema.entities or not self._answers(key)):
            self.entities(value)
        elif not is_label and task in RELATIONS and (self.schema.relations or not self._answers(key)):
            self._links(value)
        elif not is_label and task in CLASSES and (isinstance(value, dict | list) or not self._answers(key)):
            self._classes(value)
        elif not is_label and task in CLASS_REASONS and isinstance(value, dict) and not self._answers(key):
            self.class_reasons |= {clean(name): clean(said) for name, said in value.items() if isinstance(said, str)}
        elif not is_label and task in TEXTS and (isinstance(value, dict) or not self._answers(key)):
            self._texts(value)
        elif key in self.schema.entity_names:
            self.surfaces(key, value)
        elif self.schema.classification(key):
            self.choose(key, value)
        elif self._answers(key):
            self.write(key, value)
        elif task in LABEL and len(self.schema.classifications) == 1 and not depth:
            self._classes(value)
        else:
            self._unknown(key, value, depth)

    def _answers(self, key: str) -> bool:
        """Whether a classification or a free text has this name."""
        return bool(self.schema.classification(key)) or any(key == part.name for part in self.schema.texts)

    def _unknown(self, key: str, value: Any, depth: int) -> None:
        if value is None or (key_of(key) in COMMENTS and isinstance(value, str)):
            return
        if isinstance(value, dict) and depth < 2 and any(_is_task(name) for name in value):
            self.section(value, depth + 1)
        elif isinstance(value, list) and any(is_item(item) for item in value):
            self.entities(value)
        elif isinstance(value, list) and self.schema.entities:
            self.surfaces(key, value)
        else:
            self.drop({key: value}, "the key is not known")

    def entities(self, value: object) -> None:
        """Read a list of entities, or a table of labels and surfaces."""
        if isinstance(value, dict) and not is_item(value):
            names = set(self.schema.entity_names)
            if value and all(isinstance(v, str) and v in names for v in value.values()) and not names & value.keys():
                value = [{"text": surface, "label": label} for surface, label in value.items()]
            else:
                for label, surfaces in value.items():
                    self.surfaces(clean(label), surfaces)
                return
        for item in self._flat(value):
            self._entity(item)

    def _flat(self, value: object, depth: int = 0) -> Iterator[object]:
        """Yield the items of nested lists; a pair of a surface and a label stays together."""
        if not isinstance(value, list):
            if value is not None:
                yield value
        elif depth > _MAX_DEPTH:
            self.drop(value, "nested too deeply")
        elif depth and len(value) == 2 and all(isinstance(part, str) for part in value):
            yield {"text": value[0], "label": value[1]}
        else:
            for item in value:
                yield from self._flat(item, depth + 1)

    def surfaces(self, label: str, value: object) -> None:
        """Read what stands under one label: surfaces, or objects that hold one."""
        for item in self._flat_surfaces(value):
            if isinstance(item, str):
                self.mention(item, label, {})
            elif isinstance(item, CutDict):
                self.drop(item, CUT_OFF)
            elif isinstance(item, dict) and (key := key_used(item, TEXT)):
                for text in strings(item[key]):
                    self.mention(text, label, item)
            else:
                self.drop(item, "expected a text under the label")

    def _flat_surfaces(self, value: object) -> Iterator[object]:
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, list):
                stack.extend(reversed(item))
            elif isinstance(item, dict):
                yield item
            else:
                yield from strings(item)

    def _entity(self, item: object) -> None:
        """Read one item of the list; its place is counted, so that relations can name it by number."""
        before = len(self.mentions)
        if isinstance(item, CutDict):
            self.drop(item, CUT_OFF)
        elif not isinstance(item, dict):
            self.drop(item, "expected an object with text and label")
        elif not (key := key_used(item, TEXT)):
            self._label_and_surface(item)
        else:
            labels = self._said_labels(item, key)
            texts = list(strings(item[key]))
            if not labels:
                self.drop(item, "it has no label")
            elif not texts:
                self.drop(item, "it has no text")
            elif len(texts) == len(labels) > 1:  # doubled keys: two items in one
                for text, label in zip(texts, labels, strict=True):
                    self.mention(text, label, item)
            else:
                for text in texts:
                    for label in labels:
                        self.mention(text, label, item)
        first = before if len(self.mentions) > before else None
        self.numbered.append(first)
        if isinstance(item, dict):
            for said in strings(item.get("id")):
                self.ids[said] = first if said not in self.ids else None

    def _label_and_surface(self, item: dict[str, Any]) -> None:
        names = set(self.schema.entity_names)
        if item and all(key in names for key in item):  # {"PERSON": "Ann"}
            for label, surfaces in item.items():
                self.surfaces(label, surfaces)
        else:
            self.drop(item, "it has no text")

    def _said_labels(self, item: dict[str, Any], text_key: str) -> list[str]:
        if text_key != LABEL[0] and isinstance(said := item.get(LABEL[0]), str):  # as it was asked for
            return [clean(said)]
        key = key_used({name: item[name] for name in item if name != text_key}, _SAYS_LABEL)
        return list(strings(item[key])) if key else []

    # -- the other tasks -----------------------------------------------------------------------------------------------

    def _links(self, value: object) -> None:
        if isinstance(value, dict) and not key_used(value, HEAD):
            for label, pairs in value.items():  # {"works_for": [[1, 2]]}
                for pair in pairs if isinstance(pairs, list) else [pairs]:
                    if isinstance(pair, list) and len(pair) == 2:
                        pair = {"head": pair[0], "tail": pair[1]}
                    self.links.append({**pair, "label": label} if isinstance(pair, dict) else pair)
            return
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, list) and len(item) == 3:
                item = dict(zip(("head", "label", "tail"), item, strict=True))
            if isinstance(item, CutDict):
                self.drop(item, CUT_OFF, "relation")
            elif item is not None:
                self.links.append(item)

    def _classes(self, value: object) -> None:
        sole = self.schema.classifications[0].name if len(self.schema.classifications) == 1 else None
        if isinstance(value, dict) and not (sole and sole not in value and key_used(value, LABEL)):
            for name, chosen in value.items():
                self.choose(clean(name), chosen)
            return
        items = value if isinstance(value, list) else [value]
        for item in items:
            name = key_used(item, NAME) if isinstance(item, dict) else None
            if isinstance(item, dict) and name and (key := key_used(item, LABEL)):
                self.choose(" ".join(strings(item[name])), item[key])
            elif sole is not None:
                self.choose(sole, item)
            elif item is not None:
                self.drop(item, "expected labels by the name of their classification", "class")

    def _texts(self, value: object) -> None:
        if isinstance(value, dict):
            for name, text in value.items():
                self.write(clean(name), text)
        elif len(self.schema.texts) == 1:
            self.write(self.schema.texts[0].name, value)
        elif value is not None:
            self.drop(value, "expected texts by name", "text")


def _is_task(name: str) -> bool:
    return key_of(name) in ENTITIES | RELATIONS | CLASSES | TEXTS
