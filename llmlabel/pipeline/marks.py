"""Places of marks: what an answer format saw at a place stands there or nowhere.

A resolver searches, and by its rules a part of a word is no hit. A mark is no search: the model wrote the words at a
place that was verified against the document (``Mention.hint``), so that place decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmlabel.types import Mention, Placement, Status

_LONGEST_GAP = 100_000  # characters looked at for each mention without a verified place


def at_marks(text: str, placements: Sequence[Placement]) -> list[Placement]:
    """Return placements in which mentions with a hint stand there; ``changes`` tells what was done.

    ``part_of_word``: the mark is inside a longer word. ``searched``: other mentions of the answer have a verified
    place, this one was found by search; it is ``ambiguous`` if it may mean several places between its neighbours.
    """
    if all(placement.mention.hint is None for placement in placements):
        return list(placements)
    marked = [_marked(text, placement) for placement in placements]
    between = _between(marked, len(text))
    taken = {_key(found) for given, found in zip(placements, marked, strict=True) if found is given and found.placed}
    for number, (given, found) in enumerate(zip(placements, marked, strict=True)):
        if given.mention.hint is None:
            marked[number] = _searched(text, given, *between[number])
        elif found is not given and found.placed:
            marked[number] = _unplaced(given, "duplicate") if _key(found) in taken else found
            taken.add(_key(found))
    return marked


def _between(placements: Sequence[Placement], end: int) -> list[tuple[int, int]]:
    """Return, for each placement, the stretch between the marks before and after it that have a verified place."""
    begins, ends = [0] * len(placements), [end] * len(placements)
    for number, placement in enumerate(placements[:-1]):
        known = placement.end if placement.mention.hint is not None else None
        begins[number + 1] = begins[number] if known is None else known
    for number, placement in reversed([*enumerate(placements)][1:]):
        known = placement.start if placement.mention.hint is not None else None
        ends[number - 1] = ends[number] if known is None else known
    return list(zip(begins, ends, strict=True))


def _searched(text: str, placement: Placement, begin: int, end: int) -> Placement:
    """Return the placement of a mention without a verified place if there is no other that it may mean."""
    if not placement.placed:
        return placement
    found = placement.model_copy(update={"changes": (*placement.changes, "searched")})
    if placement.candidates == 1:
        return found
    start, words = text.find(placement.mention.text, begin, end), placement.mention.text
    sole = end - begin <= _LONGEST_GAP and start == placement.start == text.rfind(words, begin, end)
    return found if sole else _unplaced(placement, "ambiguous")


def _key(placement: Placement) -> tuple[int | None, int | None, str]:
    return placement.start, placement.end, placement.mention.label


def _marked(text: str, placement: Placement) -> Placement:
    """Return the placement at the mark: the given one if that is there."""
    mention = placement.mention
    if placement.status == "unknown_label" or mention.hint is None:
        return placement
    words = mention.text.strip()
    start = mention.hint + len(mention.text) - len(mention.text.lstrip())
    end = start + len(words)
    if (placement.start, placement.end) == (start, end):
        return placement
    there = text[start:end]
    if any(map(str.isalnum, words)) and there.casefold() == words.casefold():
        return _at(text, mention, start, end)
    if placement.start is None or placement.end is None:
        return placement
    return placement if placement.start < end and start < placement.end else _unplaced(placement, "not_found")


def _at(text: str, mention: Mention, start: int, end: int) -> Placement:
    inside = (0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum() for at in (start, end))
    same = text[start:end] == mention.text.strip()
    changes = (*(() if same else ("case",)), *(("part_of_word",) if any(inside) else ()))
    return Placement(mention=mention, status="exact" if same else "normalized", start=start, end=end, changes=changes)


def _unplaced(placement: Placement, status: Status) -> Placement:
    return placement.model_copy(update={"status": status, "start": None, "end": None, "changes": (), "repeats": ()})
