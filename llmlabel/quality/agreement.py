"""The share of other sources that say the same, as the confidence of each label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llmlabel.evaluation.matching import Span, by_id
from llmlabel.evaluation.relations import Link, links_of
from llmlabel.quality.voting import check, spans_of, support, voters_of
from llmlabel.types import ClassLabel, Entity, LabeledDocument, Relation

AGREEMENT = "agreement"


def agreement_scores(
    predicted: Iterable[LabeledDocument], others: Sequence[Iterable[LabeledDocument]], *, min_iou: float = 1.0
) -> list[LabeledDocument]:
    """Return the predictions with, as confidence of each label, the share of the other sources that have it too.

    Entities are the same by the rule of ``vote``; relations if label and both ends are exactly; a label of a
    classification is compared with the sources that have answered the classification. Nothing is added or dropped
    (``vote`` does that); ``confidence_method`` is ``"agreement"``. Where no other source has labelled the document, or
    answered the classification, the confidence stays as it is.

    Raises:
        ConfigurationError: ``min_iou`` out of range, an id twice in a source, or two texts for one id.
    """
    check(1.0, min_iou)
    tables = [by_id(source, f"others[{number}]") for number, source in enumerate(others)]
    scored = []
    for item in predicted:
        voters = voters_of(item, tables)
        scored.append(_scored(item, voters, min_iou) if voters else item)
    return scored


def _scored(item: LabeledDocument, voters: Sequence[LabeledDocument], min_iou: float) -> LabeledDocument:
    spans, links = [spans_of(voter) for voter in voters], [links_of(voter) for voter in voters]
    return item.model_copy(
        update={
            "entities": tuple(_entity(entity, spans, min_iou) for entity in item.entities),
            "relations": tuple(_relation(relation, item, links) for relation in item.relations),
            "classes": {name: _classes(chosen, name, voters) for name, chosen in item.classes.items()},
        }
    )


def _entity(entity: Entity, spans: Sequence[frozenset[Span]], min_iou: float) -> Entity:
    share = support(Span(entity.start, entity.end, entity.label), spans, min_iou) / len(spans)
    return entity.model_copy(update=_confidence(share))


def _relation(relation: Relation, item: LabeledDocument, links: Sequence[frozenset[Link]]) -> Relation:
    head, tail = (Span(e.start, e.end, e.label) for e in (item.entities[relation.head], item.entities[relation.tail]))
    share = sum((relation.label, head, tail) in found for found in links) / len(links)
    return relation.model_copy(update=_confidence(share))


def _classes(chosen: Sequence[ClassLabel], name: str, voters: Iterable[LabeledDocument]) -> tuple[ClassLabel, ...]:
    answers = [{label.label for label in voter.classes[name]} for voter in voters if name in voter.classes]
    if not answers:
        return tuple(chosen)
    shares = [sum(label.label in answer for answer in answers) / len(answers) for label in chosen]
    return tuple(c.model_copy(update=_confidence(share)) for c, share in zip(chosen, shares, strict=True))


def _confidence(share: float) -> Mapping[str, object]:
    return {"confidence": share, "confidence_method": AGREEMENT}
