"""What happens to one document: redacted, cut, asked about (again), placed, merged into one prediction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from llmlabel.chunking import Chunk, around, cut, estimate_tokens
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.asking import Asker
from llmlabel.pipeline.assemble import Assembler, Labels
from llmlabel.pipeline.marks import at_marks
from llmlabel.pipeline.reading import Reading, scored
from llmlabel.pipeline.redaction import Redaction, Redactor, redact
from llmlabel.resolvers.base import OffsetResolver
from llmlabel.suspicion import implausible_count, suspicion
from llmlabel.types import (
    Asking,
    Document,
    Entity,
    Failure,
    Outcome,
    ParsedAnswer,
    Placement,
    Prediction,
    Prompt,
    Provenance,
    Usage,
)

# Worst first: what a document that was asked in pieces is called when every piece failed, each in its way.
SEVERITY: tuple[Outcome, ...] = ("not_run", "over_budget", "failed", "filtered", "refused", "invalid")


@dataclass(slots=True)
class Task:
    """One document on its way: what of it is sent, in which pieces."""

    document: Document
    redaction: Redaction
    chunks: Sequence[Chunk]
    context_tokens: int = 0  # of what stands around a piece, shown beside it

    @property
    def sent(self) -> Document:
        """The document as the model sees it."""
        if self.redaction.text == self.document.text:
            return self.document
        return self.document.model_copy(update={"text": self.redaction.text})

    def piece(self, chunk: Chunk) -> Document:
        """One piece of the document as the model sees it."""
        return self.sent if len(self.chunks) == 1 else self.sent.model_copy(update={"text": chunk.text})

    def prompt(self, labeler: LLMLabeler, chunk: Chunk, number: int) -> Prompt:
        """The request about one piece, for one pass and sample."""
        before, after = self.around(chunk)
        return prompt_for(labeler, [self.piece(chunk)], number, before=before, after=after)

    def around(self, chunk: Chunk) -> tuple[str, str]:
        """What stands before and after a piece and is shown beside it."""
        return around(self.redaction.text, chunk, self.context_tokens)


class DocumentLabeler:
    """Turns documents into predictions with one labeler, one resolver and one engine."""

    def __init__(
        self,
        asker: Asker,
        resolver: OffsetResolver,
        asking: Asking,
        *,
        redactor: Redactor | None = None,
        fingerprint: str = "",
        retry: Collection[str] = (),
    ) -> None:
        self.asker = asker
        self.resolver = resolver
        self.asking = asking
        self.redactor = redactor
        self.fingerprint = fingerprint
        self.retry = frozenset(retry)

    async def label(self, document: Document) -> Prediction:
        """Return the document's prediction; only a bug raises."""
        if not document.text.strip():
            return empty(document, self.fingerprint)
        task = prepare(document, self.asking, self.redactor)
        if not task.redaction.text.strip():
            return empty(document, self.fingerprint)
        readings = await self._ask(task)
        prediction = self.finish(task, readings)
        if prediction.outcome in self.retry and all(reading.reused for reading in readings):
            # Answered in an earlier run; the caller wants this outcome to be asked anew.
            prediction = self.finish(task, await self._ask(task, fresh=True))
        return prediction

    async def _ask(self, task: Task, *, fresh: bool = False) -> list[Reading]:
        """Ask every piece, pass and sample; pieces of one document are asked side by side."""
        rounds = range(self.asking.passes * self.asking.samples)
        plan = [(chunk, number) for number in rounds for chunk in task.chunks]
        if len(plan) == 1:
            return [await self.read(task, *plan[0], fresh=fresh)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.read(task, chunk, number, fresh=fresh)) for chunk, number in plan]
        return [done.result() for done in tasks]

    async def read(self, task: Task, chunk: Chunk, number: int, *, fresh: bool = False) -> Reading:
        """Ask about one piece of one document and place what the model said."""
        piece, prompt = task.piece(chunk), task.prompt(self.asker.labeler, chunk, number)
        reading, parsed = await self.asker.read(prompt, [piece], fresh=fresh)
        reading.turn, reading.sample = divmod(number, self.asking.samples)
        reading.length = len(chunk.text) if len(task.chunks) > 1 else None
        return self.placed(reading, parsed.get(piece.id, ParsedAnswer()), piece.text, chunk.start)

    def placed(self, reading: Reading, parsed: ParsedAnswer, text: str, offset: int = 0) -> Reading:
        """Fill a reading with what was parsed and where its mentions stand in the text that was asked about."""
        if reading.completion is not None:
            from llmlabel.quality.scores import class_scores, mention_scores

            reading.scores = mention_scores(reading.completion, parsed.mentions)
            parsed = parsed.model_copy(update={"classes": class_scores(reading.completion, parsed.classes)})
            reading.completion = None
        reading.parsed, reading.offset = self.asker.named(parsed), offset
        reading.placements = at_marks(text, self.asker.place(reading.parsed, self.resolver.prepare(text)))
        return reading

    def finish(self, task: Task, readings: Sequence[Reading]) -> Prediction:
        """Merge readings (pieces in order, then passes or samples) into the document's prediction."""
        assembler = Assembler(self.asker.schema, task.redaction.text, self.asking.samples, self.asking.vote_threshold)
        for reading in readings:
            if task.sent is not task.document:
                placements = [task.redaction.grounded(placement, reading.offset) for placement in reading.placements]
                reading = replace(reading, placements=placements)
            assembler.add(reading)
        labels = assembler.finish()
        outcome, error = _outcome(readings)
        text = task.redaction.text
        return Prediction(
            document=task.document,
            entities=tuple(_restored(entity, task) for entity in scored(labels.entities, readings)),
            relations=tuple(labels.relations),
            classes=labels.classes,
            texts=labels.texts,
            provenance=Provenance(kind="model", author=self._model(readings)),
            outcome=outcome,
            placements=tuple(_restored_placement(placement, task) for placement in labels.placements),
            discarded=tuple(labels.discarded),
            parts=_parts(readings, len(task.chunks)),
            usage=sum((reading.usage for reading in readings), Usage()),
            model=self._model(readings),
            fingerprint=self.fingerprint,
            error=error,
            suspicious=suspicious(text, labels, readings),
        )

    def _model(self, readings: Sequence[Reading]) -> str:
        return next((reading.model for reading in readings if reading.model), self.asker.labeler.model)


