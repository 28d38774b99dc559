"""Last steps for JSON that does not parse: closing what was cut off, and repair within a fixed amount of work.

``json_repair`` does the repair. Its running time is quadratic on hostile input, so it reads the text through a string
that counts accesses and stops when the allowance is spent: the bound is work, not a clock, and so reproducible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple, SupportsIndex

MAX_DEPTH = 64
MAX_SCANNED = 100_000_000
SKIMMED = 100_000
MAX_REPAIRED = 500_000
MAX_ACCESSES = 1_000_000  # about one second

_TOKEN = re.compile(
    r'\s++|(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<mark>[{}\[\]:,])|(?P<bare>[^\s"{}\[\]:,]++)', re.DOTALL
)
# Up to thousands of closing brackets at once, strings kept whole: what the engine of re matches in one step is fast.
_STRETCH = re.compile(r'(?:(?:[^"\]}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+[\]}]){1,4000}+', re.DOTALL)
_NO_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^"\[\]{}]++', re.DOTALL)
_KEY_END = re.compile(r"""(?<=[^\s{\[,:])(?=["']\s*:)""")
_CLOSER = {"{": "}", "[": "]"}


class Closed(NamedTuple):
    """JSON text that ends: ``depth`` containers had to be closed (0: it ended by itself), ``rest`` was left out."""

    text: str
    depth: int
    rest: str


class _Open:
    """One open container while scanning: whether a value (not a key) is due."""

    __slots__ = ("kind", "value_due")

    def __init__(self, kind: str, *, value_due: bool | None = None) -> None:
        self.kind = kind
        self.value_due = kind == "[" if value_due is None else value_due


class TooDeep(ValueError):
    """Brackets are nested deeper than any answer, or the text is too long to look at."""


def close(text: str, *, skimmed: int = SKIMMED) -> Closed | None:
    """Return the JSON value at the start of ``text``, closed after its last complete part if it was cut off.

    ``text`` begins with a bracket and may be broken inside; None if its brackets do not match. Linear in its length:
    beyond ``skimmed`` characters only the end is looked at token by token.

    Raises:
        TooDeep: No answer looks like this; repair would only take time.
    """
    if len(text) > MAX_SCANNED:
        raise TooDeep
    brackets, position = _skim(text) if len(text) > skimmed else ("", 0)
    stack = [_Open(kind, value_due=True) for kind in brackets]
    safe, closers = position, _closers(stack)
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind, mark = match.lastgroup, match["mark"]
        if kind is None:
            continue
        done = kind == "string" or (kind == "bare" and position < len(text))
        if mark in _CLOSER:
            stack.append(_Open(mark))
            done = True
        elif mark in ("}", "]"):
            if _CLOSER[stack.pop().kind] != mark:
                return None
            if not stack:
                return Closed(text[:position], 0, text[position:])
            done = True
        elif mark and stack[-1].kind == "{":
            stack[-1].value_due = mark == ":"
        if len(stack) > MAX_DEPTH:
            raise TooDeep
        if done and stack and (stack[-1].value_due or mark in _CLOSER):
            safe, closers = position, _closers(stack)
    if not stack or not closers:
        return None
    return Closed(text[:safe] + closers, len(closers), text[safe:].strip(" \t\r\n,"))


def _closers(stack: Sequence[_Open]) -> str:
    return "".join(_CLOSER[item.kind] for item in reversed(stack))


def _skim(text: str) -> tuple[str, int]:
    """Return the brackets that are open behind the last closing one, and where that is; only while the value goes on.

    Raises:
        TooDeep: Brackets are nested deeper than any answer.
    """
    open_, position = "", 0
    while match := _STRETCH.match(text, position):
        rest = open_ + _NO_BRACKETS.sub("", match[0])
        for _ in range(2 * MAX_DEPTH):
            shorter = rest[0] + rest[1:].replace("[]", "").replace("{}", "")  # the outermost bracket stays
            if len(shorter) == len(rest):
                break
            rest = shorter
        if len(rest) > 2 * MAX_DEPTH:
            raise TooDeep
        if "]" in rest or "}" in rest:  # the value ends here, or its brackets do not match: for a closer look
            break
        open_, position = rest, match.end()
    return open_, position


class _Spent(Exception):
    pass


class _Metered(str):
    """A string that counts how often it is read, and refuses when the common allowance is spent."""

    allowance: list[int]

    @classmethod
    def of(cls, text: str, allowance: list[int]) -> _Metered:
        new = cls(text)
        new.allowance = allowance
        return new

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = str.__getitem__(self, key)
        self.allowance[0] -= 1 + len(part) // 256
        if self.allowance[0] < 0:
            raise _Spent
        return _Metered.of(part, self.allowance) if len(part) > 1 else part

    def __add__(self, other: str) -> str:
        return _Metered.of(str.__add__(self, other), self.allowance)

    def __radd__(self, other: str) -> str:
        return _Metered.of(str.__add__(other, self), self.allowance)


def repair(text: str, merged: Callable[[Sequence[tuple[str, Any]]], object]) -> object | None:
    """Return what ``json_repair`` makes of ``text``, or None if it is too long, too deep or too costly.

    ``json_repair`` keeps the last of doubled keys. Here each key is numbered first, so that none is lost, and
    ``merged`` makes an object of the pairs.
    """
    if len(text) > MAX_REPAIRED:
        return None
    from json_repair import loads

    sign = next(s for s in (chr(code) for code in range(0xE000, 0xF8FF)) if s not in text)
    number = count()
    numbered = _KEY_END.sub(lambda _: f"{sign}{next(number)}{sign}", text)
    try:
        value = loads(_Metered.of(numbered, [MAX_ACCESSES]), skip_json_loads=True)
        return _unnumbered(value, re.compile(f"{sign}\\d+{sign}"), merged)
    except (_Spent, ValueError, RecursionError, IndexError, TypeError, AttributeError, KeyError):
        return None


def _unnumbered(
    value: object, pattern: re.Pattern[str], merged: Callable[[Sequence[tuple[str, Any]]], object], depth: int = 0
) -> object:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, str):
        return pattern.sub("", str(value))
    if isinstance(value, list):
        return [_unnumbered(item, pattern, merged, depth + 1) for item in value]
    if isinstance(value, dict):
        return merged(
            [(pattern.sub("", str(k)), _unnumbered(item, pattern, merged, depth + 1)) for k, item in value.items()]
        )
    return value
