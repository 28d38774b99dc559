"""One folded view of a text for comparing, with an exact map back to the source.

A text becomes its words, folded, each between single spaces: ``"Émile's  “Cat”"`` is ``" emile s cat "``. The map is
kept as the list of places where the two run at different speed, so it is small for most texts, and no offset is ever
computed from a lower-cased copy.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence, Set
from functools import cache, cached_property
from itertools import accumulate, compress, count, repeat
from operator import add, sub

from llmlabel.resolvers.characters import (
    NO_SPACES,
    REFERENCES,
    SEQUENCE_PARTS,
    SEQUENCES,
    TABLE,
    fold_sequence,
    is_mark,
)

_BLOCK = 256
_FEW_CHARACTERS = 40
_SPARSE = 16
_NEAR = 48  # characters: the piece of a letter so near is found by walking, not by bisecting
_ASCII = bytes(range(128))
_FOLDED_ASCII = "".join(map(TABLE.__getitem__, range(128))).encode().ljust(256)
_SCRIPT_BORDER = f"(?<=[{NO_SPACES}])(?=[^ {NO_SPACES}])|(?<=[^ {NO_SPACES}])(?=[{NO_SPACES}])"
_NO_SPACE_LETTER = re.compile(f"[{NO_SPACES}]")


def _plain(text: str, foreign: Set[str]) -> str:
    """Return the text with these characters folded one to one, if they are few.

    What remains is ASCII, which ``str.translate`` does ten times faster.
    """
    if len(foreign) <= _FEW_CHARACTERS:
        for character in foreign:
            text = text.replace(character, TABLE[ord(character)])
    return text


def _not_ascii(text: str) -> set[str]:
    # Deleting bytes is several times faster than looking at each character of a text that is mostly ASCII.
    return set(text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass"))


class _Letters:
    """First step: every source character is replaced by its folded letters, a space, or nothing."""

    def __init__(self, text: str) -> None:
        # A region is a stretch of source characters whose folded form has another length.
        self.folded_start, self.folded_end = array("L"), array("L")
        self.source_start, self.source_end = array("L"), array("L")
        foreign = set() if text.isascii() else _not_ascii(text)
        sequences = REFERENCES if foreign.isdisjoint(SEQUENCE_PARTS) else SEQUENCES
        self.has_sequences = sequences.search(text) is not None
        self.has_marks = any(map(is_mark, foreign))
        odd = sorted(character for character in foreign if len(TABLE[ord(character)]) != 1)
        plain = _plain(text, foreign.difference(odd))
        if odd or self.has_sequences:
            patterns = [sequences.pattern] if self.has_sequences else []
            patterns += ["[" + "".join(map(re.escape, odd)) + "]"] if odd else []
            self.text = self._replace(text, plain, re.compile("|".join(patterns)))
        else:
            self.text = plain.translate(TABLE)

    def _replace(self, text: str, plain: str, irregular: re.Pattern[str]) -> str:
        parts, done, length = [], 0, 0
        for match in irregular.finditer(text):
            start, end = match.span()
            between = plain[done:start].translate(TABLE)
            found = match.group()
            folded = TABLE[ord(found)] if len(found) == 1 else fold_sequence(found)
            parts += [between, folded]
            length += len(between)
            self.folded_start.append(length)
            length += len(folded)
            self.folded_end.append(length)
            self.source_start.append(start)
            self.source_end.append(end)
            done = end
        parts.append(plain[done:].translate(TABLE))
        return "".join(parts)

    @cached_property
    def _shifts(self) -> tuple[list[int], list[int]]:
        """Positions at which the source gains or loses distance, and the distance before the first and from each on."""
        steps: list[int] = []
        distances = [0]
        for first, last, start, end in zip(
            self.folded_start, self.folded_end, self.source_start, self.source_end, strict=True
        ):
            steps += (first, last)
            distances += (start - first, end - last)
        return steps, distances

    def firsts(self, letters: Sequence[int]) -> Sequence[int]:
        """Return where in the source these folded letters begin; a letter inside a source character is not for this."""
        if not self.folded_start:
            return letters
        steps, distances = self._shifts
        return list(map(add, letters, map(distances.__getitem__, map(bisect_right, repeat(steps), letters))))

    def source(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the source span of a folded span, or None if one of its ends lies inside a source character."""
        if not self.folded_start:
            return start, end
        first = bisect_right(self.folded_start, start) - 1
        if first >= 0:
            if self.folded_start[first] < start < self.folded_end[first]:
                return None
            inside = start < self.folded_end[first]
            start = self.source_start[first] if inside else self.source_end[first] + start - self.folded_end[first]
        last = bisect_left(self.folded_start, end) - 1
        if last >= 0:
            if end < self.folded_end[last]:
                return None
            end = self.source_end[last] + end - self.folded_end[last]
        return start, end


def _between_runs(folded: str) -> tuple[list[str], list[int]]:
    """Return what stands between runs of two and more spaces, and where each piece ends."""
    # Splitting at two spaces is several times faster than a pattern for runs of them; no loop here is one of Python's.
    raw = folded.rstrip(" ").split("  ")
    pieces = list(map(str.lstrip, raw))
    ends = map(add, accumulate(map(len, raw)), count(0, 2))
    return list(filter(None, pieces)), list(compress(ends, pieces))


