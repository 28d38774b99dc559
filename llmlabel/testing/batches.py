"""Documents on which exporters go wrong, for the suite and for tests of your own."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping

from llmlabel.types import ClassLabel, Document, Entity, LabeledDocument, Prediction, Relation

NASTY_IDS = (
    "plain", "../a", "a/b", "/etc/x", "C:\\x", "A", "a", "CON", "con.txt", "é", "e\u0301", "x" * 300, "[x", "*", "?",
    ".", "..", "dot.", "space ", " lead", "-rf", "%2e", "$HOME", "tab\tid", "line\nid", "nul\x00id", "\u202eid", "😀",
    "日本",
)  # fmt: skip
# Each text with the mentions that must come back at their very place.
TRICKY_TEXTS = (
    ("ascii", "Ann met Bob.", ("Ann", "Bob")),
    ("emoji", "😀 Ann 👩‍👩‍👧 met 🇫🇷 Bob", ("Ann", "Bob")),
    ("inside", "Ann 😀 Lee and 𠮷野家", ("Ann 😀 Lee", "𠮷野家")),
    ("crlf", "One\r\nAnn\r\n\r\nBob\n\rLee\r", ("Ann", "Bob", "Lee")),
    ("combining", "cafe\u0301 Andre\u0301 café", ("cafe\u0301", "Andre\u0301", "café")),
    ("rtl", "سافر محمد علي إلى 😀 باريس", ("محمد علي", "باريس")),
    ("separators", "\u2028Ann\u2029\x85Bob\u00a0\u200bLee\t", ("Ann", "Bob", "Lee")),
    ("markup", '<b>Ann</b> "Bob" \\n {Lee}', ("Ann", "Bob", "Lee")),
    ("case", "İstanbul ß ﬁn", ("İstanbul", "ﬁn")),
    ("edges", "Ann", ("Ann",)),
)


class BrokenOff(Exception):
    """Raised by an iterable of documents in the middle of a batch."""


class MostAlive:
    """Counts how many of the documents it has given out were alive at one time."""

    def __init__(self) -> None:
        self.alive = 0

    def documents(self, count: int) -> Iterator[LabeledDocument]:
        given: list[weakref.ref[LabeledDocument]] = []
        for number in range(count):
            one = labeled(f"doc{number}", "Ann met Bob.", ("Ann",))
            given.append(weakref.ref(one))
            yield one
            del one
            self.alive = max(self.alive, sum(reference() is not None for reference in given))


def labeled(
    document_id: str,
    text: str,
    surfaces: Iterable[str],
    *,
    label: str = "Name",
    relations: tuple[Relation, ...] = (),
    classes: Mapping[str, tuple[ClassLabel, ...]] = {},
    texts: Mapping[str, str] = {},
) -> Prediction:
    """Return a labelled prediction whose entities stand at the first place of each surface."""
    places = [(text.index(surface), surface) for surface in surfaces]
    return Prediction(
        document=Document(id=document_id, text=text),
        entities=tuple(Entity(start=at, end=at + len(part), label=label, text=part) for at, part in places),
        relations=relations,
        classes=dict(classes),
        texts=dict(texts),
        outcome="labeled",
    )
