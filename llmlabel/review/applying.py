"""What decisions make of the documents they are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from llmlabel.errors import SourceError
from llmlabel.review.decisions import Decision, Link, Span, misfits, standing
from llmlabel.types import ClassLabel, Entity, LabeledDocument, Prediction, Provenance, Relation

Attributes = Mapping[str, Sequence[str]]


def apply_decisions(
    documents: Iterable[LabeledDocument], decisions: Iterable[Decision], *, reviewer: str | None = None
) -> list[LabeledDocument]:
    """Return the documents, in their order, with the decisions carried out.

    A document is reviewed when it was marked as done or none of its entities and relations was left open. It then
    comes back as a plain ``LabeledDocument`` with ``provenance.reviewed`` set, whatever the outcome of its prediction
    was, so that every exporter takes it. Other documents with decisions keep their type; documents without any come
    back as they are. Of several decisions that one person made about an entity the last one counts.

    Args:
        documents: What was reviewed.
        decisions: Of one person or several.
        reviewer: Whose decision counts where people decided differently. Without it nothing is chosen for them.

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
        if about := by_document.get(document.document.id):
            agreed, conflicts = _agreed(document.document.id, about, reviewer)
            by_document[document.document.id] = agreed
            problems += conflicts or misfits(document, agreed)
    if problems:
        shown = "".join(f"\n  - {problem}" for problem in sorted(problems)[:20])
        raise SourceError(f"{len(problems)} decision(s) do not fit the documents:{shown}")
    return [_applied(d, by_document[d.document.id]) if d.document.id in by_document else d for d in found]


def _agreed(id: str, decisions: Sequence[Decision], reviewer: str | None) -> tuple[list[Decision], list[str]]:
    """The decisions without those that the reviewer overrules, and where people decided differently."""
    made: dict[tuple[str, object], dict[str | None, object]] = defaultdict(dict)
    for decision in decisions:
        if decision.about:
            made[decision.about][decision.by] = (decision.action, decision.to, decision.link, *_answers(decision))
    differ = {about: by for about, by in made.items() if len({repr(decided) for decided in by.values()}) > 1}
    settled = {about for about, by in differ.items() if reviewer is not None and reviewer in by}
    conflicts = [
        f"document {id!r}: {', '.join(sorted(map(str, by)))} decided differently about {about[0]} {about[1]}"
        for about, by in differ.items()
        if about not in settled
    ]
    return [d for d in decisions if d.about not in settled or d.by == reviewer], conflicts


def _answers(decision: Decision) -> tuple[object, ...]:
    attributes = {name: sorted(labels) for name, labels in sorted((decision.attributes or {}).items()) if labels}
    return sorted(decision.labels), decision.value, attributes


def _applied(document: LabeledDocument, decisions: Sequence[Decision]) -> LabeledDocument:
    about = {decision.entity: decision for decision in decisions if decision.entity is not None}
    kept: list[tuple[Entity, int | None]] = []
    for number, entity in enumerate(document.entities):
        decision = about.get((entity.start, entity.end, entity.label))
        if decision is None or decision.action == "accept":
            kept.append((entity, number))
        elif decision.to is not None:
            kept.append((_entity(document, decision.to, decision.attributes, entity), number))
    added = (d for d in decisions if d.action == "add")
    kept += [(_entity(document, d.to, d.attributes), None) for d in added if d.to is not None]
    unique = {_span(e): e for e, _ in reversed(kept)}
    order = sorted(unique.values(), key=lambda e: (e.start, -e.end, e.label))
    place = {_span(e): n for n, e in enumerate(order)}
    moved = {old: place[_span(e)] for e, old in kept if old is not None}
    update: dict[str, object] = {
        "entities": tuple(order),
        "relations": _relations(document, decisions, place, moved),
        "classes": _classes(document, decisions),
        "texts": _texts(document, decisions),
    }
    if _reviewed(document, decisions, moved):
        update["provenance"] = _provenance(document, decisions)
        return LabeledDocument(document=document.document).model_copy(update=update)
    return document.model_copy(update=update)


def _span(entity: Entity) -> Span:
    return entity.start, entity.end, entity.label


def _link(document: LabeledDocument, relation: Relation) -> Link:
    return _span(document.entities[relation.head]), _span(document.entities[relation.tail]), relation.label


def _entity(document: LabeledDocument, to: Span, attributes: Attributes | None, before: Entity | None = None) -> Entity:
    """The span a person chose: a model's confidence and reason go; its attributes stay if nobody chose others."""
    start, end, label = to
    chosen = {
        name: tuple(ClassLabel(label=one) for one in labels) for name, labels in (attributes or {}).items() if labels
    }
    if attributes is None and before is not None and before.label == label:
        chosen = before.attributes
    return Entity(
        start=start,
        end=end,
        label=label,
        text=document.document.text[start:end],
        match="human",
        attributes=chosen,
    )


def _relations(
    document: LabeledDocument, decisions: Sequence[Decision], place: dict[Span, int], moved: dict[int, int]
) -> tuple[Relation, ...]:
    """The relations whose ends are still there, pointing at the new places of these, then the added ones."""
    about = {decision.relation: decision for decision in decisions if decision.relation is not None}
    made: list[Relation] = []
    for relation in document.relations:
        decision = about.get(_link(document, relation))
        if decision is not None and decision.link is not None:
            made.append(_linked(decision.link, place))
        elif (decision is None or decision.action == "accept") and {relation.head, relation.tail} <= moved.keys():
            made.append(relation.model_copy(update={"head": moved[relation.head], "tail": moved[relation.tail]}))
    made += [_linked(d.link, place) for d in decisions if d.action == "add" and d.link is not None]
    return tuple({(r.head, r.tail, r.label): r for r in reversed(made)}.values())[::-1]


def _linked(link: Link, place: dict[Span, int]) -> Relation:
    head, tail, label = link
    return Relation(head=place[head], tail=place[tail], label=label)


def _reviewed(document: LabeledDocument, decisions: Sequence[Decision], moved: dict[int, int]) -> bool:
    """Said to be done; or every entity was decided, and every relation whose ends are left."""
    if any(decision.action == "done" for decision in decisions):
        return True
    about = {decision.about for decision in decisions}
    open_links = (
        r
        for r in document.relations
        if {r.head, r.tail} <= moved.keys() and ("relation", _link(document, r)) not in about
    )
    return (
        bool(document.entities)
        and all(("entity", _span(e)) in about for e in document.entities)
        and next(open_links, None) is None
    )


def _classes(document: LabeledDocument, decisions: Sequence[Decision]) -> dict[str, tuple[ClassLabel, ...]]:
    classes = dict(document.classes)
    for decision in decisions:
        if decision.action == "class" and decision.name is not None:
            classes[decision.name] = tuple(ClassLabel(label=label) for label in decision.labels)
    return {name: chosen for name, chosen in classes.items() if chosen}


def _texts(document: LabeledDocument, decisions: Sequence[Decision]) -> dict[str, str]:
    texts = dict(document.texts)
    for decision in decisions:
        if decision.action == "text" and decision.name is not None and decision.value is not None:
            texts[decision.name] = decision.value
    return {name: text for name, text in texts.items() if text}


def _provenance(document: LabeledDocument, decisions: Sequence[Decision]) -> Provenance:
    last = max(decisions, key=lambda d: d.at.timestamp() if d.at else 0.0)
    before = document.provenance or Provenance(kind="model" if isinstance(document, Prediction) else "human")
    return before.model_copy(
        update={"reviewed": True, "author": last.by or before.author, "created_at": last.at or before.created_at}
    )
