"""Handing predictions to exporters: off the loop, with back-pressure, and never half a run."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator, Sequence

from llmlabel.errors import LLMLabelError
from llmlabel.exporters.base import Exporter
from llmlabel.pipeline.result import RunResult
from llmlabel.types import ExportReport, LabeledDocument, Prediction


class Withdrawn(LLMLabelError):
    """The run ended early: what was spooled must not be published."""


async def export_all(
    exporters: Sequence[Exporter], predictions: Sequence[LabeledDocument]
) -> list[ExportReport | Exception]:
    """Run every exporter over finished predictions; one exporter's error does not keep the others from their work."""
    done: list[ExportReport | Exception] = []
    for exporter in exporters:
        try:
            done.append(await asyncio.to_thread(exporter.export, predictions))
        except LLMLabelError as error:
            done.append(error)
    return done


class Feed:
    """One exporter in a thread of its own, fed while results come."""

    def __init__(self, exporter: Exporter, size: int = 64) -> None:
        self._queue: queue.Queue[Prediction | Withdrawn | None] = queue.Queue(size)
        self._task = asyncio.create_task(asyncio.to_thread(exporter.export, self._predictions()))

    def _predictions(self) -> Iterator[Prediction]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Withdrawn):
                raise item
            yield item

    async def put(self, item: Prediction | Withdrawn | None) -> None:
        """Hand over one prediction, or the end; waits while the exporter is behind."""
        while not self._task.done():
            try:
                return self._queue.put_nowait(item)
            except queue.Full:
                await asyncio.sleep(0.01)
        return None

    async def finish(self, *, publish: bool) -> ExportReport | None:
        """End the input and return the report; None when the run was withdrawn."""
        await self.put(None if publish else Withdrawn("the run ended early: nothing is published"))
        try:
            return await self._task
        except Withdrawn:
            return None


def total_of(documents: object) -> int | None:
    """Return how many documents an input has, where it knows."""
    return len(documents) if isinstance(documents, Sequence) and not isinstance(documents, str) else None


async def export_result(exporters: Sequence[Exporter], result: RunResult, *, publish_stopped: bool) -> RunResult:
    """Return the result with what the exporters did; nothing is exported of a run that stopped, unless asked.

    Raises:
        ExportError: An exporter refused the batch; its ``result`` attribute holds the finished result.
    """
    if result.stopped and not publish_stopped:
        note = "nothing was exported: the run stopped early (publish_stopped=True exports what is finished)"
        return result.model_copy(update={"notes": (*result.notes, note)})
    done = await export_all(exporters, result.predictions)
    reports = tuple(item for item in done if isinstance(item, ExportReport))
    result = result.model_copy(update={"exports": reports})
    for error in done:
        if isinstance(error, Exception):
            error.result = result  # type: ignore[attr-defined]  # nothing that was paid for is lost
            raise error
    return result
