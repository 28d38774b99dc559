"""From parsed answers and placements to one prediction: closes the schema and keeps the books.

The books balance: every mention has one placement and each place taken is one entity; every relation, class and text
is in the prediction or in ``discarded``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llmlabel.pipeline.reading import Reading, shifted, short
from llmlabel.schema import Classification, LabelSchema
from llmlabel.types import ClassLabel, Discarded, Entity, Mention, MentionRelation, Placement, Relation, Status


@dataclass(slots=True)
class Labels:
    """The labels of one document and everything that was not taken."""

    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    classes: dict[str, tuple[ClassLabel, ...]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    placements: list[Placement] = field(default_factory=list)
    discarded: list[Discarded] = field(default_factory=list)


Key = tuple[int, int, str]
Kind = Literal["item", "relation", "class", "text", "attribute"]


class Assembler:
    """Builds the labels of one text from its readings, first reading first.

    Pieces and passes add up: what the border of a piece cut off gives way to the whole that a neighbour saw, and a
    later pass adds what overlaps nothing that an earlier one found (first pass wins).
    Samples vote: an entity or class stays if at least ``threshold`` of them gave it; the share is its confidence.
    """

    def __init__(self, schema: LabelSchema, text: str, samples: int = 1, threshold: float = 0.5) -> None:
        self.schema = schema
        self.text = text
        self.samples = samples
        self._needed = threshold * samples - 1e-9  # 0.6 of five is three, whatever floating point makes of it
        self.labels = Labels()
        self._places: dict[Key, Entity] = {}
        self._turn: dict[Key, tuple[int, int]] = {}
        self._votes: dict[Key, set[int]] = {}
        self._cut: set[Key] = set()
        self._owners: list[Key | None] = []  # of each placement, so that outvoted ones can be told
        self._links: dict[tuple[Key, Key, str], set[int]] = {}
        self._classes: dict[str, dict[int, list[tuple[ClassLabel, ...]]]] = {}
        self._reading = Reading("labeled")

    def add(self, reading: Reading) -> None:
        """Take one reading: its mentions, relations, classes and texts."""
        self._reading = reading
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
        for name, chosen in reading.parsed.classes.items():
            if kept := self._close_class(name, chosen):
                self._classes.setdefault(name, {}).setdefault(reading.sample, []).append(kept)
        for question, answer in reading.parsed.texts.items():
            before = self.labels.texts.get(question)
            if not any(part.name == question for part in self.schema.texts):
                self._discard("text", question, "unknown_label")
            elif before is not None and (reading.sample or reading.turn):
                self._discard("text", question, "an earlier answer was taken")
            else:
                self.labels.texts[question] = answer if before is None else f"{before}\n{answer}"

    def finish(self) -> Labels:
        """Return the labels: entities in reading order, relations pointing at them."""
        whole = self._wholes()
        self._drop(whole.keys(), "duplicate")
        if self.samples > 1:
            self._vote()
        order = sorted(self._places)
        number = {key: n for n, key in enumerate(order)}
        self.labels.entities = [self._places[key] for key in order]
        links: dict[tuple[Key, Key, str], set[int]] = {}
        for (head, tail, label), votes in self._links.items():
            links.setdefault((whole.get(head, head), whole.get(tail, tail), label), set()).update(votes)
        for (head, tail, label), votes in links.items():
            if head not in number or tail not in number or len(votes) < self._needed:
                why = "outvoted" if head in number and tail in number else "an end was outvoted"
                self._discard("relation", f"{label}: {self.text[slice(*head[:2])]}", why)
                continue
            made = Relation(head=number[head], tail=number[tail], label=label)
            share = {"confidence": len(votes) / self.samples, "confidence_method": "votes"}
            self.labels.relations.append(made.model_copy(update=share) if self.samples > 1 else made)
        for part in self.schema.questions:
            if answers := self._classes.get(part.name):
                self._reduce(part, answers)
                self._ask_parent(part)
        return self.labels

    def _ask_parent(self, part: Classification) -> None:
        """Take back the answer to a nested question if none of the labels that it is asked under was chosen."""
        parents = self.schema.asked_under(part.name)
        chosen = {(name, item.label) for name, items in self.labels.classes.items() for item in items}
        if parents and not chosen.intersection(parents):
            where = " or ".join(f"{name} is {label}" for name, label in parents)
            for item in self.labels.classes.pop(part.name, ()):
                self._discard("class", f"{part.name}: {item.label}", f"only asked where {where}")

    def _wholes(self) -> dict[Key, Key]:
        """Return, for each entity that the border of its piece cut off, the largest one of its label that holds it."""
        whole = {}
        for key in self._cut:
            holding = [k for k in self._places if k != key and k[2] == key[2] and k[0] <= key[0] and key[1] <= k[1]]
            if holding:
                whole[key] = max(holding, key=lambda k: k[1] - k[0])
        for key, holder in whole.items():
            self._votes[holder] |= self._votes[key]
        return {key: holder for key, holder in whole.items() if holder not in whole}

    def _vote(self) -> None:
        """Drop entities that too few of the samples gave; the share of votes is the confidence of the rest."""
        shares = {key: len(votes) / self.samples for key, votes in self._votes.items()}
        self._drop({key for key in self._places if len(self._votes[key]) < self._needed}, "ambiguous")
        self._places = {
            key: entity.model_copy(update={"confidence": shares[key], "confidence_method": "votes"})
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

    def _settle(self, placement: Placement) -> tuple[Placement, Key | None]:
        """Make entities of a placement; a place that was taken before makes it a duplicate."""
        if not placement.placed or placement.start is None or placement.end is None:
            return placement, None
        label = placement.mention.label
        wanted: list[Key] = [
            (start, end, label) for start, end in ((placement.start, placement.end), *placement.repeats)
        ]
        for key in wanted:
            self._votes.setdefault(key, set()).add(self._reading.sample)
        free = [key for key in dict.fromkeys(wanted) if key not in self._places]
        if not free:
            return placement.model_copy(
                update={"status": "duplicate", "start": None, "end": None, "repeats": ()}
            ), wanted[0]
        free = [key for key in free if not self._crosses_earlier_pass(key)]
        if not free:
            return placement.model_copy(update={"status": "overlap", "start": None, "end": None, "repeats": ()}), None
        attributes = self._attributes(placement.mention)
        for key in free:
            self._turn[key] = (self._reading.turn, self._reading.sample)
            if self._is_cut(key):
                self._cut.add(key)
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

    def _is_cut(self, key: Key) -> bool:
        """Whether an entity touches a border of its piece inside the document, so that more of it may lie beyond."""
        if self._reading.length is None:
            return False
        begin, end = self._reading.offset, self._reading.offset + self._reading.length
        at_end = end < len(self.text) and not self.text[key[1] : end].strip()
        return (begin > 0 and key[0] == begin) or at_end

    def _crosses_earlier_pass(self, key: Key) -> bool:
        turn, sample = self._reading.turn, self._reading.sample
        return turn > 0 and any(
            other[0] < key[1] and key[0] < other[1] and first[0] < turn and first[1] == sample
            for other, first in self._turn.items()
        )

    def _attributes(self, mention: Mention) -> dict[str, tuple[ClassLabel, ...]]:
        label = self.schema.entity(mention.label)
        parts = {part.name: part for part in label.attributes} if label else {}
        found = {}
        for name, values in mention.attributes.items():
            if name not in parts:
                self._discard("attribute", f"{name}: {', '.join(values)}", "unknown_label")
            elif kept := self._close(parts[name], tuple(ClassLabel(label=value) for value in values), "attribute"):
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
            self._discard("relation", value, "unknown_label")
        elif head is None or tail is None:
            self._discard("relation", value, "an end was not placed")
        elif (known.head and head[2] not in known.head) or (known.tail and tail[2] not in known.tail):
            self._discard("relation", value, "the schema does not allow these ends")
        else:
            if (head, tail, relation.label) in self._links:
                self._discard("relation", value, "duplicate")
            self._links.setdefault((head, tail, relation.label), set()).add(self._reading.sample)

    def _close_class(self, name: str, chosen: tuple[ClassLabel, ...]) -> tuple[ClassLabel, ...]:
        part = self.schema.classification(name)
        if part is None:
            for item in chosen:
                self._discard("class", f"{name}: {item.label}", "unknown_label")
            return ()
        return self._close(part, chosen, "class")

    def _close(self, part: Classification, chosen: tuple[ClassLabel, ...], kind: Kind) -> tuple[ClassLabel, ...]:
        """Keep the labels that the schema has; several for a single-label question are no answer."""
        kept: dict[str, ClassLabel] = {}
        for item in chosen:
            if item.label not in part.label_names:
                self._discard(kind, f"{part.name}: {item.label}", "unknown_label")
            elif item.label in kept:
                self._discard(kind, f"{part.name}: {item.label}", "duplicate")
            else:
                kept[item.label] = item
        if len(kept) > 1 and not part.multi_label:
            for item in kept.values():
                self._discard(kind, f"{part.name}: {item.label}", "several labels where one is allowed")
            return ()
        return tuple(kept.values())

    def _reduce(self, part: Classification, answers: dict[int, list[tuple[ClassLabel, ...]]]) -> None:
        """Settle one question: first over the pieces of each sample, then over the samples by vote."""
        if len(answers) == self.samples == len(next(iter(answers.values()))) == 1:
            self.labels.classes[part.name] = next(iter(answers.values()))[0]
            return
        votes = Counter(label for pieces in answers.values() for label in self._over_pieces(part, pieces))
        chosen = [label for label in part.label_names if votes[label] >= self._needed]
        if not part.multi_label:
            chosen = sorted(chosen, key=lambda label: -votes[label])[:1]
        for label in sorted(votes.keys() - set(chosen)):
            self._discard("class", f"{part.name}: {label}", "outvoted")
        if chosen:
            method = "votes" if self.samples > 1 else None
            shares = [(label, votes[label] / self.samples if method else None) for label in chosen]
            said = {c.label: c.reason for pieces in answers.values() for piece in pieces for c in piece if c.reason}
            self.labels.classes[part.name] = tuple(
                ClassLabel(label=label, confidence=share, confidence_method=method, reason=said.get(label))
                for label, share in shares
            )

    def _over_pieces(self, part: Classification, pieces: list[tuple[ClassLabel, ...]]) -> list[str]:
        """Every label that a piece named (multi-label), or the most frequent one, the earlier piece at a tie."""
        votes = Counter(item.label for piece in pieces for item in piece)
        if part.multi_label:
            return list(votes)
        winner = max(votes, key=lambda label: votes[label])
        for label in votes:
            if label != winner:
                self._discard("class", f"{part.name}: {label}", "another part of the text said otherwise")
        return [winner]

    def _discard(self, kind: Kind, value: str, reason: str) -> None:
        self.labels.discarded.append(Discarded(kind=kind, value=short(value), reason=reason))
