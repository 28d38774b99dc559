"""From a score to a probability: calibration on a slice of gold labels, separately for each label.

Isotonic regression by pool-adjacent-violators (Ayer et al. 1955; Zadrozny and Elkan 2002), and Platt's sigmoid (Platt
1999, with his smoothed targets) fitted by Newton's method with backtracking (Lin, Lin and Weng 2007).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import exp, log, log1p
from typing import Literal, TypeVar

from llmlabel.errors import ConfigurationError
from llmlabel.quality.judging import Judged, Kind, judged
from llmlabel.quality.reliability import Reliability, reliability_of
from llmlabel.types import ClassLabel, Entity, LabeledDocument, Relation, Value

Method = Literal["isotonic", "platt"]
_Scored = TypeVar("_Scored", Entity, Relation, ClassLabel)


class Curve(Value):
    """A non-decreasing map from score to probability: straight lines between points, flat outside of them."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    examples: int

    def __call__(self, score: float) -> float:
        """Return the probability for a score."""
        right = bisect_right(self.scores, score)
        if right == 0:
            return self.probabilities[0]
        if right == len(self.scores) or self.scores[right - 1] == score:
            return self.probabilities[right - 1]
        (x0, x1), (y0, y1) = self.scores[right - 1 : right + 1], self.probabilities[right - 1 : right + 1]
        return y0 + (y1 - y0) * (score - x0) / (x1 - x0)


def isotonic(pairs: Sequence[tuple[float, bool]]) -> Curve:
    """Return the non-decreasing curve with the least squared error; equal scores share one value.

    Raises:
        ConfigurationError: There are no pairs.
    """
    _some(pairs)
    blocks: list[list[float]] = []  # right, count, lowest score, highest score
    for score, outcomes in _grouped(pairs):
        blocks.append([sum(outcomes), len(outcomes), score, score])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            right, count, _, high = blocks.pop()
            blocks[-1] = [blocks[-1][0] + right, blocks[-1][1] + count, blocks[-1][2], high]
    points = {
        score: right / count for right, count, low, high in blocks for score in ((low,) if low == high else (low, high))
    }
    return Curve(scores=tuple(points), probabilities=tuple(points.values()), examples=len(pairs))


def platt(pairs: Sequence[tuple[float, bool]], points: int = 101) -> Curve:
    """Return a sigmoid of the score, as a curve of ``points`` points over the scores seen.

    Raises:
        ConfigurationError: There are no pairs.
    """
    _some(pairs)
    slope, shift = _sigmoid(pairs)
    low, high = min(s for s, _ in pairs), max(s for s, _ in pairs)
    count = points if high > low else 1
    scores = [low + (high - low) * n / max(1, count - 1) for n in range(count)]
    # A falling sigmoid would rank labels backwards: what the scores say then is nothing, and the mean is all there is.
    values = [_squash(max(0.0, slope) * score + shift) for score in scores]
    if slope <= 0:
        values = [sum(right for _, right in pairs) / len(pairs)] * count
    return Curve(scores=tuple(scores), probabilities=tuple(values), examples=len(pairs))


def _some(pairs: Sequence[tuple[float, bool]]) -> None:
    if not pairs:
        raise ConfigurationError("calibration: expected scored labels that gold labels judge, found none")


def _grouped(pairs: Iterable[tuple[float, bool]]) -> list[tuple[float, list[bool]]]:
    groups: dict[float, list[bool]] = defaultdict(list)
    for score, right in pairs:
        groups[score].append(right)
    return sorted(groups.items())


def _squash(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))


