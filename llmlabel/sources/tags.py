"""Token tags (IOB1, IOB2, IO, BIOES, BMES) as spans of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

Scheme = Literal["auto", "IOB1", "IOB2", "IO", "BIOES", "BMES"]
TokenSpan = tuple[int, int, str]

_ALIASES = {"M": "I", "L": "E", "U": "S", "W": "S"}  # BMES, BILOU, BMEWO say the same with other letters
_PREFIXES = frozenset("BIESMLUW")
_ALLOWED = {"IOB1": "BI", "IOB2": "BI", "IO": "I", "BIOES": "BIES", "BMES": "BMES"}


def split_tag(tag: str) -> tuple[str, str]:
    """Return prefix and type: ``B-creative-work`` is (B, creative-work); a bare type counts as I-, O has no type."""
    if tag in {"O", "o", ""}:
        return "O", ""
    prefix, hyphen, kind = tag.partition("-")
    if hyphen and kind and prefix in _PREFIXES:
        return prefix, kind
    return "I", tag


def spans_of_tags(tags: Sequence[str], scheme: Scheme = "auto") -> list[TokenSpan]:
    """Return (first token, token after the last, type) of each entity.

    ``auto`` reads every scheme by the rule of conlleval: an entity begins at B or S, after O, after E or S, and where
    the type changes; so tags of the IO and IOB1 kind, where I- opens an entity, lose nothing. A named scheme gives the
    same spans, and refuses tags that it does not allow.

    Raises:
        ValueError: A tag breaks the named scheme; the message names its position.
    """
    if scheme != "auto":
        _check(tags, scheme)
    spans: list[TokenSpan] = []
    start, current, closed = 0, "", True
    for number, tag in enumerate((*tags, "O")):
        prefix, kind = split_tag(tag)
        prefix = _ALIASES.get(prefix, prefix)
        if current and (closed or prefix in {"O", "B", "S"} or kind != current):
            spans.append((start, number, current))
            current = ""
        if kind and not current:
            start, current = number, kind
        closed = prefix in {"E", "S"}
    return spans


def _check(tags: Sequence[str], scheme: str) -> None:
    before, kind_before = "O", ""
    for number, tag in enumerate((*tags, "O")):
        prefix, kind = split_tag(tag)
        if kind and (prefix not in _ALLOWED[scheme] or not tag.startswith(f"{prefix}-")):
            raise ValueError(f"tag {number + 1} ({tag!r}) is not a tag of {scheme}")
        if not _follows(scheme, (before, kind_before), (prefix, kind)):
            raise ValueError(f"tag {number + 1} ({tag!r}) cannot stand there in {scheme}")
        before, kind_before = prefix, kind


def _follows(scheme: str, before: tuple[str, str], now: tuple[str, str]) -> bool:
    if scheme == "IO":
        return True
    inside = now[0] in {"I", "M", "E"}
    if scheme == "IOB1":  # B only between two entities of one type
        return now[0] != "B" or before[1] == now[1]
    if scheme == "IOB2":
        return not inside or before[1] == now[1]
    open_before = before[0] in {"B", "I", "M"}
    return open_before == inside and (not inside or before[1] == now[1])


def looks_like_tag(value: str) -> bool:
    """Whether a cell is O or a type with a prefix."""
    prefix, hyphen, kind = value.partition("-")
    return value == "O" or bool(hyphen and kind and prefix in _PREFIXES)


def all_tags(values: Iterable[str]) -> bool:
    """Whether every cell of a column is a tag."""
    return all(looks_like_tag(value) for value in values)
