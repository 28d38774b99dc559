"""Where a repeated text stands in its source, character by character, when the model changed some of it.

Pieces that are equal at both ends are matched first, in long texts also anchors that stand once; the rest by edit
distance (rapidfuzz, bit-parallel Levenshtein), as far as its cost is bounded. A place is only told where the words'
surroundings agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

_MAX_CELLS = 10_000_000_000  # products of lengths, summed up; about a second
_ANCHORED_CELLS = 100_000_000  # from this product on, anchors are looked for first
_ANCHOR, _STRIDE = 32, 16  # length of an anchor, and how far apart they are taken from the source
_MAX_SEARCHED = 500_000_000  # characters of the source read again to see that a place is the only one
_CONTEXT = 24  # characters looked at on each side
_MIN_CONTEXT = 8  # how many of them there must be
_ONE_SPELLING = str.maketrans(
    dict.fromkeys("‘’‚‛`´ʼ", "'") | dict.fromkeys("“”„‟«»", '"') | dict.fromkeys("‐‑‒–—―−", "-")
)


class Block(NamedTuple):
    """An equal piece: its place in the copy and in the source, and its length."""

    copy: int
    source: int
    length: int


@dataclass(slots=True)
class Alignment:
    """How a copy maps to its source.

    ``certain`` if they differ in white space, case, quotes and dashes at most, or in what stands before and after.
    """

    copy: str
    source: str
    blocks: tuple[Block, ...]
    certain: bool
    allowance: int = _MAX_SEARCHED

    @property
    def covered(self) -> int:
        """How many characters of the source stand in the copy."""
        return sum(block.length for block in self.blocks)

    @property
    def last(self) -> int:
        """The end of the last piece of the source that stands in the copy."""
        return self.blocks[-1].source + self.blocks[-1].length if self.blocks else 0

    def differences(self) -> Iterator[tuple[str, str, int]]:
        """Yield what stands in the copy, what in its place in the source, and where there; white space is no text."""
        end = Block(len(self.copy), len(self.source), 0)
        for last, block in pairwise((Block(0, 0, 0), *self.blocks, end)):
            there = last.source + last.length
            said, meant = self.copy[last.copy + last.length : block.copy], self.source[there : block.source]
            if said.strip() or meant.strip():
                yield said, meant, there

    def place(self, start: int, end: int) -> int | None:
        """Return where ``copy[start:end]`` begins in the source, or None if that is open to doubt.

        Unless the alignment is certain, the characters around the words must be unchanged, and must stand together
        with them at one place of the source only.
        """
        if self.certain:
            block = self._block(start)
            return block.source + start - block.copy if block else None
        left, right = self._block(start - 1), self._block(end)
        if (left is None and start) or (right is None and end < len(self.copy)) or self.allowance < 0:
            return None
        place = left.source + start - left.copy if left else 0
        behind = right.source + end - right.copy if right else len(self.source)
        before = min(start - left.copy, _CONTEXT) if left else 0
        after = min(right.copy + right.length - end, _CONTEXT) if right else 0
        known = before + after + (_MIN_CONTEXT if left is None or right is None else 0)  # an end of both texts
        if known < _MIN_CONTEXT or not 0 < behind - place <= 2 * (end - start) + _MIN_CONTEXT:
            return None
        window = self.source[place - before : behind + after]
        self.allowance -= len(self.source)
        return place if self.source.find(window) == self.source.rfind(window) else None

    def _block(self, place: int) -> Block | None:
        """Return the equal piece that holds a character of the copy."""
        number = bisect_right(self.blocks, (place, len(self.source), 0)) - 1
        block = self.blocks[number] if number >= 0 else None
        return block if block and place < block.copy + block.length else None


def align(copy: str, source: str) -> Alignment:
    """Return the alignment of a copy with its source; pieces that cannot be matched within bounds are left out."""
    if copy == source:
        return Alignment(copy, source, (Block(0, 0, len(copy)),) if copy else (), certain=True)
    letters, places = _folded(copy)
    across, across_places = _folded(source)
    first = letters.find(across) if len(across) >= _MIN_CONTEXT or len(letters) == len(across) else -1
    if first >= 0 and letters.rfind(across) == first:
        pairs = zip(places[first : first + len(across)], across_places, strict=True)
        return Alignment(copy, source, _joined(Block(a, b, 1) for a, b in pairs), certain=True)
    head = _common(copy, source)
    tail = _common(copy[head:][::-1], source[head:][::-1])
    blocks = [Block(0, 0, head)] if head else []
    blocks += _matches(copy[head : len(copy) - tail], source[head : len(source) - tail], head)
    if tail:
        blocks.append(Block(len(copy) - tail, len(source) - tail, tail))
    return Alignment(copy, source, _joined(blocks), certain=False)


def _common(first: str, second: str) -> int:
    """Return the length of the common prefix, found by doubling so that equal texts cost one comparison."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _matches(copy: str, source: str, offset: int) -> Iterator[Block]:
    """Yield the equal pieces of two texts that differ at both ends."""
    from rapidfuzz.distance import Levenshtein

    anchors = _anchors(copy, source) if len(copy) * len(source) > _ANCHORED_CELLS else []
    allowance = _MAX_CELLS
    for last, anchor in pairwise((Block(0, 0, 0), *anchors, Block(len(copy), len(source), 0))):
        a, b = last.copy + last.length, last.source + last.length
        cells = (anchor.copy - a) * (anchor.source - b)
        if 0 < cells <= allowance:
            allowance -= cells
            blocks = Levenshtein.opcodes(copy[a : anchor.copy], source[b : anchor.source]).as_matching_blocks()
            yield from (Block(offset + a + x.a, offset + b + x.b, x.size) for x in blocks if x.size)
        if anchor.length:
            yield Block(offset + anchor.copy, offset + anchor.source, anchor.length)


