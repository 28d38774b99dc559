"""Relations against relations: label and both ends must agree."""

from __future__ import annotations

from llmlabel.evaluation.matching import Span
from llmlabel.evaluation.scores import Score
from llmlabel.types import LabeledDocument

Link = tuple[str, Span, Span]


def links_of(labeled: LabeledDocument | None) -> frozenset[Link]:
    """Return the different relations of a document, each as label, head span and tail span."""
    if labeled is None:
        return frozenset()
    spans = [Span(e.start, e.end, e.label) for e in labeled.entities]
    return frozenset((r.label, spans[r.head], spans[r.tail]) for r in labeled.relations)


def compare_relations(gold: frozenset[Link], predicted: frozenset[Link]) -> dict[str, Score]:
    """Return the score of each relation label.

    A relation counts as found if its label, its direction, and place and label of both its entities are right.
    """
    scores = {}
    for label in {link[0] for link in gold | predicted}:
        mine = {link for link in gold if link[0] == label}
        theirs = {link for link in predicted if link[0] == label}
        hits = len(mine & theirs)
        scores[label] = Score(tp=hits, fp=len(theirs) - hits, fn=len(mine) - hits)
    return scores
