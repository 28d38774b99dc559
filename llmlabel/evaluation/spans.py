"""Entities against entities, for one document: exact, by boundaries, by overlap, by character, and what went wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from llmlabel.evaluation.matching import Span, pair_up
from llmlabel.evaluation.scores import PartialScore, Score
from llmlabel.types import Entity, Value


class ErrorKinds(Value):
    """Every gold and every predicted span once, by what happened to it.

    ``wrong_label``: same place; ``wrong_boundary``: same label, overlapping; ``both``: overlapping, another label;
    ``missed`` and ``spurious``: nothing overlaps that is not paired already.
    """

    correct: int = 0
    wrong_label: int = 0
    wrong_boundary: int = 0
    both: int = 0
    missed: int = 0
    spurious: int = 0

    def __add__(self, other: ErrorKinds) -> ErrorKinds:
        return ErrorKinds.model_construct(**{n: getattr(self, n) + getattr(other, n) for n in ErrorKinds.model_fields})


class Confused(Value):
    """How often spans with one gold label were predicted with another; None: missed, or spurious."""

    gold: str | None
    predicted: str | None
    count: int


@dataclass(slots=True)
class SpanResult:
    """What the entities of one document, or of several added up, come to."""

    by_label: dict[str, Score] = field(default_factory=dict)
    boundaries: Score = field(default_factory=Score)
    overlap: Score = field(default_factory=Score)
    partial: PartialScore = field(default_factory=PartialScore)
    characters: Score = field(default_factory=Score)
    errors: ErrorKinds = field(default_factory=ErrorKinds)
    confused: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)

    @property
    def exact(self) -> Score:
        """All labels together."""
        return sum(self.by_label.values(), Score())

    def add(self, other: SpanResult) -> None:
        """Take another document in."""
        for label, score in other.by_label.items():
            self.by_label[label] = self.by_label.get(label, Score()) + score
        self.boundaries += other.boundaries
        self.overlap += other.overlap
        self.partial += other.partial
        self.characters += other.characters
        self.errors += other.errors
        self.confused += other.confused


def distinct_spans(entities: Iterable[Entity]) -> tuple[frozenset[Span], int]:
    """Return the different spans, and how many entities only repeat one of them (same place, same label)."""
    spans = [Span(e.start, e.end, e.label) for e in entities]
    return frozenset(spans), len(spans) - len(set(spans))


def compare_spans(gold: frozenset[Span], predicted: frozenset[Span]) -> SpanResult:
    """Return all span measures for one document; nested spans and several labels at one place are spans like others."""
    result = SpanResult()
    if not gold and not predicted:
        return result
    for label in {span.label for span in gold | predicted}:
        mine = {span for span in gold if span.label == label}
        theirs = {span for span in predicted if span.label == label}
        hits = len(mine & theirs)
        result.by_label[label] = Score(tp=hits, fp=len(theirs) - hits, fn=len(mine) - hits)
    places = Counter((s.start, s.end) for s in gold) & Counter((s.start, s.end) for s in predicted)
    result.boundaries = _score(places.total(), gold, predicted)
    result.overlap = _score(len(_same_label(gold, predicted)), gold, predicted)
    result.partial = _partial(gold, predicted)
    result.characters = _characters(gold, predicted)
    _classify(gold, predicted, result)
    return result


def _score(hits: int, gold: frozenset[Span], predicted: frozenset[Span]) -> Score:
    return Score(tp=hits, fp=len(predicted) - hits, fn=len(gold) - hits)


def _same_place(gold: Iterable[Span], predicted: Iterable[Span]) -> list[tuple[Span, Span]]:
    """Pair spans at the same place one to one, in the order of their labels."""
    waiting: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for span in sorted(predicted, reverse=True):
        waiting[span.start, span.end].append(span)
    return [(s, waiting[s.start, s.end].pop()) for s in sorted(gold) if waiting[s.start, s.end]]


def _same_label(gold: Iterable[Span], predicted: Iterable[Span]) -> list[tuple[Span, Span]]:
    return pair_up(list(gold), list(predicted), lambda a, b: a.label == b.label)


def _any_overlap(gold: Iterable[Span], predicted: Iterable[Span]) -> list[tuple[Span, Span]]:
    return pair_up(list(gold), list(predicted), lambda a, b: True)


def _partial(gold: frozenset[Span], predicted: frozenset[Span]) -> PartialScore:
    # Pairing equal places first loses nothing: a full credit is worth the two halves it may cost.
    exact = _same_place(gold, predicted)
    rest = gold - {a for a, _ in exact}, predicted - {b for _, b in exact}
    halves = _any_overlap(*rest)
    return PartialScore(correct=len(exact), partial=len(halves), support=len(gold), predicted=len(predicted))


def _characters(gold: frozenset[Span], predicted: frozenset[Span]) -> Score:
    """Each (character, label) counts once, however many spans cover it."""
    total = Score()
    for label in {span.label for span in gold | predicted}:
        mine = _merged([s for s in gold if s.label == label])
        theirs = _merged([s for s in predicted if s.label == label])
        shared, i, j = 0, 0, 0
        while i < len(mine) and j < len(theirs):
            shared += max(0, min(mine[i][1], theirs[j][1]) - max(mine[i][0], theirs[j][0]))
            if mine[i][1] <= theirs[j][1]:
                i += 1
            else:
                j += 1
        total += Score(tp=shared, fp=sum(e - s for s, e in theirs) - shared, fn=sum(e - s for s, e in mine) - shared)
    return total


def _merged(spans: Sequence[Span]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end, _ in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _classify(gold: frozenset[Span], predicted: frozenset[Span], result: SpanResult) -> None:
    """Pair off in the order exact, same place, same label, any overlap; what is left is missed or spurious."""
    correct = gold & predicted
    left, right = gold - correct, predicted - correct
    counts = {"correct": len(correct)}
    pairs = [(span, span) for span in correct]
    for kind, pairing in (("wrong_label", _same_place), ("wrong_boundary", _same_label), ("both", _any_overlap)):
        found = pairing(left, right)
        counts[kind] = len(found)
        pairs += found
        left, right = left - {a for a, _ in found}, right - {b for _, b in found}
    result.errors = ErrorKinds(**counts, missed=len(left), spurious=len(right))
    result.confused.update((a.label, b.label) for a, b in pairs)
    result.confused.update((span.label, None) for span in left)
    result.confused.update((None, span.label) for span in right)