@cache
def _spaces_or_script_border() -> re.Pattern[str]:
    # Compiling so many ranges takes longer than importing all of this; few texts need it.
    return re.compile(f"  +|{_SCRIPT_BORDER}")


def _between_scripts(folded: str) -> tuple[list[str], list[int]]:
    """Return the same for a text in which words end, too, where a script without spaces begins or ends."""
    folded = folded.rstrip(" ")
    pieces: list[str] = []
    ends: list[int] = []
    done = len(folded) - len(folded.lstrip(" "))
    for match in _spaces_or_script_border().finditer(folded, done):
        pieces.append(folded[done : match.start()])
        ends.append(match.start())
        done = match.end()
    pieces.append(folded[done:])
    ends.append(len(folded))
    return (pieces, ends) if folded else ([], [])


class FoldedText:
    """A text as its folded words, ``words``, and the way back from a span of them to a span of the source.

    Args:
        text: The source; it is kept, never changed.

    Attributes:
        words: Folded words, each between single spaces, one at both ends too.
        context_free: Whether every character was folded on its own, so that a verbatim part of the source is a
            verbatim part of ``words`` as well.
        has_marks: Whether the text has marks that are characters of their own: without them, a word ends where its
            last letter does.
    """

    def __init__(self, text: str) -> None:
        self.source = text
        self._letters = _Letters(text)
        self.has_marks = self._letters.has_marks
        self.context_free = not self._letters.has_sequences and not self._letters.folded_start
        # Where in the words each piece ends that stands in the letters, too, and how far it is ahead there.
        self._ends: Sequence[int] = []
        self._ahead: Sequence[int] = []
        self.words = self._separate(self._letters.text)

    def _separate(self, folded: str) -> str:
        plain = folded.isascii() or not _NO_SPACE_LETTER.search(folded)
        pieces, stops = _between_runs(folded) if plain else _between_scripts(folded)
        if not pieces:
            return " "
        ends = list(map(add, accumulate(map(len, pieces)), count(1)))
        ahead = list(map(sub, stops, ends))
        # Lists are searched faster, arrays take a fifth of the memory.
        dense = len(ends) * _SPARSE > len(folded)
        self._ends = array("L", ends) if dense else ends
        self._ahead = array("l", ahead) if dense else ahead
        return f" {' '.join(pieces)} "

    @property
    def direct(self) -> bool:
        """Whether each character was folded to one, so that a verbatim place begins where its first letter does."""
        return not self._letters.folded_start

    def firsts(self, letters: Sequence[int]) -> Sequence[int]:
        """Return where the letters with these places in ``words``, each the first of a word, begin in the source.

        The letters come about in order: the piece of the next is mostly the same or a near one, to which it is walked.
        """
        ends, ahead = self._ends, self._ahead
        firsts: list[int] = []
        piece, low, high, shift = -1, 0, 0, 0
        for letter in letters:
            if letter >= high or letter < low:
                if low <= letter < low + _NEAR:
                    piece += 1
                    while ends[piece] <= letter:
                        piece += 1
                else:
                    piece = bisect_right(ends, letter)
                low, high, shift = ends[piece - 1] if piece else 0, ends[piece], ahead[piece]
            firsts.append(letter + shift)
        return self._letters.firsts(firsts)

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the source span of ``words[start:end]``, which begins and ends with a letter.

        None if an end lies inside a source character, as between the two letters of a ligature.
        """
        first = start + self._ahead[bisect_right(self._ends, start)]
        end += self._ahead[bisect_right(self._ends, end - 1)]
        return self._letters.source(first, end)

    def spans(self, starts: Sequence[int], length: int) -> list[tuple[int, int]]:
        """Return the source spans of the folded strings of one length, without those that cut a character."""
        ends, ahead = self._ends, self._ahead
        last = length - 1
        found = [
            (start + ahead[bisect_right(ends, start)], start + length + ahead[bisect_right(ends, start + last)])
            for start in starts
        ]
        return found if self.direct else [span for one in found if (span := self._letters.source(*one))]


class LettersOnly:
    """The words of a text without the spaces between them, to find what is spaced or hyphenated differently."""

    def __init__(self, words: str) -> None:
        blocks = range(0, len(words), _BLOCK)
        # Deleting bytes is twice as fast as replacing characters.
        if words.isascii():
            plain = words.encode()
            parts = [plain[at : at + _BLOCK].translate(None, b" ").decode() for at in blocks]
        else:
            parts = [words[at : at + _BLOCK].replace(" ", "") for at in blocks]
        self.text = "".join(parts)
        self._words = words
        # How many letters stand before each block of the words.
        self._before = list(accumulate(map(len, parts), initial=0))
        self._spaces: dict[int, list[int]] = {}

    def position(self, letter: int) -> int:
        """Return where the letter with this number stands in the words."""
        block = bisect_right(self._before, letter) - 1
        left, start = letter - self._before[block], block * _BLOCK
        spaces = self._spaces.get(block)
        if spaces is None:
            words = self._words[start : start + _BLOCK].split(" ")
            spaces = self._spaces[block] = list(accumulate(map(len, words[:-1])))
        return start + left + bisect_right(spaces, left)


def fold_words(text: str) -> str:
    """Return the folded words of a short text with single spaces between them, without a way back."""
    if text.isascii() and "&" not in text:
        folded = text.encode().translate(_FOLDED_ASCII).decode()  # no look-up of each character
        return " ".join(folded.split()) if "  " in folded else folded.strip()
    return FoldedText(text).words.strip()
