"""What to label: entity types, relations, classifications and free texts, with their definitions and examples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import field_validator, model_validator

from llmlabel.errors import ConfigurationError
from llmlabel.schema_example import Example
from llmlabel.schema_parts import Classification, FreeText, Label, Part, RelationLabel, at, distinct, named
from llmlabel.values import Shown

__all__ = ["Classification", "Example", "FreeText", "Label", "LabelSchema", "RelationLabel"]


def _questions(
    parts: Iterable[Classification], parent: tuple[str, str] | None
) -> Iterator[tuple[Classification, tuple[str, str] | None]]:
    for part in parts:
        yield part, parent
        for label in part.labels:
            yield from _questions(label.attributes, (part.name, label.name))


def _used_classes(
    what: str, chosen: Mapping[str, Sequence[str]], parts: Sequence[Classification]
) -> Iterator[tuple[str, str, Collection[str]]]:
    known = {part.name: part.label_names for part in parts}
    for name, labels in chosen.items():
        yield what, name, known
        yield from ((f"label of {name!r}", label, known[name]) for label in labels)


class LabelSchema(Part, Shown):
    """All that a run labels.

    ``entities``, ``relations`` and ``texts`` take ``{name: description}`` or a list of names and parts;
    ``classifications`` takes ``{name: [labels]}`` or a list of ``Classification``.

    Raises:
        ConfigurationError: A name is empty, blank, doubled or not a string, nothing is to be labelled, or an example
            uses a label that is not in the schema or a mention that is not in its text.
    """

    entities: tuple[Label, ...] = ()
    relations: tuple[RelationLabel, ...] = ()
    classifications: tuple[Classification, ...] = ()
    texts: tuple[FreeText, ...] = ()
    guidelines: str = ""
    examples: tuple[Example, ...] = ()

    if TYPE_CHECKING:  # type checkers would allow the stored types only, not the short forms

        def __init__(
            self,
            *,
            entities: Mapping[str, object] | Iterable[str | Label] = (),
            relations: Mapping[str, object] | Iterable[str | RelationLabel] = (),
            classifications: Mapping[str, object] | Iterable[Classification] = (),
            texts: Mapping[str, object] | Iterable[str | FreeText] = (),
            guidelines: str = "",
            examples: Iterable[Example] = (),
        ) -> None: ...

    @field_validator("entities", "texts", mode="before")
    @classmethod
    def _by_description(cls, value: object) -> object:
        return named(value)

    @field_validator("relations", mode="before")
    @classmethod
    def _relations(cls, value: object) -> object:
        return [item.model_dump() if isinstance(item, Label) else item for item in named(value)]

    @field_validator("classifications", mode="before")
    @classmethod
    def _classifications(cls, value: object) -> object:
        return named(value, "labels")

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if not (self.entities or self.classifications or self.texts):
            raise ValueError("nothing to label: give at least one of entities, classifications, texts")
        if self.relations and not self.entities:
            raise ValueError("relations need entities to relate")
        distinct("entity label", self.entity_names, "entities")
        distinct("relation", (part.name for part in self.relations), "relations")
        distinct("classification", (part.name for part in self.classifications), "classifications")
        for question, _ in _questions(self.classifications, None):
            known = self.classification(question.name)
            if known is None or (known.label_names, known.multi_label) != (question.label_names, question.multi_label):
                raise at(
                    ("classifications",), f"{question.name!r} stands for two different questions; names must differ"
                )
        distinct("text", (part.name for part in self.texts), "texts")
        for number, part in enumerate(self.texts):
            if self.classification(part.name):
                raise at(("texts", number), f"{part.name!r} is a classification too; names must differ")
        for number, relation in enumerate(self.relations):
            for name in (*relation.head, *relation.tail):
                if name not in self.entity_names:
                    raise at(("relations", number), f"{relation.name!r}: {name!r} is not in {list(self.entity_names)}")
        for number, example in enumerate(self.examples):
            if problem := self._problem(example):
                raise at(("examples", number), problem)
        return self

    @property
    def entity_names(self) -> tuple[str, ...]:
        """The names of the entity labels, in schema order."""
        return tuple(label.name for label in self.entities)

    def entity(self, name: str) -> Label | None:
        """Return the entity label with this name, or None."""
        for label in self.entities:
            if label.name == name:
                return label
        return None

    @property
    def questions(self) -> tuple[Classification, ...]:
        """All classifications of a document: those of the schema, each followed by the attributes of its labels."""
        return tuple({part.name: part for part, _ in _questions(self.classifications, None)}.values())

    def asked_under(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the classifications and labels under which a nested question is asked; empty at the top level."""
        found = [parent for part, parent in _questions(self.classifications, None) if part.name == name]
        return () if None in found else tuple(parent for parent in found if parent)

    def classification(self, name: str) -> Classification | None:
        """Return the classification with this name, at the top level or nested, or None."""
        return next((part for part in self.questions if part.name == name), None)

    def relation(self, name: str) -> RelationLabel | None:
        """Return the relation with this name, or None."""
        return next((part for part in self.relations if part.name == name), None)

    def check(self, example: Example, where: str = "example") -> None:
        """Raise ``ConfigurationError`` if the example uses anything that the schema does not have."""
        if problem := self._problem(example):
            raise ConfigurationError(f"{where}: {problem}", field=where)

    def _problem(self, example: Example) -> str | None:
        for what, found, known in self._used(example):
            if found not in known:
                return f"{what} {found!r} is not in the schema; it has {sorted(known)}"
        for name, chosen in example.classes.items():
            part = self.classification(name)
            if part and not part.multi_label and len(chosen) > 1:
                return f"{name!r} takes one label, found {len(chosen)}"
        for r in example.relations:
            if max(r.head, r.tail) >= len(example.entities):
                return "a relation points at an entity that is not there"
            relation = self.relation(r.label)
            for end, allowed in ((r.head, relation.head), (r.tail, relation.tail)) if relation else ():
                if allowed and example.entities[end].label not in allowed:
                    return f"relation {r.label!r} ends at {example.entities[end].label!r}, expected {list(allowed)}"
        return None

    def _used(self, example: Example) -> Iterator[tuple[str, str, Collection[str]]]:
        """Every name that the example uses: what it is, the name, the names there are."""
        for mention in example.entities:
            yield "entity label", mention.label, self.entity_names
            label = self.entity(mention.label)
            yield from _used_classes("attribute", mention.attributes, label.attributes if label else ())
        for relation in example.relations:
            yield "relation", relation.label, [part.name for part in self.relations]
        for name in example.texts:
            yield "text", name, [part.name for part in self.texts]
        yield from _used_classes("classification", example.classes, self.questions)

    @property
    def fingerprint(self) -> str:
        """A hash of everything in the schema: the same in every process, changed by every change (order too)."""
        content = json.dumps(self.model_dump(mode="json"), separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [("entity", part.name, part.description) for part in self.entities]
        rows += [("relation", part.name, part.description) for part in self.relations]
        rows += [
            (part.name + (" (several)" if part.multi_label else ""), label.name, label.description)
            for part in self.questions
            for label in part.labels
        ]
        return rows + [("text", part.name, part.description) for part in self.texts]

    def __str__(self) -> str:
        from llmlabel.html import terminal_safe

        lines = [f"{kind}: {name}" + (f" ({text})" if text else "") for kind, name, text in self._rows()]
        return terminal_safe("\n".join([*lines, self.guidelines] if self.guidelines else lines))

    def _repr_html_(self) -> str:
        from llmlabel.html import table_html

        return table_html(("", "label", "description"), self._rows(), self.guidelines)

    @classmethod
    def from_file(cls, path: str | Path) -> LabelSchema:
        """Read a schema from a ``.yaml``, ``.yml`` or ``.json`` file.

        Raises:
            ConfigurationError: The file is not a schema; the message names the line.
        """
        from llmlabel.schema_files import read_schema

        return read_schema(Path(path))

    def to_file(self, path: str | Path) -> None:
        """Write the schema as YAML or JSON, by the file's suffix; ``from_file`` reads back an equal schema."""
        from llmlabel.schema_files import write_schema

        write_schema(self, Path(path))
