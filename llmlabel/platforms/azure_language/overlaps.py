"""Which labels stay where Azure Language, which has one label per place, was given several."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Literal

from llmlabel.types import Entity

OverlapPolicy = Literal["refuse", "keep_longest", "keep_first"]


def duplicates(entities: Sequence[Entity]) -> set[int]:
    """Return the indices of entities that repeat an earlier one: same place, same label."""
    seen: set[tuple[int, int, str]] = set()
    repeated = set()
    for number, entity in enumerate(entities):
        place = (entity.start, entity.end, entity.label)
        if place in seen:
            repeated.add(number)
        seen.add(place)
    return repeated


def overlapping(entities: Sequence[Entity], ignore: set[int]) -> list[tuple[int, int]]:
    """Return pairs of indices that overlap: each entity that does, with one that it overlaps."""
    order = sorted(set(range(len(entities))) - ignore, key=lambda n: (entities[n].start, -entities[n].end))
    pairs, furthest = [], None
    for number in order:
        if furthest is not None and entities[number].start < entities[furthest].end:
            pairs.append((furthest, number))
        if furthest is None or entities[number].end > entities[furthest].end:
            furthest = number
    return pairs


def dropped(entities: Sequence[Entity], policy: OverlapPolicy, ignore: set[int]) -> set[int]:
    """Return the indices that go so that nothing overlaps; longest, or first in the text, wins (then the longer)."""

    def rank(number: int) -> tuple[int, int, int]:
        entity = entities[number]
        length = entity.end - entity.start
        return (-length, entity.start, number) if policy == "keep_longest" else (entity.start, -length, number)

    kept: list[tuple[int, int]] = []
    gone = set()
    for number in sorted(set(range(len(entities))) - ignore, key=rank):
        start, end = entities[number].start, entities[number].end
        place = bisect_left(kept, (start, end))
        free_before = place == 0 or kept[place - 1][1] <= start
        free_after = place == len(kept) or kept[place][0] >= end
        if free_before and free_after:
            insort(kept, (start, end))
        else:
            gone.add(number)
    return gone
