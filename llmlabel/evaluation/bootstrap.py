"""How sure a score is: percentile bootstrap over documents, the same numbers for the same seed everywhere.

Documents are drawn, not spans: spans of one document stand or fall together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from operator import mul

from llmlabel.evaluation.scores import Score, mean, ratio
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


MIN_DOCUMENTS = 50
_CALLED = 0.98


class Difference(Value):
    """By how much the second of two runs over the same documents is better, and whether that can be told.

    Attributes:
        value: F1 of the second less F1 of the first.
        interval: Of ``value``, paired over documents.
        documents: How many were compared.
        real: True only if an interval of 98 % leaves out 0 and there are at least ``MIN_DOCUMENTS`` documents: stricter
            than the interval shown, because percentile intervals are a little too narrow on few documents, and fewer
            than 5 in 100 pairs of equal runs are to be called different.
        needed: About how many documents would tell a difference of this size; None where it is told, or unknown.
    """

    value: float | None
    interval: Interval | None
    documents: int
    real: bool
    needed: int | None = None

    def __str__(self) -> str:
        if self.value is None or self.interval is None:
            return "undefined"
        shown = f"{self.value:+.3f} ({self.interval.low:+.3f} to {self.interval.high:+.3f})"
        return shown if self.warning is None else f"{shown}: {self.warning}"

    @property
    def warning(self) -> str | None:
        """Why the difference must not be claimed, or None if it is real."""
        if self.real:
            return None
        size = f" of this size takes about {self.needed:,} documents" if self.needed else ""
        enough = f"; to tell one{size}" if size else ""
        return f"{self.documents} documents are too few to tell it from chance{enough}"


class Ratios:
    """Named ratios of sums over documents, resampled together: precision is hits over predictions, and so on.

    Args:
        size: How many documents there are.
        seed: Of the draws, and of the groups that many documents are added up to.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._seed = seed
        self._block = _block_numbers(size, seed)
        self._blocks = min(size, MAX_BLOCKS)
        self._columns: dict[tuple[tuple[int, float], ...], int] = {}
        self._ratios: dict[str, tuple[int, int]] = {}
        self._means: dict[str, list[tuple[str, int]]] = {}

    def add(self, name: str, parts: Mapping[int, float], wholes: Mapping[int, float]) -> None:
        """Add a ratio: the sum of ``parts`` over the sum of ``wholes``, both by number of the document."""
        self._ratios[name] = self._column(parts), self._column(wholes)

    def add_mean(self, name: str, members: Mapping[str, Mapping[int, float]]) -> None:
        """Add the mean of ratios added before, each counted while its support, by document, is not 0."""
        self._means[name] = [(member, self._column(support)) for member, support in members.items()]

    def _column(self, values: Mapping[int, float]) -> int:
        total: dict[int, float] = {}
        for number, value in values.items():
            if value:
                total[self._block[number]] = total.get(self._block[number], 0) + value
        return self._columns.setdefault(tuple(sorted(total.items())), len(self._columns))

    def intervals(self, samples: int = 1000, confidence: float = 0.95) -> dict[str, Interval]:
        """Return the interval of each ratio and mean that is defined; none of fewer than two documents."""
        if self._blocks < 2 or samples < 1:
            return {}
        found: dict[str, list[float]] = {name: [] for name in (*self._ratios, *self._means)}
        columns = [tuple(zip(*column, strict=True)) or ((), ()) for column in self._columns]
        for weights in _weights(self._blocks, samples, self._seed):
            sums = [sum(map(mul, map(weights.__getitem__, places), values)) for places, values in columns]
            drawn = {name: ratio(sums[part], sums[whole]) for name, (part, whole) in self._ratios.items()}
            for name, members in self._means.items():
                drawn[name] = mean(
                    value for member, support in members if sums[support] and (value := drawn[member]) is not None
                )
            for name, value in drawn.items():
                if value is not None:
                    found[name].append(value)
        made = {name: _percentiles(values, confidence) for name, values in found.items()}
        return {name: interval for name, interval in made.items() if interval is not None}


