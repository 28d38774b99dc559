"""File names for document ids: kept where that is safe on every file system, made from a hash where it is not."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

# The inner characters are those of Microsoft's own sample files; a dot or a space at the end is lost on Windows.
_SAFE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_',.-]{0,98}[A-Za-z0-9_'-])?")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}


def hashed_name(document_id: str) -> str:
    """Return a stem of letters and digits that depends on the id alone."""
    return "doc" + hashlib.sha256(document_id.encode()).hexdigest()[:20]


def is_safe(document_id: str) -> bool:
    """Return whether the id may be a file's stem as it is: ASCII, short, no path, no device of Windows."""
    return bool(_SAFE.fullmatch(document_id)) and document_id.split(".", maxsplit=1)[0].lower() not in _DEVICES


def file_stems(document_ids: Iterable[str]) -> dict[str, str]:
    """Return a stem for each of the (distinct) ids; no two differ by case alone.

    Ids that differ by case alone all get hashed names, so the result does not depend on their order.
    """
    ids = list(document_ids)
    shared = Counter(document_id.lower() for document_id in ids)
    stems = {i: i if is_safe(i) and shared[i.lower()] == 1 else hashed_name(i) for i in ids}
    twice = Counter(stem.lower() for stem in stems.values())
    return {i: stem if twice[stem.lower()] == 1 else hashed_name(f"{stem}\n{i}") for i, stem in stems.items()}
