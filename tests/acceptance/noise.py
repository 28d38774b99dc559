"""A seeded annotator that knows the gold labels and makes mistakes in known numbers."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from llmlabel.types import Entity, LabeledDocument

INVENTED = "Quxville Zorbington {}"


@dataclass
class Script:
    """What the annotator does with one document: its answers in order, then the last one again."""

    fate: str  # labeled | refused | invalid | reasked | failed
    answer: str
    mentions: int = 0
    placed: int = 0
    not_found: int = 0
    duplicate: int = 0
    copies: int = 1  # documents with this very text: they are asked about once


@dataclass
class NoisyAnnotator:
    """Answers for labelled documents, each mistake drawn from one seed and counted."""

    documents: Iterable[LabeledDocument]
    seed: int = 7
    scripts: dict[str, Script] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draw = random.Random(self.seed)
        documents = list(self.documents)
        fates = ["refused", "invalid", "reasked", "failed"] * max(1, len(documents) // 33)
        fates += ["labeled"] * (len(documents) - len(fates))
        draw.shuffle(fates)
        for number, labeled in enumerate(documents):
            if (known := self.scripts.get(labeled.document.text)) is not None:
                known.copies += 1
            else:
                self.scripts[labeled.document.text] = self._script(labeled, fates[number], draw, number)

    def total(self, what: str) -> int:
        """How many of one kind were injected, over the documents that end labelled."""
        ended = [script for script in self.scripts.values() if script.fate in {"labeled", "reasked"}]
        return sum(script.copies * getattr(script, what) for script in ended)

    @property
    def fates(self) -> Counter[str]:
        """How many documents end in which way."""
        fates: Counter[str] = Counter()
        for script in self.scripts.values():
            fates[script.fate] += script.copies
        return fates

    def _script(self, labeled: LabeledDocument, fate: str, draw: random.Random, number: int) -> Script:
        text = labeled.document.text
        script, said = Script(fate, ""), []
        for entity in sorted(labeled.entities, key=lambda e: e.start):
            said.append({"text": changed(entity, draw), "label": entity.label})
            script.placed += 1
            alone = letters(text).count(letters(entity.text)) == 1
            if alone and draw.random() < 0.1:
                said.append({"text": entity.text, "label": entity.label})
                script.duplicate += 1
        if draw.random() < 0.1:
            label = labeled.entities[0].label if labeled.entities else None
            if label:
                said.append({"text": INVENTED.format(number), "label": label})
                script.not_found += 1
        script.mentions = len(said)
        script.answer = json.dumps({"entities": said}, ensure_ascii=False)
        return script


def letters(text: str) -> str:
    """The text without case, white space and punctuation: what a tolerant search may look at."""
    return "".join(filter(str.isalnum, text.casefold()))


def changed(entity: Entity, draw: random.Random) -> str:
    """The surface as a careless model copies it: verbatim, in another case, or with other white space."""
    kind = draw.choices(["same", "case", "space"], [70, 15, 15])[0]
    if kind == "case" and len(entity.text.upper()) == len(entity.text):
        return entity.text.upper()
    if kind == "space" and " " in entity.text:
        return entity.text.replace(" ", "  ")
    return entity.text
