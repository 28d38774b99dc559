"""How sure a score is: percentile bootstrap over documents, the same numbers for the same seed everywhere.

Documents are drawn, not spans: spans of one document stand or fall together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from llmlabel.evaluation.scores import Score, ratio
from llmlabel.types import Value

MAX_BLOCKS = 1000
Counts = tuple[int, int, int]  # tp, fp, fn of a document


class Interval(Value):
    """Where a value lies with the given confidence."""

    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


class Difference(Value):
    """By how much the second of two runs over the same documents is better, and whether that can be told.

    ``real`` is True only if an interval of 98 % leaves out 0 and there are at least ``MIN_DOCUMENTS`` documents:
    stricter than the interval shown, because percentile intervals are a little too narrow on few documents, and
    fewer than 5 in 100 pairs of equal runs are to be called different.
    """

    value: float | None
    interval: Interval | None
    documents: int
    real: bool


MIN_DOCUMENTS = 50
_CALLED = 0.98


def _resamples(size: int, samples: int, seed: int) -> Iterator[list[int]]:
    draw = random.Random(seed).random  # noqa: S311  # only random() is promised to stay the same between versions
    for _ in range(samples):
        yield [int(draw() * size) for _ in range(size)]


def _blocks(rows: Sequence[tuple[int, ...]], seed: int) -> list[tuple[int, ...]]:
    """Add many documents up to at most ``MAX_BLOCKS`` random groups: the same spread, at bounded cost."""
    if len(rows) <= MAX_BLOCKS:
        return list(rows)
    draw = random.Random(seed).random  # noqa: S311
    shuffled = sorted(range(len(rows)), key=lambda _: draw())
    groups = [shuffled[start::MAX_BLOCKS] for start in range(MAX_BLOCKS)]
    return [tuple(map(sum, zip(*(rows[n] for n in group), strict=True))) for group in groups]


def _percentiles(values: list[float], confidence: float) -> Interval | None:
    if not values:
        return None
    values.sort()
    tail = (1 - confidence) / 2
    return Interval(
        low=values[int(tail * (len(values) - 1))],
        high=values[round((1 - tail) * (len(values) - 1))],
        confidence=confidence,
    )


_MEASURES: dict[str, Callable[[int, int, int], float | None]] = {
    "precision": lambda tp, fp, fn: ratio(tp, tp + fp),
    "recall": lambda tp, fp, fn: ratio(tp, tp + fn),
    "f1": lambda tp, fp, fn: ratio(2 * tp, 2 * tp + fp + fn),
}


def intervals_of(
    rows: Sequence[Counts], *, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Return the intervals of micro precision, recall and F1; none for fewer than two documents."""
    if len(rows) < 2:
        return {}
    blocks = _blocks(rows, seed)
    columns = list(zip(*blocks, strict=True))
    found: dict[str, list[float]] = {name: [] for name in _MEASURES}
    for chosen in _resamples(len(blocks), samples, seed):
        tp, fp, fn = (sum(map(column.__getitem__, chosen)) for column in columns)
        for name, measure in _MEASURES.items():
            value = measure(tp, fp, fn)
            if value is not None:
                found[name].append(value)
    made = {name: _percentiles(values, confidence) for name, values in found.items()}
    return {name: interval for name, interval in made.items() if interval is not None}


def paired_difference(
    first: Sequence[Counts], second: Sequence[Counts], *, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Difference:
    """Return how much better ``second`` is in F1 than ``first``; row n of both is the same document.

    Both are drawn together in each resample, so that documents which are hard for both do not blur the difference.

    Raises:
        ValueError: The two have not the same number of documents.
    """
    if len(first) != len(second):
        raise ValueError(f"expected the same documents in both, found {len(first)} and {len(second)}")
    blocks = _blocks([(*a, *b) for a, b in zip(first, second, strict=True)], seed)
    columns = list(zip(*blocks, strict=True))
    values = []
    for chosen in _resamples(len(blocks), samples, seed) if len(blocks) > 1 else ():
        sums = [sum(map(column.__getitem__, chosen)) for column in columns]
        before, after = _MEASURES["f1"](*sums[:3]), _MEASURES["f1"](*sums[3:])
        if before is not None and after is not None:
            values.append(after - before)
    interval, strict = _percentiles(values, confidence), _percentiles(values, max(confidence, _CALLED))
    before, after = _total(first).f1, _total(second).f1
    value = None if before is None or after is None else after - before
    apart = strict is not None and (strict.low > 0 or strict.high < 0)
    return Difference(value=value, interval=interval, documents=len(first), real=apart and len(first) >= MIN_DOCUMENTS)


def _total(rows: Sequence[Counts]) -> Score:
    return Score(tp=sum(r[0] for r in rows), fp=sum(r[1] for r in rows), fn=sum(r[2] for r in rows))
