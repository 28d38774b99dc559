"""Longest chains of places that ascend, and among equally long ones the most plausible."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from math import inf, log1p

Span = tuple[int, int]
Option = tuple[int, Sequence[Span]]
_Link = tuple[int, Span, "_Link | None"]
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
    chain = _first_of_each(options)
    if len(chain) == len(options):
        return chain
    tails: list[int] = []
    links: list[_Link] = []
    for number, places in options:
        # Places of one number descend here, so that no chain holds two. As one number, a place compares fastest.
        for place in reversed(places):
            key = place[0] << _BITS | place[1]
            at = bisect_left(tails, key)
            if at == len(tails):
                tails.append(key)
                links.append((number, place, links[at - 1] if at else None))
            elif key != tails[at]:  # of several mentions that want one place, the first has it
                tails[at], links[at] = key, (number, place, links[at - 1] if at else None)
    return _unlinked(links[-1] if links else None)


def _first_of_each(options: Sequence[Option]) -> list[tuple[int, Span]]:
    """Return the first place of each number behind that of the number before, as far as there is one.

    If all numbers have one, this is the chain that the search finds: most answers leave no doubt.
    """
    chain: list[tuple[int, Span]] = []
    previous: Span = (-1, -1)
    for number, places in options:
        at = 0 if places and places[0] > previous else bisect_right(places, previous)
        if at == len(places):
            break
        previous = places[at]
        chain.append((number, previous))
    return chain


def _unlinked(link: _Link | None) -> list[tuple[int, Span]]:
    chain = []
    while link:
        number, place, link = link
        chain.append((number, place))
    return chain[::-1]


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
    ways: list[tuple[int, float, Span]] = []  # the length and the cost of the best choice that ends with each pair
    before: list[int] = []
    for _, places in options:
        earlier = list(enumerate(ways))
        for place in places:
            start = place[0]
            own = _AVOIDED if place in spare else 0.0
            length, cost, source = 1, inf, -1
            for index, (reached, spent, previous) in earlier:
                if reached >= length - 1 and previous[0] <= start and not _passes(ways, before, index, place):
                    way = spent + own + _step(previous, start)
                    if reached >= length or way < cost:
                        length, cost, source = reached + 1, way, index
            if source < 0:
                cost = own + _step(low, start)
            ways.append((length, cost, place))
            before.append(source)
    last, longest, least = -1, 0, inf
    for index, (length, cost, place) in enumerate(ways):
        if length >= longest:
            if high is not None:
                cost += _step(place, high)
            if length > longest or cost < least:
                last, longest, least = index, length, cost
    return [pairs[index] for index in _trace(before, last)]


def _ascend(pairs: Sequence[tuple[int, Span]]) -> bool:
    """Return whether all these places can be had, each by its number."""
    low = -1
    for _, (start, _) in pairs:
        if start < low:
            return False
        low = start
    return len({place for _, place in pairs}) == len(pairs)


def _passes(ways: Sequence[tuple[int, float, Span]], before: Sequence[int], last: int, place: Span) -> bool:
    """Return whether the chain that ends at ``last`` holds a place: only places with its start can come between."""
    while last >= 0 and ways[last][2][0] == place[0]:
        if ways[last][2] == place:
            return True
        last = before[last]
    return False


def _step(previous: Span, start: int) -> float:
    first, last = previous
    far = log1p(start - first) if start > first else 0.0
    return far if last <= start else far + _OVERLAP


def _trace(before: Sequence[int], last: int) -> list[int]:
    chain = []
    while last >= 0:
        chain.append(last)
        last = before[last]
    return chain[::-1]
