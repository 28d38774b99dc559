"""Reliability tables and calibration, against scikit-learn and by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel.errors import ConfigurationError
from llmlabel.quality import (
    Calibration,
    Judged,
    auroc,
    calibrate,
    is_calibrated,
    isotonic,
    judged,
    platt,
    reliability,
    reliability_of,
    threshold_for,
)
from tests.quality.kit import gold, predicted

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]), st.booleans()), min_size=1, max_size=60)


def many(size, seed, power=2.0):
    """Documents with one entity each, right with the given power of its confidence."""
    rng = random.Random(seed)
    truth, guesses = [], []
    for number in range(size):
        score = rng.random()
        right = rng.random() < score**power
        truth.append(gold((0, 3, "PER" if right else "ORG"), id=str(number)))
        guesses.append(predicted((0, 3, "PER", score), id=str(number)))
    return truth, guesses


def test_reliability_by_hand():
    """
    Two bins, counted by hand: ECE, Brier score, AUROC.
    """
    items = [Judged("A", 0.9, True), Judged("A", 0.7, False), Judged("A", 0.2, False), Judged("A", 1.0, True)]
    found = reliability_of(items, bins=2)

    assert [(1, 0.2, 0.0), (3, pytest.approx(2.6 / 3), 2 / 3)] == [(b.count, b.confidence, b.right) for b in found.bins]
    assert pytest.approx((0.2 + 3 * (2.6 / 3 - 2 / 3)) / 4) == found.ece
    assert pytest.approx((0.01 + 0.49 + 0.04 + 0) / 4) == found.brier
    assert 1.0 == found.auroc


def test_reliability_without_labels_is_undefined():
    """
    Nothing judged gives None, not 0.
    """
    found = reliability_of([])

    assert (0, None, None, None) == (found.count, found.ece, found.brier, found.auroc)


@given(PAIRS)
def test_auroc_is_that_of_scikit_learn(pairs):
    """
    Equal to the reference wherever it is defined.
    """
    metrics = pytest.importorskip("sklearn.metrics")
    outcomes = [right for _, right in pairs]
    if len(set(outcomes)) < 2:
        assert None is auroc(pairs)
    else:
        assert pytest.approx(metrics.roc_auc_score(outcomes, [score for score, _ in pairs])) == auroc(pairs)


@given(PAIRS)
def test_isotonic_is_that_of_scikit_learn(pairs):
    """
    Equal to the reference at and between the scores.
    """
    reference = pytest.importorskip("sklearn.isotonic").IsotonicRegression(out_of_bounds="clip")
    reference.fit([s for s, _ in pairs], [float(right) for _, right in pairs])
    curve = isotonic(pairs)
    probes = [0.0, 0.05, 0.1, 0.3, 0.5, 0.77, 1.0]

    assert pytest.approx(list(reference.predict(probes))) == [curve(probe) for probe in probes]


def test_platt_is_the_minimum_that_scikit_learn_finds():
    """
    The sigmoid of the reference, smoothed targets included.
    """
    reference = pytest.importorskip("sklearn.calibration")._sigmoid_calibration
    truth, guesses = many(400, 1)
    pairs = [(item.score, item.right) for item in judged(truth, guesses)]
    import numpy as np

    a, b = reference(np.array([s for s, _ in pairs]), np.array([r for _, r in pairs], dtype=float))
    curve = platt(pairs)

    assert pytest.approx(1 / (1 + np.exp(a * 0.5 + b)), abs=1e-3) == curve(0.5)


@given(PAIRS, st.sampled_from([isotonic, platt]))
def test_curves_rise_and_stay_probabilities(pairs, fit):
    """
    A higher score never means a lower probability.
    """
    curve = fit(pairs)
    values = [curve(n / 20) for n in range(21)]

    assert values == sorted(values)
    assert 0 <= values[0] <= values[-1] <= 1


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_calibration_lowers_the_error_on_other_documents(method):
    """
    Fitted on one slice, the error on another falls, and the method says what was done.
    """
    truth, guesses = many(2000, 2)
    calibration = calibrate(truth[:1000], guesses[:1000], method=method)
    mended = calibration.apply(guesses[1000:])

    raw, after = reliability(truth[1000:], guesses[1000:]), reliability(truth[1000:], mended)
    assert raw.ece > 0.1
    assert after.ece < raw.ece / 2
    assert after.brier < raw.brier
    assert {f"votes (calibrated: {method})"} == {item.entities[0].confidence_method for item in mended}
    assert is_calibrated(mended[0].entities[0].confidence_method)
    assert not is_calibrated("votes")


def test_each_label_has_its_own_curve_if_it_is_frequent_enough():
    """
    A rare label uses the curve of all together.
    """
    truth, guesses = many(200, 3)
    truth += [gold(id=f"x{n}") for n in range(60)]
    guesses += [predicted((4, 7, "VERB", 0.9), id=f"x{n}") for n in range(60)]
    guesses.append(predicted((4, 7, "RARE", 0.9), id="y"))
    truth.append(gold(id="y"))
    calibration = calibrate(truth, guesses)

    assert ["PER", "VERB"] == list(calibration.by_label)
    assert 0.0 == calibration.probability("VERB", 0.9)
    assert calibration.overall(0.9) == calibration.probability("RARE", 0.9)


def test_a_calibration_is_written_and_read():
    """
    It is data like everything else.
    """
    calibration = calibrate(*many(100, 4))

    assert calibration == Calibration.model_validate_json(calibration.model_dump_json())


def test_scores_of_two_methods_are_not_mixed():
    """
    A calibration is for one method, and refuses another's scores, its own output included.
    """
    truth, guesses = many(100, 5)
    calibration = calibrate(truth, guesses)

    with pytest.raises(ConfigurationError, match="calibrate each method"):
        calibration.apply(calibration.apply(guesses))
    with pytest.raises(ConfigurationError, match="one method"):
        calibrate(truth, [*guesses[:50], *calibration.apply(guesses[50:])])
    with pytest.raises(ConfigurationError, match="found none"):
        calibrate([], [])


def test_thresholds_reach_the_precision_or_say_that_none_does():
    """
    The most labels whose share right is high enough; too few labels prove nothing.
    """
    items = [Judged("A", 0.9, True)] * 30 + [Judged("A", 0.5, n % 2 == 0) for n in range(30)]

    assert (0.9, 1.0, 0.5, 30) == tuple(threshold_for(items, 0.95).model_dump().values())
    assert (0.5, 0.75, 1.0, 60) == tuple(threshold_for(items, 0.7).model_dump().values())
    assert None is threshold_for(items[:10], 0.9).value
    with pytest.raises(ConfigurationError, match="precision"):
        threshold_for(items, 0)


def test_only_judged_entities_count():
    """
    Failed documents, documents without gold, and entities without confidence judge nothing.
    """
    truth = [gold((0, 3, "PER"), id="a"), gold(id="b")]
    guesses = [
        predicted((0, 3, "PER", 0.5), (8, 11, "PER"), id="a"),
        predicted((0, 3, "PER", 0.5), id="b", outcome="failed"),
        predicted((0, 3, "PER", 0.5), id="c"),
    ]

    assert [("PER", 0.5, True, "votes")] == judged(truth, guesses)
