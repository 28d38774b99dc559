"""Line ends made one character each, with labels that still stand where they stood."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Literal

from llmlabel.types import LabeledDocument

Newlines = Literal["keep", "lf"]
_PAIR = re.compile("\r\n")


def line_feeds(text: str) -> str:
    r"""Return the text with ``\n`` for every ``\r\n`` and ``\r``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def with_line_feeds(labeled: LabeledDocument) -> LabeledDocument:
    """Return the labels on the text with line feeds; a span that ends or begins inside of a line end takes all of it.

    What else a ``Prediction`` knows (its placements) would no longer fit the text and is left out.
    """
    text = labeled.document.text
    if "\r" not in text:
        return labeled
    plain = line_feeds(text)
    dropped = [pair.start() for pair in _PAIR.finditer(text)]  # the carriage returns that leave nothing behind
    entities = []
    for entity in labeled.entities:
        start = entity.start - bisect_left(dropped, entity.start)
        end = entity.end - bisect_left(dropped, entity.end)
        end += text[entity.end - 1 : entity.end + 1] == "\r\n"
        entities.append(entity.model_copy(update={"start": start, "end": end, "text": plain[start:end]}))
    return LabeledDocument(
        document=labeled.document.model_copy(update={"text": plain}),
        entities=tuple(entities),
        relations=labeled.relations,
        classes=labeled.classes,
        texts=labeled.texts,
        provenance=labeled.provenance,
    )
