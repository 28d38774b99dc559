"""Fences around data in a prompt: tags that do not stand in the text, so that no text can end its own fence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def fence_for(texts: Sequence[str], number: int = 0) -> str:
    """Return eight hexadecimal digits that stand in none of ``texts``: the same for the same texts, on every machine.

    ``number`` tells several fences of one prompt apart.
    """
    content = "\0".join(texts).encode("utf-8", "surrogatepass")
    tried = number << 32
    while True:
        digits = hashlib.blake2b(content, digest_size=4, salt=tried.to_bytes(16)).hexdigest()
        if not any(digits in text for text in texts):
            return digits
        tried += 1


def fenced(text: str, digits: str, kind: str = "document") -> str:
    """Return ``text`` between ``<kind-digits>`` and ``</kind-digits>``, each on a line of its own."""
    return f"<{kind}-{digits}>\n{text}\n</{kind}-{digits}>"