def _anchors(copy: str, source: str) -> list[Block]:
    """Return equal pieces in the same order in both texts: the longest such chain of those that stand once."""
    places: dict[str, int] = {}
    for place in range(0, len(source) - _ANCHOR + 1, _STRIDE):
        piece = source[place : place + _ANCHOR]
        places[piece] = -1 if piece in places else place
    found, at = [], 0
    while at <= len(copy) - _ANCHOR:
        place = places.get(copy[at : at + _ANCHOR], -1)
        if place >= 0:
            found.append(Block(at, place, _ANCHOR))
        at += _ANCHOR if place >= 0 else 1
    return _chain(found)


def _chain(blocks: Sequence[Block]) -> list[Block]:
    """Return the longest run of blocks, ascending in the copy, that ascends in the source too without overlaps."""
    ends: list[int] = []  # of the best chain of each length: where its last block ends in the source
    heads: list[int] = []
    before: list[int] = []
    for number, block in enumerate(blocks):
        length = bisect_right(ends, block.source)
        before.append(heads[length - 1] if length else -1)
        end = block.source + block.length
        if length == len(ends) or end < ends[length]:
            ends[length : length + 1] = [end]
            heads[length : length + 1] = [number]
    chain, number = [], heads[-1] if heads else -1
    while number >= 0:
        chain.append(blocks[number])
        number = before[number]
    return chain[::-1]


def _folded(text: str) -> tuple[str, list[int]]:
    """Return the characters that carry the text, in one spelling each, and the place of each of them."""
    places = [number for number, character in enumerate(text) if not character.isspace()]
    lowered = [lower if len(lower := character.lower()) == 1 else character for character in text]
    return "".join([lowered[number] for number in places]).translate(_ONE_SPELLING), places


def _joined(blocks: Iterable[Block]) -> tuple[Block, ...]:
    joined: list[Block] = []
    for block in blocks:
        if joined:
            last = joined[-1]
            if last.copy + last.length == block.copy and last.source + last.length == block.source:
                joined[-1] = Block(last.copy, last.source, last.length + block.length)
                continue
        joined.append(block)
    return tuple(joined)
