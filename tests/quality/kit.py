"""Labelled documents in one line, and the real noise sources."""

from __future__ import annotations

from pathlib import Path

from llmlabel.types import Document, Entity, LabeledDocument, Prediction

TEXT = "Ann met Bob at the Bank of England in Old London Town."
SOURCES = ("noise_expert", "noise_crowdbest", "noise_crowd", "noise_distant", "noise_weak", "noise_llm")


def entity(start, end, label, text=TEXT, confidence=None, method="votes"):
    made = method if confidence is not None else None
    return Entity(
        start=start, end=end, label=label, text=text[start:end], confidence=confidence, confidence_method=made
    )


def gold(*spans, id="a", text=TEXT):
    return LabeledDocument(document=Document(id=id, text=text), entities=tuple(entity(*s, text=text) for s in spans))


def predicted(*spans, id="a", text=TEXT, outcome="labeled", **more):
    """Spans are (start, end, label) or (start, end, label, confidence)."""
    entities = tuple(entity(*s[:3], text=text, confidence=s[3] if len(s) > 3 else None) for s in spans)
    return Prediction(document=Document(id=id, text=text), entities=entities, outcome=outcome, **more)


def noisebench(shared: Path) -> dict[str, list[LabeledDocument]]:
    """The 1,000 sentences by source; their words are masked at the origin, so each token is one letter x."""
    lines = (shared / "data/ner/noisebench/tags.sent0000-0999.tsv").read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    sentences, current = [], []
    for line in [*lines[1:], ""]:
        if line.strip():
            current.append(line.split("\t"))
        elif current:
            sentences.append(current)
            current = []
    return {
        name: [
            gold(*_spans([row[column] for row in rows]), id=f"s{number}", text=" ".join("x" * len(rows)))
            for number, rows in enumerate(sentences)
        ]
        for column, name in enumerate(names)
    }


def _spans(tags):
    found, start, label = [], None, ""
    for number, tag in enumerate([*tags, "O"]):
        kind, _, name = tag.partition("-")
        if start is not None and (kind != "I" or name != label):
            found.append((2 * start, 2 * number - 1, label))
            start = None
        if kind != "O" and start is None:
            start, label = number, name
    return found
