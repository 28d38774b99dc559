"""Reads a marked copy of a document: places by alignment, and an account of where the copy differs."""

from __future__ import annotations

from collections.abc import Sequence

from llmlabel.errors import CompletionError
from llmlabel.formats.alignment import Alignment, align
from llmlabel.formats.draft import CUT_OFF, Draft
from llmlabel.formats.markers import Marked, names_of, tags_for, unmark
from llmlabel.formats.wording import quoted
from llmlabel.parsing import shown
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, Mention

_HALF = "a marker without its other half or its label"
_DIFFERS = "the copy differs from the document"
_MIN_COVERED = 0.5
_FEW, _LONGEST_END = 20, 200  # characters that may be left out of any copy, and at the end of the longest
_MAX_GROWTH = 2  # an answer is no copy if it is longer than this many times the text


def is_numbered(schema: LabelSchema, reasons: bool) -> bool:
    """Whether markers carry numbers: relations, attributes or reasons refer to them."""
    return bool(schema.entities) and (
        reasons or bool(schema.relations) or any(label.attributes for label in schema.entities)
    )


def read_marked(draft: Draft, document: Document, marked: str, *, cut: bool = False, packed: bool = False) -> bool:
    """Read a marked copy of a document into a draft; returns whether the copy holds (nearly) all of the document.

    Raises:
        CompletionError: It is no copy of the document.
    """
    numbered = is_numbered(draft.schema, reasons=True)
    plain, found, stray, unclosed = unmark(marked, document.text, numbered=numbered)
    if len(plain) > _MAX_GROWTH * len(document.text) + 4_000:
        raise CompletionError("the answer is much longer than the document; expected the document with markers")
    alignment = align(plain, document.text)
    missing = len(document.text[alignment.last :].strip())
    few = max(_FEW, len(document.text) // 20)
    stops = missing > min(few, _LONGEST_END) or bool(unclosed and missing)
    if (packed or not found) and not _is_copy(alignment, cut or stops):  # of several, it may be another one's copy
        raise CompletionError("the answer does not repeat the document; expected all of it, with markers")
    whole = not stops and _left_out(alignment) <= few
    _note_differences(draft, alignment, whole=whole)
    _add_mentions(draft, alignment, found)
    for piece in stray:
        draft.drop(piece, _HALF)
    for piece in unclosed:
        draft.drop(piece, _HALF if whole else CUT_OFF)
    return whole


def _add_mentions(draft: Draft, alignment: Alignment, found: Sequence[Marked]) -> None:
    names = names_of(tags_for(draft.schema.entity_names))
    for item in found:
        words, hint = _words(alignment, item)
        place = len(draft.mentions) if words.strip() else None
        if place is None:
            draft.drop(item.tag, "the text is empty")
        else:
            draft.mentions.append(Mention(text=words, label=names.get(item.tag, item.tag), hint=hint))
        draft.numbered.append(place)
        if item.id:
            draft.ids[item.id] = None if item.id in draft.ids else place


def _words(alignment: Alignment, item: Marked) -> tuple[str, int | None]:
    """Return what was marked and its place: without the space that a model set around it, if the document has none."""
    words = alignment.copy[item.start : item.end]
    place = alignment.place(item.start, item.end)
    if place is not None or words == words.strip():
        return words, place
    start = item.start + len(words) - len(words.lstrip())
    return words.strip(), alignment.place(start, start + len(words.strip()))


def _note_differences(draft: Draft, alignment: Alignment, *, whole: bool) -> None:
    """Enter into the ledger how a copy differs from the document; the missing end of a cut one is told elsewhere."""
    found = list(alignment.differences())
    if found and not whole and not found[-1][0].strip():
        found.pop()
    if not found:
        if alignment.certain and alignment.copy.split() != alignment.source.split():
            draft.drop("case, quotes or dashes, or where words end", _DIFFERS, "copy")
        return
    said, meant, place = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    draft.drop(f"{_shown(said)} for {_shown(meant)} at {place}{more}", _DIFFERS, "copy")


def _shown(words: str) -> str:
    return quoted(shown(" ".join(words.split()), 25))


def _left_out(alignment: Alignment) -> int:
    """Return how many characters of the document have no counterpart in the copy ("...")."""
    return sum(max(0, len(meant.strip()) - len(said.strip())) for said, meant, _ in alignment.differences())


def _is_copy(alignment: Alignment, cut: bool) -> bool:
    """Tell a copy, even a part of one, from a refusal or a remark."""
    length = len(alignment.copy) if cut else max(len(alignment.copy), len(alignment.source))
    return alignment.covered >= _MIN_COVERED * length and (alignment.covered > 0 or not alignment.source.strip())
