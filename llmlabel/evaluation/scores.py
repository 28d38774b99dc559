"""Counts and the ratios made of them; a ratio without anything to divide by is None, never 0 or 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llmlabel.types import Value


def ratio(part: float, whole: float) -> float | None:
    """Return ``part / whole``, or None where there is nothing to divide by."""
    return part / whole if whole else None


def mean(values: Iterable[float]) -> float | None:
    """Return the mean, or None of nothing."""
    items = list(values)
    return sum(items) / len(items) if items else None


class Score(Value):
    """True positives, false positives, false negatives, and what follows from them.

    ``precision`` is None if nothing was predicted, ``recall`` if there was nothing to find, ``f1`` if both: not 0, and
    not 1. Where there is something to find and nothing is found, F1 is 0.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def support(self) -> int:
        """How many there are in the gold labels."""
        return self.tp + self.fn

    @property
    def predicted(self) -> int:
        """How many were predicted."""
        return self.tp + self.fp

    @property
    def precision(self) -> float | None:
        """Share of the predicted that is right."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the gold labels that was found."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, ``2 tp / (2 tp + fp + fn)``."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def __add__(self, other: Score) -> Score:
        return Score.model_construct(tp=self.tp + other.tp, fp=self.fp + other.fp, fn=self.fn + other.fn)

    def to_dict(self) -> dict[str, float | None]:
        """Return counts and ratios as plain values."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "tp": self.tp,
            "fp": self.fp,
            "fn": self.fn,
        }


class PartialScore(Value):
    """Half credit for a span that overlaps: the *partial* measure of SemEval-2013 task 9, labels not looked at."""

    correct: int = 0
    partial: int = 0
    support: int = 0
    predicted: int = 0

    @property
    def precision(self) -> float | None:
        """``(correct + partial / 2) / predicted``."""
        return ratio(self.correct + self.partial / 2, self.predicted)

    @property
    def recall(self) -> float | None:
        """``(correct + partial / 2) / support``."""
        return ratio(self.correct + self.partial / 2, self.support)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        return ratio(2 * self.correct + self.partial, self.support + self.predicted)

    def __add__(self, other: PartialScore) -> PartialScore:
        return PartialScore.model_construct(
            correct=self.correct + other.correct,
            partial=self.partial + other.partial,
            support=self.support + other.support,
            predicted=self.predicted + other.predicted,
        )

    def to_dict(self) -> dict[str, float | None]:
        """Return counts and ratios as plain values."""
        ratios = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {**ratios, "correct": self.correct, "partial": self.partial}


def macro_f1(scores: Mapping[str, Score]) -> float | None:
    """Return the mean F1 of the labels that occur in the gold labels; the others have no recall to speak of."""
    return mean(s.f1 for s in scores.values() if s.support and s.f1 is not None)


def weighted_f1(scores: Mapping[str, Score]) -> float | None:
    """Return the mean F1 of the labels, weighted by how often they occur in the gold labels."""
    total = sum(s.support for s in scores.values())
    return ratio(sum((s.f1 or 0.0) * s.support for s in scores.values()), total)
