"""Longest chains of places that ascend, and among equally long ones the most plausible."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from math import log1p

Span = tuple[int, int]
Option = tuple[int, Sequence[Span]]
_OVERLAP = 10.0
_AVOIDED = 100.0
_BITS = 40  # more than a text has characters


def ascending(starts: Sequence[int]) -> list[int]:
    """Return the indices of a longest subsequence that does not descend, by patience sorting in O(n log n)."""
    if starts == sorted(starts):
        return list(range(len(starts)))
    tails: list[int] = []
    at_tail: list[int] = []
    before: list[int] = []
    for index, start in enumerate(starts):
        at = bisect_right(tails, start)
        before.append(at_tail[at - 1] if at else -1)
        if at == len(tails):
            tails.append(start)
            at_tail.append(index)
        else:
            tails[at], at_tail[at] = start, index
    return _trace(before, at_tail[-1] if at_tail else -1)


def longest_chain(options: Sequence[Option]) -> list[tuple[int, Span]]:
    """Return a longest choice of one place for each number, strictly ascending (Hunt and Szymanski 1977).

    Args:
        options: Numbers in order, each with its places in order.
    """
    # Places of one number descend here, so that no chain holds two of them. As one number, a place compares fastest.
    pairs = [(number, place) for number, places in options for place in reversed(places)]
    tails: list[int] = []
    at_tail: list[int] = []
    before: list[int] = []
    for index, (_, (start, end)) in enumerate(pairs):
        key = start << _BITS | end
        at = bisect_left(tails, key)
        before.append(at_tail[at - 1] if at else -1)
        if at == len(tails):
            tails.append(key)
            at_tail.append(index)
        elif key != tails[at]:  # of several mentions that want one place, the first has it
            tails[at], at_tail[at] = key, index
    return [pairs[index] for index in _trace(before, at_tail[-1] if at_tail else -1)]


def best_chain(
    options: Sequence[Option], low: Span, high: int | None, spare: Collection[Span] = ()
) -> list[tuple[int, Span]]:
    """Return the longest choice of places in order, and of those the one with the fewest overlaps, then small steps.

    Quadratic in the number of places: for the few that stand between two sure ones. Many short steps and one long are
    more likely than even ones, because an answer leaves out whole passages rather than every second mention.

    Args:
        options: Numbers in order, each with its places in order.
        low: The place before.
        high: Where the next sure place begins, if there is one.
        spare: Places to be avoided if others make as long a choice.
    """
    pairs = [(number, place) for number, places in options for place in places]
    if len(pairs) == len(options) and _ascend(pairs):
        return pairs
    lengths: list[int] = []
    costs: list[float] = []
    before: list[int] = []
    for index, (number, place) in enumerate(pairs):
        own = _AVOIDED if place in spare else 0.0
        length, cost, source = 1, own + _step(low, place[0]), -1
        for earlier in range(index):
            other, previous = pairs[earlier]
            if other < number and previous[0] <= place[0] and previous != place and lengths[earlier] + 1 >= length:
                way = costs[earlier] + own + _step(previous, place[0])
                if lengths[earlier] + 1 > length or way < cost:
                    length, cost, source = lengths[earlier] + 1, way, earlier
        lengths.append(length)
        costs.append(cost)
        before.append(source)
    ends = [
        cost + (_step(place, high) if high is not None else 0.0) for cost, (_, place) in zip(costs, pairs, strict=True)
    ]
    last = min(range(len(pairs)), key=lambda index: (-lengths[index], ends[index]), default=-1)
    return [pairs[index] for index in _trace(before, last)]


def _ascend(pairs: Sequence[tuple[int, Span]]) -> bool:
    """Return whether all these places can be had, each by its number."""
    previous: Span = (-1, -1)
    for _, place in pairs:
        if place[0] < previous[0] or place == previous:
            return False
        previous = place
    return True


def _step(previous: Span, start: int) -> float:
    return log1p(max(0, start - previous[0])) + (_OVERLAP if previous[1] > start else 0.0)


def _trace(before: Sequence[int], last: int) -> list[int]:
    chain = []
    while last >= 0:
        chain.append(last)
        last = before[last]
    return chain[::-1]
