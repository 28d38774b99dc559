"""Pairs spans one to one, as many as possible, whatever order they come in."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from llmlabel.errors import ConfigurationError
from llmlabel.types import LabeledDocument, Prediction


class Span(NamedTuple):
    """A labelled half-open span ``[start, end)`` in code points."""

    start: int
    end: int
    label: str


def answered(item: LabeledDocument) -> bool:
    """Whether a document says anything: a prediction with the outcome ``labeled``, or labels of other origin."""
    return not isinstance(item, Prediction) or item.outcome == "labeled"


def by_id(items: Iterable[LabeledDocument], side: str) -> dict[str, LabeledDocument]:
    """Return the documents of one side by id.

    Raises:
        ConfigurationError: An id stands twice, or something is not a labelled document.
    """
    found: dict[str, LabeledDocument] = {}
    for item in items:
        if not isinstance(item, LabeledDocument):
            raise ConfigurationError(
                f"{side}: expected labelled documents, found {type(item).__name__} "
                "(of a RunResult, give its .predictions)"
            )
        if item.document.id in found:
            raise ConfigurationError(f"{side}: document {item.document.id!r} stands twice; ids must differ")
        found[item.document.id] = item
    return found


def check_text(gold: LabeledDocument, predicted: LabeledDocument) -> None:
    """Raise ``ConfigurationError`` unless both are labels of the same text."""
    mine, theirs = gold.document.text, predicted.document.text
    if mine != theirs:
        first = next(
            (n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs))
        )
        raise ConfigurationError(
            f"document {gold.document.id!r}: gold and predicted have different texts from character {first} on "
            f"({len(mine)} and {len(theirs)} characters); offsets can be compared in the same text only"
        )


def overlap(a: Span, b: Span) -> int:
    """Return how many characters two spans share; spans that only touch share none."""
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def pair_up(
    gold: Sequence[Span], predicted: Sequence[Span], allowed: Callable[[Span, Span], bool]
) -> list[tuple[Span, Span]]:
    """Return the largest possible set of pairs (gold, predicted) that overlap and are allowed.

    Maximum bipartite matching by augmenting paths, neighbours with the larger overlap first, so that the number of
    pairs never depends on the order of the input (a greedy pairing's does).
    """
    left, right = sorted(set(gold)), sorted(set(predicted))
    edges = _edges(left, right, allowed)
    of_left: dict[int, int] = {}
    of_right: dict[int, int] = {}
    for number, options in enumerate(edges):
        free = next((option for option in options if option not in of_right), None)
        if free is not None:
            of_left[number], of_right[free] = free, number
    for number in range(len(left)):
        if number not in of_left and edges[number]:
            _augment(number, edges, of_left, of_right)
    return [(left[number], right[option]) for number, option in sorted(of_left.items())]


def _edges(left: Sequence[Span], right: Sequence[Span], allowed: Callable[[Span, Span], bool]) -> list[list[int]]:
    starts = [span.start for span in right]
    found = []
    for span in left:
        reach = bisect_left(starts, span.end)
        options = [n for n in range(reach) if right[n].end > span.start and allowed(span, right[n])]
        found.append(sorted(options, key=lambda n: (-overlap(span, right[n]), right[n].end - right[n].start, n)))
    return found


def _augment(start: int, edges: list[list[int]], of_left: dict[int, int], of_right: dict[int, int]) -> None:
    """Make one more pair, by moving others along an alternating path, if there is one (breadth first)."""
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        number = waiting.popleft()
        for option in edges[number]:
            if option in came_from:
                continue
            came_from[option] = number
            if option in of_right:
                waiting.append(of_right[option])
                continue
            end: int | None = option
            while end is not None:  # walk back, pairing each left node with the right node it reached
                node = came_from[end]
                previous = of_left.get(node)
                of_left[node], of_right[end] = end, node
                end = previous
            return
