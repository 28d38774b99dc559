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

    async def label(self, documents: Sequence[Document]) -> list[Prediction]:
        """Return one prediction per document, in the same order."""
        asking = self.single.asking
        tasks = {d.id: prepare(d, asking, self.single.redactor) for d in documents if d.text.strip()}
        packed = [task for task in tasks.values() if len(task.chunks) == 1 and task.redaction.text.strip()]
        rounds = (
            [await self._round(packed, number) for number in range(asking.passes * asking.samples)] if packed else []
        )
        done: dict[str, Prediction] = {}
        for place, task in enumerate(packed):
            done[task.document.id] = self.single.finish(task, [readings[place] for readings in rounds])
        again = [
            document
            for document in documents
            if document.id in done
            and done[document.id].outcome in self.single.retry
            and all(readings[packed.index(tasks[document.id])].reused for readings in rounds)
        ]
        long = [task.document for task in tasks.values() if len(task.chunks) > 1]
        for prediction in await asyncio.gather(*(self.single.label(document) for document in [*again, *long])):
            done[prediction.document.id] = prediction
        return [done.get(d.id) or empty(d, self.single.fingerprint) for d in documents]

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