def _sigmoid(pairs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Slope and shift with the least cross-entropy to Platt's targets, (n+1)/(n+2) and 1/(n+2)."""
    right = sum(outcome for _, outcome in pairs)
    wrong = len(pairs) - right
    high, low = (right + 1) / (right + 2), 1 / (wrong + 2)
    data = [(score, high if outcome else low) for score, outcome in pairs]
    a, b = 0.0, log((right + 1) / (wrong + 1))
    best = _loss(data, a, b)
    for _ in range(100):
        step = _newton(data, a, b)
        scale = 1.0
        while scale > 1e-10:
            trial = _loss(data, a + scale * step[0], b + scale * step[1])
            if trial < best:
                break
            scale /= 2
        else:
            return a, b
        a, b, best = a + scale * step[0], b + scale * step[1], trial
    return a, b


def _loss(data: Iterable[tuple[float, float]], a: float, b: float) -> float:
    total = 0.0
    for score, target in data:
        value = a * score + b
        total += (1 - target) * value + log1p(exp(-value)) if value >= 0 else -target * value + log1p(exp(value))
    return total


def _newton(data: Iterable[tuple[float, float]], a: float, b: float) -> tuple[float, float]:
    ga = gb = hab = 0.0
    haa = hbb = 1e-12
    for score, target in data:
        p = _squash(a * score + b)
        weight = p * (1 - p)
        ga, gb = ga + score * (p - target), gb + (p - target)
        haa, hab, hbb = haa + weight * score * score, hab + weight * score, hbb + weight
    det = haa * hbb - hab * hab
    return -(hbb * ga - hab * gb) / det, -(haa * gb - hab * ga) / det


class Calibration(Value):
    """Turns scores of one method into probabilities; made by ``calibrate``, reads and writes JSON.

    Attributes:
        method: How the curves were fitted.
        kind: Of the labels it was fitted on, and the only ones it is applied to.
        confidence_method: Of their scores, likewise.
        by_label: A curve for each label with enough examples; the others use ``overall``.
        overall: Of all labels together.
        before: Reliability of the raw scores on the slice it was fitted on.
    """

    method: Method
    kind: Kind = "entities"
    confidence_method: str | None
    by_label: dict[str, Curve] = {}
    overall: Curve
    before: Reliability

    def probability(self, label: str, score: float) -> float:
        """Return the probability that a label with this score is right; a class is named ``topic: sport``."""
        return self.by_label.get(label, self.overall)(score)

    def apply(self, items: Iterable[LabeledDocument]) -> list[LabeledDocument]:
        """Return documents with calibrated confidence; ``confidence_method`` becomes ``"… (calibrated: isotonic)"``.

        Raises:
            ConfigurationError: A confidence was made by another method than the calibration was fitted on.
        """
        return [item.model_copy(update={self.kind: self._calibrated(item)}) for item in items]

    def _calibrated(self, item: LabeledDocument) -> object:
        id = item.document.id
        if self.kind == "classes":
            return {
                name: tuple(self._one(chosen, f"{name}: {chosen.label}", id) for chosen in labels)
                for name, labels in item.classes.items()
            }
        if self.kind == "relations":
            return tuple(self._one(relation, relation.label, id) for relation in item.relations)
        return tuple(self._one(entity, entity.label, id) for entity in item.entities)

    def _one(self, scored: _Scored, label: str, document_id: str) -> _Scored:
        if scored.confidence is None:
            return scored
        if scored.confidence_method != self.confidence_method:
            raise ConfigurationError(
                f"document {document_id!r}: confidence by {scored.confidence_method!r}, and the calibration was made "
                f"for {self.confidence_method!r}; calibrate each method on its own gold slice"
            )
        name = f"{self.confidence_method or 'unnamed'} (calibrated: {self.method})"
        value = min(1.0, max(0.0, self.probability(label, scored.confidence)))
        return scored.model_copy(update={"confidence": value, "confidence_method": name})


def calibrate(
    gold: Iterable[LabeledDocument],
    predicted: Iterable[LabeledDocument],
    *,
    kind: Kind = "entities",
    method: Method = "isotonic",
    min_examples: int = 50,
) -> Calibration:
    """Return the calibration that a slice of gold labels gives.

    Use documents whose labels were made without sight of the predictions (``blind_split``), and others to judge the
    result by: on the slice it was fitted on, every calibration looks good.

    Args:
        gold: Labels made by people.
        predicted: Predictions for them whose labels have a confidence.
        kind: What is calibrated: ``"entities"``, ``"relations"`` or ``"classes"``; each kind by a calibration of its
            own.
        method: ``"isotonic"`` follows any shape and wants a few hundred examples; ``"platt"`` is smooth, wants fewer.
        min_examples: Least number of scored predictions of a label for a curve of its own.

    Raises:
        ConfigurationError: Nothing to learn from, or confidences of more than one method.
    """
    found = judged(gold, predicted, kind)
    methods = {item.method for item in found}
    if len(methods) > 1:
        raise ConfigurationError(f"calibrate: expected confidences of one method, found {sorted(map(str, methods))}")
    fit: Callable[[Sequence[tuple[float, bool]]], Curve] = isotonic if method == "isotonic" else platt
    labels: dict[str, list[Judged]] = defaultdict(list)
    for item in found:
        labels[item.label].append(item)
    return Calibration(
        overall=fit([(item.score, item.right) for item in found]),
        method=method,
        kind=kind,
        confidence_method=next(iter(methods), None),
        by_label={
            label: fit([(item.score, item.right) for item in items])
            for label, items in sorted(labels.items())
            if len(items) >= min_examples
        },
        before=reliability_of(found),
    )
