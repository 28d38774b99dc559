"""One run: a lazily read input through the engine, predictions out as they finish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from llmlabel.engine import Engine
from llmlabel.pipeline.document import DocumentLabeler
from llmlabel.pipeline.inputs import Inputs
from llmlabel.pipeline.packing import PackedLabeler
from llmlabel.pipeline.progress import Reporter
from llmlabel.pipeline.publishing import Feed
from llmlabel.types import Document, ExportReport, Prediction, Rejected

log = logging.getLogger("llmlabel")
Numbered = tuple[int, Document]


@dataclass(slots=True)
class Parts:
    """What one run works with; made when its first prediction is asked for."""

    engine: Engine
    labeler: DocumentLabeler
    reporter: Reporter
    feeds: list[Feed]


class Run:
    """An async iterator over the predictions of a run, in the order in which they finish.

    Attributes:
        exports: What each exporter did; filled when the iterator is exhausted.
        stopped: Why the run stopped before its end, or None; known when the iterator is exhausted.
    """

    def __init__(
        self, inputs: Inputs, documents: object, open_parts: Callable[[], Parts], *, publish_stopped: bool = False
    ) -> None:
        self.inputs = inputs
        self.exports: list[ExportReport] = []
        self.stopped: str | None = None
        self._publish_stopped = publish_stopped
        self._predictions = self._run(inputs.read(documents), open_parts)

    @property
    def rejected_inputs(self) -> tuple[Rejected, ...]:
        """The inputs read so far that cannot be a document."""
        return tuple(self.inputs.rejected)

    def __aiter__(self) -> AsyncIterator[Prediction]:
        return self

    async def __anext__(self) -> Prediction:
        return (await anext(self._predictions))[1]

    async def numbered(self) -> AsyncIterator[tuple[int, Prediction]]:
        """Yield each prediction with the position of its input."""
        async for item in self._predictions:
            yield item

    async def aclose(self) -> None:
        """End the run early: cancels what is in flight; exporters publish nothing."""
        await self._predictions.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def _run(
        self, documents: Iterable[Numbered] | AsyncIterable[Numbered], open_parts: Callable[[], Parts]
    ) -> AsyncGenerator[tuple[int, Prediction], None]:
        parts, complete = open_parts(), False
        following = asyncio.create_task(parts.reporter.follow())
        try:
            async for index, prediction in self._results(parts, documents):
                if prediction.outcome in {"over_budget", "not_run"} and prediction.error is not None:
                    self.stopped = self.stopped or prediction.error.message
                parts.engine.journal.record(prediction.document.id, prediction.outcome)
                parts.reporter.count(prediction.outcome)
                for feed in parts.feeds:
                    await feed.put(prediction)
                yield index, prediction
            self.stopped = parts.engine.stopped or self.stopped
            complete = self.stopped is None or self._publish_stopped
            if self.inputs.rejected:
                log.warning("%d inputs were rejected: see rejected_inputs", len(self.inputs.rejected))
        finally:
            following.cancel()
            parts.reporter.close()
            try:
                await self._finish(parts.feeds, publish=complete)
            finally:
                await parts.engine.aclose()

    async def _finish(self, feeds: Sequence[Feed], *, publish: bool) -> None:
        """End every exporter's input; what one of them raises does not keep the others from their work."""
        done = await asyncio.gather(*(feed.finish(publish=publish) for feed in feeds), return_exceptions=True)
        self.exports += [report for report in done if isinstance(report, ExportReport)]
        for error in done:
            if isinstance(error, BaseException):
                raise error

    async def _results(
        self, parts: Parts, documents: Iterable[Numbered] | AsyncIterable[Numbered]
    ) -> AsyncIterator[tuple[int, Prediction]]:
        labeler = parts.labeler
        size = labeler.asking.documents_per_request
        if size == 1:

            async def one(item: Numbered) -> tuple[int, Prediction]:
                return item[0], await labeler.label(item[1])

            async for result in parts.engine.map(one, documents):
                yield result
            return
        packed = PackedLabeler(labeler)

        async def several(group: Sequence[Numbered]) -> list[tuple[int, Prediction]]:
            predictions = await packed.label([document for _, document in group])
            return list(zip((index for index, _ in group), predictions, strict=True))

        async for results in parts.engine.map(several, grouped(documents, size)):
            for result in results:
                yield result


def grouped(
    documents: Iterable[Numbered] | AsyncIterable[Numbered], size: int
) -> Iterable[Sequence[Numbered]] | AsyncIterable[Sequence[Numbered]]:
    """Return the input in groups of ``size``, read as lazily as it came."""
    return _grouped_async(documents, size) if isinstance(documents, AsyncIterable) else _grouped(documents, size)


def _grouped(documents: Iterable[Numbered], size: int) -> Iterable[Sequence[Numbered]]:
    group: list[Numbered] = []
    for item in documents:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


async def _grouped_async(documents: AsyncIterable[Numbered], size: int) -> AsyncIterator[Sequence[Numbered]]:
    group: list[Numbered] = []
    async for item in documents:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
