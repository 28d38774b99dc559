"""Which way of asking is better: several variants over the same documents, with what can be told and what cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from llmlabel.engine import run_sync
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation import Difference, Evaluation, evaluate, intervals_of, paired_difference
from llmlabel.evaluation.bootstrap import Counts
from llmlabel.evaluation.counting import Measure, count_rows, measure_of
from llmlabel.evaluation.scores import Score
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.result import RunResult
from llmlabel.schema import LabelSchema
from llmlabel.types import NO_USAGE, ClassLabel, Entity, LabeledDocument, Prediction
from llmlabel.workflows.comparison import Comparison, PairDifference, VariantScore
from llmlabel.workflows.verify import Verified

Variant = Pipeline | Verified


def compare(
    gold: Iterable[LabeledDocument], variants: Mapping[str, Variant], *, samples: int = 1000, seed: int = 0
) -> Comparison:
    """Run each pipeline over the gold documents and return the comparison; the first variant is the baseline.

    The variants run one after the other. Give each pipeline a journal of its own, and what was answered is not asked
    again: scores are the same on every run then. Tokens count what was paid in this run; a note says where answers
    came from a journal.

    Args:
        gold: Documents with labels made by people, best without sight of predictions.
        variants: Pipelines by name, without exporters: they may differ in model, prompt, answer format, examples,
            passes, packing, resolver; or ``Verified`` pipelines, which look twice at what is doubtful.
        samples: Bootstrap resamples.
        seed: Of the bootstrap.

    Raises:
        ConfigurationError: Fewer than two variants, one that exports, or one whose examples are gold documents.
    """
    return run_sync(acompare(gold, variants, samples=samples, seed=seed))


async def acompare(
    gold: Iterable[LabeledDocument], variants: Mapping[str, Variant], *, samples: int = 1000, seed: int = 0
) -> Comparison:
    """Run each pipeline over the gold documents and return the comparison (async)."""
    truth = list(gold)
    _several(variants)
    check_variants(truth, variants)
    runs: dict[str, tuple[Prediction, ...]] = {}
    notes: list[str] = []
    schema: LabelSchema | None = None
    for name, variant in variants.items():
        result = await variant.arun([item.document for item in truth])
        runs[name] = result.predictions
        schema = schema or _pipelines(variant)[0].labeler.schema
        notes += [f"{name}: {note}" for note in run_notes(result)]
    return compare_runs(truth, runs, schema=schema, samples=samples, seed=seed, notes=notes)


def check_variants(gold: Iterable[LabeledDocument], variants: Mapping[str, Variant]) -> None:
    """Refuse what would falsify a comparison, before anything is paid.

    Raises:
        ConfigurationError: A pipeline exports, or has gold documents among its examples.
    """
    texts = {item.document.text for item in gold}
    for name, pipeline in ((name, part) for name, variant in variants.items() for part in _pipelines(variant)):
        if pipeline.exporters:
            raise ConfigurationError(f"variant {name!r} has exporters: a comparison must not publish anything")
        seen = sum(example.text in texts for example in pipeline.labeler.examples)
        if seen:
            raise ConfigurationError(
                f"variant {name!r}: {seen} of its examples are gold documents; it has seen the answers"
            )


def _pipelines(variant: Variant) -> tuple[Pipeline, ...]:
    return (variant.first, variant.second) if isinstance(variant, Verified) else (variant,)


def run_notes(result: RunResult) -> Iterator[str]:
    """Yield what a reader must know of a run before believing its figures."""
    yield from result.notes
    if result.stopped:
        yield f"stopped early: {result.stopped}"
    # Packed documents share the one request, so that its tokens tell who was asked, and not its number.
    reused = sum(item.outcome == "labeled" and item.usage == NO_USAGE for item in result.predictions)
    if reused:
        yield f"{reused} document(s) were answered before; what they took is not in this table"


def _several(variants: Mapping[str, object]) -> None:
    if len(variants) < 2:
        raise ConfigurationError(f"variants: expected two or more to compare, found {len(variants)}")


def compare_runs(
    gold: Iterable[LabeledDocument],
    runs: Mapping[str, Iterable[LabeledDocument]],
    *,
    schema: LabelSchema | None = None,
    measure: Measure | None = None,
    samples: int = 1000,
    seed: int = 0,
    notes: Iterable[str] = (),
) -> Comparison:
    """Return the comparison of finished runs over the same documents; the first one is the baseline.

    F1 is of entities (exact place and label), of relations, or of the labels of all classifications. Differences
    are paired over documents; ``Difference.real`` says when one is called.

    Args:
        gold: Labels made by people.
        runs: Predictions by name of the variant. A document that a run lacks counts as missed.
        schema: Names labels, so that foreign ones are found.
        measure: ``"entities"``, ``"relations"`` or ``"classes"``; by default entities, or classes where the gold
            documents have no entities.
        samples: Bootstrap resamples.
        seed: Of the bootstrap.
        notes: Remarks to show with the result.

    Raises:
        ConfigurationError: Fewer than two runs, an id twice in one, or different texts for one id.
    """
    truth = list(gold)
    _several(runs)
    given = {name: list(run) for name, run in runs.items()}
    measure = measure_of(truth, measure)
    scores = {name: evaluate(truth, run, schema=schema, samples=0) for name, run in given.items()}
    rows = {name: count_rows(measure, truth, given[name]) for name in given}
    pairs = {
        (one, two): paired_difference(rows[one], rows[two], samples=samples, seed=seed)
        for one, two in combinations(rows, 2)
    }
    base = next(iter(rows))
    return Comparison(
        documents=len(truth),
        measure=measure,
        variants=tuple(
            _variant(name, scores[name], given[name], rows[name], pairs.get((base, name)), samples=samples, seed=seed)
            for name in rows
        ),
        pairs=tuple(PairDifference(first=a, second=b, difference=found) for (a, b), found in pairs.items()),
        winner=_winner(pairs, rows),
        notes=tuple(notes),
    )


def _variant(
    name: str,
    scores: Evaluation,
    run: Iterable[LabeledDocument],
    rows: Sequence[Counts],
    difference: Difference | None,
    *,
    samples: int,
    seed: int,
) -> VariantScore:
    total = Score(tp=sum(r[0] for r in rows), fp=sum(r[1] for r in rows), fn=sum(r[2] for r in rows))
    return VariantScore(
        name=name,
        f1=total.f1,
        precision=total.precision,
        recall=total.recall,
        interval=intervals_of(rows, samples=samples, seed=seed).get("f1"),
        difference=difference,
        usage=scores.usage,
        unanswered=scores.counts.unanswered,
        unplaced=scores.counts.unplaced,
        discarded=dict(sorted(Counter(_discarded(run)).items())),
        reasons=sum(label.reason is not None for item in run for label in _labels(item)),
        evaluation=scores,
    )


def _labels(item: LabeledDocument) -> Iterator[Entity | ClassLabel]:
    yield from item.entities
    yield from (chosen for labels in item.classes.values() for chosen in labels)


def _discarded(run: Iterable[LabeledDocument]) -> Iterator[str]:
    """Reasons without their particulars: what stands after a colon differs from item to item."""
    told = (lost for item in run if isinstance(item, Prediction) for lost in item.discarded)
    return (lost.reason.partition(":")[0] for lost in told if lost.kind != "copy")


def _winner(pairs: Mapping[tuple[str, str], Difference], names: Iterable[str]) -> str | None:
    return next((name for name in names if all(_beats(name, pair, found) for pair, found in pairs.items())), None)


def _beats(name: str, pair: tuple[str, str], found: Difference) -> bool:
    """Whether a pair does not speak against the name: it is not in it, or is really the better of the two."""
    if name not in pair:
        return True
    return found.real and ((found.value or 0) > 0) == (pair[1] == name)
