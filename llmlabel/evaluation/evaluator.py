"""Predictions against labels made by people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from llmlabel.evaluation.bootstrap import Interval
from llmlabel.evaluation.certainty import all_intervals
from llmlabel.evaluation.classes import ClassScores, Pair, compare_classes
from llmlabel.evaluation.cost import ReviewCost, cost_of
from llmlabel.evaluation.matching import by_id, check_text
from llmlabel.evaluation.relations import compare_relations, links_of
from llmlabel.evaluation.report import Counts, DocumentScore, Evaluation
from llmlabel.evaluation.scores import Score
from llmlabel.evaluation.spans import Confused, SpanResult, compare_spans, distinct_spans
from llmlabel.schema import LabelSchema
from llmlabel.types import NO_USAGE, LabeledDocument, Prediction, Usage

_SMALL = 100


@dataclass(slots=True)
class _Tally:
    """What adds up over documents."""

    spans: SpanResult = field(default_factory=SpanResult)
    by_document: list[SpanResult] = field(default_factory=list)
    links: list[dict[str, Score]] = field(default_factory=list)
    answered: Score = field(default_factory=Score)
    relations: dict[str, Score] = field(default_factory=dict)
    review: ReviewCost = field(default_factory=ReviewCost)
    documents: list[DocumentScore] = field(default_factory=list)
    classes: dict[str, dict[int, Pair]] = field(default_factory=dict)
    unanswered: Counter[str] = field(default_factory=Counter)
    unplaced: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    usage: Usage = NO_USAGE


def evaluate(
    gold: Iterable[LabeledDocument],
    predicted: Iterable[LabeledDocument],
    *,
    schema: LabelSchema | None = None,
    include: Collection[str] = (),
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Return how good predictions are; documents are matched by their id, in any order.

    What is counted, and how:

    - Entities are sets of (start, end, label): a repeated one counts once and is reported. Nested spans and several
      labels at one place are entities like others. There is no O class.
    - A gold document with no entities counts: what is predicted there is wrong. A prediction for a document that is
      not in ``gold`` is not scored (nobody has looked), only counted.
    - A document without a prediction, or whose outcome is not ``labeled``, gives nothing: its gold labels count as
      missed in all scores, and it is reported by outcome. ``answered`` is the exact score without such documents.
    - A predicted label that the schema does not have is wrong like any other wrong label, and is reported.

    Args:
        gold: Labels made by people.
        predicted: Predictions, or labels of another origin (every plain ``LabeledDocument`` counts as answered).
        schema: Names every label, so that those which never occur are shown, and foreign ones are found.
        include: Outcomes whose labels count too, such as ``{"partial", "truncated"}``.
        samples: Bootstrap resamples for the intervals; 0 for none.
        confidence: Of the intervals.
        seed: Of the bootstrap.

    Raises:
        ConfigurationError: Something else than labelled documents, an id that stands twice on one side, or another
            text of a document on the other side.
    """
    mine, theirs = by_id(gold, "gold"), by_id(predicted, "predicted")
    tally = _Tally()
    tally.counts["without_gold"] = len(theirs.keys() - mine.keys())
    for id, document in mine.items():
        _score_document(tally, document, theirs.get(id), schema, {"labeled", *include})
    for other in theirs.values():
        if isinstance(other, Prediction):
            tally.usage += other.usage
    return _finished(tally, schema, samples, confidence, seed)


def _score_document(
    tally: _Tally, gold: LabeledDocument, found: LabeledDocument | None, schema: LabelSchema | None, counted: set[str]
) -> None:
    outcome = "missing" if found is None else found.outcome if isinstance(found, Prediction) else "labeled"
    if found is not None:
        check_text(gold, found)
        if isinstance(found, Prediction):
            tally.unplaced.update(p.status for p in found.placements if not p.placed)
    answer = found if outcome in counted else None
    spans, doubled_gold = distinct_spans(gold.entities)
    guesses, doubled = distinct_spans(answer.entities if answer else ())
    result = compare_spans(spans, guesses)
    tally.spans.add(result)
    tally.by_document.append(result)
    tally.counts.update(duplicates_gold=doubled_gold, duplicates=doubled)
    if answer is None:
        tally.unanswered[outcome] += 1
    else:
        tally.answered += result.exact
    if schema is not None:
        tally.foreign.update(span.label for span in guesses if span.label not in schema.entity_names)
    links = compare_relations(links_of(gold), links_of(answer))
    tally.links.append(links)
    for label, score in links.items():
        tally.relations[label] = tally.relations.get(label, Score()) + score
    wrong_links = sum(score.fp + score.fn for score in links.values())
    cost = cost_of(result.errors, repeated=doubled, reclass=_tally_classes(tally, gold, answer), other=wrong_links)
    tally.review += cost
    exact = result.exact
    tally.documents.append(
        DocumentScore(
            id=gold.document.id, outcome=outcome, tp=exact.tp, fp=exact.fp, fn=exact.fn, errors=result.errors, cost=cost
        )
    )


