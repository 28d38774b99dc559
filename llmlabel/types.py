"""Every value that flows through llmlabel, defined once.

All are frozen pydantic models: validated when made, equal by value, and read and written as JSON
(``model_dump_json`` / ``model_validate_json``). Spans are half-open and count Unicode code points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

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
Finish = Literal["stop", "length", "refusal", "content_filter"]
PLACED: frozenset[str] = frozenset({"exact", "normalized", "fuzzy"})


class Value(BaseModel):
    """Base of all values: frozen, no unknown fields; errors name the field and do not repeat what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", hide_input_in_errors=True)


class Shown(Value):
    """A value whose text is written for people: it is what a terminal shows, and a notebook that shows no HTML."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("..." if cycle else str(self))


def explain(error: ValidationError) -> str:
    """Return a validation error as one line per field: ``entities[1].name: …`` (values are not repeated)."""
    lines = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "; ".join(lines)


def well_formed(text: str) -> str:
    """Return ``text`` unchanged, or raise ``ValueError`` if it holds a lone surrogate (not encodable as UTF-8)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"lone surrogate U+{ord(text[error.start]):04X} at position {error.start}; decode the source as UTF-8, "
            "or replace it"
        ) from None
    return text


def clean(text: str) -> str:
    """Return ``text`` with surrogate pairs joined, and lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# What models and endpoints say: it must reach the journal and files, whatever it is.
Cleaned = Annotated[str, AfterValidator(clean)]


def _check_json(value: object) -> None:
    """Raise ``ValueError`` unless the value can be written as JSON and read back equal."""
    if isinstance(value, str):
        well_formed(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"expected names as keys, found {type(key).__name__}")
            well_formed(key)
            _check_json(item)
    elif isinstance(value, list):
        for item in value:
            _check_json(item)
    elif not (value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value))):
        raise ValueError(
            f"expected what JSON can say (text, finite numbers, lists, mappings), found {type(value).__name__}"
        )


class Document(Value):
    """A text to label. ``text`` is never normalised: offsets count its code points, CRLF is two."""

    id: str = Field(min_length=1)
    text: str
    language: str | None = None
    metadata: dict[str, Any] = {}

    @field_validator("id", "text", "language")
    @classmethod
    def _well_formed(cls, value: str | None) -> str | None:
        return None if value is None else well_formed(value)

    @field_validator("metadata")
    @classmethod
    def _writable(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value:
            _check_json(value)
        return value


class ClassLabel(Value):
    """One chosen label of a classification or attribute; ``confidence`` is in [0, 1] or unknown."""

    label: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_method: str | None = None
    reason: str | None = None


class Entity(Value):
    """A labelled span ``[start, end)``; ``text`` is what stands there, ``match`` how it was found."""

    start: int = Field(ge=0)
    end: int
    label: str
    text: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_method: str | None = None
    match: str = "exact"
    attributes: dict[str, tuple[ClassLabel, ...]] = {}
    reason: str | None = None

    @model_validator(mode="after")
    def _length(self) -> Self:
        if self.end - self.start != len(self.text) or not self.text:
            raise ValueError(f"span [{self.start}, {self.end}) does not fit a text of {len(self.text)} characters")
        return self


def is_calibrated(confidence_method: str | None) -> bool:
    """Whether a ``confidence_method`` names a calibrated probability, such as ``"votes (calibrated: isotonic)"``."""
    return confidence_method is not None and "(calibrated: " in confidence_method


class Relation(Value):
    """A directed link between two entities: indices into ``LabeledDocument.entities``."""

    head: int = Field(ge=0)
    tail: int = Field(ge=0)
    label: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    confidence_method: str | None = None


class Provenance(Value):
    """Who made the labels, when, and whether a person has looked at them."""

    kind: Literal["human", "model", "synthetic"]
    author: str | None = None
    created_at: datetime | None = None
    reviewed: bool = False


class LabeledDocument(Shown):
    """A document with labels, each entity proven to stand in the text.

    Raises:
        pydantic.ValidationError: An entity's text is not the slice at its offsets, or a relation points nowhere.
    """

    document: Document
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    classes: dict[str, tuple[ClassLabel, ...]] = {}
    texts: dict[str, str] = {}
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _grounded(self) -> Self:
        text = self.document.text
        for number, entity in enumerate(self.entities):
            if text[entity.start : entity.end] != entity.text:
                raise ValueError(
                    f"entities[{number}] of document {self.document.id!r}: "
                    f"its text does not stand at [{entity.start}, {entity.end})"
                )
        for number, relation in enumerate(self.relations):
            if max(relation.head, relation.tail) >= len(self.entities):
                raise ValueError(
                    f"relations[{number}] of document {self.document.id!r}: points at entity "
                    f"{max(relation.head, relation.tail)}, there are {len(self.entities)}"
                )
        return self

    def keep(self, predicate: Callable[[Entity], bool]) -> Self:
        """Return a copy with the entities for which ``predicate`` holds; relations follow, or go with their ends."""
        kept = [number for number, entity in enumerate(self.entities) if predicate(entity)]
        moved = {old: new for new, old in enumerate(kept)}
        return self.model_copy(
            update={
                "entities": tuple(self.entities[number] for number in kept),
                "relations": tuple(
                    r.model_copy(update={"head": moved[r.head], "tail": moved[r.tail]})
                    for r in self.relations
                    if r.head in moved and r.tail in moved
                ),
            }
        )

    def _repr_html_(self) -> str:
        from llmlabel.html import document_html

        spans = [(e.start, e.end, e.label, e.match, e.confidence) for e in self.entities]
        return document_html(self.document.id, self.document.text, spans, self._facts())

    def __str__(self) -> str:
        from llmlabel.html import terminal_safe

        text = self.document.text
        lines = [f"{self.document.id}: {text if len(text) <= 200 else text[:199] + '…'}"]
        lines += [f"  {e.label} [{e.start}, {e.end}) {e.text}{_because(e.reason)}" for e in self.entities]
        lines += [f"  {name}: {value}" for name, value in self._facts()]
        return terminal_safe("\n".join(lines))

    def _facts(self) -> list[tuple[str, str]]:
        facts = [
            (name, ", ".join(c.label + _because(c.reason) for c in chosen)) for name, chosen in self.classes.items()
        ]
        ends = [(r.label, f"{self.entities[r.head].text} → {self.entities[r.tail].text}") for r in self.relations]
        return [*facts, *self.texts.items(), *ends]


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


class Mention(Value):
    """What the model said: a surface and a label.

    ``before``/``after`` is context the model gave; ``hint`` is the code point at which an answer format saw the
    mention (inline answers), to be checked, never an offset claimed by a model.
    """

    text: str
    label: str
    before: str | None = None
    after: str | None = None
    hint: int | None = None
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    reason: str | None = None

    def __hash__(self) -> int:
        return hash((self.text, self.label, self.before, self.after, self.hint))


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


class MentionRelation(Value):
    """A relation the model stated, between two mentions of the same answer (indices)."""

    head: int = Field(ge=0)
    tail: int = Field(ge=0)
    label: str


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
    classes: dict[str, tuple[ClassLabel, ...]] = {}
    texts: dict[str, str] = {}
    problems: tuple[Discarded, ...] = ()
    repaired: bool = False
    complete: bool = True


class Message(Value):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(Value):
    """Tokens, requests and cost, failed tries included; ``+`` adds. ``cost`` is None where any part is unknown."""

    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)
    requests: int = Field(default=0, ge=0)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    def __add__(self, other: Usage) -> Usage:
        if self == NO_USAGE:
            return other
        if other == NO_USAGE:
            return self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            requests=self.requests + other.requests,
            cost=None if self.cost is None or other.cost is None else self.cost + other.cost,
        )

    def __radd__(self, other: int) -> Usage:
        return self if other == 0 else NotImplemented  # lets sum() start from 0


NO_USAGE = Usage()


class TokenLogprob(Value):
    """One token of the answer and its natural-log probability."""

    token: Cleaned
    logprob: float


class RateLimit(Value):
    """What the response headers said of the limits; None where unknown (absent, 0 or -1)."""

    requests: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None


class Completion(Value):
    """A model's answer to one prompt: raw text (lone surrogates become U+FFFD), why it ended, what it cost."""

    text: Cleaned
    finish: Finish = "stop"
    usage: Usage = NO_USAGE
    model: str | None = None
    token_logprobs: tuple[TokenLogprob, ...] | None = None
    rate_limit: RateLimit | None = None
    details: dict[str, Any] = {}


