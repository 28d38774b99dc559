"""What it costs a person to make predictions right: the number that a user of pre-labels pays for."""

from __future__ import annotations

from llmlabel.evaluation.scores import ratio
from llmlabel.evaluation.spans import ErrorKinds
from llmlabel.types import Value


class ReviewCost(Value):
    """Actions of a reviewer who turns the predictions into the gold labels.

    A span that is right is accepted; one with the wrong label is relabelled, one with wrong borders moved, one with
    both relabelled *and* moved; a spurious or repeated one is deleted; a missed one is added. ``reclass`` counts
    classifications to be set anew. A document that was not labelled costs all its gold spans as additions.
    """

    accept: int = 0
    relabel: int = 0
    move: int = 0
    delete: int = 0
    add: int = 0
    reclass: int = 0
    documents: int = 0
    untouched: int = 0

    @property
    def edits(self) -> int:
        """All actions but accepting."""
        return self.relabel + self.move + self.delete + self.add + self.reclass

    @property
    def edits_per_document(self) -> float | None:
        """Mean number of edits."""
        return ratio(self.edits, self.documents)

    @property
    def untouched_share(self) -> float | None:
        """Share of documents that need no edit."""
        return ratio(self.untouched, self.documents)

    def __add__(self, other: ReviewCost) -> ReviewCost:
        return ReviewCost.model_construct(**{n: getattr(self, n) + getattr(other, n) for n in ReviewCost.model_fields})


def cost_of(errors: ErrorKinds, *, repeated: int = 0, reclass: int = 0, other: int = 0) -> ReviewCost:
    """Return the cost of one document; ``other`` edits (relations) only decide whether it is untouched."""
    cost = ReviewCost(
        accept=errors.correct,
        relabel=errors.wrong_label + errors.both,
        move=errors.wrong_boundary + errors.both,
        delete=errors.spurious + repeated,
        add=errors.missed,
        reclass=reclass,
        documents=1,
    )
    return cost.model_copy(update={"untouched": int(cost.edits + other == 0)})
