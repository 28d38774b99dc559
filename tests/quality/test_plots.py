"""Figures hold what the tables hold."""

from __future__ import annotations

import pytest

from llmlabel.evaluation import evaluate
from llmlabel.quality import expected_budget, measured_budget, reliability, review_queue
from llmlabel.quality.plots import (
    budget_figure,
    confusion_figure,
    label_counts_figure,
    reliability_figure,
)
from llmlabel.workflows import compare_runs
from tests.quality.kit import gold, predicted

ANN, BOB = (0, 3, "$x_{$"), (8, 11, "PER")
TRUTH = [gold(ANN, BOB)]
GUESS = [predicted((*ANN, 0.9), (8, 11, "ORG", 0.2))]

pytest.importorskip("matplotlib")


def drawn(figure, tmp_path):
    """Save a figure as SVG; a label that was read as markup would raise."""
    figure.savefig(tmp_path / "figure.svg")
    return [text.get_text() for text in figure.axes[0].texts], figure.axes[0]


def test_confusion_shows_each_count(tmp_path):
    """
    Gold in rows, predicted in columns; labels are not read as formulas.
    """
    texts, axes = drawn(confusion_figure(evaluate(TRUTH, GUESS)), tmp_path)

    assert ["1", "1"] == texts
    assert ["$x_{$", "ORG", "PER"] == [label.get_text() for label in axes.get_yticklabels()]


def test_reliability_shows_filled_bins(tmp_path):
    """
    One point per bin that has labels, with their number.
    """
    texts, axes = drawn(reliability_figure(reliability(TRUTH, GUESS)), tmp_path)

    assert ["1", "1"] == texts
    assert [[0.2, 0.9], [0.0, 1.0]] == [list(axes.lines[1].get_xdata()), list(axes.lines[1].get_ydata())]


def test_budget_shows_queue_random_and_oracle(tmp_path):
    """
    The oracle only where it was measured.
    """
    queue = review_queue(GUESS)
    _, measured = drawn(budget_figure(measured_budget(TRUTH, GUESS, queue)), tmp_path)
    _, expected = drawn(budget_figure(expected_budget(queue)), tmp_path)

    assert ["queue", "random", "oracle"] == [line.get_label() for line in measured.lines]
    assert ["queue", "random"] == [line.get_label() for line in expected.lines]


def test_label_counts(tmp_path):
    """
    Each label with its count.
    """
    texts, axes = drawn(label_counts_figure([*TRUTH, *GUESS]), tmp_path)

    assert [("ORG", "1"), ("PER", "1"), ("$x_{$", "2")] == [
        (label.get_text(), count) for label, count in zip(axes.get_yticklabels(), texts, strict=True)
    ]


def test_a_comparison_draws_itself(tmp_path):
    """
    F1 on the left, the paired difference on the right: hollow where it is not real.
    """
    figure = compare_runs(TRUTH, {"a": GUESS, "b": TRUTH}).figure()
    figure.savefig(tmp_path / "figure.svg")
    left, right = figure.axes

    assert ["a", "b"] == [label.get_text() for label in left.get_yticklabels()]
    assert [[0.5], [1.0]] == [list(line.get_xdata()) for line in left.lines if line.get_marker() == "o"]
    [point] = [line for line in right.lines if line.get_marker() == "o"]
    assert ([0.5], "white") == (list(point.get_xdata()), point.get_markerfacecolor())


def test_nothing_can_be_drawn(tmp_path):
    """
    No labels, no bins: an empty figure, not an error.
    """
    for figure in (confusion_figure([]), label_counts_figure([]), reliability_figure(reliability([], []))):
        drawn(figure, tmp_path)
