"""Cutting long texts at the borders a reader would choose.

Pure functions on code points: no offset is lost, no network and no tokenizer is needed.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain, pairwise

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
_OTHER_WEIGHT = 2.0
_WIDEST = 12  # characters that one token of running text has at most

# Signs that end a sentence wherever they stand (Unicode's Sentence_Terminal beyond ASCII, Khmer, Tibetan).
_STOPS = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u0f0d\u0f0e\u104a\u104b\u1362\u1367"
    "\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a\u1b5b\u1b5e\u1b5f\u1c3b\u1c3c\u1c7e\u1c7f"
    "\u203c\u203d\u2047-\u2049\u2e2e\u2e3c\u3002\ua4ff\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9"
    "\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
)
_QUOTES = "\"'\u2018-\u201f\u00ab\u00bb\u2039\u203a\u300d\u300f\u3011\uff02\uff07\uff09\uff3d\uff5d)\\]}"
_LOWER = "".join(chr(code) for code in range(0x590) if chr(code).islower())
_ABBREVIATION = r"(?<!\b\w\.)(?<!\b\d\d\.)(?<!\b[DMJSN][rsto]\.)(?<!\bMrs\.)(?<!\bProf\.)(?<!\bvs\.)"
# Where to cut, the best first: behind a paragraph, a sentence, a line, what may be a sentence, a clause, a word. Lines
# come after sentences because prose is often broken into lines of equal length.
_BORDERS = (
    r"(?:\r?\n[ \t]*){2,}",
    rf"[.!?\u2026]+{_ABBREVIATION}[{_QUOTES}]*\s+(?:[.!?\u2026{_QUOTES}]++\s+)*+(?![{_LOWER}])|[{_STOPS}]+[{_QUOTES}]*\s*",
    r"[\r\n\u2028\u2029]+",
    rf"[.!?\u2026]+[{_QUOTES}]*\s+",
    r"[,;:—]\s+|[、，；：؛،\u055d\u1363-\u1366]\s*",
    r"\s+",
)
_VIRAMA = 9  # combining class of the signs that join two consonants into one character


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a text: ``text`` is the source from ``start`` to ``end``, in code points.

    Attributes:
        start: First character, context included.
        end: Behind the last character.
        text: What stands there.
        context: How many characters at the beginning repeat the end of the piece before.
    """

    start: int
    end: int
    text: str
    context: int = 0

    @property
    def own(self) -> str:
        """The piece without the repeated context; all of them joined are the source."""
        return self.text[self.context :]


# Patterns are compiled when a text is cut or counted: most programs that import this module never cut one.
@cache
def _border(level: int) -> re.Pattern[str]:
    return re.compile(_BORDERS[level])


