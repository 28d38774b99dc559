"""What else a mention may have meant: without its wrapping, article, possessive or plural."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from llmlabel.resolvers.lexicon import ARTICLES

_NUMBER = re.compile(
    r"^\s*(?:[-*•]?\s*\[[ xX✓]?\]|\(?\d{1,3}[.):\]]|\[\d{1,3}\]|#\d{1,3}:?|[a-z]\)|\([a-z]\)|\(?[ivx]{1,5}[.)])\s+"
)
_TAG = re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>]{0,200})?/?>")
_LINK = re.compile(r"^\s*\[([^\[\]]+)\]\([^()\s]*\)\s*$")
_ELIDED = re.compile(r"^\s*(?:l|d|un|dell|all|nell|sull)['’]\s?(?=\w)", re.IGNORECASE)
# English and German 's, and the endings that Turkish puts behind a name: Ankara'nın, Ankara'da.
_POSSESSIVE = re.compile(r"\s?['’ʼ`´]\s?s?$|(?<=s)['’]$|['’](?:n?[ıiuü]n|[dt][ae]n?|y?[aeıiuü])$", re.IGNORECASE)
_TRAILING = re.compile(r"[\s.,;:!?\"”»)\]*_`]+$")
_FIRST_WORD = re.compile(r"^\W*(\w+)\W+(?=\w)")

# Particles of Arabic (and, so, by, for, like, will; the article) and Hebrew that are written with the next word.
_CLITIC = re.compile("[وف]?[بلكس]?(?:ال|ل)?|[ושהכלבמ]{1,3}")
_TAKES_CLITICS = re.compile("[\u05d0-\u05ea\u0620-\u064a]{2}")

Variant = tuple[str, tuple[str, ...]]


def unwrapped(text: str, label: str) -> list[Variant]:
    """Return a mention without list numbers, tags, links and the label that a model wrote around it, if there are any.

    Args:
        text: What the model said.
        label: The label it gave: models repeat it, as in ``"Berlin (LOC)"``.
    """
    plain = _unwrapped(text, label)
    return [(plain, ("wrapper",))] if plain != text else []


def inflected(text: str, changes: tuple[str, ...] = ()) -> list[Variant]:
    """Return a mention in another number, and without its possessive ending."""
    return list(_inflected(text, changes))


def without_article(text: str, changes: tuple[str, ...] = ()) -> list[Variant]:
    """Return a mention without its article, if it begins with one."""
    return list(_without_article(text, changes))


@lru_cache(maxsize=256)
def _label_pattern(label: str) -> re.Pattern[str]:
    name = re.escape(label)
    return re.compile(rf"^\s*{name}\s*[:=]\s*|\s*[(\[]\s*{name}\s*[)\]]\s*$|\s+[-–—:]\s*{name}\s*$", re.IGNORECASE)


def _unwrapped(text: str, label: str) -> str:
    plain = _TAG.sub("", text)
    link = _LINK.match(plain)
    if link:
        plain = link.group(1)
    plain = _NUMBER.sub("", plain, count=1)
    if label.casefold() in plain.casefold():
        plain = _label_pattern(label).sub("", plain)
    return plain if any(map(str.isalnum, plain)) else text


def _without_article(text: str, changes: tuple[str, ...]) -> Iterator[Variant]:
    first = _FIRST_WORD.match(text)
    if first and first.group(1).casefold() in ARTICLES:
        yield text[first.end() :], (*changes, "article")
    elided = _ELIDED.match(text)
    if elided:
        yield text[elided.end() :], (*changes, "article")


def _inflected(text: str, changes: tuple[str, ...]) -> Iterator[Variant]:
    bare = _TRAILING.sub("", text)
    possessive = _POSSESSIVE.search(bare)
    if possessive and possessive.start() >= 2:
        yield bare[: possessive.start()], (*changes, "possessive")
        bare = bare[: possessive.start()]
    word = re.search(r"\w+$", bare)
    if not word or len(word.group()) < 3 or not word.group()[-1].isalpha():
        return
    plural = (*changes, "plural")
    lower = bare.casefold()
    if lower.endswith("ies") and len(word.group()) > 4:
        yield bare[:-3] + "y", plural
    if lower.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        yield bare[:-2], plural
    if lower.endswith("s") and not lower.endswith("ss"):
        yield bare[:-1], plural
    elif lower.endswith("y"):
        yield bare[:-1] + "ies", plural
        yield bare + "s", plural
    else:
        yield bare + "s", plural
        yield bare + "es", plural


def takes_clitics(key: str) -> bool:
    """Return whether folded words begin in a script whose particles are written with the next word."""
    return _TAKES_CLITICS.match(key) is not None


def is_clitic(letters: str) -> bool:
    """Return whether the letters before a name, in the same word, are only particles."""
    return bool(letters) and _CLITIC.fullmatch(letters) is not None
