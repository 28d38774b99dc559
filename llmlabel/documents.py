"""Texts and their labels: what comes in, what leaves, each entity proven to stand in its text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from math import isfinite
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from llmlabel.values import Shown, Value, well_formed


def _check_json(value: object) -> None:
    """Raise ``ValueError`` unless the value can be written as JSON and read back equal."""
    if isinstance(value, str):
        well_formed(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"expected names as keys, found {type(key).__name__}")
            well_formed(key)
            _check_json(item)
    elif isinstance(value, list):
        for item in value:
            _check_json(item)
    elif not (value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value))):
        raise ValueError(
            f"expected what JSON can say (text, finite numbers, lists, mappings), found {type(value).__name__}"
        )


class Document(Value):
    """A text to label. ``text`` is never normalised: offsets count its code points, CRLF is two."""

    id: str = Field(min_length=1)
    text: str
    language: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("id", "text", "language")
    @classmethod
    def _well_formed(cls, value: str | None) -> str | None:
        return None if value is None else well_formed(value)

    @field_validator("metadata")
    @classmethod
    def _writable(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value:
            _check_json(value)
        return value


class ClassLabel(Value):
    """One chosen label of a classification or attribute; ``confidence`` is in [0, 1] or unknown."""

    label: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_method: str | None = None
    reason: str | None = None


class Entity(Value):
    """A labelled span ``[start, end)``; ``text`` is what stands there, ``match`` how it was found."""

    start: int = Field(ge=0)
    end: int
    label: str
    text: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_method: str | None = None
    match: str = "exact"
    attributes: dict[str, tuple[ClassLabel, ...]] = Field(default_factory=dict)
    reason: str | None = None

    @model_validator(mode="after")
    def _length(self) -> Self:
        if self.end - self.start != len(self.text) or not self.text:
            raise ValueError(f"span [{self.start}, {self.end}) does not fit a text of {len(self.text)} characters")
        return self


def is_calibrated(confidence_method: str | None) -> bool:
    """Whether a ``confidence_method`` names a calibrated probability, such as ``"votes (calibrated: isotonic)"``."""
    return confidence_method is not None and "(calibrated: " in confidence_method


class Relation(Value):
    """A directed link between two entities: indices into ``LabeledDocument.entities``."""

    head: int = Field(ge=0)
    tail: int = Field(ge=0)
    label: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_method: str | None = None


class Provenance(Value):
    """Who made the labels, when, and whether a person has looked at them."""

    kind: Literal["human", "model", "synthetic"]
    author: str | None = None
    created_at: datetime | None = None
    reviewed: bool = False


class LabeledDocument(Shown):
    """A document with labels, each entity proven to stand in the text.

    Raises:
        pydantic.ValidationError: An entity's text is not the slice at its offsets, or a relation points nowhere.
    """

    document: Document
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    classes: dict[str, tuple[ClassLabel, ...]] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _grounded(self) -> Self:
        text = self.document.text
        for number, entity in enumerate(self.entities):
            if text[entity.start : entity.end] != entity.text:
                raise ValueError(
                    f"entities[{number}] of document {self.document.id!r}: "
                    f"its text does not stand at [{entity.start}, {entity.end})"
                )
        for number, relation in enumerate(self.relations):
            if max(relation.head, relation.tail) >= len(self.entities):
                raise ValueError(
                    f"relations[{number}] of document {self.document.id!r}: points at entity "
                    f"{max(relation.head, relation.tail)}, there are {len(self.entities)}"
                )
        return self

    def keep(self, predicate: Callable[[Entity], bool]) -> Self:
        """Return a copy with the entities for which ``predicate`` holds; relations follow, or go with their ends."""
        kept = [number for number, entity in enumerate(self.entities) if predicate(entity)]
        moved = {old: new for new, old in enumerate(kept)}
        return self.model_copy(
            update={
                "entities": tuple(self.entities[number] for number in kept),
                "relations": tuple(
                    r.model_copy(update={"head": moved[r.head], "tail": moved[r.tail]})
                    for r in self.relations
                    if r.head in moved and r.tail in moved
                ),
            }
        )

    def _repr_html_(self) -> str:
        from llmlabel.html import document_html

        spans = [(e.start, e.end, e.label, e.match, e.confidence) for e in self.entities]
        return document_html(self.document.id, self.document.text, spans, self._facts())

    def __str__(self) -> str:
        from llmlabel.html import terminal_safe

        text = self.document.text
        lines = [f"{self.document.id}: {text if len(text) <= 200 else text[:199] + '…'}"]
        lines += [f"  {e.label} [{e.start}, {e.end}) {e.text}{_because(e.reason)}" for e in self.entities]
        lines += [f"  {name}: {value}" for name, value in self._facts()]
        return terminal_safe("\n".join(lines))

    def _facts(self) -> list[tuple[str, str]]:
        facts = [
            (name, ", ".join(c.label + _because(c.reason) for c in chosen)) for name, chosen in self.classes.items()
        ]
        ends = [(r.label, f"{self.entities[r.head].text} → {self.entities[r.tail].text}") for r in self.relations]
        return [*facts, *self.texts.items(), *ends]


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""