def _block_numbers(size: int, seed: int) -> list[int]:
    """Put many documents into at most ``MAX_BLOCKS`` random groups: the same spread, at bounded cost."""
    if size <= MAX_BLOCKS:
        return list(range(size))
    draw = random.Random(seed).random  # noqa: S311  # only random() is promised to stay the same between versions
    numbers = [0] * size
    for place, document in enumerate(sorted(range(size), key=lambda _: draw())):
        numbers[document] = place % MAX_BLOCKS
    return numbers


def _weights(size: int, samples: int, seed: int) -> Iterator[list[int]]:
    """Yield, for each resample, how often each document is drawn."""
    draw = random.Random(seed).random  # noqa: S311
    for _ in range(samples):
        weights = [0] * size
        for _ in range(size):
            weights[int(draw() * size)] += 1
        yield weights


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


_MEASURES: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    "precision": lambda tp, fp, fn: (tp, tp + fp),
    "recall": lambda tp, fp, fn: (tp, tp + fn),
    "f1": lambda tp, fp, fn: (2 * tp, 2 * tp + fp + fn),
}


def add_counts(ratios: Ratios, rows: Sequence[Counts]) -> None:
    """Add micro precision, recall and F1 of counts by document."""
    for name, measure in _MEASURES.items():
        pairs = [measure(*row) for row in rows]
        ratios.add(name, *(dict(enumerate(side)) for side in zip(*pairs, strict=True)) if pairs else ({}, {}))


def intervals_of(
    rows: Sequence[Counts], *, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Return the intervals of micro precision, recall and F1; none for fewer than two documents."""
    ratios = Ratios(len(rows), seed)
    add_counts(ratios, rows)
    return ratios.intervals(samples, confidence)


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
    values = _differences(first, second, samples, seed) if len(first) > 1 else []
    interval, strict = _percentiles(values, confidence), _percentiles(values, max(confidence, _CALLED))
    before, after = _total(first).f1, _total(second).f1
    value = None if before is None or after is None else after - before
    apart = strict is not None and (strict.low > 0 or strict.high < 0)
    real = apart and len(first) >= MIN_DOCUMENTS
    needed = None if real else _needed(value, strict, len(first))
    return Difference(value=value, interval=interval, documents=len(first), real=real, needed=needed)


def _differences(first: Sequence[Counts], second: Sequence[Counts], samples: int, seed: int) -> list[float]:
    blocks: dict[int, list[int]] = {}
    for number, (a, b) in zip(_block_numbers(len(first), seed), zip(first, second, strict=True), strict=True):
        row = (*_MEASURES["f1"](*a), *_MEASURES["f1"](*b))
        blocks[number] = [x + y for x, y in zip(blocks.get(number, (0, 0, 0, 0)), row, strict=True)]
    columns = list(zip(*(blocks[number] for number in range(len(blocks))), strict=True))
    values = []
    for weights in _weights(len(blocks), samples, seed):
        sums = [sum(map(mul, weights, column)) for column in columns]
        before, after = ratio(*sums[:2]), ratio(*sums[2:])
        if before is not None and after is not None:
            values.append(after - before)
    return values


def _needed(value: float | None, strict: Interval | None, documents: int) -> int | None:
    """About how many documents tell such a difference: the interval narrows with the square root of their number."""
    if not value or strict is None or strict.high == strict.low:
        return None
    half = (strict.high - strict.low) / 2
    return _rounded(max(MIN_DOCUMENTS, documents * max(1.1, (half / abs(value)) ** 2)))


def _rounded(count: float) -> int:
    """Round up to two digits: more would look as if it were known."""
    step: int = 10 ** max(0, len(str(int(count))) - 2)
    return ceil(count / step) * step


def _total(rows: Sequence[Counts]) -> Score:
    return Score(tp=sum(r[0] for r in rows), fp=sum(r[1] for r in rows), fn=sum(r[2] for r in rows))
