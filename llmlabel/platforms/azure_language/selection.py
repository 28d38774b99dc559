"""Which labels of a document go into a labels file, which are held back, and what forbids the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from llmlabel.errors import ConfigurationError
from llmlabel.platforms.azure_language.labels_file import KINDS, DocumentLabels, ProjectKind, document_labels
from llmlabel.platforms.azure_language.limits import ENTITY_MAX, language_code, text_problem
from llmlabel.platforms.azure_language.overlaps import OverlapPolicy, dropped, duplicates, overlapping
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, LabeledDocument

Unfit = Literal["refuse", "hold_back"]


@dataclass(frozen=True, slots=True)
class Selected:
    """What one document gives: its entry, or none; ``kept`` are the labels in it, ``held`` what stays out and why.

    ``held`` maps the index of an entity to the reason, ``withheld`` is the reason that holds for the whole document.
    """

    kept: LabeledDocument
    entry: DocumentLabels | None = None
    withheld: str | None = None
    held: dict[int, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules; ``classification`` None means entities. See ``AzureLanguageBundleExporter`` for each."""

    project_kind: ProjectKind
    classification: str | None = None
    language: str = "en-us"
    overlap: OverlapPolicy = "refuse"
    min_confidence: float | None = None
    only_reviewed: bool = False
    test_share: float | None = None
    seed: int = 0
    unfit: Unfit = "refuse"

    def __post_init__(self) -> None:
        if self.unfit not in ("refuse", "hold_back"):
            raise ConfigurationError(f"unfit: expected refuse or hold_back, found {self.unfit!r}")
        if self.overlap not in ("refuse", "keep_longest", "keep_first"):
            raise ConfigurationError(f"overlap: expected refuse, keep_longest or keep_first, found {self.overlap!r}")
        for name, value in (("min_confidence", self.min_confidence), ("test_share", self.test_share)):
            if value is not None and not 0 <= value <= 1:
                raise ConfigurationError(f"{name}: expected a number from 0 to 1, found {value!r}")

    def select(self, labeled: LabeledDocument) -> Selected:
        """Return what is to be published of a labelled document."""
        withheld = self._withheld(labeled)
        if withheld:
            return Selected(labeled, withheld=withheld)
        problems = tuple(self._problems(labeled))
        held = self._held(labeled) if self.classification is None else {}
        if problems and self.unfit == "hold_back":
            return Selected(labeled, withheld="; ".join(problems))
        if problems:
            return Selected(labeled, held=held, problems=problems)
        staying = {id(entity) for number, entity in enumerate(labeled.entities) if number not in held}
        kept = labeled.keep(lambda entity: id(entity) in staying) if held else labeled
        language = language_code(labeled.document.language or self.language) or self.language
        entry = document_labels(kept, self.project_kind, language, self.classification or "")
        dataset = self._dataset(labeled.document)
        if dataset:
            entry["dataset"] = dataset
        return Selected(kept, entry, held=held)

    def _withheld(self, labeled: LabeledDocument) -> str | None:
        chosen = labeled.entities if self.classification is None else labeled.classes.get(self.classification, ())
        if self.classification is not None and not chosen:
            return f"no label of {self.classification!r} was chosen, and a labels file cannot say so"
        if self.only_reviewed and not by_person(labeled):
            return "no person has reviewed it"
        if self.min_confidence is None or by_person(labeled):
            return None
        low = sum(item.confidence is None or item.confidence < self.min_confidence for item in chosen)
        return f"{low} of {len(chosen)} label(s) below min_confidence {self.min_confidence:g}" if low else None

    def _problems(self, labeled: LabeledDocument) -> Iterator[str]:
        document = labeled.document
        problem = text_problem(document.text)
        if problem:
            yield problem
        if document.language and not language_code(document.language):
            yield f"language {document.language!r} is not supported by Azure Language"
        if self.classification is not None:
            return
        for number, entity in enumerate(labeled.entities):
            if len(entity.text.encode("utf-16-le")) // 2 > ENTITY_MAX:
                yield f"entities[{number}] ({entity.label}) is longer than {ENTITY_MAX} UTF-16 units"
        if self.overlap == "refuse":
            for one, other in overlapping(labeled.entities, duplicates(labeled.entities)):
                yield (
                    f"entities[{one}] ({labeled.entities[one].label}) and entities[{other}] "
                    f"({labeled.entities[other].label}) overlap; choose overlap='keep_longest' or 'keep_first'"
                )

    def _held(self, labeled: LabeledDocument) -> dict[int, str]:
        repeated = duplicates(labeled.entities)
        held = dict.fromkeys(repeated, "the same label stands there already")
        if self.overlap != "refuse":
            overlaps = dropped(labeled.entities, self.overlap, repeated)
            held |= dict.fromkeys(overlaps, f"overlaps another label ({self.overlap})")
        return dict(sorted(held.items()))

    def _dataset(self, document: Document) -> str | None:
        if self.test_share is None:
            found = document.metadata.get("dataset")
            return found if found in ("Train", "Test") else None
        value = int.from_bytes(hashlib.sha256(f"{self.seed}\n{document.id}".encode()).digest()[:8])
        return "Test" if value < self.test_share * 2**64 else "Train"


def by_person(labeled: LabeledDocument) -> bool:
    """Return whether a person made or reviewed the labels of a document."""
    made = labeled.provenance
    return made is not None and (made.kind == "human" or made.reviewed)


def choose_kind(
    schema: LabelSchema, kind: ProjectKind | None = None, classification: str | None = None
) -> tuple[ProjectKind, str | None]:
    """Return the project kind and the classification it holds (None for entities), inferred where that is clear.

    Raises:
        ConfigurationError: The schema leaves the kind or the classification open, or does not fit them.
    """
    if kind is None:
        kind = _infer(schema, classification)
    if kind not in KINDS:
        raise ConfigurationError(f"project_kind: expected one of {list(KINDS)}, found {kind!r}")
    if kind == KINDS[0]:
        if not schema.entities:
            raise ConfigurationError(f"project_kind {kind!r} needs entity labels, the schema has none")
        return kind, None
    known = [part.name for part in schema.classifications]
    name = known[0] if classification is None and len(known) == 1 else classification
    part = schema.classification(name) if name else None
    if part is None:
        raise ConfigurationError(f"classification: expected one of {known}, found {name!r}")
    if part.multi_label and kind == KINDS[1]:
        raise ConfigurationError(f"classification {name!r} takes several labels, project_kind {kind!r} takes one")
    return kind, part.name


def _infer(schema: LabelSchema, classification: str | None) -> ProjectKind:
    part = schema.classification(classification) if classification else None
    if part is None and schema.entities and not schema.classifications:
        return KINDS[0]
    if part is None and len(schema.classifications) == 1 and not schema.entities:
        part = schema.classifications[0]
    if part is None:
        raise ConfigurationError(
            f"project_kind: expected one of {list(KINDS)}; the schema has {len(schema.entities)} entity labels and "
            f"{len(schema.classifications)} classifications, and a project holds one kind"
        )
    return KINDS[2] if part.multi_label else KINDS[1]