def prepare(document: Document, asking: Asking, redactor: Redactor | None) -> Task:
    """Return what of a document is sent: redacted, and cut where it is longer than ``max_document_tokens``."""
    redaction = redact(redactor, document.text)
    text, limit = redaction.text, asking.max_document_tokens
    whole = [Chunk(0, len(text), text)]
    if limit is None or estimate_tokens(text) <= limit:
        return Task(document, redaction, whole)
    return Task(document, redaction, cut(text, limit, asking.overlap_tokens), asking.context_tokens)


def prompt_for(
    labeler: LLMLabeler, documents: Sequence[Document], sample: int = 0, *, before: str = "", after: str = ""
) -> Prompt:
    """Return the request for one document (or piece of it, with what stands around it), or for several packed."""
    examples = (*labeler.schema.examples, *labeler.examples)
    return labeler.prompt.prompt(
        labeler.schema, documents, examples=examples, before=before, after=after, sample=sample
    )


def suspicious(text: str, labels: Labels, readings: Sequence[Reading]) -> bool:
    """Whether the text talks to the model, or the number of entities, found or only named, cannot be right."""
    named = sum(len(reading.placements) for reading in readings if not (reading.turn or reading.sample))
    return bool(suspicion(text)) or implausible_count(text, max(named, len(labels.entities)))


def _outcome(readings: Sequence[Reading]) -> tuple[Outcome, Failure | None]:
    """One outcome for all readings: a document of which only some pieces were labelled is ``partial``."""
    outcomes = Counter(reading.outcome for reading in readings)
    error = next((reading.error for reading in readings if reading.error), None)
    usable = outcomes["labeled"] + outcomes["truncated"]
    if outcomes["labeled"] == len(readings):
        return "labeled", None
    if usable == len(readings):
        return "truncated", error
    if usable:
        return "partial", error
    worst = next(outcome for outcome in SEVERITY if outcomes[outcome])
    return worst, next((reading.error for reading in readings if reading.outcome == worst), error)


def _parts(readings: Sequence[Reading], chunks: int) -> tuple[Outcome, ...]:
    """Return one outcome for each piece, over its passes and samples; none for a document in one piece."""
    return tuple(_outcome(readings[place::chunks])[0] for place in range(chunks)) if chunks > 1 else ()


def _restored(entity: Entity, task: Task) -> Entity:
    """Return an entity of the redacted text as one of the original."""
    if task.sent is task.document:
        return entity
    start, end = task.redaction.source(entity.start, entity.end)
    return entity.model_copy(update={"start": start, "end": end, "text": task.document.text[start:end]})


def _restored_placement(placement: Placement, task: Task) -> Placement:
    if task.sent is task.document or placement.start is None or placement.end is None:
        return placement
    start, end = task.redaction.source(placement.start, placement.end)
    repeats = tuple(task.redaction.source(*span) for span in placement.repeats)
    return placement.model_copy(update={"start": start, "end": end, "repeats": repeats})


def empty(document: Document, fingerprint: str) -> Prediction:
    """Return the prediction of a document that has no text to ask about."""
    error = Failure(type="EmptyDocument", message="the text is empty or blank: nothing was sent")
    return Prediction(document=document, outcome="skipped", error=error, fingerprint=fingerprint)
