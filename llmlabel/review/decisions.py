"""Decisions of a reviewer, as the review page saves them, and what they make of the documents."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from llmlabel.errors import SourceError
from llmlabel.types import (
    ClassLabel,
    Entity,
    LabeledDocument,
    Prediction,
    Provenance,
    Relation,
    Value,
    explain,
)

Span = tuple[int, int, str]
NEEDS: Mapping[str, tuple[str, ...]] = {
    "accept": ("entity",),
    "reject": ("entity",),
    "change": ("entity", "to"),
    "add": ("to",),
    "class": ("name",),
    "done": (),
    "reset": (),
}


def text_hash(text: str) -> str:
    """Return the short hash by which a decision names the very text that it was made on."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Decision(Value):
    """One line of a decisions file.

    ``entity`` names an entity as it was shown, ``to`` what it became: ``(start, end, label)`` in code points.
    ``text`` is the ``text_hash`` of the document. ``done`` says that a person has looked at the whole document;
    ``reset`` takes back all that the same person decided about it before.
    """

    version: Literal[1] = 1
    document: str
    text: str
    action: Literal["accept", "reject", "change", "add", "class", "done", "reset"]
    entity: Span | None = None
    to: Span | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    by: str | None = None
    at: datetime | None = Field(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for field in NEEDS[self.action]:
            if getattr(self, field) is None:
                raise ValueError(f"action {self.action!r} needs {field!r}")
        return self


def read_decisions(path: str | Path) -> list[Decision]:
    """Return the decisions of a JSONL file in its order.

    Raises:
        SourceError: A line is not a decision; the message names the line.
    """
    with Path(path).open(encoding="utf-8") as file:
        return decisions_from(file, str(path))


def decisions_from(lines: Iterable[str | bytes], name: str) -> list[Decision]:
    """Return the decisions of JSON lines; ``name`` is what errors call them."""
    decisions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            decisions.append(Decision.model_validate_json(line))
        except ValidationError as error:
            message = f"{name}, line {number}: expected a decision of the review page, found: {explain(error)}"
            raise SourceError(message, path=name, line=number) from None
    return decisions


def apply_decisions(documents: Iterable[LabeledDocument], decisions: Iterable[Decision]) -> list[LabeledDocument]:
    """Return the documents, in their order, with the decisions carried out.

    A document is reviewed when it was marked as done or none of its entities was left open. It then comes back as a
    plain ``LabeledDocument`` with ``provenance.reviewed`` set, whatever the outcome of its prediction was, so that
    every exporter takes it. Other documents with decisions keep their type; documents without any come back as they
    are. Of several decisions that one person made about an entity the last one counts; where two people decided
    differently, nothing is chosen for them.

    Raises:
        SourceError: A decision is about a document that is not there, another text, or an entity it does not have; or
            two people decided differently.
    """
    found = list(documents)
    by_document: dict[str, list[Decision]] = defaultdict(list)
    for decision in standing(decisions):
        by_document[decision.document].append(decision)
    problems = [f"document {id!r} is not there" for id in by_document.keys() - {d.document.id for d in found}]
    for document in found:
        about = by_document.get(document.document.id, ())
        problems += [*misfits(document, about), *_conflicts(document.document.id, about)]
    if problems:
        shown = "".join(f"\n  - {problem}" for problem in sorted(problems)[:20])
        raise SourceError(f"{len(problems)} decision(s) do not fit the documents:{shown}")
    return [_applied(d, by_document[d.document.id]) if d.document.id in by_document else d for d in found]


def standing(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that were not taken back by a later ``reset`` of the same person."""
    kept: dict[tuple[str, str | None], list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.action == "reset":
            kept.pop((decision.document, decision.by), None)
        else:
            kept[decision.document, decision.by].append(decision)
    return [decision for group in kept.values() for decision in group]


def _conflicts(id: str, decisions: Sequence[Decision]) -> list[str]:
    """Where two people decided differently about the same entity or question."""
    made: dict[tuple[object, ...], dict[str | None, object]] = defaultdict(dict)
    for decision in decisions:
        if decision.entity is not None:
            made["entity", decision.entity][decision.by] = (decision.action, decision.to)
        elif decision.action == "class":
            made["question", decision.name][decision.by] = decision.labels
    return [
        f"document {id!r}: {', '.join(sorted(map(str, by)))} decided differently about {what} {which}"
        for (what, which), by in made.items()
        if len({repr(decided) for decided in by.values()}) > 1
    ]


def misfits(document: LabeledDocument, decisions: Sequence[Decision]) -> list[str]:
    """Return one line per decision that cannot be about this document; none of its text."""
    if not decisions:
        return []
    id, expected = document.document.id, text_hash(document.document.text)
    known = {(e.start, e.end, e.label) for e in document.entities}
    length = len(document.document.text)
    problems = []
    for decision in decisions:
        if decision.text != expected:
            problems.append(f"document {id!r}: the decision was made on another text")
        elif decision.entity is not None and decision.entity not in known:
            problems.append(f"document {id!r}: it has no entity {decision.entity}")
        elif decision.to is not None and not 0 <= decision.to[0] < decision.to[1] <= length:
            problems.append(f"document {id!r}: [{decision.to[0]}, {decision.to[1]}) is no span of {length} characters")
    return list(dict.fromkeys(problems))


def _applied(document: LabeledDocument, decisions: Sequence[Decision]) -> LabeledDocument:
    about = {decision.entity: decision for decision in decisions if decision.entity is not None}
    kept: list[tuple[Entity, int | None]] = []
    for number, entity in enumerate(document.entities):
        decision = about.get((entity.start, entity.end, entity.label))
        if decision is None or decision.action == "accept":
            kept.append((entity, number))
        elif decision.to is not None:
            kept.append((_entity(document, decision.to, entity), number))
    kept += [(_entity(document, d.to), None) for d in decisions if d.action == "add" and d.to is not None]
    unique = {(e.start, e.end, e.label): (e, number) for e, number in reversed(kept)}
    order = sorted(unique.values(), key=lambda pair: (pair[0].start, -pair[0].end, pair[0].label))
    update: dict[str, object] = {
        "entities": tuple(entity for entity, _ in order),
        "relations": _relations(document, kept, [entity for entity, _ in order]),
        "classes": _classes(document, decisions),
    }
    done = any(d.action == "done" for d in decisions)
    if done or (document.entities and all((e.start, e.end, e.label) in about for e in document.entities)):
        base = LabeledDocument(document=document.document, texts=document.texts)
        return base.model_copy(update=update | {"provenance": _provenance(document, decisions)})
    return document.model_copy(update=update)


def _entity(document: LabeledDocument, to: Span, before: Entity | None = None) -> Entity:
    """The span a person chose: what a model said of its own (confidence, reason, attributes) stays with a move only."""
    start, end, label = to
    same = before is not None and before.label == label
    return Entity(
        start=start,
        end=end,
        label=label,
        text=document.document.text[start:end],
        match="human",
        attributes=before.attributes if before is not None and same else {},
    )


def _relations(
    document: LabeledDocument, kept: Sequence[tuple[Entity, int | None]], order: Sequence[Entity]
) -> tuple[Relation, ...]:
    """The relations whose ends are still there, pointing at the new places of these."""
    place = {(e.start, e.end, e.label): n for n, e in enumerate(order)}
    moved = {old: place[e.start, e.end, e.label] for e, old in kept if old is not None}
    return tuple(
        r.model_copy(update={"head": moved[r.head], "tail": moved[r.tail]})
        for r in document.relations
        if r.head in moved and r.tail in moved
    )


def _classes(document: LabeledDocument, decisions: Sequence[Decision]) -> dict[str, tuple[ClassLabel, ...]]:
    classes = dict(document.classes)
    for decision in decisions:
        if decision.action == "class" and decision.name is not None:
            classes[decision.name] = tuple(ClassLabel(label=label) for label in decision.labels)
    return {name: chosen for name, chosen in classes.items() if chosen}


def _provenance(document: LabeledDocument, decisions: Sequence[Decision]) -> Provenance:
    last = max(decisions, key=lambda d: d.at.timestamp() if d.at else 0.0)
    before = document.provenance or Provenance(kind="model" if isinstance(document, Prediction) else "human")
    return before.model_copy(
        update={"reviewed": True, "author": last.by or before.author, "created_at": last.at or before.created_at}
    )
