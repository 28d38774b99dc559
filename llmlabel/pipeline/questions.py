"""Classifications and free texts: one answer for the document out of those to its pieces, passes and samples.

The reduction, per question:

- one label: what most pieces and passes chose, the earliest at a tie; a piece that chose none has no vote;
- several labels: every label that any piece or pass chose;
- samples: each is reduced as above, then the labels stay that at least the share ``threshold`` of the samples that
  answered gave (of one-label questions the most frequent); the confidence is the share of all samples asked: one that
  failed confirms nothing;
- free text: the first answer to each piece, joined by line breaks in the order of the text.

What that leaves out is in the ledger, item by item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from llmlabel.pipeline.reading import Reading
from llmlabel.schema import Classification, LabelSchema
from llmlabel.types import ClassLabel, ItemKind

Discard = Callable[[ItemKind, str, str], None]
"""Enters an item into the ledger: its kind, what it was, and why it was not taken."""
Chosen = tuple[ClassLabel, ...]


class Questions:
    """Collects the answers to classifications and free texts, and reduces them."""

    def __init__(self, schema: LabelSchema, samples: int, threshold: float, discard: Discard) -> None:
        self.schema = schema
        self.samples = samples
        self.threshold = threshold
        self.discard = discard
        self._samples: set[int] = set()  # that answered at all
        self._chosen: dict[str, dict[int, list[Chosen]]] = {}  # by question and sample, in reading order
        self._written: dict[str, dict[int, str]] = {}  # by question and place of the piece

    def add(self, reading: Reading) -> None:
        """Take the classes and texts of one reading."""
        if reading.usable:
            self._samples.add(reading.sample)
        for name, chosen in reading.parsed.classes.items():
            if kept := self._known(name, chosen):
                self._chosen.setdefault(name, {}).setdefault(reading.sample, []).append(kept)
        names = {part.name for part in self.schema.texts}
        for name, text in reading.parsed.texts.items():
            pieces = self._written.setdefault(name, {})
            if name not in names:
                self.discard("text", name, "unknown_label")
            elif reading.offset in pieces:
                self.discard("text", name, "an earlier answer was taken")
            else:
                pieces[reading.offset] = text

    def classes(self) -> dict[str, Chosen]:
        """Return the labels of each question that has an answer, nested ones only under the label they belong to."""
        settled: dict[str, Chosen] = {}
        for part in self.schema.questions:
            chosen = self._reduced(part, self._chosen.get(part.name, {}))
            parents = self.schema.asked_under(part.name)
            asked = {(name, item.label) for name, items in settled.items() for item in items}
            if parents and not asked.intersection(parents):
                where = " or ".join(f"{name} is {label}" for name, label in parents)
                for item in chosen:
                    self.discard("class", f"{part.name}: {item.label}", f"only asked where {where}")
            elif chosen:
                settled[part.name] = chosen
        return settled

    def texts(self) -> dict[str, str]:
        """Return each free text, the pieces in the order of the document."""
        return {
            name: "\n".join(text for _, text in sorted(said.items())) for name, said in self._written.items() if said
        }

    def _known(self, name: str, chosen: Chosen) -> Chosen:
        part = self.schema.classification(name)
        if part is not None:
            return closed(part, chosen, "class", self.discard)
        for item in chosen:
            self.discard("class", f"{name}: {item.label}", "unknown_label")
        return ()

    def _reduced(self, part: Classification, answers: dict[int, list[Chosen]]) -> Chosen:
        """Return the labels of one question: over the pieces of each sample, then over the samples by vote."""
        if not answers:
            return ()
        votes = Counter(label for pieces in answers.values() for label in _of_sample(part, pieces))
        kept = [label for label in votes if enough(votes[label], len(self._samples), self.threshold)]
        if not part.multi_label:
            kept = sorted(kept, key=lambda label: -votes[label])[:1]
        taken: dict[str, ClassLabel] = {}
        for item in (item for pieces in answers.values() for piece in pieces for item in piece):
            if item.label not in kept:
                reason = "outvoted" if votes[item.label] else "another part of the text said otherwise"
                self.discard("class", f"{part.name}: {item.label}", reason)
            elif taken.setdefault(item.label, item) is not item:  # the first one, with the reason given for it
                self.discard("class", f"{part.name}: {item.label}", "duplicate")
        if self.samples == 1:
            return tuple(taken[label] for label in kept)
        return tuple(
            taken[label].model_copy(update={"confidence": votes[label] / self.samples, "confidence_method": "votes"})
            for label in kept
        )


def enough(votes: int, samples: int, threshold: float) -> bool:
    """Whether so many of the samples that answered are the share that must agree, or more."""
    return votes >= threshold * samples - 1e-9  # 0.6 of five is three, whatever floating point makes of it


def _of_sample(part: Classification, pieces: Sequence[Chosen]) -> list[str]:
    votes = Counter(item.label for piece in pieces for item in piece)
    return list(votes) if part.multi_label else [max(votes, key=lambda label: votes[label])]


def closed(part: Classification, chosen: Chosen, kind: ItemKind, discard: Discard) -> Chosen:
    """Return the labels that the schema has; several for a single-label question are no answer."""
    kept: dict[str, ClassLabel] = {}
    for item in chosen:
        if item.label not in part.label_names:
            discard(kind, f"{part.name}: {item.label}", "unknown_label")
        elif item.label in kept:
            discard(kind, f"{part.name}: {item.label}", "duplicate")
        else:
            kept[item.label] = item
    if len(kept) > 1 and not part.multi_label:
        for item in kept.values():
            discard(kind, f"{part.name}: {item.label}", "several labels where one is allowed")
        return ()
    return tuple(kept.values())
