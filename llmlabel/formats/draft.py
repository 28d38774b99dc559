"""One document's answer while it is read: what was taken, and the ledger of what was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmlabel.formats.keys import LABEL, NAME, REASON, TEXT, key_used
from llmlabel.formats.links import resolve_links
from llmlabel.parsing import CutList, JsonAnswer, shown
from llmlabel.schema import LabelSchema
from llmlabel.types import ClassLabel, Discarded, ItemKind, Mention, ParsedAnswer, clean

_TAKEN = frozenset({*TEXT, *LABEL, *REASON, "id", "attributes", "before", "after"})
_NOTHING = frozenset({"", "none", "null", "n/a"})
CUT_OFF = "the answer was cut off here"


def strings(value: object) -> Iterator[str]:
    """Yield the scalars of a value as strings; lists are flattened, nulls are nothing."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield clean(item)
        elif isinstance(item, bool):
            yield "true" if item else "false"
        elif isinstance(item, int | float):
            try:
                yield str(item)
            except ValueError:  # more digits than Python converts
                yield "(number)"
        elif isinstance(item, list):
            stack.extend(reversed(item))


@dataclass(slots=True)
class Draft:
    """The answer for one document while it is read."""

    schema: LabelSchema
    mentions: list[Mention] = field(default_factory=list)
    ids: dict[str, int | None] = field(default_factory=dict)
    numbered: list[int | None] = field(default_factory=list)
    links: list[object] = field(default_factory=list)
    classes: dict[str, tuple[ClassLabel, ...]] = field(default_factory=dict)
    class_reasons: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Discarded] = field(default_factory=list)
    cut: bool = False
    rest: str = ""  # what stood after the last complete value of a cut answer

    def drop(self, value: object, reason: str, kind: ItemKind = "item") -> None:
        """Enter an item into the ledger."""
        self.cut = self.cut or reason == CUT_OFF
        self.problems.append(Discarded(kind=kind, value=shown(value), reason=reason))

    def answer(self, source: JsonAnswer | None = None, *, complete: bool = True) -> ParsedAnswer:
        """Return what was read; ``source`` tells what was repaired or cut off."""
        if source is not None:
            if self.rest and self.cut:  # one item: what was read of it, and where it ends
                whole = shown(f"{self.problems[-1].value.removesuffix('}')} {self.rest}")
                self.problems[-1] = self.problems[-1].model_copy(update={"value": whole})
            elif self.rest:
                self.drop(self.rest, CUT_OFF)
        relations = resolve_links(self)
        return ParsedAnswer(
            mentions=tuple(self.mentions),
            relations=tuple(relations),
            classes={name: self._reasoned(name, chosen) for name, chosen in self.classes.items()},
            texts=self.texts,
            problems=tuple(self.problems),
            repaired=source is not None and source.repaired,
            complete=complete,
        )

    def _reasoned(self, name: str, chosen: tuple[ClassLabel, ...]) -> tuple[ClassLabel, ...]:
        """Return chosen labels with the reason that was given for their classification, if one was."""
        said = self.class_reasons.get(name)
        return tuple(item.model_copy(update={"reason": said}) for item in chosen) if said else chosen

    def mention(self, text: str, label: str, item: Mapping[str, Any]) -> None:
        """Take one mention; ``item`` is the object it came in, with reason, context and attributes."""
        if not text.strip() or not label.strip():
            self.drop({"text": text, "label": label}, "the text is empty" if label.strip() else "it has no label")
            return
        before, after = (
            clean(said) if isinstance(said := item.get(side), str) else None for side in ("before", "after")
        )
        reason = next((clean(item[key]) for key in REASON if isinstance(item.get(key), str) and item[key]), None)
        self.mentions.append(
            Mention(
                text=text,
                label=label.strip(),
                before=before,
                after=after,
                attributes=self.attributes(item, label),
                reason=reason,
            )
        )

    def attributes(self, item: Mapping[str, Any], label: str) -> dict[str, tuple[str, ...]]:
        """Return the attributes said of one entity: under ``attributes``, or beside its text."""
        said: dict[str, Any] = {}
        known = self.schema.entity(label)
        for part in known.attributes if known else ():
            if part.name in item and part.name not in _TAKEN:
                said[part.name] = item[part.name]
        given = item.get("attributes")
        if given is None and not said:
            return said
        listed = isinstance(given, list)
        for pairs in given if isinstance(given, list) else [given]:
            if (
                listed
                and isinstance(pairs, dict)
                and (name := key_used(pairs, NAME))
                and key_used(pairs, (*LABEL, "value"))
            ):
                said[str(pairs[name])] = pairs[key_used(pairs, (*LABEL, "value")) or name]
            elif isinstance(pairs, dict):
                said.update(pairs)
            elif pairs is not None:
                self.drop(pairs, "expected an object of attributes", "attribute")
        found = {clean(name): tuple(_labels(value)) for name, value in said.items()}
        return {name: values for name, values in found.items() if values}

    def choose(self, name: str, value: object) -> None:
        """Read the labels chosen for one classification."""
        part = self.schema.classification(name)
        known = part.label_names if part else ()
        labels = [label for label in _labels(value) if label in known or label.casefold() not in _NOTHING]
        if len(labels) == 1 and labels[0] not in known and part is not None:
            pieces = [piece.strip() for piece in labels[0].split(",")]
            labels = pieces if all(piece in known for piece in pieces) else labels
        if isinstance(value, CutList):
            self.drop({name: value}, CUT_OFF, "class")
        elif labels:
            chosen = tuple(ClassLabel(label=label) for label in labels)
            self.classes[name] = self.classes.get(name, ()) + chosen

    def write(self, name: str, value: object) -> None:
        """Read one free text."""
        if isinstance(value, dict):
            self.drop({name: value}, "expected a text", "text")
        elif said := "\n".join(strings(value)):
            self.texts[name] = f"{self.texts[name]}\n{said}" if name in self.texts else said


def _labels(value: object) -> Iterable[str]:
    """Return chosen labels: a string, a list, ``{"label": …}``, or ``{label: true}``."""
    if isinstance(value, dict):
        if key := key_used(value, LABEL):
            return _labels(value[key])
        return [clean(name) for name, yes in value.items() if yes is True]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [label for item in value if not isinstance(item, list) for label in _labels(item)]
    return [label.strip() for label in strings(value)]
