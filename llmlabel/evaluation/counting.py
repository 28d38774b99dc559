"""Right, spurious and missed labels of each document: what runs are compared by, and what a budget of looks mends."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Literal

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.bootstrap import Counts
from llmlabel.evaluation.matching import Span, answered
from llmlabel.evaluation.relations import links_of
from llmlabel.types import LabeledDocument

Measure = Literal["entities", "relations", "classes"]
MEASURES: tuple[Measure, ...] = ("entities", "relations", "classes")


def measure_of(gold: Iterable[LabeledDocument], measure: Measure | None = None) -> Measure:
    """Return what labels are counted: the given ones, or entities if the gold documents have any, else classes.

    Raises:
        ConfigurationError: There is no such measure.
    """
    if measure is None:
        return "entities" if any(item.entities for item in gold) else "classes"
    if measure not in MEASURES:
        raise ConfigurationError(f"measure: expected one of {list(MEASURES)}, found {measure!r}")
    return measure


def count_rows(measure: Measure, gold: Sequence[LabeledDocument], predicted: Iterable[LabeledDocument]) -> list[Counts]:
    """Return true positives, false positives and false negatives of each gold document, in the order of these.

    A document without a usable prediction misses all. Classifications that no person has answered do not count.
    """
    found = {item.document.id: item for item in predicted if answered(item)}
    return [_row(measure, item, found.get(item.document.id)) for item in gold]


def _row(measure: Measure, gold: LabeledDocument, answer: LabeledDocument | None) -> Counts:
    mine, theirs = labels_of(gold, measure), labels_of(answer, measure) if answer else frozenset()
    if measure == "classes":
        theirs = frozenset(pair for pair in theirs if isinstance(pair, tuple) and pair[0] in gold.classes)
    return len(mine & theirs), len(theirs - mine), len(mine - theirs)


def labels_of(item: LabeledDocument, measure: Measure) -> frozenset[Hashable]:
    """Return the different labels of one kind, each as a value that is equal for equal labels."""
    if measure == "relations":
        return links_of(item)
    if measure == "classes":
        return frozenset((name, chosen.label) for name, labels in item.classes.items() for chosen in labels)
    return frozenset(Span(e.start, e.end, e.label) for e in item.entities)
