"""Predicted labels that have a confidence, each judged by gold labels: right, or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.matching import answered, by_id, check_text
from llmlabel.evaluation.relations import links_of
from llmlabel.quality.voting import spans_of
from llmlabel.types import LabeledDocument

Kind = Literal["entities", "relations", "classes"]


class Judged(NamedTuple):
    """One predicted label that gold labels judge: its name, its score, whether it is exactly right.

    The label of a classification is named with it: ``topic: sport``.
    """

    label: str
    score: float
    right: bool
    method: str | None = None


def judged(
    gold: Iterable[LabeledDocument], predicted: Iterable[LabeledDocument], kind: Kind = "entities"
) -> list[Judged]:
    """Return every predicted label of a kind that has a confidence and a gold document.

    Right means: exact place and label; for relations also both ends; for classes one of the labels chosen by a person.
    Repeated labels count once. Documents that were not labelled, or have no gold labels, judge nothing, nor does a
    classification that nobody has answered.

    Raises:
        ConfigurationError: An id stands twice on one side, the texts of a document differ, or there is no such kind.
    """
    read = _READERS.get(kind)
    if read is None:
        raise ConfigurationError(f"kind: expected one of {list(_READERS)}, found {kind!r}")
    truth = by_id(gold, "gold")
    found: list[Judged] = []
    for item in by_id(predicted, "predicted").values():
        own = truth.get(item.document.id)
        if own is None or not answered(item):
            continue
        check_text(own, item)
        found += read(own, item)
    return found


def _entities(own: LabeledDocument, item: LabeledDocument) -> Iterator[Judged]:
    right = spans_of(own)
    scored = {(e.start, e.end, e.label): e for e in reversed(item.entities) if e.confidence is not None}
    for span, entity in sorted(scored.items(), key=lambda pair: pair[0]):
        yield Judged(entity.label, entity.confidence or 0.0, span in right, entity.confidence_method)


def _relations(own: LabeledDocument, item: LabeledDocument) -> Iterator[Judged]:
    right = links_of(own)
    ends = [(e.start, e.end, e.label) for e in item.entities]
    scored = {(r.label, ends[r.head], ends[r.tail]): r for r in reversed(item.relations) if r.confidence is not None}
    for link, relation in sorted(scored.items(), key=lambda pair: pair[0]):
        yield Judged(relation.label, relation.confidence or 0.0, link in right, relation.confidence_method)


def _classes(own: LabeledDocument, item: LabeledDocument) -> Iterator[Judged]:
    for name in sorted(own.classes.keys() & item.classes.keys()):
        right = {chosen.label for chosen in own.classes[name]}
        scored = {chosen.label: chosen for chosen in item.classes[name] if chosen.confidence is not None}
        for label, chosen in sorted(scored.items()):
            yield Judged(f"{name}: {label}", chosen.confidence or 0.0, label in right, chosen.confidence_method)


_READERS = {"entities": _entities, "relations": _relations, "classes": _classes}
