"""JSON out of whatever a model wrote, and label names out of what it called them. Pure functions.

Strict parsing comes first; repair is for what remains, and always told (``JsonAnswer.repaired``). A cut answer is
closed after its last complete value instead of being guessed to an end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from unicodedata import normalize

from llmlabel.errors import CompletionError
from llmlabel.salvage import TooDeep, close, repair
from llmlabel.types import clean

_THOUGHT = re.compile(r"\s*<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_BRACKET = re.compile(r"[{\[]")
_LOOKS_BROKEN = re.compile(r"""\{\s*(?:["'“‘][^"'“”‘’{}\[\]\n]{0,99}["'”’]|\w[\w -]{0,59})\s*:|\[\s*(?:[{\["'“]|$)""")
_IN_STRING = re.compile(r'"\s*[{\[][^"\\]*(?:\\.[^"\\]*)*"\Z', re.DOTALL)
_EDGE = " \t\r\n\ufeff`"
_READ_ALLOWANCE = 50_000_000  # characters looked at by attempts that fail


class CutDict(dict[str, Any]):
    """An object whose end is missing: the answer was cut off inside it."""


class CutList(list[Any]):
    """A list whose end is missing."""


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """The JSON value of an answer.

    Objects and lists inside which the answer was cut are ``CutDict`` and ``CutList``; ``rest`` is what stood after the
    last complete value. ``passed_over`` holds values that a later one of the same answer replaces. Numbers are strings
    as they were written.
    """

    value: object
    repaired: bool = False
    complete: bool = True
    rest: str = ""
    passed_over: tuple[object, ...] = ()


def has_thoughts(text: str) -> bool:
    """Whether a text holds what ``without_thoughts`` would take for the end of a thought."""
    return bool(_THOUGHT_END.search(text)) or _FINAL_CHANNEL in text


def without_thoughts(text: str) -> str:
    """Return an answer without what the model thought aloud before it (``<think>``, the final channel)."""
    if text[:2000].lstrip().startswith(("{", "[")):
        return text
    if _FINAL_CHANNEL in text:
        text = text.rpartition(_FINAL_CHANNEL)[2].replace("<|return|>", "")
    if match := _THOUGHT.match(text):
        return text[match.end() :]
    if ends := list(_THOUGHT_END.finditer(text)):  # chat templates may hold the opening tag
        return text[ends[-1].end() :]
    return text


def read_json(text: str, accept: Callable[[object], bool], *, cut: bool = False) -> JsonAnswer:
    """Return the JSON value in an answer: plain, fenced, in prose, broken, or cut off.

    Args:
        text: The whole answer.
        accept: Whether a value has the shape of an answer; others are taken for prose such as ``[1]``.
        cut: Whether the endpoint said that the answer reached its length limit.

    Raises:
        CompletionError: There is no such value, or it cannot be repaired within bounds.
    """
    whole = _strict(text.strip(_EDGE))
    if whole is not None and accept(whole[0]):
        return JsonAnswer(whole[0], complete=not cut)
    text = without_thoughts(text).strip(_EDGE)
    if _IN_STRING.match(text) and (inner := _strict(f"[{text}]")):  # JSON that was encoded once too often
        return replace(read_json(inner[0][0], accept, cut=cut), repaired=True)
    values, broken = _values(text)
    fitting = [value for value in values if accept(value)]
    if fitting and broken is None:
        return replace(_chosen(fitting, cut), repaired=len(values) > 1)
    start = broken if broken is not None else _start(text)
    if start is None:
        raise CompletionError("no JSON was found in the answer")
    if found := _mended(text[start:], accept, cut):
        return found
    if fitting:
        return replace(_chosen(fitting, cut), repaired=True)
    raise CompletionError("the answer holds no JSON of the shape asked for, and none could be made of it by repair")


def _mended(text: str, accept: Callable[[object], bool], cut: bool) -> JsonAnswer | None:
    """Return the first fitting reading of ``text``, which begins with the bracket of broken or cut JSON.

    Nothing at all is no reading: an empty answer must be said in valid JSON.
    """
    try:
        closed = close(text)
    except TooDeep:
        return None
    if closed is not None and closed.depth:
        strict = _strict(closed.text)
        value = strict[0] if strict else repair(closed.text, merged)
        if accept(value) and (value or cut):
            return JsonAnswer(_marked(value, closed.depth), repaired=True, complete=False, rest=closed.rest)
    if closed is not None and not closed.depth:
        value = repair(closed.text, merged)
        if value and accept(value):
            more = [item for item in _values(closed.rest)[0] if accept(item)]
            return replace(_chosen([value, *more], cut), repaired=True)
    end = max(text.rfind("}"), text.rfind("]")) + 1
    value = repair(text if cut else text[:end], merged)
    whole = not text[end:].strip(_EDGE) or "```" in text[end:]
    return JsonAnswer(value, repaired=True, complete=whole and not cut) if value and accept(value) else None


def _marked(value: Any, depth: int) -> Any:
    """Mark the containers along the right edge, inside which the answer was cut."""
    if depth == 0 or not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        return CutList([*value[:-1], *(_marked(item, depth - 1) for item in value[-1:])])
    last = next(reversed(value), None)
    return CutDict({key: _marked(item, depth - 1) if key == last else item for key, item in value.items()})


def _chosen(fitting: Sequence[object], cut: bool) -> JsonAnswer:
    """Take several values of one answer together: objects with different keys add up, else the last one counts."""
    if len(fitting) > 1 and all(isinstance(value, dict) for value in fitting):
        objects = [value for value in fitting if isinstance(value, dict)]
        keys = [key for value in objects for key in value]
        if len(keys) == len(set(keys)):
            return JsonAnswer({k: v for value in objects for k, v in value.items()}, complete=not cut)
        if all(value.keys() == objects[0].keys() for value in objects) and not _holds_lists(objects):
            return JsonAnswer(list(objects), complete=not cut)  # one item a line
    return JsonAnswer(fitting[-1], complete=not cut, passed_over=tuple(fitting[:-1]))


def _holds_lists(objects: Iterable[dict[str, object]]) -> bool:
    return any(isinstance(item, list | dict) for value in objects for item in value.values())


def _values(text: str) -> tuple[list[object], int | None]:
    """Return all JSON values in prose, and where broken JSON begins, if any does."""
    found: list[object] = []
    position, allowance = 0, _READ_ALLOWANCE + 2 * len(text)
    while allowance > 0 and (match := _BRACKET.search(text, position)):
        start = match.start()
        try:
            value, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            if _LOOKS_BROKEN.match(text, start):
                return found, start
            allowance -= error.pos + 64
            position = start + 1
        except (RecursionError, ValueError):
            return found, None
        else:
            found.append(value)
    return found, None


def _start(text: str) -> int | None:
    match = _BRACKET.search(text)
    return match.start() if match else None


def _strict(text: str) -> tuple[Any] | None:
    if not text.startswith(("{", "[")):
        return None
    try:
        return (_DECODER.decode(text),)
    except (ValueError, RecursionError):
        return None


def merged(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of key-value pairs in which nothing is lost: values of a doubled key come together."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    groups: dict[str, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else _together(values) for key, values in groups.items()}


def _together(values: list[Any]) -> Any:
    values = [value for value in values if value is not None]
    if values and all(isinstance(value, dict) for value in values):
        return merged([pair for value in values for pair in value.items()])
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if any(isinstance(value, list | dict) for value in values):
        return flat
    distinct = list(dict.fromkeys(flat))
    return distinct[0] if len(distinct) == 1 else distinct or None


# Numbers stay as written: a label may be "007", a mention "1.50", and an integer of 5,000 digits does no harm.
_DECODER = json.JSONDecoder(object_pairs_hook=merged, parse_int=str, parse_float=str, parse_constant=str, strict=False)


def shown(value: object, limit: int = 80) -> str:
    """Return a value of an answer as one short line, for the ledger."""
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            value = f"({type(value).__name__})"
    value = clean(value[: limit + 1])
    return value if len(value) <= limit else value[: limit - 1] + "…"


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    name = normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", " ", name).strip() or name.strip()


def closest_label(name: str, known: Iterable[str]) -> str | None:
    """Return the label that ``name`` surely means, or None.

    Equal after folding case, Unicode form and punctuation (``"per-son"`` and ``PER_SON`` are ``"Per Son"``), or, for
    names of at least four characters, the only one within one edit in eight characters. Two candidates are none.
    """
    labels = tuple(known)
    if name in labels:
        return name
    folded = _folded(clean(name[:200]))
    equal = [label for label in labels if _folded(label) == folded]
    if equal:
        return equal[0] if len(equal) == 1 else None
    if len(folded) < 4:
        return None
    from rapidfuzz.distance import OSA

    near = [label for label in labels if OSA.distance(_folded(label), folded) <= max(1, len(folded) // 8)]
    return near[0] if len(near) == 1 and len(_folded(near[0])) >= 4 else None
