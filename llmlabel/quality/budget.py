"""What reviewing a share of the documents gives: expected from confidences, or measured against gold labels."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation import Interval, intervals_of
from llmlabel.evaluation.bootstrap import Counts
from llmlabel.evaluation.counting import Measure, count_rows, measure_of
from llmlabel.evaluation.matching import by_id, check_text
from llmlabel.evaluation.scores import mean, ratio
from llmlabel.evaluation.tables import text_table
from llmlabel.html import table_html
from llmlabel.quality.queue import QueueItem
from llmlabel.types import LabeledDocument, Shown, Value

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
_HEADERS = ("reviewed", "documents", "F1", "F1 low", "F1 high", "random", "oracle")
_DRAWS = 50


class Budget(Value):
    """F1 after a person has put right the first ``documents`` of the queue, a ``share`` of all.

    Attributes:
        share: Of the documents.
        documents: How many these are.
        f1: With the order of the queue.
        interval: Bootstrap interval of ``f1`` over documents; None where it was expected, not measured.
        random: The same number of documents in random order, on average.
        oracle: In the best order that is possible with hindsight; None without gold labels.
    """

    share: float
    documents: int
    f1: float | None
    interval: Interval | None = None
    random: float | None = None
    oracle: float | None = None


class BudgetTable(Shown):
    """One row per share of documents reviewed; prints as a table, shows itself in a notebook."""

    rows: tuple[Budget, ...]
    measured: bool

    def at(self, share: float) -> Budget:
        """Return the row of a share.

        Raises:
            ConfigurationError: The table has no such row.
        """
        for row in self.rows:
            if abs(row.share - share) < 1e-9:
                return row
        raise ConfigurationError(f"share: expected one of {[row.share for row in self.rows]}, found {share!r}")

    def cells(self) -> Iterator[tuple[str | float | None, ...]]:
        """Yield the table row by row: share, documents, F1, its interval, random, oracle."""
        for row in self.rows:
            low, high = (row.interval.low, row.interval.high) if row.interval else (None, None)
            yield f"{row.share:.0%}", row.documents, row.f1, low, high, row.random, row.oracle

    def __str__(self) -> str:
        return "\n".join([*text_table(_HEADERS, self.cells()), self._source()])

    def _source(self) -> str:
        if self.measured:
            return "measured against gold labels; a reviewed document counts as all right"
        return "expected from the confidences, which are only as good as their calibration"

    def _repr_html_(self) -> str:
        return table_html(_HEADERS, self.cells(), self._source())


def expected_budget(queue: Sequence[QueueItem], shares: Iterable[float] = SHARES) -> BudgetTable:
    """Return what reviewing the queue from the top is expected to give; nothing is known of an oracle.

    Raises:
        ConfigurationError: A share is not from 0 to 1.
    """
    right, wrong, missed = (sum(getattr(item, name) for item in queue) for name in ("right", "wrong", "missed"))
    rows = []
    for share, count in _counts(shares, len(queue)):
        top = queue[:count]
        mended = sum(item.missed for item in top)
        errors = wrong + missed - sum(item.wrong for item in top) - mended
        part = ratio(count, len(queue)) or 0.0
        rows.append(
            Budget(
                share=share,
                documents=count,
                f1=_f1(right + mended, errors),
                random=_f1(right + part * missed, (1 - part) * (wrong + missed)),
            )
        )
    return BudgetTable(rows=tuple(rows), measured=False)


def measured_budget(
    gold: Iterable[LabeledDocument],
    predicted: Iterable[LabeledDocument],
    queue: Sequence[QueueItem],
    shares: Iterable[float] = SHARES,
    *,
    measure: Measure | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> BudgetTable:
    """Return what reviewing the queue from the top gives on documents with gold labels.

    Beside it stand the mean of 50 random orders, and the order by the true number of errors: the best one could do.

    Args:
        gold: Labels made by people.
        predicted: Predictions for them.
        queue: All gold documents, the one to look at first in front.
        shares: Of the documents that are reviewed.
        measure: What F1 is of: ``"entities"``, ``"relations"`` or ``"classes"``; by default entities, or classes where
            the gold documents have no entities.
        samples: Bootstrap resamples.
        seed: Of the bootstrap, and of the random orders.

    Raises:
        ConfigurationError: A share is not from 0 to 1, or the queue lacks a gold document.
    """
    truth, guesses = by_id(gold, "gold"), by_id(predicted, "predicted")
    for id in truth.keys() & guesses.keys():
        check_text(truth[id], guesses[id])
    rows_before = count_rows(measure_of(truth.values(), measure), list(truth.values()), guesses.values())
    before: dict[str, Counts] = dict(zip(truth, rows_before, strict=True))
    place = {item.document_id: number for number, item in enumerate(queue)}
    if lacking := [id for id in before if id not in place]:
        raise ConfigurationError(f"queue: {len(lacking)} gold document(s) are not in it, such as {lacking[0]!r}")
    order = sorted(before, key=place.__getitem__)
    total = sum(tp for tp, _, _ in before.values())
    errors = sum(fp + fn for _, fp, fn in before.values())
    oracle = sorted(before, key=lambda name: -_true_gain(before[name], total, errors))
    draws = _orders(list(before), seed)
    rows = []
    for share, count in _counts(shares, len(order)):
        mended = _mended(before, order[:count])
        rows.append(
            Budget(
                share=share,
                documents=count,
                f1=_micro(mended),
                interval=intervals_of(mended, samples=samples, seed=seed).get("f1"),
                random=mean(f1 for draw in draws if (f1 := _micro(_mended(before, draw[:count]))) is not None),
                oracle=_micro(_mended(before, oracle[:count])),
            )
        )
    return BudgetTable(rows=tuple(rows), measured=True)


def _true_gain(row: Counts, total: int, errors: int) -> int:
    _, fp, fn = row
    return fn * errors + total * (fp + fn)


def _orders(ids: list[str], seed: int) -> list[list[str]]:
    draw = random.Random(seed).random  # noqa: S311  # only random() is promised to stay the same between versions
    return [sorted(ids, key=lambda _: draw()) for _ in range(_DRAWS)]


def _mended(before: Mapping[str, Counts], reviewed: Sequence[str]) -> list[Counts]:
    done = set(reviewed)
    return [(tp + fn, 0, 0) if id in done else (tp, fp, fn) for id, (tp, fp, fn) in before.items()]


def _micro(rows: Iterable[Counts]) -> float | None:
    tp, fp, fn = map(sum, zip(*rows, strict=True))
    return _f1(tp, fp + fn)


def _f1(right: float, errors: float) -> float | None:
    return ratio(2 * right, 2 * right + errors)


def _counts(shares: Iterable[float], size: int) -> Iterator[tuple[float, int]]:
    for share in shares:
        if not 0 <= share <= 1:
            raise ConfigurationError(f"shares: expected numbers from 0 to 1, found {share!r}")
        yield share, round(share * size)
