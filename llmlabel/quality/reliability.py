"""How far a confidence can be believed: reliability table, ECE, Brier score, AUROC, and thresholds for a precision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.scores import mean, ratio
from llmlabel.evaluation.tables import shown, text_table
from llmlabel.html import table_html, terminal_safe
from llmlabel.quality.judging import Judged, Kind, judged
from llmlabel.types import LabeledDocument, Shown, Value

_HEADERS = ("confidence", "labels", "mean confidence", "share right")


class Bin(Value):
    """Predicted labels whose confidence lies in ``[low, high)`` (the last bin includes 1)."""

    low: float
    high: float
    count: int
    confidence: float | None
    right: float | None


class Reliability(Shown):
    """What a confidence is worth, on labels that were judged.

    Attributes:
        count: Judged labels.
        right: Share of them that is right.
        bins: The reliability table: equal-width bins, empty ones included.
        ece: Expected calibration error: mean distance of confidence and share right over the bins, by their size.
        brier: Mean squared distance of confidence and outcome; a constant guess of ``right`` gives right × (1 - right).
        auroc: Chance that a right label has a higher confidence than a wrong one (equal ones count half); None where
            all are right, or all wrong. Says how well labels are ranked, and nothing of calibration.
        by_label: The same for each label.
    """

    count: int
    right: float | None
    bins: tuple[Bin, ...] = ()
    ece: float | None
    brier: float | None
    auroc: float | None
    by_label: dict[str, Reliability] = {}

    def rows(self) -> Iterator[tuple[str, int, float | None, float | None]]:
        """Yield the reliability table: interval, labels, mean confidence, share right."""
        for item in self.bins:
            yield f"{item.low:.2f} to {item.high:.2f}", item.count, item.confidence, item.right

    def __str__(self) -> str:
        return "\n".join([*text_table(_HEADERS, self.rows()), *map(terminal_safe, self.facts())])

    def facts(self) -> Iterator[str]:
        """Yield the measures in a line: of all labels, then of each."""
        yield self._summary()
        yield from (f"{label}: {found._summary()}" for label, found in self.by_label.items())

    def _summary(self) -> str:
        return f"{self.count} labels; ECE {shown(self.ece)}, Brier {shown(self.brier)}, AUROC {shown(self.auroc)}"

    def _repr_html_(self) -> str:
        return table_html(_HEADERS, self.rows()) + table_html(("",), [(fact,) for fact in self.facts()])


def reliability(
    gold: Iterable[LabeledDocument],
    predicted: Iterable[LabeledDocument],
    *,
    kind: Kind = "entities",
    bins: int = 10,
) -> Reliability:
    """Return how reliable the confidences of predicted entities, relations or classes are, judged by gold labels.

    Raises:
        ConfigurationError: An id stands twice on one side, the texts of a document differ, or ``bins`` is below 1.
    """
    return reliability_of(judged(gold, predicted, kind), bins)


def reliability_of(items: Sequence[Judged], bins: int = 10) -> Reliability:
    """Return how reliable judged scores are, over all and for each label.

    Raises:
        ConfigurationError: ``bins`` is below 1.
    """
    if bins < 1:
        raise ConfigurationError(f"bins: expected a number from 1, found {bins}")
    by_label = {label: _measured(own, bins) for label, own in _by_label(items).items()}
    return _measured(items, bins).model_copy(update={"by_label": by_label})


def _by_label(items: Iterable[Judged]) -> dict[str, list[Judged]]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for item in items:
        groups[item.label].append(item)
    return dict(sorted(groups.items()))


def _measured(items: Sequence[Judged], bins: int) -> Reliability:
    groups: dict[int, list[Judged]] = defaultdict(list)
    for item in items:
        groups[min(int(item.score * bins), bins - 1)].append(item)
    table = tuple(_bin(groups[number], number, bins) for number in range(bins))
    gaps = [row.count * abs((row.confidence or 0) - (row.right or 0)) for row in table]
    return Reliability(
        count=len(items),
        right=mean(item.right for item in items),
        bins=table,
        ece=ratio(sum(gaps), len(items)),
        brier=mean((item.score - item.right) ** 2 for item in items),
        auroc=auroc([(item.score, item.right) for item in items]),
    )


def _bin(items: Sequence[Judged], number: int, bins: int) -> Bin:
    return Bin(
        low=number / bins,
        high=(number + 1) / bins,
        count=len(items),
        confidence=mean(item.score for item in items),
        right=mean(item.right for item in items),
    )


def auroc(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """Return the area under the ROC curve (Mann-Whitney, equal scores count half); None with one kind only."""
    right = sum(outcome for _, outcome in pairs)
    wrong = len(pairs) - right
    groups: dict[float, list[bool]] = defaultdict(list)
    for score, outcome in pairs:
        groups[score].append(outcome)
    won, below = 0.0, 0
    for _, outcomes in sorted(groups.items()):
        hits = sum(outcomes)
        won += hits * (below + (len(outcomes) - hits) / 2)
        below += len(outcomes) - hits
    return ratio(won, right * wrong)


class Threshold(Value):
    """The least confidence at which labels reach a precision, and what is left above it.

    ``value`` is None where no threshold reaches it with enough labels: then nothing can be taken without a look.
    ``precision`` and ``coverage`` (share of labels kept) were measured on the slice it was chosen on.
    """

    value: float | None
    precision: float | None = None
    coverage: float = 0.0
    kept: int = 0

    def accepts(self, confidence: float | None) -> bool:
        """Whether a label with this confidence can be taken; one without any cannot."""
        return self.value is not None and confidence is not None and confidence >= self.value


def threshold_for(items: Sequence[Judged], precision: float, *, min_kept: int = 20) -> Threshold:
    """Return the threshold with the most labels above it whose share right is at least ``precision``.

    Args:
        items: Judged labels, from ``judged``.
        precision: What is wanted, above 0 and at most 1.
        min_kept: Least number of labels above it: a precision of 1.0 on three labels promises nothing.

    Raises:
        ConfigurationError: ``precision`` is out of range.
    """
    if not 0 < precision <= 1:
        raise ConfigurationError(f"precision: expected a number above 0 and at most 1, found {precision!r}")
    ranked = sorted(items, key=lambda item: -item.score)
    best, right = Threshold(value=None), 0
    for number, item in enumerate(ranked, 1):
        right += item.right
        last_of_score = number == len(ranked) or ranked[number].score != item.score
        if last_of_score and number >= min_kept and right / number >= precision:
            best = Threshold(value=item.score, precision=right / number, coverage=number / len(ranked), kept=number)
    return best


def thresholds_for(items: Sequence[Judged], precision: float, *, min_kept: int = 20) -> dict[str, Threshold]:
    """Return the threshold of each label, as ``threshold_for`` has it; a label without enough examples has none.

    Raises:
        ConfigurationError: ``precision`` is out of range.
    """
    return {label: threshold_for(own, precision, min_kept=min_kept) for label, own in _by_label(items).items()}
