"""What the report of an Azure Language bundle says of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llmlabel.platforms.azure_language.compare import declared_in, documents_of, keys_of
from llmlabel.platforms.azure_language.limits import DOCUMENTS_TO_TRAIN, LABELS_PER_ENTITY
from llmlabel.types import LabeledDocument


class Training:
    """What Azure Language asks of a project before it trains, counted over documents with labels.

    Args:
        labels: The labels that the project declares.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self.documents = 0
        self._per_label: Counter[str] = Counter()
        self._per_set: Counter[tuple[str, str]] = Counter()
        self._sets: set[str] = set()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Training:
        """Return the counts of a whole labels file."""
        made = cls(declared_in(content))
        for entry in documents_of(content).values():
            made.count((key[0] for key in keys_of(entry)), entry.get("dataset"))
        return made

    def count(self, chosen: Iterable[str], dataset: str | None) -> None:
        """Count the labels of one document."""
        names = list(chosen)
        self.documents += 1
        self._per_label.update(names)
        if dataset:
            self._sets.add(dataset)
            self._per_set.update({(dataset, name) for name in names})

    def notes(self) -> Iterator[str]:
        """Yield what is too little."""
        if self.documents < DOCUMENTS_TO_TRAIN:
            yield f"{self.documents} document(s) with labels; Azure Language trains from {DOCUMENTS_TO_TRAIN} on"
        few = [f"{name} {self._per_label[name]}" for name in self.labels if self._per_label[name] < LABELS_PER_ENTITY]
        if few:
            yield f"fewer than the recommended {LABELS_PER_ENTITY} labels: {', '.join(few[:20])}"
        if self._sets:
            absent = [name for name in self.labels for part in ("Train", "Test") if not self._per_set[part, name]]
            if absent:
                yield f"not in both of the Train and Test sets: {', '.join(dict.fromkeys(absent))}"


class Facts:
    """Counts of one batch; grows with the number of documents, not with their texts."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self.documents: list[dict[str, Any]] = []
        self.training = Training(labels)
        self.unfit = 0
        self.renamed = 0
        self.odd_names = 0
        self._languages: set[str] = set()
        self._edges = 0
        self._lost: Counter[str] = Counter()

    @property
    def published(self) -> int:
        """How many documents have labels to import."""
        return self.training.documents

    @property
    def multilingual(self) -> bool:
        """Whether the published documents have several languages."""
        return len(self._languages) > 1

    def count(self, labeled: LabeledDocument, classification: str | None, language: str, dataset: str | None) -> None:
        """Count one published document."""
        self._languages.add(language)
        chosen = labeled.entities if classification is None else labeled.classes[classification]
        self.training.count((item.label for item in chosen), dataset)
        if classification is None:
            self._edges += sum(entity.text != entity.text.strip() for entity in labeled.entities)
        others = len(labeled.classes) - (classification in labeled.classes)
        self._lost["relations"] += len(labeled.relations)
        self._lost["attributes"] += sum(len(entity.attributes) for entity in labeled.entities)
        self._lost["entities"] += len(labeled.entities) if classification is not None else 0
        self._lost["classifications"] += others
        self._lost["texts"] += len(labeled.texts)

    def notes(self, outcomes: str | None, multilingual: bool | None) -> Iterator[str]:
        """Yield what a user should know before importing."""
        if outcomes:
            yield outcomes
        lost = ", ".join(f"{count} {name}" for name, count in self._lost.items() if count)
        if lost:
            yield f"a labels file of this kind has no place for {lost}; they were left out"
        if self._edges:
            yield f"{self._edges} label(s) begin or end with white space, which a person would not mark"
        if multilingual is False and self.multilingual:
            yield f"documents have several languages ({', '.join(sorted(self._languages))}), the project has one"
        if self.unfit:
            yield f"{self.unfit} text(s) of documents without labels were not written: empty, too long or with a BOM"
        if self.renamed:
            yield f"{self.renamed} id(s) are not safe file names; manifest.json has the names of their files"
        if self.odd_names:
            yield f"{self.odd_names} file name(s) have other characters than letters and digits, which Azure asks for"
        same = Counter(name.lower() for name in self.labels)
        alike = [name for name in self.labels if same[name.lower()] > 1]
        if alike:
            yield f"labels that differ by case alone: {', '.join(alike)}"
