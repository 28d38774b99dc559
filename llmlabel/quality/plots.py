"""Figures: confusion, reliability, review budget, label counts. They need matplotlib (extra ``plots``).

Each function returns a ``Figure`` that belongs to no window and no global state: save it with ``savefig``, or let a
notebook show it. Names from data are drawn as they are, never read as mathematical markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from llmlabel.evaluation import Confused, Evaluation, Interval
from llmlabel.html import terminal_safe
from llmlabel.quality.budget import BudgetTable
from llmlabel.quality.reliability import Reliability
from llmlabel.types import LabeledDocument

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#666666"  # told apart by colour-blind people too
_NONE = "(none)"


def confusion_figure(scores: Evaluation | Sequence[Confused], title: str = "") -> Figure:
    """Return gold labels (rows) against predicted labels (columns); ``(none)`` is missed, or spurious.

    Args:
        scores: An evaluation, or the ``confusion`` of one of its classifications.
        title: Above the figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    pairs = scores.confusion if isinstance(scores, Evaluation) else scores
    counts = {(item.gold or _NONE, item.predicted or _NONE): item.count for item in pairs}
    names = sorted({name for pair in counts for name in pair}, key=lambda name: (name == _NONE, name))
    size = 2 + 0.5 * max(len(names), 4)
    figure, axes = _figure(size + 1, size)
    table = [[counts.get((gold, predicted), 0) for predicted in names] for gold in names]
    if names:
        axes.imshow(table, cmap="Blues", aspect="auto")
    most = max(counts.values(), default=0)
    for y, row in enumerate(table):
        for x, count in enumerate(row):
            if count:
                axes.text(x, y, str(count), ha="center", va="center", color="white" if count > most / 2 else "black")
    axes.set_xticks(range(len(names)), _plain(names), rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(names)), _plain(names), parse_math=False)
    return _named(figure, axes, title or "Confusion", "predicted", "gold")


def reliability_figure(found: Reliability, title: str = "") -> Figure:
    """Return the reliability diagram: share right against mean confidence, with the number of labels of each bin.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure, axes = _figure(5, 4.5)
    rows = [row for row in found.bins if row.count]
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", label="perfect")
    x, y = [row.confidence or 0.0 for row in rows], [row.right or 0.0 for row in rows]
    axes.plot(x, y, color=_BLUE, marker="o", label=f"ECE {_shown(found.ece)}, AUROC {_shown(found.auroc)}")
    for row in rows:
        place = row.confidence or 0.0, row.right or 0.0
        axes.annotate(str(row.count), place, (-5, 5), textcoords="offset points", ha="right")
    axes.set(xlim=(-0.1, 1.05), ylim=(-0.04, 1.1))
    axes.legend(loc="upper left")
    return _named(figure, axes, title or "Reliability", "confidence", "share right")


def budget_figure(table: BudgetTable, title: str = "") -> Figure:
    """Return F1 against the share of documents reviewed: the queue with its interval, random order, the best order.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure, axes = _figure(6, 4)
    rows = [row for row in table.rows if row.f1 is not None]
    shares = [row.share for row in rows]
    axes.plot(shares, [row.f1 or 0.0 for row in rows], color=_BLUE, marker="o", label="queue")
    sure = [(row.share, row.interval) for row in rows if row.interval is not None]
    if sure:
        lows, highs = [bounds.low for _, bounds in sure], [bounds.high for _, bounds in sure]
        axes.fill_between([share for share, _ in sure], lows, highs, color=_BLUE, alpha=0.2)
    for name, colour, style in (("random", _GREY, "--"), ("oracle", _ORANGE, ":")):
        known = [(row.share, value) for row in rows if (value := getattr(row, name)) is not None]
        if known:
            axes.plot(*zip(*known, strict=True), color=colour, linestyle=style, label=name)
    axes.legend(loc="lower right")
    kind = "measured" if table.measured else "expected"
    return _named(figure, axes, title or f"Review budget ({kind})", "share of documents reviewed", "F1")


def label_counts_figure(items: Iterable[LabeledDocument], title: str = "") -> Figure:
    """Return how often each label was given: entities, relations, and the labels of classifications.

    Raises:
        ImportError: matplotlib is not installed.
    """
    counts: Counter[str] = Counter()
    for item in items:
        counts.update(entity.label for entity in item.entities)
        counts.update(f"relation {relation.label}" for relation in item.relations)
        counts.update(f"{name}: {label.label}" for name, chosen in item.classes.items() for label in chosen)
    ranked = sorted(counts.items(), key=lambda pair: (pair[1], pair[0]))
    figure, axes = _figure(6, 1.2 + 0.3 * max(len(ranked), 3))
    axes.barh(range(len(ranked)), [count for _, count in ranked], color=_BLUE)
    axes.set_yticks(range(len(ranked)), _plain([name for name, _ in ranked]), parse_math=False)
    for place, (_, count) in enumerate(ranked):
        axes.annotate(str(count), (count, place), (3, 0), textcoords="offset points", va="center")
    axes.margins(x=0.12)
    return _named(figure, axes, title or "Labels", "count", "")


_Bounded = tuple[str, float | None, Interval | None]


def comparison_figure(
    values: Sequence[_Bounded], differences: Sequence[_Bounded], real: Collection[str], title: str = ""
) -> Figure:
    """Return variants with their F1 and, beside it, the paired difference from the first; the first on top.

    Args:
        values: F1 of each variant, with its interval.
        differences: From the first variant, by the same names.
        real: Names of those whose difference is real: their marks are filled.
        title: Above the figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = _blank(10, 1.4 + 0.4 * max(len(values), 2))
    left, right = figure.subplots(1, 2)
    _bars(left, values, {name for name, _, _ in values})
    _bars(right, differences, real)
    right.axvline(0, color=_GREY, linestyle="--")
    right.tick_params(labelleft=False)
    _named(figure, right, "paired difference from the first (filled: real)", "F1", "")
    return _named(figure, left, title, "F1", "")


def _bars(axes: Axes, rows: Sequence[_Bounded], filled: Collection[str]) -> None:
    for place, (name, value, interval) in enumerate(rows):
        if interval is not None:
            axes.plot([interval.low, interval.high], [place, place], color=_GREY)
        if value is not None:
            face = _BLUE if name in filled else "white"
            axes.plot([value], [place], color=_BLUE, marker="o", markerfacecolor=face)
    axes.set_yticks(range(len(rows)), _plain([name for name, _, _ in rows]), parse_math=False)
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _blank(width, height)
    return figure, figure.add_subplot()


def _blank(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('figures need matplotlib: pip install "llmlabel[plots]"') from error
    return Figure(figsize=(width, height), layout="constrained")


def _named(figure: Figure, axes: Axes, title: str, x: str, y: str) -> Figure:
    axes.set_title(terminal_safe(title), parse_math=False)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure


def _plain(names: Sequence[str]) -> list[str]:
    return [terminal_safe(name) for name in names]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
