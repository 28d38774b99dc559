"""Which way of asking is better: several variants over the same documents, with what can be told and what cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from llmlabel.engine import run_sync
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation import Difference, Evaluation, evaluate, intervals_of, paired_difference
from llmlabel.evaluation.scores import Score
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.result import RunResult
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument, Prediction
from llmlabel.workflows.comparison import Comparison, PairDifference, VariantScore

_Row = tuple[int, int, int]


def compare(
    gold: Iterable[LabeledDocument], variants: Mapping[str, Pipeline], *, samples: int = 1000, seed: int = 0
) -> Comparison:
    """Run each pipeline over the gold documents and return the comparison; the first variant is the baseline.

    The variants run one after the other. Give each pipeline a journal of its own, and what was answered is not asked
    again: scores are the same on every run then. Tokens count what was paid in this run; a note says where answers
    came from a journal.

    Args:
        gold: Documents with labels made by people, best without sight of predictions.
        variants: Pipelines by name, without exporters: they may differ in model, prompt, answer format, examples,
            passes, packing, resolver.
        samples: Bootstrap resamples.
        seed: Of the bootstrap.

    Raises:
        ConfigurationError: Fewer than two variants, one that exports, or one whose examples are gold documents.
    """
    return run_sync(acompare(gold, variants, samples=samples, seed=seed))


async def acompare(
    gold: Iterable[LabeledDocument], variants: Mapping[str, Pipeline], *, samples: int = 1000, seed: int = 0
) -> Comparison:
    """Run each pipeline over the gold documents and return the comparison (async)."""
    truth = list(gold)
    _several(variants)
    check_variants(truth, variants)
    runs: dict[str, tuple[Prediction, ...]] = {}
    notes: list[str] = []
    schema: LabelSchema | None = None
    for name, pipeline in variants.items():
        result = await pipeline.arun([item.document for item in truth])
        runs[name] = result.predictions
        schema = schema or pipeline.labeler.schema
        notes += _notes(name, result)
    return compare_runs(truth, runs, schema=schema, samples=samples, seed=seed, notes=notes)


def check_variants(gold: Iterable[LabeledDocument], variants: Mapping[str, Pipeline]) -> None:
    """Refuse what would falsify a comparison, before anything is paid.

    Raises:
        ConfigurationError: A pipeline exports, or has gold documents among its examples.
    """
    texts = {item.document.text for item in gold}
    for name, pipeline in variants.items():
        if pipeline.exporters:
            raise ConfigurationError(f"variant {name!r} has exporters: a comparison must not publish anything")
        seen = sum(example.text in texts for example in pipeline.labeler.examples)
        if seen:
            raise ConfigurationError(
                f"variant {name!r}: {seen} of its examples are gold documents; it has seen the answers"
            )


def _notes(name: str, result: RunResult) -> Iterator[str]:
    if result.stopped:
        yield f"{name} stopped early: {result.stopped}"
    reused = sum(item.outcome == "labeled" and not item.usage.requests for item in result.predictions)
    if reused:
        yield f"{name}: {reused} document(s) were answered before; what they took is not in this table"


def _several(variants: Mapping[str, object]) -> None:
    if len(variants) < 2:
        raise ConfigurationError(f"variants: expected two or more to compare, found {len(variants)}")


def compare_runs(
    gold: Iterable[LabeledDocument],
    runs: Mapping[str, Iterable[LabeledDocument]],
    *,
    schema: LabelSchema | None = None,
    samples: int = 1000,
    seed: int = 0,
    notes: Iterable[str] = (),
) -> Comparison:
    """Return the comparison of finished runs over the same documents; the first one is the baseline.

    F1 is of entities (exact place and label), or of the labels of all classifications where the gold documents have no
    entities. Differences are paired over documents; ``Difference.real`` says when one is called.

    Args:
        gold: Labels made by people.
        runs: Predictions by name of the variant. A document that a run lacks counts as missed.
        schema: Names labels, so that foreign ones are found.
        samples: Bootstrap resamples.
        seed: Of the bootstrap.
        notes: Remarks to show with the result.

    Raises:
        ConfigurationError: Fewer than two runs, an id twice in one, or different texts for one id.
    """
    truth = list(gold)
    _several(runs)
    runs = {name: list(run) for name, run in runs.items()}
    measure = "entities" if any(item.entities for item in truth) else "classes"
    scores = {name: evaluate(truth, run, schema=schema, samples=0) for name, run in runs.items()}
    rows = {name: _rows(measure, truth, runs[name], scores[name]) for name in runs}
    pairs = {
        (one, two): paired_difference(rows[one], rows[two], samples=samples, seed=seed)
        for one, two in combinations(rows, 2)
    }
    base = next(iter(rows))
    return Comparison(
        documents=len(truth),
        measure=measure,
        variants=tuple(
            _variant(name, scores[name], runs[name], rows[name], pairs.get((base, name)), samples=samples, seed=seed)
            for name in rows
        ),
        pairs=tuple(PairDifference(first=a, second=b, difference=found) for (a, b), found in pairs.items()),
        winner=_winner(pairs, rows),
        notes=tuple(notes),
    )


def _rows(
    measure: str, gold: Sequence[LabeledDocument], run: Iterable[LabeledDocument], scores: Evaluation
) -> list[_Row]:
    """Right, spurious and missed labels of each gold document, in the order of the gold documents."""
    if measure == "entities":
        return [(d.tp, d.fp, d.fn) for d in scores.documents]
    found = {item.document.id: item for item in run if not isinstance(item, Prediction) or item.outcome == "labeled"}
    return [_class_row(item, found.get(item.document.id)) for item in gold]


def _class_row(gold: LabeledDocument, answer: LabeledDocument | None) -> _Row:
    mine = {(name, item.label) for name, chosen in gold.classes.items() for item in chosen}
    theirs = {
        (name, item.label)
        for name, chosen in (answer.classes if answer else {}).items()
        if name in gold.classes
        for item in chosen
    }
    return len(mine & theirs), len(theirs - mine), len(mine - theirs)


def _variant(
    name: str,
    scores: Evaluation,
    run: Iterable[LabeledDocument],
    rows: Sequence[_Row],
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
        reasons=sum(entity.reason is not None for item in run for entity in item.entities),
        evaluation=scores,
    )


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
