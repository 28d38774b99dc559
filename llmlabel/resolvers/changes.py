"""How a mention differs from the words it was placed on: the names in ``Placement.changes``."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Collection
from functools import lru_cache

from llmlabel.resolvers.characters import DROPPED_MARKS, STROKES, TABLE

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_LINE_END_HYPHEN = re.compile(r"\s*[-\u00ad\u2010\u2011]\s*[\r\n\u2028]\s*")
_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′`´ʹʻʼʽˈ‹›＇", "'") | dict.fromkeys("“”„‟″«»＂", '"'))
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹘﹣－⸺⸻", "-"))


def _compatible(text: str) -> str:
    """Return the compatibility form, digits of every script as 0 to 9, the fraction slash as a slash."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    return plain if plain.isascii() else _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit.group())), plain)


# Applied in this order, each on top of those before it.
_STEPS: dict[str, Callable[[str], str]] = {
    "html": html.unescape,
    "hyphenation": lambda text: _LINE_END_HYPHEN.sub("", text),
    "zero_width": lambda text: _INVISIBLE.sub("", text),
    "unicode": lambda text: _compatible(text),
    "quotes": lambda text: text.translate(_QUOTES),
    "dashes": lambda text: text.translate(_DASHES),
    "case": str.casefold,
    "diacritics": lambda text: DROPPED_MARKS.sub("", unicodedata.normalize("NFD", text)).translate(STROKES),
    "punctuation": lambda text: text.translate(TABLE),
    "whitespace": lambda text: "".join(text.split()),
}
# What a model or a file changes without anybody noticing comes first, what a reader notices last.
_BY_WEIGHT = (
    "whitespace",
    "zero_width",
    "unicode",
    "quotes",
    "dashes",
    "hyphenation",
    "html",
    "case",
    "diacritics",
    "punctuation",
)
QUIET = _BY_WEIGHT[:7]
COSTS = {
    "whitespace": 0.01,
    "zero_width": 0.01,
    "unicode": 0.01,
    "quotes": 0.01,
    "dashes": 0.01,
    "hyphenation": 0.01,
    "html": 0.01,
    "case": 0.02,
    "diacritics": 0.03,
    "punctuation": 0.03,
    "wrapper": 0.03,
    "article": 0.05,
    "possessive": 0.05,
    "plural": 0.06,
    "clitic": 0.05,
    "missing_word": 0.15,
    "ellipsis": 0.15,
}


def _apply(text: str, steps: Collection[str]) -> str:
    for name, step in _STEPS.items():
        if name in steps:
            text = step(text)
    return text


@lru_cache(maxsize=4096)
def changes_between(said: str, found: str) -> tuple[str, ...] | None:
    """Return the fewest, least changes that make two strings equal, or None if they differ by more than that."""
    if said == found:
        return ()
    if said.lower() == found.lower():
        return ("case",)
    if said.split() == found.split():
        return ("whitespace",)
    needed: list[str] = []
    for name in _BY_WEIGHT:
        needed.append(name)
        if _apply(said, needed) == _apply(found, needed):
            break
    else:
        return None
    for name in tuple(needed):
        fewer = [other for other in needed if other != name]
        if _apply(said, fewer) == _apply(found, fewer):
            needed = fewer
    return tuple(needed)


def similarity_after(changes: Collection[str]) -> float:
    """Return 1 less the weight of the changes, those by letters not counted."""
    return max(0.0, 1.0 - sum(COSTS.get(name, 0.0) for name in changes))


def without_invisible(text: str) -> str:
    """Return the text in its compatibility form, without characters that show nothing, references decoded."""
    return _compatible(_INVISIBLE.sub("", html.unescape(text)))


@lru_cache(maxsize=1024)
def plain_sign(sign: str) -> str:
    """Return a punctuation mark in its plainest form: references decoded, quotes straight, dashes short."""
    return html.unescape(sign).translate(_QUOTES).translate(_DASHES)