class Prompt(Value):
    """One request: messages (static part first, document last) and the JSON Schema of the answer, if any."""

    messages: tuple[Message, ...]
    answer_schema: Mapping[str, Any] | None = None
    max_output_tokens: int | None = None
    sample: int = 0
    document_ids: tuple[str, ...] = ()

    def reply(self, completion: Completion, problem: str) -> Prompt:
        """Return the same conversation, continued by the unusable answer and what is wrong with it."""
        again = f"Your answer cannot be used: {problem}\nAnswer again, completely, in the required format only."
        more = (Message(role="assistant", content=completion.text), Message(role="user", content=again))
        return self.model_copy(update={"messages": self.messages + more})


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


class Asking(Value):
    """How a document is asked about.

    ``documents_per_request`` packs short documents, ``max_document_tokens`` cuts long ones (neighbours share
    ``overlap_tokens``; ``context_tokens`` on each side are shown beside a piece, not to be labelled), ``passes``
    repeats for recall, ``samples`` for votes (a label stays if at least the share ``vote_threshold`` of those that
    answered gave it), ``max_reasks`` bounds asking again after an unusable answer.
    ``near_labels="map"`` takes a near-miss label name (``Person`` for ``PERSON``) for the label; by default it goes to
    the ledger as ``unknown_label``.
    """

    documents_per_request: int = Field(default=1, ge=1)
    max_document_tokens: int | None = Field(default=None, ge=16)
    overlap_tokens: int = Field(default=0, ge=0)
    context_tokens: int = Field(default=0, ge=0)
    passes: int = Field(default=1, ge=1)
    samples: int = Field(default=1, ge=1)
    vote_threshold: float = Field(default=0.5, gt=0, le=1)
    max_reasks: int = Field(default=2, ge=0)
    near_labels: Literal["ledger", "map"] = "ledger"

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.max_document_tokens is not None and self.overlap_tokens * 2 > self.max_document_tokens:
            raise ValueError(
                f"overlap_tokens: expected at most half of max_document_tokens, found {self.overlap_tokens}"
            )
        return self


class Limits(Value):
    """What a run may use: requests in flight, pace per minute, money, tokens, seconds per request."""

    max_concurrency: int | Literal["auto"] = "auto"
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    max_cost: float | None = Field(default=None, ge=0)
    max_total_tokens: int | None = Field(default=None, ge=0)
    request_timeout: float = Field(default=120.0, gt=0)

    @field_validator("max_concurrency")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError(f'expected "auto" or a number from 1, found {value}')
        return value
