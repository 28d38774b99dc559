"""What each mention wants, and which mentions of an answer are listed as they stand in the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llmlabel.resolvers.chains import Option, Span, ascending, longest_chain

_IN_ORDER = 0.6
_MOST_COMPARED = 64
_FEW_PLACES = 8


@dataclass(slots=True)
class Wish:
    """What a mention wants, or several of one text: one of ``places`` (ascending, with their ``starts``).

    ``hint`` is the position at which an answer format saw it, if it did; ``weak`` mentions differ by letters or words
    from their places and leave them to others.
    """

    places: Sequence[Span]
    starts: Sequence[int]
    weak: bool = False
    hint: int | None = None


def starts_of(places: Sequence[Span]) -> list[int]:
    """Return the first position of each place."""
    return [start for start, _ in places]


def reading_orders(wishes: Sequence[Wish], labels: Sequence[str], numbers: list[int]) -> list[list[int]]:
    """Split the mentions into lists that are each in reading order; no list if they are in none."""
    whole = _in_order(wishes, numbers)
    if whole == 1:
        return [numbers]
    by_label: dict[str, list[int]] = {}
    for number in numbers:
        by_label.setdefault(labels[number], []).append(number)
    groups = list(by_label.values())
    grouped = len(groups) > 1 and groups == [list(range(group[0], group[-1] + 1)) for group in groups]
    if whole >= _IN_ORDER and not (grouped and whole < min(_in_order(wishes, group) for group in groups)):
        return [numbers]
    return [group for group in groups if len(groups) > 1 and _in_order(wishes, group) >= _IN_ORDER]


def _in_order(wishes: Sequence[Wish], numbers: list[int]) -> float:
    """Return the share of mentions that may stand in their order: of those with one place, if there are some."""
    sure = [wishes[number].starts[0] for number in numbers if len(wishes[number].places) == 1]
    if len(sure) > 1:
        return len(ascending(sure)) / len(sure)
    some: list[Option] = []
    named: Counter[int] = Counter()
    for number in numbers[:_MOST_COMPARED]:
        places = wishes[number].places
        first = min(named[id(places)], len(places) - 1)  # the tenth mention of a name has the tenth place before it
        some.append((number, places[first : first + _FEW_PLACES]))
        named[id(places)] += 1
    return len(longest_chain(some)) / len(some) if some else 1.0
