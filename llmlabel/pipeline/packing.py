"""Several short documents in one request, and what happens when that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from llmlabel.pipeline.document import DocumentLabeler, Task, empty, prepare, prompt_for
from llmlabel.pipeline.reading import Reading, split_usage
from llmlabel.types import Document, Prediction

# Outcomes that asking again in smaller groups cannot mend.
FINAL = frozenset({"failed", "over_budget", "not_run"})


class PackedLabeler:
    """Labels groups of documents with one request each.

    An answer that misses or mixes documents, a refusal, a truncated or unusable answer: the documents are asked one by
    one. A content-filter hit is bisected, so that only the guilty document ends ``filtered``. What the request of the
    group cost is shared by its documents.
    """

    def __init__(self, single: DocumentLabeler) -> None:
        self.single = single
        self._asking: dict[str, asyncio.Future[None]] = {}  # texts that a group is being asked about

    async def label(self, documents: Sequence[Document]) -> list[Prediction]:
        """Return one prediction per document, in the same order."""
        asking = self.single.asking
        tasks = {d.id: prepare(d, asking, self.single.redactor) for d in documents if d.text.strip()}
        packed: list[Task] = []
        others: list[tuple[Document, asyncio.Future[None] | None]] = []
        for task in tasks.values():
            twin = self._asking.get(task.redaction.text)
            if len(task.chunks) > 1 or twin is not None:
                others.append((task.document, twin))
            elif task.redaction.text.strip():
                packed.append(task)
                self._asking[task.redaction.text] = asyncio.get_running_loop().create_future()
        done, again = await self._packed(packed)
        others += [(document, None) for document in again]
        for prediction in await asyncio.gather(*(self._later(*other) for other in others)):
            done[prediction.document.id] = prediction
        return [done.get(d.id) or empty(d, self.single.fingerprint) for d in documents]

    async def _later(self, document: Document, twin: asyncio.Future[None] | None) -> Prediction:
        """Label a document by itself; one whose text is asked about elsewhere finds the answer stored."""
        if twin is not None:
            await asyncio.shield(twin)
        return await self.single.label(document)

    async def _packed(self, tasks: Sequence[Task]) -> tuple[dict[str, Prediction], list[Document]]:
        """Return the predictions by id, and which of them came from the journal but are to be asked anew."""
        asking = self.single.asking
        try:
            rounds = [await self._round(tasks, n) for n in range(asking.passes * asking.samples)] if tasks else []
        finally:
            for task in tasks:
                self._asking.pop(task.redaction.text).set_result(None)
        done, again = {}, []
        for place, task in enumerate(tasks):
            readings = [found[place] for found in rounds]
            done[task.document.id] = prediction = self.single.finish(task, readings)
            if prediction.outcome in self.single.retry and all(reading.reused for reading in readings):
                again.append(task.document)
        return done, again

    async def _round(self, tasks: Sequence[Task], number: int) -> list[Reading]:
        """Read all: what the journal has an answer to, alone or in whatever group, is not asked again."""
        asker = self.single.asker
        known = [await asker.known(prompt_for(asker.labeler, [task.sent], number), task.sent) for task in tasks]
        open_ = [task for task, found in zip(tasks, known, strict=True) if not found]
        asked = iter(await self._read(open_, number) if open_ else [])
        return [
            await self._alone(task, number) if found else next(asked) for task, found in zip(tasks, known, strict=True)
        ]

    async def _alone(self, task: Task, number: int) -> Reading:
        return await self.single.read(task, task.chunks[0], number)

    async def _read(self, tasks: Sequence[Task], number: int) -> list[Reading]:
        if len(tasks) == 1:
            return [await self._alone(tasks[0], number)]
        asker, sent = self.single.asker, [task.sent for task in tasks]
        parts = {one.id: asker.engine.key(prompt_for(asker.labeler, [one], number)) for one in sent}
        reading, parsed = await asker.read(prompt_for(asker.labeler, sent, number), sent, parts=parts)
        shares = split_usage(reading.usage, len(tasks))
        if reading.outcome == "labeled" and parsed.keys() == {document.id for document in sent}:
            reading.turn, reading.sample = divmod(number, self.single.asking.samples)
            return [
                self.single.placed(replace(reading, usage=share), parsed[document.id], document.text)
                for document, share in zip(sent, shares, strict=True)
            ]
        if reading.outcome in FINAL:
            return [replace(reading, usage=share) for share in shares]
        half = len(tasks) // 2
        groups = [tasks[:half], tasks[half:]] if reading.outcome == "filtered" else [[task] for task in tasks]
        read = await asyncio.gather(*(self._read(group, number) for group in groups))
        readings = [one for some in read for one in some]
        for reading, share in zip(readings, shares, strict=True):
            reading.usage = share + reading.usage
        return readings