@cache
def _counters() -> tuple[tuple[re.Pattern[str], float], ...]:
    return tuple((re.compile(pattern + "+"), weight) for pattern, weight in _WEIGHTS)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few; additive but for rounding up.

    A sum of weights by script. English prose, European languages, Russian, Arabic, Hindi, Thai, Chinese, Japanese and
    Korean are within a fifth of common byte-pair vocabularies, or above them.
    """
    total, counted = 0.0, 0
    for pattern, weight in _counters():
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

    Cuts are made behind paragraphs, else sentences, lines, clauses, words, and only in an endless word inside it, never
    inside a character that is shown as one (an accent, an emoji with its modifiers, CRLF).

    Args:
        text: The document; a text that fits comes back as one piece, an empty one too.
        max_tokens: Most tokens of a piece, context included.
        overlap_tokens: Most tokens of the piece before that are repeated, so that what a border cut is seen whole.
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
    parts = list(_behind(_border(level), text))
    if len(parts) == 1:
        return _pieces(text, limit, count, level + 1)
    joined: list[str] = []
    run: list[str] = []
    size = 0
    for part in parts:
        tokens = count(part)
        if run and size + tokens > limit and (tokens <= limit or 2 * size > limit):
            joined.append("".join(run))
            run, size = [], 0
        if tokens > limit:  # a short run before it, and what is left of it, go with their neighbours
            *full, last = _pieces("".join([*run, part]), limit, count, level + 1)
            joined += full
            run, size = [last], count(last)
            continue
        run.append(part)
        size += tokens
    return [*joined, "".join(run)] if run else joined


def _behind(border: re.Pattern[str], text: str) -> Iterator[str]:
    start = 0
    for match in border.finditer(text):
        if match.end() < len(text) and is_cluster_border(text, match.end()):
            yield text[start : match.end()]
            start = match.end()
    yield text[start:]


def _clusters(text: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """Cut where no other border is; how long a piece may be is told by the tokens of the one before."""
    pieces: list[str] = []
    start, tokens, size = 0, count(text), len(text)
    while start < len(text):
        size = max(1, size * limit // max(1, tokens))
        end = _cluster_end(text, start, size)
        while (tokens := count(text[start:end])) > limit and size > 1:
            size = max(1, min(size * limit // tokens, size * 9 // 10))
            end = _cluster_end(text, start, size)
        pieces.append(text[start:end])
        start, size = end, end - start
    return pieces


def _cluster_end(text: str, start: int, size: int) -> int:
    """Return the last place to cut within ``size`` characters from ``start`` on, or the first one behind them."""
    if start + size >= len(text):
        return len(text)
    places = chain(range(start + size, start, -1), range(start + size + 1, len(text)))
    return next((at for at in places if is_cluster_border(text, at)), len(text))


def is_cluster_border(text: str, position: int) -> bool:
    """Return whether a text may be cut here without cutting a character as it is shown.

    Never between what UAX #29 keeps together; it may say no where UAX #29 allows a cut (after a control character).
    """
    before, after = text[position - 1], text[position]
    if after.isascii() and before.isascii():
        return not (before == "\r" and after == "\n")
    if before == "\u200d" or _extends(after) or _PREPENDED.match(before):
        return False
    if "\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff":
        flags = re.search("[\U0001f1e6-\U0001f1ff]+$", text[max(0, position - 64) : position])
        return flags is None or len(flags.group()) % 2 == 0
    if _HANGUL.match(before) and (_TRAILING.match(after) or (_LEADING.match(before) and _HANGUL.match(after))):
        return False
    return not (_extends(before) and after.isalpha() and _joins(text, position))


# Marks by another category: joiners, halfwidth and Thai and Lao signs, skin tones, tags.
_EXTENDING = re.compile("[\u200c\u200d\u0e33\u0eb3\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_PREPENDED = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3\U0001193f\U00011941"
    "\U00011a3a\U00011a84-\U00011a89\U00011d46\U00011f02]"
)
_HANGUL = re.compile("[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\uac00-\ud7a3]")
_LEADING = re.compile("[\u1100-\u115f\ua960-\ua97c]")
_TRAILING = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")


def _extends(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or _EXTENDING.match(character) is not None


def _joins(text: str, position: int) -> bool:
    """Whether the marks before a letter hold a virama: an Indic conjunct is shown as one character."""
    for at in range(position - 1, max(-1, position - 64), -1):
        if not _extends(text[at]):
            return False
        if unicodedata.combining(text[at]) == _VIRAMA:
            return True
    return True


def around(text: str, chunk: Chunk, tokens: int, count: Callable[[str], int] = estimate_tokens) -> tuple[str, str]:
    """Return what stands before and after a piece, in whole words and at most ``tokens`` tokens on each side."""
    before = text[max(0, chunk.start - _WIDEST * tokens) : chunk.start]
    after = text[chunk.end : chunk.end + _WIDEST * tokens]
    return before[len(before) - _context(before, tokens, count) :], after[: _fitting(after, tokens, count)]


def _context(before: str, limit: int, count: Callable[[str], int]) -> int:
    """Return how many characters at the end of ``before`` fit into the limit, from the start of a word on."""
    if limit == 0 or not before:
        return 0
    starts = [0, *(match.end() for match in _border(-1).finditer(before) if match.end() < len(before))]
    fitting = bisect_left(starts, True, key=lambda start: count(before[start:]) <= limit)
    if fitting < len(starts):
        return len(before) - starts[fitting]
    ends = [at for at in range(max(1, len(before) - limit), len(before)) if is_cluster_border(before, at)]
    fitting = bisect_left(ends, True, key=lambda start: count(before[start:]) <= limit)
    return len(before) - ends[fitting] if fitting < len(ends) else 0


def _fitting(after: str, limit: int, count: Callable[[str], int]) -> int:
    """Return how many characters at the beginning of ``after`` fit into the limit, to the end of a word."""
    if limit == 0 or not after:
        return 0
    ends = [*(match.start() for match in _border(-1).finditer(after) if match.start()), len(after)]
    fitting = bisect_right(ends, limit, key=lambda end: count(after[:end])) - 1
    if fitting >= 0:
        return ends[fitting]
    ends = [at for at in range(1, min(limit + 1, len(after))) if is_cluster_border(after, at)]
    fitting = bisect_right(ends, limit, key=lambda end: count(after[:end])) - 1
    return ends[fitting] if fitting >= 0 else 0