def _tally_classes(tally: _Tally, gold: LabeledDocument, answer: LabeledDocument | None) -> int:
    wrong = 0
    for name, chosen in gold.classes.items():
        mine = frozenset(label.label for label in chosen)
        given = answer.classes.get(name) if answer else None
        theirs = None if given is None else frozenset(label.label for label in given)
        tally.classes.setdefault(name, {})[len(tally.documents)] = mine, theirs
        wrong += mine != theirs and bool(mine or theirs)
    return wrong


def _class_scores(
    pairs: Mapping[str, Mapping[int, Pair]], schema: LabelSchema | None
) -> Iterator[tuple[str, ClassScores]]:
    for name, items in pairs.items():
        part = schema.classification(name) if schema else None
        yield (
            name,
            compare_classes(
                name,
                list(items.values()),
                multi_label=part.multi_label if part else None,
                known=part.label_names if part else None,
            ),
        )


def _finished(tally: _Tally, schema: LabelSchema | None, samples: int, confidence: float, seed: int) -> Evaluation:
    names = set(tally.spans.by_label) | set(schema.entity_names if schema else ())
    intervals = all_intervals(
        tally.by_document, tally.links, tally.classes, samples=samples, confidence=confidence, seed=seed
    )
    classes = dict(_class_scores(tally.classes, schema))
    counts = Counts(
        documents=len(tally.documents),
        answered=len(tally.documents) - tally.unanswered.total(),
        unanswered=dict(sorted(tally.unanswered.items())),
        without_gold=tally.counts["without_gold"],
        duplicates=tally.counts["duplicates"],
        duplicates_gold=tally.counts["duplicates_gold"],
        out_of_schema=None if schema is None else dict(sorted(tally.foreign.items())),
        unplaced=dict(sorted(tally.unplaced.items())),
    )
    confused = sorted(tally.spans.confused.items(), key=lambda item: [(x is None, x or "") for x in item[0]])
    return Evaluation(
        exact=tally.spans.exact,
        by_label={label: tally.spans.by_label.get(label, Score()) for label in sorted(names)},
        boundaries=tally.spans.boundaries,
        overlap=tally.spans.overlap,
        partial=tally.spans.partial,
        characters=tally.spans.characters,
        answered=tally.answered,
        errors=tally.spans.errors,
        confusion=tuple(Confused(gold=a, predicted=b, count=n) for (a, b), n in confused),
        relations=dict(sorted(tally.relations.items())),
        classes=classes,
        review=tally.review,
        intervals=intervals,
        counts=counts,
        documents=tuple(tally.documents),
        usage=tally.usage,
        notes=tuple(_notes(counts, intervals, classes)),
    )


def _notes(counts: Counts, intervals: Mapping[str, Interval], classes: Mapping[str, ClassScores]) -> Iterator[str]:
    """What a reader must know before believing the figures."""
    if counts.documents < _SMALL:
        yield f"only {counts.documents} documents: too few to tell small differences{_spread(intervals)}"
    for outcome, number in counts.unanswered.items():
        yield f"{number} document(s) {outcome}: their gold labels count as missed"
    if counts.without_gold:
        yield f"{counts.without_gold} predicted document(s) have no gold labels: not scored"
    if counts.duplicates or counts.duplicates_gold:
        yield f"repeated entities count once: {counts.duplicates} predicted, {counts.duplicates_gold} gold"
    if counts.out_of_schema:
        found = ", ".join(f"{label} ({number})" for label, number in counts.out_of_schema.items())
        yield f"labels that the schema does not have count as wrong: {found}"
    for name, scores in classes.items():
        if scores.out_of_schema:
            yield f"{name}: {scores.out_of_schema} label(s) that the schema does not have count as wrong"


def _spread(intervals: Mapping[str, Interval]) -> str:
    """How far the headline may be off; a percentile interval without width says nothing, so nothing is claimed."""
    names = ["f1"] if "f1" in intervals else [name for name in intervals if name.endswith(" accuracy")]
    shown = ""
    for name in names:
        found = intervals[name]
        title = name.removeprefix("class ").replace("f1", "F1")
        shown += f"; {title} may be anything from {found.low:.2f} to {found.high:.2f}" if found.low < found.high else ""
    return shown
