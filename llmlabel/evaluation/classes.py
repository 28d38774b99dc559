"""Classifications of documents: one label or several, with abstention counted as what it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from llmlabel.evaluation.bootstrap import Interval
from llmlabel.evaluation.scores import Score, macro_f1, mean, ratio
from llmlabel.evaluation.spans import Confused
from llmlabel.types import Value

Pair = tuple[frozenset[str], frozenset[str] | None]  # gold labels, predicted labels (None: no answer)


class ClassScores(Value):
    """How well one classification was answered.

    Attributes:
        name: The classification.
        multi_label: Whether a document may have several labels (or none).
        documents: Documents with gold labels for it.
        abstained: Of these, documents without an answer; they count as wrong, and as missed labels.
        right: Documents whose labels are exactly the gold ones.
        by_label: Score of each label.
        confusion: Gold against predicted label, single-label only; a predicted None is an abstention.
        out_of_schema: Predicted labels that the schema does not have; None without a schema.
        sample_f1: Mean over documents of the F1 of their labels; where neither side has any, a document is left out.
        jaccard: Mean over documents of shared labels divided by all labels of both sides, likewise.
    """

    name: str
    multi_label: bool
    documents: int
    abstained: int
    right: int
    by_label: dict[str, Score]
    confusion: tuple[Confused, ...] = ()
    out_of_schema: int | None = None
    sample_f1: float | None = None
    jaccard: float | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of documents with exactly the gold labels (for several labels: subset accuracy)."""
        return ratio(self.right, self.documents)

    @property
    def accuracy_answered(self) -> float | None:
        """The same among the documents that were answered."""
        return ratio(self.right, self.documents - self.abstained)

    @property
    def coverage(self) -> float | None:
        """Share of documents that were answered."""
        return ratio(self.documents - self.abstained, self.documents)

    @property
    def micro(self) -> Score:
        """All labels together."""
        return sum(self.by_label.values(), Score())

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of the labels that occur in the gold labels."""
        return macro_f1(self.by_label)

    def summary(self, interval: Interval | None = None) -> str:
        """Return the headline in a line; ``interval`` is that of the accuracy."""
        spread = f" ({interval})" if interval else ""
        shares = {"accuracy": self.accuracy, "macro F1": self.macro_f1}
        if self.multi_label:
            shares = {"subset accuracy": self.accuracy, "micro F1": self.micro.f1, "macro F1": self.macro_f1,
                      "sample F1": self.sample_f1, "Jaccard": self.jaccard}  # fmt: skip
        first, *rest = (f"{name} {'–' if value is None else f'{value:.3f}'}" for name, value in shares.items())
        return ", ".join([first + spread, *rest, f"{self.abstained} of {self.documents} without an answer"])

    def to_dict(self) -> dict[str, object]:
        """Return everything as plain values."""
        return {
            **self.model_dump(exclude={"by_label"}),
            "accuracy": self.accuracy,
            "accuracy_answered": self.accuracy_answered,
            "coverage": self.coverage,
            "micro": self.micro.to_dict(),
            "macro_f1": self.macro_f1,
            "by_label": {label: score.to_dict() for label, score in self.by_label.items()},
        }


def compare_classes(
    name: str, pairs: Sequence[Pair], *, multi_label: bool | None = None, known: Iterable[str] | None = None
) -> ClassScores:
    """Return the scores of one classification.

    Args:
        name: The classification.
        pairs: Per document: gold labels, and predicted ones or None.
        multi_label: Whether several labels are allowed; by default, whether any document has several, or none.
        known: The labels of the schema.
    """
    if multi_label is None:
        multi_label = any(len(mine) != 1 or len(theirs or ()) > 1 for mine, theirs in pairs)
    given = [(mine, theirs or frozenset()) for mine, theirs in pairs]
    labels = {label for mine, theirs in given for label in mine | theirs} | set(known or ())
    each = [Score(tp=len(a & b), fp=len(b - a), fn=len(a - b)) for a, b in given]
    schema = None if known is None else set(known)
    return ClassScores(
        name=name,
        multi_label=multi_label,
        documents=len(pairs),
        # With several labels allowed, an empty answer is an answer: none of them applies.
        abstained=sum(theirs is None or (not theirs and not multi_label) for _, theirs in pairs),
        right=sum(theirs == mine for mine, theirs in pairs),
        by_label={label: _of_label(label, given) for label in sorted(labels)},
        confusion=() if multi_label else _confusion(given),
        out_of_schema=None if schema is None else sum(len(theirs - schema) for _, theirs in given),
        sample_f1=mean(score.f1 for score in each if score.f1 is not None),
        jaccard=mean(len(a & b) / len(a | b) for a, b in given if a | b),
    )


def _of_label(label: str, pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> Score:
    found = Counter((label in mine, label in theirs) for mine, theirs in pairs)
    return Score(tp=found[True, True], fp=found[False, True], fn=found[True, False])


def _confusion(pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> tuple[Confused, ...]:
    found = Counter((min(mine), min(theirs, default=None)) for mine, theirs in pairs)
    order = sorted(found, key=lambda key: (key[0], key[1] is None, key[1] or ""))
    return tuple(Confused(gold=mine, predicted=theirs, count=found[mine, theirs]) for mine, theirs in order)
