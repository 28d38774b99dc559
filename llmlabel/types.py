"""Every value that flows through llmlabel; those that a pipeline is built of have modules of their own.

All are frozen pydantic models: validated when made, equal by value, and read and written as JSON
(``model_dump_json`` / ``model_validate_json``). Spans are half-open and count Unicode code points.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from llmlabel.documents import ClassLabel, Document, Entity, LabeledDocument, Provenance, Relation, is_calibrated
from llmlabel.exchange import NO_USAGE, Completion, Finish, Message, Prompt, RateLimit, TokenLogprob, Usage
from llmlabel.mentions import Mention, MentionRelation
from llmlabel.settings import Asking, Limits
from llmlabel.values import Cleaned, Shown, Value, clean, explain, well_formed

__all__ = [
    "NO_USAGE",
    "PLACED",
    "Asking",
    "ClassLabel",
    "Cleaned",
    "Completion",
    "Discarded",
    "Document",
    "Entity",
    "ExportReport",
    "Failure",
    "Finish",
    "HeldBack",
    "ItemKind",
    "LabeledDocument",
    "Limits",
    "Mention",
    "MentionRelation",
    "Message",
    "Outcome",
    "ParsedAnswer",
    "Placement",
    "Prediction",
    "Prompt",
    "Provenance",
    "RateLimit",
    "Rejected",
    "Relation",
    "Shown",
    "Status",
    "TokenLogprob",
    "Usage",
    "Value",
    "clean",
    "explain",
    "is_calibrated",
    "well_formed",
]

Outcome = Literal[
    "labeled",
    "partial",
    "truncated",
    "filtered",
    "refused",
    "invalid",
    "failed",
    "skipped",
    "over_budget",
    "not_run",
]
Status = Literal["exact", "normalized", "fuzzy", "not_found", "ambiguous", "duplicate", "overlap", "unknown_label"]
PLACED: frozenset[str] = frozenset({"exact", "normalized", "fuzzy"})


class Placement(Value):
    """Where one mention stands, or why it was not placed.

    Placed: ``exact`` (verbatim), ``normalized`` (equal after the named ``changes``), ``fuzzy`` (a bounded number of
    edits). Not placed: ``not_found``, ``ambiguous``, ``duplicate``, ``overlap``, ``unknown_label``.
    ``candidates`` says how many places were possible; ``repeats`` holds further places (``occurrences="all"``).
    """

    mention: Mention
    status: Status
    start: int | None = None
    end: int | None = None
    similarity: float = Field(default=1.0, ge=0, le=1)
    changes: tuple[str, ...] = ()
    candidates: int = 1
    repeats: tuple[tuple[int, int], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        start, end = self.start, self.end
        if start is not None and end is not None and 0 <= start < end and self.status in PLACED and not self.repeats:
            return self
        given = (start is not None) + (end is not None)
        if given != (2 if self.placed else 0):
            raise ValueError(f"status {self.status!r} with start={self.start} end={self.end}")
        for start, end in (*([(self.start, self.end)] if self.placed else ()), *self.repeats):
            if start is None or end is None or not 0 <= start < end:
                raise ValueError(f"expected 0 <= start < end, found [{start}, {end})")
        return self

    @property
    def placed(self) -> bool:
        """Whether the mention has a place in the text."""
        return self.status in PLACED


ItemKind = Literal["item", "relation", "class", "text", "attribute", "copy"]


class Discarded(Value):
    """One item of an answer that was not taken, and the one reason why.

    ``kind`` is what the item was meant to be (``item`` if that cannot be told); ``value`` repeats it, shortened.
    ``copy`` is no item: it tells where the text that an inline answer repeats differs from the document.
    """

    kind: ItemKind
    value: str
    reason: str


class ParsedAnswer(Value):
    """What an answer format read for one document; relations point at mentions until these are placed.

    ``problems`` lists each item that could not be read; ``repaired`` tells that the JSON had to be mended.
    """

    mentions: tuple[Mention, ...] = ()
    relations: tuple[MentionRelation, ...] = ()
    classes: dict[str, tuple[ClassLabel, ...]] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)
    problems: tuple[Discarded, ...] = ()
    repaired: bool = False
    complete: bool = True


class Failure(Value):
    """Why a document was not labelled: the error's class name, its message, and the HTTP status if there was one."""

    type: str
    message: Cleaned
    status_code: int | None = None
    retryable: bool = False


class Prediction(LabeledDocument):
    """What became of one document: its labels, and the ledger of all that was not taken.

    ``placements`` has one item per mention the model returned, ``discarded`` the other items that were not taken,
    ``parts`` the outcome of each chunk of a long document. ``suspicious`` marks text that talks to the model, or an
    implausible number of entities.
    """

    outcome: Outcome
    placements: tuple[Placement, ...] = ()
    discarded: tuple[Discarded, ...] = ()
    parts: tuple[Outcome, ...] = ()
    usage: Usage = NO_USAGE
    model: str | None = None
    fingerprint: str | None = None
    error: Failure | None = None
    suspicious: bool = False

    def _facts(self) -> list[tuple[str, str]]:
        facts = [("outcome", self.outcome + (f": {self.error.message}" if self.error else ""))]
        facts += [("suspicious", "the text talks to the model, or has too many entities")] if self.suspicious else []
        lost = [f"{p.mention.text} ({p.mention.label}, {p.status})" for p in self.placements if not p.placed]
        lost += [f"{item.value} ({item.kind}, {item.reason})" for item in self.discarded]
        return [*facts, *super()._facts(), *(("not taken", item) for item in lost)]


class HeldBack(Value):
    """One document, or one label of it, that an exporter did not publish, and why."""

    document_id: str
    reason: str
    label: str | None = None


class ExportReport(Value):
    """What an exporter did: documents written, what was held back, remarks, and where to look."""

    target: str
    written: int
    held_back: tuple[HeldBack, ...] = ()
    notes: tuple[str, ...] = ()
    location: str | None = None


class Rejected(Value):
    """An input that cannot be a ``Document``: its 0-based position, its id if it had one, and the reason."""

    index: int
    id: Cleaned | None = None
    reason: Cleaned
