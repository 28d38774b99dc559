"""Numbers and signs that change what a mention means: they agree one by one, or the place is refused."""

from __future__ import annotations

import re

from llmlabel.resolvers.changes import without_invisible

_NUMBER = re.compile(r"\d+(?:\s?[.,:/]\s?\d+)*")
# Currencies and shares anywhere; plus and hash only behind a word, where they are no list marks or tags.
_SIGN = re.compile(r"[%‰°$€£¥₹₽₩¢]|(?<=\w)[+#]+")
_HAS_SIGN = re.compile(r"[%‰°$€£¥₹₽₩¢+#％＋＃＄]")
# Also characters that become digits: superscripts, circled and full-width ones, character references.
_DIGIT = re.compile(r"[\d\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2189\u2460-\u24ff\u2776-\u2793\u3220-\u33ff&]")


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, with their separators and without spaces."""
    return ["".join(number.split()) for number in _NUMBER.findall(without_invisible(text))]


def same_signs(one: str, other: str) -> bool:
    """Return whether two texts hold the same signs of meaning: ``C++`` is not ``C#``, ``5 %`` is not ``5``."""
    return one.isalnum() or _SIGN.findall(without_invisible(one)) == _SIGN.findall(without_invisible(other))


def same_numbers(one: str, other: str) -> bool:
    """Return whether two texts hold the same numbers in the same order, and the same signs of meaning."""
    if (_HAS_SIGN.search(one) or _HAS_SIGN.search(other)) and not same_signs(one, other):
        return False
    if not (_DIGIT.search(one) or _DIGIT.search(other)):
        return True
    return numbers(one) == numbers(other)
