"""Intervals of everything an evaluation reports, by the name under which it is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from llmlabel.evaluation.bootstrap import Interval, Ratios, add_counts
from llmlabel.evaluation.classes import Pair
from llmlabel.evaluation.scores import PartialScore, Score
from llmlabel.evaluation.spans import SpanResult

_SECONDARY = ("boundaries", "overlap", "partial", "characters")
_Named = Mapping[str, Score]


def all_intervals(
    spans: Sequence[SpanResult],
    relations: Sequence[_Named],
    classes: Mapping[str, Mapping[int, Pair]],
    *,
    samples: int,
    confidence: float,
    seed: int,
) -> dict[str, Interval]:
    """Return the bootstrap intervals of all scores, documents drawn together; none for fewer than two documents.

    Args:
        spans: What the entities of each document came to.
        relations: The score of each relation label, for each document.
        classes: Gold and predicted labels by number of the document, for each classification.
        samples: Bootstrap resamples.
        confidence: Of the intervals.
        seed: Of the bootstrap.
    """
    ratios = Ratios(len(spans), seed)
    exact = [result.exact for result in spans]
    add_counts(ratios, [(score.tp, score.fp, score.fn) for score in exact])
    for name in _SECONDARY:
        _add_f1(ratios, name, dict(enumerate(getattr(result, name) for result in spans)))
    _add_labels(ratios, "label ", "macro_f1", [result.by_label for result in spans])
    _add_labels(ratios, "relation ", None, relations)
    _add_f1(ratios, "relations", {n: sum(scores.values(), Score()) for n, scores in enumerate(relations)})
    for name, pairs in classes.items():
        _add_class(ratios, name, pairs)
    return ratios.intervals(samples, confidence)


def _add_f1(ratios: Ratios, name: str, scores: Mapping[int, Score | PartialScore]) -> None:
    hits = {n: 2 * s.tp if isinstance(s, Score) else 2 * s.correct + s.partial for n, s in scores.items()}
    ratios.add(name, hits, {n: s.support + s.predicted for n, s in scores.items()})


def _add_labels(ratios: Ratios, prefix: str, macro: str | None, documents: Iterable[_Named]) -> None:
    by_label: dict[str, dict[int, Score]] = {}
    for number, scores in enumerate(documents):
        for label, score in scores.items():
            by_label.setdefault(label, {})[number] = score
    _add_named(ratios, prefix, macro, by_label)


def _add_named(ratios: Ratios, prefix: str, macro: str | None, by_label: Mapping[str, Mapping[int, Score]]) -> None:
    for label, scores in sorted(by_label.items()):
        _add_f1(ratios, prefix + label, scores)
    if macro:
        support = {
            prefix + label: {n: s.support for n, s in scores.items()} for label, scores in sorted(by_label.items())
        }
        ratios.add_mean(macro, support)


def _add_class(ratios: Ratios, name: str, pairs: Mapping[int, Pair]) -> None:
    ratios.add(f"class {name} accuracy", {n: float(mine == theirs) for n, (mine, theirs) in pairs.items()},
               dict.fromkeys(pairs, 1.0))  # fmt: skip
    by_label: dict[str, dict[int, Score]] = {}
    for number, label, score in _labels(pairs):
        by_label.setdefault(label, {})[number] = score
    _add_named(ratios, f"class {name}: ", f"class {name} macro_f1", by_label)


def _labels(pairs: Mapping[int, Pair]) -> Iterator[tuple[int, str, Score]]:
    for number, (mine, given) in pairs.items():
        theirs = given or frozenset()
        for label in mine | theirs:
            hit = label in mine and label in theirs
            yield number, label, Score(tp=int(hit), fp=int(label not in mine), fn=int(label not in theirs))
