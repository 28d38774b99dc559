"""What one character becomes when texts are compared: its folded letters, a space, or nothing.

Compatibility forms, case, and accents are folded (Unicode NFKD, then case folding, then NFKD again, as in UAX #15 and
caseless matching of the Unicode Standard, section 3.13); punctuation and symbols become a space; characters that show
nothing become nothing.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Scripts written without spaces between words, and Hangul, whose particles are glued to the names before them.
NO_SPACES = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u1a20-\u1aaf\u2e80-\u2fdf\u3005-\u3007\u3021-\u303c"
    "\u3040-\u30ff\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7a3\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# Accents and vowel points that writers and models add and drop; vowel signs of Indic and Thai scripts are letters.
DROPPED_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711\u0730-\u074a"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)
# Letters whose stroke or ligature has no decomposition in Unicode but is dropped like an accent all the same.
STROKES = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
# Letters and symbols by their category that are used as apostrophes or stand beside a name without being part of it.
_SEPARATORS = frozenset("ʹʺʻʼʽʾʿˈˊˋ™℠®©")
_INVISIBLE = frozenset("\u0640\u115f\u1160\u3164\uffa0")  # tatweel and Hangul fillers: letters by category
_HANGUL = range(0xAC00, 0xD7A4)

# What cannot be folded character by character: character references, and letters written as several code points.
REFERENCES = re.compile("&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
SEQUENCES = re.compile(
    f"{REFERENCES.pattern}"
    "|[\u1100-\u115f\ua960-\ua97f]+[\u1160-\u11a7\ud7b0-\ud7c6]+[\u11a8-\u11ff\ud7cb-\ud7ff]*"
    "|[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]"
    "|[\u3040-\u30ff\uff66-\uff9d][\u3099\u309a\uff9e\uff9f]"
)
# Without one of these, references are the only such sequences in a text.
SEQUENCE_PARTS = frozenset(
    map(chr, [*range(0x1100, 0x1200), *range(0xA960, 0xA980), *range(0xD7B0, 0xD800), 0x3099, 0x309A, 0xFF9E, 0xFF9F])
)


def _fold_character(character: str) -> str:
    category = unicodedata.category(character)
    if character in _INVISIBLE or category == "Cf" or DROPPED_MARKS.match(character):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if character in _SEPARATORS:
        return " "
    if ord(character) in _HANGUL:
        return character
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    kept = DROPPED_MARKS.sub("", folded).translate(STROKES)
    return "".join(c if _is_letter(c) else " " for c in kept).strip() or " "


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


class _Table(dict[int, str]):
    """A translation table that folds each character when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_character(chr(code))
        return folded


TABLE = _Table({code: _fold_character(chr(code)) for code in range(128)})


def fold_sequence(sequence: str) -> str:
    """Return the folded form of a match of ``SEQUENCES``: a character reference or a letter in several parts."""
    if sequence[0] == "&":
        plain = html.unescape(sequence)
        return sequence.translate(TABLE) if plain == sequence else plain.translate(TABLE)
    return unicodedata.normalize("NFKC", sequence).translate(TABLE)


def is_mark(character: str) -> bool:
    """Return whether the character is written on the one before it: an accent, a vowel sign, a variation selector."""
    return character > "\u02ff" and unicodedata.category(character)[0] == "M"


def is_word(character: str) -> bool:
    """Return whether the character is part of a word: a letter, a digit, or a mark that belongs to a letter."""
    return character.isalnum() or is_mark(character)


_NO_SPACE = re.compile(f"[{NO_SPACES}]")


def writes_without_spaces(character: str) -> bool:
    """Return whether the character is of a script in which a word may begin or end beside any letter."""
    return character > "\u0dff" and _NO_SPACE.match(character) is not None


def has_script_without_spaces(text: str) -> bool:
    """Return whether one of the characters is of such a script."""
    return not text.isascii() and _NO_SPACE.search(text) is not None


def is_border(text: str, position: int) -> bool:
    """Return whether a word may begin or end at ``position``.

    Never inside a character with its marks or an emoji of several parts; soft hyphens and joiners do not part a word
    (Unicode Standard Annex #29, rules WB3c and WB4).
    """
    if position <= 0 or position >= len(text):
        return True
    before, after = text[position - 1], text[position]
    if before < "\u00ad" and after < "\u00ad":
        return not (before.isalnum() and after.isalnum())
    if is_mark(after):
        return not is_word(before)
    if _JOINERS.match(before) or _JOINERS.match(after):
        return _is_border_beside_joiner(text, position)
    if not (is_word(before) and is_word(after)):
        return not (_MODIFIER.match(after) or (_FLAG.match(after) and _splits_flag(text, position)))
    return writes_without_spaces(before) or writes_without_spaces(after)


# Soft hyphen, joiners, and characters that say how the letter before them is shown.
_JOINERS = re.compile("[\u00ad\u034f\u200c\u200d\u2060]")
_MODIFIER = re.compile("[\U0001f3fb-\U0001f3ff]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")


def _is_border_beside_joiner(text: str, position: int) -> bool:
    first, last = position, position
    while first > 0 and _JOINERS.match(text[first - 1]):
        first -= 1
    while last < len(text) and _JOINERS.match(text[last]):
        last += 1
    if first == 0 or last == len(text):
        return True
    if "\u200d" in text[first:last] and not text[first - 1].isspace() and not text[last].isspace():
        return False
    return is_border(text[first - 1] + text[last], 1)


def _splits_flag(text: str, position: int) -> bool:
    """Return whether a position lies between the two letters of a flag: an odd number of them stands before it."""
    first = position
    while first > 0 and _FLAG.match(text[first - 1]):
        first -= 1
    return (position - first) % 2 == 1


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: it is empty, or all spaces and invisible characters."""
    return not text or (not text[0].isalnum() and all(c.isspace() or not TABLE[ord(c)] for c in text))
