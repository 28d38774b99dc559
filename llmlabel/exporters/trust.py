"""Which labels a platform may show, and with which confidence: what a person reviewed, what is a probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmlabel.types import ClassLabel, LabeledDocument, is_calibrated

ALL = "all"


def by_person(labeled: LabeledDocument) -> bool:
    """Whether a person made or reviewed the labels."""
    made = labeled.provenance
    return made is not None and (made.kind == "human" or made.reviewed)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a user lets through.

    A platform shows a confidence as a percentage, and people read that as a probability. So a number that a method of
    llmlabel made is filled in when it is calibrated, or when the user names its method: ``"votes"``, say; ``"all"``
    lets every one through. A confidence without a method is the caller's own and is passed on.
    """

    only_reviewed: bool = False
    confidence: frozenset[str] = frozenset()

    @classmethod
    def of(cls, only_reviewed: bool, confidence: str | Iterable[str]) -> Trust:
        """Return the rules for an exporter's arguments; one method may be given as a plain text."""
        methods = (confidence,) if isinstance(confidence, str) else confidence
        return cls(only_reviewed, frozenset(methods))

    def withheld(self, labeled: LabeledDocument) -> str | None:
        """Return why the labels of a document stay out, or None if they do not."""
        return "no person has reviewed it" if self.only_reviewed and not by_person(labeled) else None

    def scored(self, labeled: LabeledDocument) -> LabeledDocument:
        """Return the document without the confidences that are not to be shown."""
        if ALL in self.confidence:
            return labeled
        entities = tuple(
            entity.model_copy(
                update={
                    "confidence": entity.confidence if self._shows(entity.confidence_method) else None,
                    "attributes": {name: self._plain(chosen) for name, chosen in entity.attributes.items()},
                }
            )
            for entity in labeled.entities
        )
        classes = {name: self._plain(chosen) for name, chosen in labeled.classes.items()}
        relations = tuple(
            relation if self._shows(relation.confidence_method) else relation.model_copy(update={"confidence": None})
            for relation in labeled.relations
        )
        return labeled.model_copy(update={"entities": entities, "relations": relations, "classes": classes})

    def _plain(self, chosen: Iterable[ClassLabel]) -> tuple[ClassLabel, ...]:
        return tuple(
            c if self._shows(c.confidence_method) else ClassLabel(label=c.label, reason=c.reason) for c in chosen
        )

    def _shows(self, method: str | None) -> bool:
        return method is None or is_calibrated(method) or method in self.confidence
