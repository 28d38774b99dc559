"""Decisions of a reviewer, as the review page saves them, one JSON object a line."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from llmlabel.errors import SourceError
from llmlabel.types import LabeledDocument, Value, explain

Span = tuple[int, int, str]
Link = tuple[Span, Span, str]
TARGETS = ("entity", "to", "relation", "link", "name", "value")
# What each action is about: one of these sets of fields, and no other of TARGETS.
NEEDS: Mapping[str, tuple[frozenset[str], ...]] = {
    "accept": (frozenset({"entity"}), frozenset({"relation"})),
    "reject": (frozenset({"entity"}), frozenset({"relation"})),
    "change": (frozenset({"entity", "to"}), frozenset({"relation", "link"})),
    "add": (frozenset({"to"}), frozenset({"link"})),
    "class": (frozenset({"name"}),),
    "text": (frozenset({"name", "value"}),),
    "done": (frozenset(),),
    "reset": (frozenset(),),
}


def text_hash(text: str) -> str:
    """Return the short hash by which a decision names the very text that it was made on."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Decision(Value):
    """One line of a decisions file.

    ``entity`` names an entity as it was shown, ``to`` what it became: ``(start, end, label)`` in code points.
    ``relation`` names a relation as it was shown, ``link`` what it became: ``(head, tail, label)``, the ends of
    ``relation`` as these entities were shown, those of ``link`` as they stand after all decisions.
    ``attributes`` come with ``to``; without them a moved entity keeps its own, a relabelled one has none.
    ``text`` is the ``text_hash`` of the document. ``done`` says that a person has looked at the whole document;
    ``reset`` takes back all that the same person decided about it before.
    """

    version: Literal[1] = 1
    document: str
    text: str
    action: Literal["accept", "reject", "change", "add", "class", "text", "done", "reset"]
    entity: Span | None = None
    to: Span | None = None
    relation: Link | None = None
    link: Link | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] | None = None
    value: str | None = None
    by: str | None = None
    at: datetime | None = Field(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = {field for field in TARGETS if getattr(self, field) is not None}
        if given not in NEEDS[self.action]:
            needed = " or ".join(" and ".join(map(repr, sorted(fields))) for fields in NEEDS[self.action])
            found = ", ".join(sorted(given)) or "neither"
            raise ValueError(f"action {self.action!r} needs {needed or 'no more'}, found {found}")
        if self.attributes is not None and self.to is None:
            raise ValueError("'attributes' belong to the entity that 'to' names")
        return self

    @property
    def about(self) -> tuple[str, object] | None:
        """What it decides that was there before, as a key; None for what is added and for the document as a whole."""
        if self.entity is not None:
            return "entity", self.entity
        if self.relation is not None:
            return "relation", self.relation
        return None if self.name is None else ("question", self.name)


def read_decisions(path: str | Path) -> list[Decision]:
    """Return the decisions of a JSONL file in its order.

    Raises:
        SourceError: There is no such file, or a line is not a decision; the message names the line.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        message = f"{path}: expected a file of decisions, as the review page saves it: {error.strerror}"
        raise SourceError(message, path=str(path)) from error
    return decisions_from(content.split(b"\n"), str(path))


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


def standing(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that were not taken back by a later ``reset`` of the same person."""
    kept: dict[tuple[str, str | None], list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.action == "reset":
            kept.pop((decision.document, decision.by), None)
        else:
            kept[decision.document, decision.by].append(decision)
    return [decision for group in kept.values() for decision in group]


def final_spans(document: LabeledDocument, decisions: Iterable[Decision]) -> list[Span]:
    """Return the entities that the decisions leave: in the document's order, then the added ones."""
    made = {decision.entity: decision for decision in decisions if decision.entity is not None}
    left: list[Span] = []
    for entity in document.entities:
        shown = (entity.start, entity.end, entity.label)
        decision = made.get(shown)
        if decision is None or decision.action != "reject":
            left.append(decision.to if decision is not None and decision.to is not None else shown)
    return left + [d.to for d in decisions if d.action == "add" and d.to is not None]


def misfits(document: LabeledDocument, decisions: Sequence[Decision]) -> list[str]:
    """Return one line per decision that cannot be about this document; none of its text.

    Give all decisions that stand: a relation may end at an entity that another one of them adds.
    """
    if not decisions:
        return []
    expected = text_hash(document.document.text)
    known = {(e.start, e.end, e.label) for e in document.entities}
    ends = [(e.start, e.end, e.label) for e in document.entities]
    links = {(ends[r.head], ends[r.tail], r.label) for r in document.relations}
    left = set(final_spans(document, decisions))
    length = len(document.document.text)

    def problem(decision: Decision) -> str | None:
        if decision.text != expected:
            return "the decision was made on another text"
        if decision.entity is not None and decision.entity not in known:
            return f"it has no entity {decision.entity}"
        if decision.relation is not None and decision.relation not in links:
            return f"it has no relation {decision.relation}"
        if decision.to is not None and not 0 <= decision.to[0] < decision.to[1] <= length:
            return f"[{decision.to[0]}, {decision.to[1]}) is no span of {length} characters"
        for end in decision.link[:2] if decision.link is not None else ():
            if end not in left:
                return f"relation {decision.link} ends at {end}, which is no entity or was rejected"
        return None

    problems = [f"document {document.document.id!r}: {found}" for d in decisions if (found := problem(d))]
    return list(dict.fromkeys(problems))
