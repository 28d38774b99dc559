"""Markers around entities in a repeated text: chosen so that no text can be taken for one.

``[[words|LABEL]]``; where the text has square brackets, other brackets; nested entities nest. The choice is a function
of the text alone, so that asking and reading agree without sharing anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from llmlabel.errors import CompletionError, ConfigurationError

_PAIRS = (("[", "]"), ("{", "}"), ("<", ">"), ("⟦", "⟧"))
_UNSAFE = re.compile(r"[|\[\]{}<>⟦⟧\\]")


@dataclass(frozen=True, slots=True)
class Markers:
    """What opens and closes an entity; ``|`` stands between the words and the label."""

    open: str = "[["
    close: str = "]]"


DEFAULT = Markers()


def markers_for(text: str) -> Markers:
    """Return the markers for one text: neither of them, nor a part of one, stands in it."""
    for left, right in _PAIRS:
        if left not in text and right not in text:
            return Markers(left * 2, right * 2)
    number = next(n for n in count(1) if f"⟦{n}" not in text and f"{n}⟧" not in text)
    return Markers(f"⟦{number}⟦", f"⟧{number}⟧")


def tags_for(names: Iterable[str]) -> dict[str, str]:
    """Return how each label is written in a marker: its name, or a short code where that could be misread."""
    names = tuple(names)
    tags: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        code = f"L{number}"
        while code in names or code in tags.values():
            code = f"L{code}"
        tags[name] = code if _UNSAFE.search(name) else name
    return tags


@dataclass(frozen=True, slots=True)
class Marked:
    """One entity of a marked text: its place in the text without markers, its tag, and its number if it has one."""

    start: int
    end: int
    tag: str
    id: str = ""


class Unmarked(NamedTuple):
    """A marked text taken apart: entities in reading order, halves of markers that fit nowhere, markers left open."""

    plain: str
    found: list[Marked]
    stray: list[str]
    unclosed: list[str]


def mark(text: str, spans: Sequence[tuple[int, int, str]], markers: Markers) -> str:
    """Return ``text`` with a marker around each ``(start, end, tag)``.

    Raises:
        ConfigurationError: Two spans cross (each has a part outside the other): markers only nest.
    """
    order = sorted(spans, key=lambda span: (span[0], -span[1]))
    out: list[str] = []
    position = 0
    opened: list[tuple[int, str]] = []

    def write_to(end: int) -> None:
        nonlocal position
        out.append(text[position:end])
        position = end

    for start, end, tag in order:
        while opened and opened[-1][0] <= start:
            last, last_tag = opened.pop()
            write_to(last)
            out.append(f"|{last_tag}{markers.close}")
        if opened and opened[-1][0] < end:
            raise ConfigurationError(
                f"the inline format cannot show entities that cross: [{start}, {end}) begins inside another "
                f"entity and ends after it, at {opened[-1][0]}; use the answer format 'json' or another example"
            )
        write_to(start)
        out.append(markers.open)
        opened.append((end, tag))
    while opened:
        last, last_tag = opened.pop()
        write_to(last)
        out.append(f"|{last_tag}{markers.close}")
    write_to(len(text))
    return "".join(out)


def markers_of(marked: str, text: str) -> Markers:
    """Return the markers that an answer about ``text`` uses: those agreed on, or others that are not of the text.

    Raises:
        CompletionError: Only the usual ones stand there, and in the text itself too: nobody knows which are which.
    """
    agreed = markers_for(text)
    if agreed.open in marked or agreed.close in marked:
        return agreed
    for left, right in _PAIRS:
        other = Markers(left * 2, right * 2)
        if other.close in marked and other.open not in text and other.close not in text:
            return other
    if agreed == DEFAULT or marked.count(DEFAULT.close) <= text.count(DEFAULT.close):
        return agreed
    raise CompletionError(
        f"the document has [[ or ]] of its own; expected {agreed.open} and {agreed.close} around its entities"
    )


def _pattern(markers: Markers, text: str) -> re.Pattern[str]:
    """Return what matches the markers in an answer: also halved ones, if the text has none of their characters."""
    halves = markers.open[0], markers.close[0]
    if not any(half in text for half in halves) and len(markers.open) == len(markers.close) == 2:
        return re.compile("|".join(f"{re.escape(half)}{{1,2}}" for half in halves))
    return re.compile(f"{re.escape(markers.open)}|{re.escape(markers.close)}")


def unmark(marked: str, text: str, *, numbered: bool) -> Unmarked:
    """Return a marked copy of ``text`` without its markers, and what they said.

    Raises:
        CompletionError: The markers cannot be told from brackets of the text.
    """
    markers = markers_of(marked, text)
    pattern = _pattern(markers, text)
    pieces: list[str] = []
    length, position = 0, 0
    opened: list[int] = []
    found: list[Marked] = []
    stray: list[str] = []
    for match in pattern.finditer(marked):
        segment = marked[position : match.start()]
        position = match.end()
        opens = match[0] in markers.open
        if opens or not opened:
            pieces.append(segment)
            length += len(segment)
            if opens:
                opened.append(length)
            else:
                stray.append(marked[max(0, match.start() - 40) : match.end()])
            continue
        words, tag, number = _label(segment, numbered=numbered)
        pieces.append(words)
        length += len(words)
        start = opened.pop()
        if tag:
            found.append(Marked(start, length, tag, number))
        else:
            stray.append(segment + markers.close)
    pieces.append(marked[position:])
    plain = "".join(pieces)
    unclosed = [plain[start : start + 40] for start in opened]
    return Unmarked(plain, sorted(found, key=lambda item: (item.start, -item.end)), stray, unclosed)


def _label(segment: str, *, numbered: bool) -> tuple[str, str, str]:
    """Return words, tag and number of the text before a closing marker; without a separator the tag is empty."""
    words, separator, tag = segment.rpartition("|")
    if not separator:
        return segment, "", ""
    if numbered and tag.strip().isdecimal():
        inner, separator, label = words.rpartition("|")
        if separator:
            return inner, label.strip(), str(int(tag))
    return words, tag.strip(), ""


def names_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the label of each tag."""
    return {tag: name for name, tag in tags.items()}
