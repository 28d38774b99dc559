"""Places that hold a mention's words with something in between: an ellipsis, or one word left out."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from llmlabel.resolvers.chains import Span
from llmlabel.resolvers.lexicon import NEGATIONS
from llmlabel.resolvers.vocabulary import MOST_POSITIONS, Vocabulary

_ELLIPSIS = re.compile(r"\s*(?:[\[(]\s*)?(?:\.\s?){3,}(?:\s*[\])])?\s*|\s*(?:[\[(]\s*)?…(?:\s*[\])])?\s*")
_SENTENCE_END = re.compile(r"[.!?;:]\s*[\n\"“”«»]|\n\s*\n")
# An article and its noun, and then the phrase is over.
_PHRASE_END = re.compile(r"(?:the|an?|der|die|das|eine?|l[ea]s?|el|los|las)\s+(\w+)\s*[\n,]", re.IGNORECASE)
_WIDEST = 400
_MOST_WORDS = 60
_LONGEST_WORD = 40
_LEAST_LETTERS = 5


def parts_of(text: str) -> list[str]:
    """Return what stands between the ellipses of a mention: one part if there is none."""
    if "…" not in text and text.count(".") < 3:
        return [text]
    return [part for part in _ELLIPSIS.split(text) if part.strip()]


def join_parts(parts: Sequence[Sequence[Span]]) -> list[Span]:
    """Return the shortest spans that hold one place of each part in order, at most 400 characters apart."""
    spans = list(parts[0])
    for following in parts[1:]:
        starts = [start for start, _ in following]
        joined: dict[Span, Span] = {}
        for start, end in spans:
            at = bisect_left(starts, end)
            if at < len(starts) and starts[at] - end <= _WIDEST:
                joined[following[at]] = (start, following[at][1])  # the last, and so the nearest, beginning wins
        spans = list(joined.values())
    return spans


def may_miss_a_word(key: str) -> bool:
    """Return whether the folded words are enough to recognise them with one more between them."""
    words = key.split()
    return 2 <= len(words) <= _MOST_WORDS and len("".join(words)) >= _LEAST_LETTERS and len(words[-1]) > 1


def one_word_missing(vocabulary: Vocabulary, key: str) -> list[Span]:
    """Return the spans of the folded text that hold all words of ``key`` and one more between them."""
    words = key.split()
    rarest = vocabulary.rarest(words)
    before, after = words[:rarest], words[rarest + 1 :]
    longest = f" {max(before + after, key=len)} "
    found: list[Span] = []
    reach = len(key) + _LONGEST_WORD
    for place in vocabulary.positions(words[rarest])[:MOST_POSITIONS]:
        if vocabulary.text.find(longest, max(0, place - reach - 1), place + reach) < 0:
            continue
        left, right = vocabulary.around(place, reach, reach)
        del right[0]
        size = len(before)
        if (not size or left[-size:] == before) and _skips_one(right[: len(after) + 1], after):
            start, end = before, right[: len(after) + 1]
        elif right[: len(after)] == after and _skips_one(left[-size - 1 :][::-1], before[::-1]):
            start, end = left[-size - 1 :], after
        else:
            continue
        first = place - sum(len(word) + 1 for word in start)
        last = place + len(words[rarest]) + sum(len(word) + 1 for word in end)
        found.append((first, last))
    return found


def one_phrase(found: str, said: str) -> bool:
    """Return whether words with one more between them are still one phrase: none ends behind the extra word."""
    if _SENTENCE_END.search(found):
        return False
    end = _PHRASE_END.match(found)
    return end is None or end.group(1).casefold() in said.casefold()


def _skips_one(window: list[str], words: list[str]) -> bool:
    """Return whether the window is these words with one more that may be left out, before the last of them."""
    if not words or len(window) != len(words) + 1:
        return False
    same = next((number for number, word in enumerate(words) if window[number] != word), len(words))
    return same < len(words) and window[same + 1 :] == words[same:] and _may_be_left_out(window[same])


def _may_be_left_out(word: str) -> bool:
    return word not in NEGATIONS and not any(map(str.isdigit, word))
