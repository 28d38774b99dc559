"""Cutting long texts at the borders a reader would choose.

Pure functions on code points: no offset is lost, no network and no tokenizer is needed.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from llmlabel.errors import ConfigurationError

# Tokens per character of the byte-pair vocabularies in use, at the upper end, by script.
_WEIGHTS: tuple[tuple[str, float], ...] = (
    (r"[A-Za-z]", 0.23),
    (r"[0-9]", 0.45),
    (r"[ \t\r\f\v]", 0.02),
    (r"\n", 0.5),
    (r"[!-/:-@\[-`{-~]", 0.7),
    (r"[\u00a0-\u024f\u1e00-\u1eff]", 0.7),
    (r"[\u0370-\u052f]", 0.42),
    (r"[\u0530-\u08ff]", 0.6),
    (r"[\u0900-\u0fff\u1000-\u109f\u1780-\u17ff]", 0.7),
    (r"[\u2000-\u206f]", 0.7),
    (r"[\uac00-\ud7a3]", 0.9),
    (r"[\u3040-\u30ff]", 0.9),
    (r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]", 1.1),
)
_COUNTERS = tuple((re.compile(pattern + "+"), weight) for pattern, weight in _WEIGHTS)
_OTHER_WEIGHT = 2.0
_WIDEST = 12  # characters that one token of running text has at most

# Where to cut, the best first: behind a paragraph, a line, a sentence, a clause, a word.
_ABBREVIATION = r"(?<!\b[A-Z]\.)(?<!\b[DMJS][rst]\.)(?<!\bMrs\.)(?<!\bProf\.)(?<!\bvs\.)"
_BORDERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:\r?\n[ \t]*){2,}",
        r"[\r\n\u2028\u2029]+",
        rf"[.!?\u2026]+{_ABBREVIATION}[\"'”’»)\]]*\s+|[。！？｡؟۔।॥]+[」』”’）]*\s*",
        r"[,;:—]\s+|[、，；：؛،]\s*",
        r"\s+",
    )
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a text: ``text`` is the source from ``start`` to ``end``, in code points.

    Attributes:
        start: First character, context included.
        end: Behind the last character.
        text: What stands there.
        context: How many characters at the beginning repeat the end of the piece before: to read, not to label.
    """

    start: int
    end: int
    text: str
    context: int = 0

    @property
    def own(self) -> str:
        """The piece without the repeated context; all of them joined are the source."""
        return self.text[self.context :]


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few; additive but for rounding up.

    A sum of weights by script. English prose, European languages, Russian, Arabic, Hindi, Thai, Chinese, Japanese and
    Korean are within a fifth of common byte-pair vocabularies, or above them.
    """
    total, counted = 0.0, 0
    for pattern, weight in _COUNTERS:
        size = sum(map(len, pattern.findall(text)))
        total += weight * size
        counted += size
        if counted == len(text):
            break
    total += _OTHER_WEIGHT * (len(text) - counted)
    return int(total) + (total > int(total))


def cut(
    text: str, max_tokens: int, overlap_tokens: int = 0, count: Callable[[str], int] = estimate_tokens
) -> list[Chunk]:
    """Return a text in pieces of at most ``max_tokens``; joined without their context they are the text.

    Cuts are made behind paragraphs, else lines, sentences, clauses, words, and only in an endless word inside it, never
    inside a character that is shown as one (an accent, an emoji with its modifiers, CRLF).

    Args:
        text: The document; a text that fits comes back as one piece, an empty one too.
        max_tokens: Most tokens of a piece, context included.
        overlap_tokens: Most tokens of the piece before that are repeated as context.
        count: How many tokens a text has.

    Raises:
        ConfigurationError: ``max_tokens`` is not positive, or ``overlap_tokens`` is negative or leaves less than half.
    """
    if max_tokens < 1:
        raise ConfigurationError(f"max_tokens: expected a number from 1, found {max_tokens}")
    if not 0 <= 2 * overlap_tokens <= max_tokens:
        raise ConfigurationError(
            f"overlap_tokens: expected 0 to {max_tokens // 2}, half of max_tokens, found {overlap_tokens}"
        )
    if count(text) <= max_tokens:
        return [Chunk(0, len(text), text)]
    pieces = _pieces(text, max_tokens - overlap_tokens, count, 0)
    borders = [0, *accumulate(map(len, pieces))]
    chunks = []
    for start, end in pairwise(borders):
        context = _context(text[max(0, start - _WIDEST * overlap_tokens) : start], overlap_tokens, count)
        chunks.append(Chunk(start - context, end, text[start - context : end], context))
    return chunks


def _pieces(text: str, limit: int, count: Callable[[str], int], level: int) -> list[str]:
    """Return the text in pieces within the limit, cut at the best borders that serve."""
    if level == len(_BORDERS):
        return _clusters(text, limit, count)
    parts = list(_behind(_BORDERS[level], text))
    if len(parts) == 1:
        return _pieces(text, limit, count, level + 1)
    joined: list[str] = []
    run: list[str] = []
    size = 0
    for part in parts:
        tokens = count(part)
        if run and size + tokens > limit:
            joined.append("".join(run))
            run, size = [], 0
        if tokens > limit:
            joined += _pieces(part, limit, count, level + 1)
            continue
        run.append(part)
        size += tokens
    return [*joined, "".join(run)] if run else joined


def _behind(border: re.Pattern[str], text: str) -> Iterator[str]:
    start = 0
    for match in border.finditer(text):
        if match.end() < len(text):
            yield text[start : match.end()]
            start = match.end()
    yield text[start:]


def _clusters(text: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """Cut where no other border is: by halves, so that the tokens are counted a few times only."""
    if count(text) <= limit:
        return [text]
    middle = len(text) // 2
    borders = (at for step in range(len(text)) for at in (middle - step, middle + step) if 0 < at < len(text))
    at = next((at for at in borders if is_cluster_border(text, at)), None)
    if at is None:
        return [text]
    return _clusters(text[:at], limit, count) + _clusters(text[at:], limit, count)


def is_cluster_border(text: str, position: int) -> bool:
    """Return whether a text may be cut here without cutting a character as it is shown (after UAX #29)."""
    before, after = text[position - 1], text[position]
    if before == "\r" and after == "\n":
        return False
    if before == "\u200d" or after in "\u200c\u200d" or unicodedata.category(after)[0] == "M":
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return False
    if "\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff":
        flags = re.search("[\U0001f1e6-\U0001f1ff]+$", text[max(0, position - 64) : position])
        return flags is None or len(flags.group()) % 2 == 0
    return not ("\u1100" <= before <= "\u11ff" and "\u1160" <= after <= "\u11ff")


def _context(before: str, limit: int, count: Callable[[str], int]) -> int:
    """Return how many characters at the end of ``before`` fit into the limit, from the start of a word on."""
    if limit == 0 or not before:
        return 0
    starts = [0, *(match.end() for match in _BORDERS[-1].finditer(before) if match.end() < len(before))]
    fitting = bisect_left(starts, True, key=lambda start: count(before[start:]) <= limit)
    if fitting < len(starts):
        return len(before) - starts[fitting]
    ends = [at for at in range(max(1, len(before) - limit), len(before)) if is_cluster_border(before, at)]
    fitting = bisect_left(ends, True, key=lambda start: count(before[start:]) <= limit)
    return len(before) - ends[fitting] if fitting < len(ends) else 0
