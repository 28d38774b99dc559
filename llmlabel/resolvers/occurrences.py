"""Which of its possible places each mention means: one decision for the whole answer.

Models list mentions in reading order, or grouped by label, or in no order at all. The mentions with one place tell
which: if most of them ascend, those are sure, and the rest is chained in the gaps between them. Mentions off the chain
take the next unused place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmlabel.resolvers.chains import Option, Span, ascending, best_chain, longest_chain
from llmlabel.resolvers.reading_order import Wish, reading_orders

_MOST_PAIRS = 64
_RARE = 8
_DEEPEST = 6
_NEAR, _LEAST_READ = 5_000, 500
_PAGE = 2_000  # characters
Spare = Callable[[int, int, int], Sequence[Span]]
_BEGINNING: Span = (0, 0)


@dataclass(slots=True)
class _Gap:
    """Mentions in order, and the places between which they stand."""

    numbers: list[int]
    low: Span
    high: int | None
    depth: int = 0


def arrange(wishes: Sequence[Wish], labels: Sequence[str], spare: Spare | None = None) -> list[Span | None]:
    """Return the place of each mention; None if it has none, or if other mentions have taken them all.

    Two mentions share a place only if there are not enough, and only under different labels. A mention that an answer
    in reading order says once more than it stands there has no place, if the next free one is more than a page away.

    Args:
        wishes: What each mention wants.
        labels: The label of each.
        spare: Returns places of a mention, in a stretch of the text, that are less like it than those it wants: it
            takes one where the order of the answer leaves it no other.
    """
    arranger = _Arranger(wishes, labels)
    arranger.follow_hints()
    numbers = [number for number, wish in enumerate(wishes) if wish.places]
    for group in reading_orders(wishes, labels, numbers):
        arranger.follow_order(group)
        left_out = arranger.left_out(group)
        if left_out and spare:
            arranger.make_room(group, left_out, spare)
            left_out = arranger.left_out(group)
        arranger.give_up_repetitions(group, left_out)
    if len(arranger.taken) < len(numbers):
        arranger.take_the_rest(numbers)
    return arranger.chosen


def _outside(low: Span, options: Sequence[Option]) -> list[tuple[int, Span]]:
    """Return a longest chain, one that leaves out the inside of the place before if that makes it no shorter."""
    chain = longest_chain(options)
    if not any(places[0][0] < low[1] for _, places in options):
        return chain
    behind = longest_chain([(number, [place for place in places if place[0] >= low[1]]) for number, places in options])
    return behind if len(behind) == len(chain) else chain


class _Arranger:
    def __init__(self, wishes: Sequence[Wish], labels: Sequence[str]) -> None:
        self.wishes, self.labels = wishes, labels
        self.chosen: list[Span | None] = [None] * len(wishes)
        self.taken: dict[Span, int] = {}
        self.shared: dict[Span, set[str]] = {}
        self.next_free: dict[tuple[int, int], int] = {}
        self.next_shared: dict[tuple[int, str], int] = {}
        self.given_up: set[int] = set()

    def _take(self, number: int, place: Span) -> None:
        self.chosen[number] = place
        if self.taken.setdefault(place, number) != number:
            self.shared.setdefault(place, set()).add(self.labels[number])

    def left_out(self, group: Sequence[int]) -> list[int]:
        """Return where in a list of mentions those stand that have no place yet."""
        return [at for at, place in enumerate(map(self.chosen.__getitem__, group)) if place is None]

    def follow_hints(self) -> None:
        """Give mentions with a hint the free place nearest to it."""
        for number, wish in enumerate(self.wishes):
            hint = wish.hint
            if hint is not None:
                at = bisect_left(wish.starts, hint)
                free = [place for place in wish.places[max(0, at - _RARE) : at + _RARE] if place not in self.taken]
                if free:
                    self._take(number, min(free, key=lambda place: abs(place[0] - hint)))

    def follow_order(self, numbers: list[int]) -> None:
        """Place the mentions of a list in reading order: the sure ones first, then the rest between them."""
        sure = [n for n in numbers if self.chosen[n] is None and len(self.wishes[n].places) == 1]
        chain = [sure[index] for index in ascending([self.wishes[n].starts[0] for n in sure])]
        for number in sorted(chain, key=lambda number: self.wishes[number].weak):
            place = self.wishes[number].places[0]
            if place not in self.taken:
                self._take(number, place)
        gaps = self._gaps(_Gap(numbers, _BEGINNING, None))[::-1]
        while gaps:  # in reading order: of two mentions that want one place, the first has it
            gaps += self._fill(gaps.pop())[::-1]

    def _gaps(self, whole: _Gap) -> list[_Gap]:
        """Return the runs of open mentions between those that have been placed."""
        gaps: list[_Gap] = []
        run: list[int] = []
        low = whole.low
        for number in whole.numbers:
            place = self.chosen[number]
            if place is None:
                run.append(number)
            elif place[0] >= low[0]:
                if run:
                    gaps.append(_Gap(run, low, place[0], whole.depth + 1))
                run, low = [], place
        if run:
            gaps.append(_Gap(run, low, whole.high, whole.depth + 1))
        return gaps

    def _fill(self, gap: _Gap) -> list[_Gap]:
        """Place as many mentions of a gap as can stand there in order; return what is left to do in smaller gaps."""
        low, high, wishes = gap.low[0], gap.high, self.wishes
        ranges, pairs = [], 0
        for number in gap.numbers:
            starts = wishes[number].starts
            first = bisect_left(starts, low) if starts[0] < low else 0
            last = len(starts) if high is None or starts[-1] <= high else bisect_right(starts, high, first)
            if first < last:
                ranges.append((number, first, last))
                pairs += last - first
        if pairs == 1:  # in most gaps, there is nothing to choose
            ((number, first, _),) = ranges
            place = wishes[number].places[first]
            if place not in self.taken:
                self._take(number, place)
            return []
        if pairs <= _MOST_PAIRS:
            for number, place in best_chain(self._options(ranges), gap.low, high):
                self._take(number, place)
            return []
        rare = self._options([each for each in ranges if each[2] - each[1] <= _RARE])
        chain = _outside(gap.low, rare) if gap.depth < _DEEPEST else []
        if not chain:
            self._one_after_the_other(gap)
            return []
        for number, place in chain:
            if self.taken.setdefault(place, number) == number:
                self.chosen[number] = place
        return self._gaps(gap)

    def _options(self, ranges: Sequence[tuple[int, int, int]]) -> list[Option]:
        """Return which of their places mentions may take, of those that may take one."""
        all_free, options = self.taken.keys().isdisjoint, []
        for number, first, last in ranges:
            places = self.wishes[number].places[first:last]
            if not all_free(places):
                places = [place for place in places if place not in self.taken]
            if places:
                options.append((number, places))
        return options

    def _one_after_the_other(self, gap: _Gap) -> None:
        """Give each mention the next free place, one inside the place before it only if there is no other."""
        low = gap.low
        for number in gap.numbers:
            for beginning in (low[1], low[0]):
                place = self._free_from(self.wishes[number], beginning)
                if place is not None and (gap.high is None or place[0] <= gap.high):
                    self._take(number, place)
                    low = place
                    break

    def _free_from(self, wish: Wish, low: int) -> Span | None:
        """Return the first place at or after ``low`` that nobody has taken."""
        places = id(wish.places)
        index = first = bisect_left(wish.starts, low)
        while index < len(wish.places) and wish.places[index] in self.taken:
            index = self.next_free.get((places, index), index + 1)
        if index > first:
            self.next_free[places, first] = index
        return wish.places[index] if index < len(wish.places) else None

    def make_room(self, group: list[int], left_out: list[int], spare: Spare) -> None:
        """Give mentions to which their order has left no place a spare one between their neighbours."""
        left_to_read = _NEAR + max(starts[-1] for n in group if (starts := self.wishes[n].starts))
        done = 0
        for at in left_out:
            number = group[at]
            if at < done or self.chosen[number] is not None or len(self.wishes[number].places) < 2:
                continue
            first, done = self._alike(group, at)
            low = self.chosen[group[first - 1]] if first else None
            high = self.chosen[group[done]] if done < len(group) else None
            if low and high and done - first <= _RARE and low[0] < high[0] <= low[0] + _NEAR:
                left_to_read -= high[0] - low[0] + _LEAST_READ
                if left_to_read < 0:
                    break
                self._choose_again(group[first:done], low, high[0], spare(number, low[0], high[0]))

    def _alike(self, group: list[int], at: int) -> tuple[int, int]:
        """Return the run of mentions around one that want the same places, and so are decided together."""
        places, first, last = self.wishes[group[at]].places, at, at + 1
        while first > max(0, at - _RARE) and self.wishes[group[first - 1]].places is places:
            first -= 1
        while last < min(len(group), at + _RARE) and self.wishes[group[last]].places is places:
            last += 1
        return first, last

    def _choose_again(self, run: list[int], low: Span, high: int, spare: Sequence[Span]) -> None:
        wish = self.wishes[run[0]]
        if not spare or any(self.wishes[number].hint is not None for number in run):
            return
        had = {n: place for n in run if (place := self.chosen[n])}
        within = wish.places[bisect_left(wish.starts, low[0]) : bisect_right(wish.starts, high)]
        free = sorted(place for place in {*within, *spare} if place not in self.taken or place in had.values())
        if len(free) * len(run) > _MOST_PAIRS:
            return
        chain = best_chain([(number, free) for number in run], low, high, spare)
        if len(chain) > len(had):
            for number, place in had.items():
                del self.taken[place]
                self.chosen[number] = None
            for number, place in chain:
                self._take(number, place)

    def give_up_repetitions(self, group: list[int], left_out: list[int]) -> None:
        """Leave out mentions said more often than they stand between their neighbours, if no free place is near.

        A model that reads on repeats a name sooner than it skips a page for one of many. One that lists all places of
        a name together does skip pages: then the name is said nowhere else.
        """
        said = Counter([id(self.wishes[number].places) for number in group]) if left_out else Counter[int]()
        before, behind = -1, -1  # the neighbours of the mentions looked at, of those that have places
        for at in left_out:
            if at > behind:
                before, behind = at - 1, at + 1
                while behind < len(group) and self.chosen[group[behind]] is None:
                    behind += 1
            low = self.chosen[group[before]] if before >= 0 else None
            high = self.chosen[group[behind]] if behind < len(group) else None
            if low and high and low[0] <= high[0]:
                first, last = self._alike(group, at)
                wish = self.wishes[group[at]]
                if last - first < said[id(wish.places)] and self._is_repetition(group[at], low[0], high[0]):
                    self.given_up.add(group[at])

    def _is_repetition(self, number: int, low: int, high: int) -> bool:
        wish, label = self.wishes[number], self.labels[number]
        free = self._free_from(wish, low - _PAGE)
        if free is None or free[0] <= high + _PAGE:
            return False
        first = bisect_left(wish.starts, low)
        last = bisect_right(wish.starts, high, first)
        return any(label == self.labels[self.taken[place]] for place in wish.places[first:last][:_RARE])

    def take_the_rest(self, numbers: list[int]) -> None:
        """Give the mentions off the chain the next unused place, then one that only other labels share."""
        low = 0
        for number in numbers:
            place = self.chosen[number]
            if place is None and number not in self.given_up:
                wish = self.wishes[number]
                place = (
                    self._free_from(wish, low) or self._free_from(wish, 0) or self._shared(wish, self.labels[number])
                )
                if place is not None:
                    self._take(number, place)
            elif place is not None:
                low = place[0]

    def _shared(self, wish: Wish, label: str) -> Span | None:
        """Return the first place that no mention of this label has taken; all have been taken."""
        key = (id(wish.places), label)
        index = self.next_shared.get(key, 0)
        while index < len(wish.places) and self._has(wish.places[index], label):
            index += 1
        self.next_shared[key] = index
        return wish.places[index] if index < len(wish.places) else None

    def _has(self, place: Span, label: str) -> bool:
        return label == self.labels[self.taken[place]] or label in self.shared.get(place, ())
