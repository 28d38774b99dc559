"""Votes, calibration and routing on six real noise sources; the figures of docs/quality.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmlabel.evaluation import evaluate
from llmlabel.quality import (
    agreement_scores,
    calibrate,
    judged,
    measured_budget,
    reliability,
    review_queue,
    threshold_for,
    vote,
)
from tests.quality.kit import SOURCES, noisebench


@pytest.fixture(scope="module")
def sources(shared):
    return noisebench(shared)


PAGE = (Path(__file__).resolve().parents[2] / "docs/quality.md").read_text(encoding="utf-8")
NAMES = dict(zip(SOURCES, ("expert", "crowd, best", "crowd", "distant", "weak", "LLM"), strict=True))


def exact(sources, predicted):
    score = evaluate(sources["clean"], predicted, samples=0).exact
    return round(score.precision, 2), round(score.recall, 2), round(score.f1, 2)


@pytest.mark.parametrize("name", SOURCES)
def test_the_page_shows_each_source(sources, name):
    """
    Precision, recall, F1 and its interval stand in the documentation as they are.
    """
    found = evaluate(sources["clean"], sources[name])
    score, interval = found.exact, found.intervals["f1"]
    row = f"{score.precision:.2f} | {score.recall:.2f} | {score.f1:.2f} ({interval.low:.2f} to {interval.high:.2f})"

    assert f"| {NAMES[name]} | {row} |" in PAGE


def test_the_page_shows_the_votes(sources):
    """
    One column per number of sources that must agree.
    """
    runs = [sources[name] for name in SOURCES]
    columns = [exact(sources, vote(runs, threshold=number / 6)) for number in range(1, 7)]

    for name, row in zip(("precision", "recall", "F1"), zip(*columns, strict=True), strict=True):
        assert f"| {name} | {' | '.join(f'{value:.2f}' for value in row)} |" in PAGE


def test_votes_of_six_sources(sources):
    """
    Three of six beats the strict majority and the union: the threshold matters.
    """
    runs = [sources[name] for name in SOURCES]

    assert (0.91, 0.86, 0.88) == exact(sources, vote(runs, threshold=3 / 6))
    assert (0.96, 0.69, 0.80) == exact(sources, vote(runs, threshold=4 / 6))
    assert 0.59 == exact(sources, vote(runs, threshold=1 / 6))[2]


def test_agreement_ranks_and_calibration_makes_it_a_probability(sources):
    """
    Agreement with three other sources ranks the model's labels well, and on other sentences calibration holds.
    """
    others = [sources[name] for name in ("noise_crowdbest", "noise_crowd", "noise_distant")]
    scored = agreement_scores(sources["noise_llm"], others)
    gold = sources["clean"]
    calibration = calibrate(gold[:500], scored[:500])
    raw, after = reliability(gold[500:], scored[500:]), reliability(gold[500:], calibration.apply(scored[500:]))

    assert (838, 0.081, 0.072, 0.963) == (raw.count, round(raw.ece, 3), round(raw.brier, 3), round(raw.auroc, 3))
    assert (0.014, 0.043, 0.976) == (round(after.ece, 3), round(after.brier, 3), round(after.auroc, 3))


def test_a_fifth_of_the_documents_lifts_f1_above_random(sources):
    """
    At a budget of 20 % F1 is at least 0.71, and the lower bootstrap bound is above a random order.
    """
    others = [sources[name] for name in ("noise_crowdbest", "noise_crowd", "noise_distant")]
    scored = agreement_scores(sources["noise_llm"], others)
    table = measured_budget(sources["clean"], scored, review_queue(scored, others))
    row = table.at(0.2)
    rows = [
        f"| {r.share * 100:.0f} % | {r.f1:.3f} ({r.interval.low:.3f} to {r.interval.high:.3f}) "
        f"| {r.random:.3f} | {r.oracle:.3f} |"
        for r in table.rows
        if r.share <= 0.5
    ]

    assert [] == [line for line in rows if line not in PAGE]
    assert row.f1 >= 0.71
    assert row.random < row.interval.low
    assert (0.737, 0.711, 0.581, 0.755) == (
        round(row.f1, 3),
        round(row.interval.low, 3),
        round(row.random, 3),
        round(row.oracle, 3),
    )


def test_the_worst_three_other_sources_still_rank_the_queue(sources):
    """
    The choice of sources is not what makes it: with the three worst, F1 is above random all the same.
    """
    others = [sources[name] for name in ("noise_crowd", "noise_distant", "noise_weak")]
    scored = agreement_scores(sources["noise_llm"], others)
    row = measured_budget(sources["clean"], scored, review_queue(scored, others), [0.2]).at(0.2)

    assert row.f1 >= 0.71
    assert row.random + 0.1 < row.interval.low


def test_a_threshold_holds_on_other_sentences(sources):
    """
    Chosen on one half, the precision is about the same on the other; the docs show both.
    """
    others = [sources[name] for name in ("noise_crowdbest", "noise_crowd", "noise_distant")]
    scored = agreement_scores(sources["noise_llm"], others)
    gold = sources["clean"]
    calibrated = calibrate(gold[:500], scored[:500]).apply(scored)
    chosen = threshold_for(judged(gold[:500], calibrated[:500]), 0.95)
    kept = [item for item in judged(gold[500:], calibrated[500:]) if item.score >= chosen.value]

    assert (0.959, 412) == (round(chosen.precision, 3), chosen.kept)
    assert (0.942, 342) == (round(sum(item.right for item in kept) / len(kept), 3), len(kept))
