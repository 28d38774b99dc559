"""From parsed answers and placements to one prediction: closes the schema and keeps the books.

The books balance: every mention has one placement and each place taken is one entity; every relation, class and text
is in the prediction or in ``discarded``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from llmlabel.pipeline.passes import Passes
from llmlabel.pipeline.questions import Questions, closed, enough
from llmlabel.pipeline.reading import Reading, shifted, short
from llmlabel.schema import LabelSchema
from llmlabel.types import (
    ClassLabel,
    Discarded,
    Entity,
    ItemKind,
    Mention,
    MentionRelation,
    Placement,
    Relation,
    Status,
)


@dataclass(slots=True)
class Labels:
    """The labels of one document and everything that was not taken."""

    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    classes: dict[str, tuple[ClassLabel, ...]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    placements: list[Placement] = field(default_factory=list)
    discarded: list[Discarded] = field(default_factory=list)

    def discard(self, kind: ItemKind, value: str, reason: str) -> None:
        """Enter an item into the ledger: its kind, what it was, and why it was not taken."""
        self.discarded.append(Discarded(kind=kind, value=short(value), reason=reason))


Key = tuple[int, int, str]


class Assembler:
    """Builds the labels of one text from its readings, first reading first.

    Pieces and passes add up: what the border of a piece cut off gives way to the whole that a neighbour saw, and a
    later pass adds what overlaps nothing that an earlier one found (first pass wins).
    Samples vote: an entity, relation or class stays if at least the share ``threshold`` of the samples that answered
    gave it; the share of all samples is its confidence. Classes and texts: see ``Questions``.
    """

    def __init__(self, schema: LabelSchema, text: str, samples: int = 1, threshold: float = 0.5) -> None:
        self.schema = schema
        self.text = text
        self.samples = samples
        self.threshold = threshold
        self.labels = Labels()
        self._places: dict[Key, Entity] = {}
        self._votes: dict[Key, set[int]] = {}
        self._passes = [Passes(len(text)) for _ in range(samples)]
        self._cut: dict[Key, set[str]] = {}  # entities at a border of their piece, and at which end
        self._whole: set[Key] = set()  # entities that some piece saw with room on both sides
        self._owners: list[Key | None] = []  # of each placement, so that outvoted ones can be told
        self._links: dict[tuple[Key, Key, str], set[int]] = {}
        self._heard: dict[tuple[int, int], set[int]] = {}  # which samples answered about which piece
        self._questions = Questions(schema, samples, threshold, self.labels.discard)
        self._reading = Reading("labeled")

    def add(self, reading: Reading) -> None:
        """Take one reading: its mentions, relations, classes and texts."""
        self._reading = reading
        if reading.usable:
            self._heard.setdefault(self._piece(), set()).add(reading.sample)
        self.labels.discarded += reading.parsed.problems
        keys: list[Key | None] = []
        named: dict[tuple[str, str], Key] = {}
        for placement in reading.placements:
            settled, key = self._settle(shifted(placement, reading.offset))
            self.labels.placements.append(settled)
            self._owners.append(key if settled.placed else None)
            said = (placement.mention.text, placement.mention.label)
            if key is not None:
                named[said] = key
            # A mention that was named once too often means the place it has already.
            keys.append(named.get(said) if placement.status == "duplicate" else key)
        for relation in reading.parsed.relations:
            self._relate(relation, reading.parsed.mentions, keys)
        self._questions.add(reading)

    def finish(self) -> Labels:
        """Return the labels: entities in reading order, relations pointing at them."""
        self._merge_cut()
        if self.samples > 1:
            self._vote()
        order = sorted(self._places)
        number = {key: n for n, key in enumerate(order)}
        self.labels.entities = [self._places[key] for key in order]
        for (head, tail, label), votes in self._links.items():
            if head not in number or tail not in number:
                self.labels.discard("relation", self._said(head, tail, label), "an end was not kept")
            elif not enough(len(votes), min(self._answered(head), self._answered(tail)), self.threshold):
                self.labels.discard("relation", self._said(head, tail, label), "outvoted")
            else:
                made = Relation(head=number[head], tail=number[tail], label=label)
                share = {"confidence": len(votes) / self.samples, "confidence_method": "votes"}
                self.labels.relations.append(made.model_copy(update=share) if self.samples > 1 else made)
        self.labels.classes = self._questions.classes()
        self.labels.texts = self._questions.texts()
        return self.labels

    # -- pieces ---------------------------------------------------------------------------------------------------

    def _piece(self) -> tuple[int, int]:
        begin, length = self._reading.offset, self._reading.length
        return begin, len(self.text) if length is None else begin + length

    def _note_borders(self, key: Key) -> None:
        """Note whether an entity touches a border of its piece inside the document, so that more may lie beyond."""
        begin, end = self._piece()
        if begin == 0 and end == len(self.text):
            return
        borders = {"begin"} if 0 < begin == key[0] else set()
        if end < len(self.text) and not self.text[key[1] : end].strip():
            borders.add("end")
        if borders:
            self._cut.setdefault(key, set()).update(borders)
        else:
            self._whole.add(key)

    def _merge_cut(self) -> None:
        """Let what a border cut off give way to the entity that holds it and, under another label, reaches beyond."""
        held = (key for key in self._cut if key in self._places and key not in self._whole)
        holders = {key: holder for key in held if (holder := self._holder(key))}
        same = {key: holder for key, holder in holders.items() if holder[2] == key[2]}
        moved = {key: _last(same, key) for key in same}
        for key, holder in moved.items():
            self._votes[holder] |= self._votes[key]
        self._drop(same.keys(), "duplicate")
        self._drop(holders.keys() - same.keys(), "overlap")
        links, self._links = self._links, {}
        for (head, tail, label), votes in links.items():
            link = (moved.get(head, head), moved.get(tail, tail), label)
            if link in self._links:
                self.labels.discard("relation", self._said(*link), "duplicate")
            self._links.setdefault(link, set()).update(votes)

    def _holder(self, key: Key) -> Key | None:
        """Return the largest entity that holds one which a border cut off."""
        borders = self._cut[key]
        holding = [
            (start, end, label)
            for start, end, label in self._places
            if start <= key[0] and key[1] <= end and (start, end) != key[:2]
            if label == key[2] or ("begin" in borders and start < key[0]) or ("end" in borders and key[1] < end)
        ]
        return max(holding, key=lambda held: (held[1] - held[0], held[2] == key[2]), default=None)

    # -- samples and passes ---------------------------------------------------------------------------------------

    def _answered(self, key: Key) -> int:
        """Return how many samples answered about the piece, or one of the pieces, that holds an entity."""
        return max((len(s) for (begin, end), s in self._heard.items() if begin <= key[0] and key[1] <= end), default=1)

    def _vote(self) -> None:
        """Drop entities that too few of the samples gave; the share of votes is the confidence of the rest."""
        few = {key for key in self._places if not enough(len(self._votes[key]), self._answered(key), self.threshold)}
        self._drop(few, "ambiguous")
        self._places = {
            key: entity.model_copy(
                update={"confidence": len(self._votes[key]) / self.samples, "confidence_method": "votes"}
            )
            for key, entity in self._places.items()
        }

    def _drop(self, keys: Collection[Key], status: Status) -> None:
        """Take entities back: the placements that made them lose these places."""
        for number, owner in enumerate(self._owners):
            placement = self.labels.placements[number]
            if owner is None or not keys:
                continue
            spans = [s for s in (owner[:2], *placement.repeats) if placement.placed and (*s, owner[2]) not in keys]
            start, end = spans[0] if spans else (None, None)
            self._owners[number] = (*spans[0], owner[2]) if spans else None
            self.labels.placements[number] = placement.model_copy(
                update={
                    "status": placement.status if spans else status,
                    "start": start,
                    "end": end,
                    "repeats": tuple(spans[1:]),
                }
            )
        for key in keys:
            del self._places[key]

    # -- one answer -----------------------------------------------------------------------------------------------

    def _settle(self, placement: Placement) -> tuple[Placement, Key | None]:
        """Make entities of a placement; a place that was taken before makes it a duplicate."""
        if not placement.placed or placement.start is None or placement.end is None:
            return placement, None
        label = placement.mention.label
        wanted: list[Key] = [(placement.start, placement.end, label)]
        if placement.repeats:
            wanted += [(start, end, label) for start, end in placement.repeats]
        for key in wanted:
            self._votes.setdefault(key, set()).add(self._reading.sample)
            self._note_borders(key)
        free = [key for key in dict.fromkeys(wanted) if key not in self._places]
        if not free:
            return placement.model_copy(
                update={"status": "duplicate", "start": None, "end": None, "repeats": ()}
            ), wanted[0]
        passes = self._passes[self._reading.sample]
        free = [key for key in free if not passes.crosses_earlier(self._reading.turn, *key[:2])]
        if not free:
            return placement.model_copy(update={"status": "overlap", "start": None, "end": None, "repeats": ()}), None
        attributes = self._attributes(placement.mention)
        for key in free:
            passes.take(self._reading.turn, *key[:2])
            self._places[key] = Entity(
                start=key[0],
                end=key[1],
                label=label,
                text=self.text[key[0] : key[1]],
                match=placement.status,
                attributes=attributes,
                reason=placement.mention.reason,
            )
        if free != wanted:
            repeats = tuple(key[:2] for key in free[1:])
            placement = placement.model_copy(update={"start": free[0][0], "end": free[0][1], "repeats": repeats})
        return placement, free[0]

    def _attributes(self, mention: Mention) -> dict[str, tuple[ClassLabel, ...]]:
        if not mention.attributes:
            return {}
        label = self.schema.entity(mention.label)
        parts = {part.name: part for part in label.attributes} if label else {}
        found = {}
        for name, values in mention.attributes.items():
            if name not in parts:
                self.labels.discard("attribute", f"{name}: {', '.join(values)}", "unknown_label")
                continue
            chosen = tuple(ClassLabel(label=value) for value in values)
            if kept := closed(parts[name], chosen, "attribute", self.labels.discard):
                found[name] = kept
        return found

    def _relate(self, relation: MentionRelation, mentions: Sequence[Mention], keys: Sequence[Key | None]) -> None:
        known = next((part for part in self.schema.relations if part.name == relation.label), None)
        head, tail = (keys[n] if n < len(keys) else None for n in (relation.head, relation.tail))
        said = " → ".join(
            mentions[n].text if n < len(mentions) else f"#{n + 1}" for n in (relation.head, relation.tail)
        )
        value = f"{relation.label}: {said}"
        if known is None:
            self.labels.discard("relation", value, "unknown_label")
        elif head is None or tail is None:
            self.labels.discard("relation", value, "an end was not placed")
        elif (known.head and head[2] not in known.head) or (known.tail and tail[2] not in known.tail):
            self.labels.discard("relation", value, "the schema does not allow these ends")
        else:
            if (head, tail, relation.label) in self._links:
                self.labels.discard("relation", value, "duplicate")
            self._links.setdefault((head, tail, relation.label), set()).add(self._reading.sample)

    def _said(self, head: Key, tail: Key, label: str) -> str:
        return f"{label}: {self.text[slice(*head[:2])]} → {self.text[slice(*tail[:2])]}"


def _last(holders: dict[Key, Key], key: Key) -> Key:
    """Return the entity that holds the one that holds the one that ... holds ``key``."""
    while key in holders:
        key = holders[key]
    return key
