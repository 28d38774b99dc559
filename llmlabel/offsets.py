"""Unit tables: from code points to what a platform counts, and back. Built once per document in O(n)."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Literal, Protocol

OffsetUnit = Literal["codepoint", "utf16", "utf8"]
# Characters that count more than one; a search skips the others far faster than a loop over all characters.
_WIDE = {"utf16": re.compile("[^\x00-\uffff]"), "utf8": re.compile("[^\x00-\x7f]")}


class UnitTable(Protocol):
    """Converts positions of one text between code points and another unit."""

    def to_unit(self, position: int) -> int:
        """Return the code-point ``position`` (0 … len(text)) in the target's unit."""
        ...

    def to_codepoint(self, position: int) -> int:
        """Return a position of the target's unit in code points; ``ValueError`` if it lies inside a character."""
        ...


class _Identity:
    def __init__(self, length: int) -> None:
        self._length = length

    def to_unit(self, position: int) -> int:
        return _within(position, self._length)

    def to_codepoint(self, position: int) -> int:
        return _within(position, self._length)


class _Wide:
    """Positions of the characters that count more than one, and how much has been added up to each of them."""

    def __init__(self, text: str, unit: OffsetUnit) -> None:
        self._length = len(text)
        self._after: list[int] = []  # code point just after each wide character
        self._extra = [0]  # units added by the first k wide characters
        self._target: list[int] = []  # the same places in the target's unit
        for found in _WIDE[unit].finditer(text):
            code, after = ord(found.group()), found.end()
            more = 1 if unit == "utf16" else (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)
            self._extra.append(self._extra[-1] + more)
            self._after.append(after)
            self._target.append(after + self._extra[-1])

    def to_unit(self, position: int) -> int:
        _within(position, self._length)
        return position + self._extra[bisect_left(self._after, position + 1)]

    def to_codepoint(self, position: int) -> int:
        _within(position, self._length + self._extra[-1])
        passed = bisect_left(self._target, position + 1)
        found = position - self._extra[passed]
        if found > self._length or self.to_unit(found) != position:
            raise ValueError(f"position {position} lies inside a character")
        return found


def _within(position: int, length: int) -> int:
    if not 0 <= position <= length:
        raise ValueError(f"position {position} is outside a text of {length}")
    return position


def unit_table(text: str, unit: OffsetUnit) -> UnitTable:
    """Return the table of one text; texts in which every character counts one need no table at all."""
    if unit == "codepoint" or text.isascii() or (unit == "utf16" and max(text) <= "\uffff"):
        return _Identity(len(text))
    return _Wide(text, unit)


def slice_units(text: str, start: int, end: int, unit: OffsetUnit) -> str:
    """Return ``text[start:end]`` as a program that counts in ``unit`` sees it: the proof of a conversion.

    Raises:
        ValueError: An offset lies outside the text or inside a character.
    """
    if unit == "codepoint":
        if not 0 <= start <= end <= len(text):
            raise ValueError(f"[{start}, {end}) is outside a text of {len(text)} codepoint units")
        return text[start:end]
    encoded = text.encode("utf-16-le" if unit == "utf16" else "utf-8")
    width = 2 if unit == "utf16" else 1
    if not 0 <= start <= end <= len(encoded) // width:
        raise ValueError(f"[{start}, {end}) is outside a text of {len(encoded) // width} {unit} units")
    return encoded[start * width : end * width].decode("utf-16-le" if unit == "utf16" else "utf-8")
