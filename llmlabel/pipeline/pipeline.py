"""``Pipeline``: one labeler, one resolver, any number of exporters."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from llmlabel.exporters.base import Exporter
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.arguments import as_exporters, check_hooks, check_outcomes, expect
from llmlabel.pipeline.batch_calls import BatchCalls
from llmlabel.pipeline.calibration import Calibration
from llmlabel.resolvers.base import OffsetResolver
from llmlabel.settings import Asking, Limits

# Building a pipeline is cheap: the engine, the resolver and what reads answers are loaded when they first work.
if TYPE_CHECKING:
    import asyncio

    from llmlabel.engine import Engine, Event
    from llmlabel.engine.budget import Price
    from llmlabel.pipeline.document import DocumentLabeler
    from llmlabel.pipeline.plan import RunPlan
    from llmlabel.pipeline.progress import ProgressOption
    from llmlabel.pipeline.publishing import Feed
    from llmlabel.pipeline.redaction import Redactor
    from llmlabel.pipeline.result import RunResult
    from llmlabel.pipeline.run import Run
    from llmlabel.pipeline.telemetry import Telemetry
    from llmlabel.types import Document, Prediction, Prompt

Documents = Iterable[object] | AsyncIterable[object]
RETRY: tuple[str, ...] = ("failed",)


class Pipeline(BatchCalls):
    """Documents in, grounded labels out.

    Args:
        labeler: Asks the model.
        resolver: Finds where mentions stand; ``AlignedResolver`` by default.
        exporters: One or several; fed by ``run`` and ``stream``.
        asking: How documents are cut, packed, and asked again.
        limits: Requests in flight, pace, budget.
        journal: A SQLite file in which every answer is stored before it is used; a later run with it asks only what
            is unanswered.
        store_text: Whether the journal keeps questions and ids of documents, beside hashes and answers.
        redactor: Called on each text before anything is built from it; returns a ``Redaction``, or the redacted text
            and a position per character. Spans come back on the original.
        progress: None for a bar in terminals and notebooks, False for none, or a callable that takes a ``Progress``.
        on_event: Called with an ``Event`` for each request sent, answered, retried.
        telemetry: A ``Telemetry``, which reports each request to OpenTelemetry; default: nothing is reported.
        price: Cost of a usage for a model; by default the tables of ``genai-prices``, if that is installed
            (``llmlabel[prices]``), at the labeler's endpoint.
        publish_stopped: Whether a run that stopped early may still export what it finished.

    Every sync call has an async twin (``alabel``, ``arun``, ``astream``). Sync calls work in scripts, threads and
    notebooks. As a context manager the pipeline closes its connections on leaving, never an injected client.
    """

    def __init__(
        self,
        labeler: LLMLabeler,
        *,
        resolver: OffsetResolver | None = None,
        exporters: Exporter | Iterable[Exporter] = (),
        asking: Asking = Asking(),
        limits: Limits = Limits(),
        journal: str | Path | None = None,
        store_text: bool = True,
        redactor: Redactor | None = None,
        progress: ProgressOption = None,
        on_event: Callable[[Event], None] | None = None,
        telemetry: Telemetry | None = None,
        price: Price | None = None,
        publish_stopped: bool = False,
    ) -> None:
        expect("labeler", labeler, LLMLabeler)
        expect("resolver", resolver, OffsetResolver | None)
        expect("asking", asking, Asking)
        expect("limits", limits, Limits)
        check_hooks(journal, progress, telemetry, redactor=redactor, on_event=on_event, price=price)
        self.labeler = labeler
        self.exporters = as_exporters(exporters)
        self._resolver = resolver
        self.asking = asking
        self.limits = limits
        self.journal = journal
        self.store_text = store_text
        self.redactor = redactor
        self.progress = progress
        self.on_event = on_event
        self.telemetry = telemetry
        self.price = price
        self.publish_stopped = publish_stopped
        self._engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = WeakKeyDictionary()
        self._calibration = Calibration()
        self.description: dict[str, object] = {"labeler": type(labeler).__name__, "model": labeler.model}

    @property
    def resolver(self) -> OffsetResolver:
        """What finds the places of mentions: the one that was given, or an ``AlignedResolver``."""
        if self._resolver is None:
            from llmlabel.resolvers.aligned import AlignedResolver

            self._resolver = AlignedResolver()
        return self._resolver

    def label(self, document: str | Document) -> Prediction:
        """Return the labels of one text; a failure is its outcome, not an exception."""
        from llmlabel.engine import run_sync

        return run_sync(self.alabel(document))

    async def alabel(self, document: str | Document) -> Prediction:
        """Return the labels of one text (async)."""
        import asyncio

        from llmlabel.pipeline.inputs import one_document

        given = one_document(document)
        loop = asyncio.get_running_loop()
        engine = self._engines.get(loop)
        if engine is None:
            engine = self._engines[loop] = self._open_engine()
        prediction = await self._labeler(engine, RETRY).label(given)
        # A stopped engine answers nobody; the next call may have a better key.
        if prediction.outcome in {"failed", "not_run"} and self._engines.pop(loop, None) is engine:
            await engine.aclose()
        return prediction

    def run(self, documents: Documents, retry: Collection[str] = RETRY) -> RunResult:
        """Label all documents and return the result, predictions in input order.

        Args:
            documents: ``Document``, str, or mapping with ``text`` and ``id``; any iterable or async iterable.
            retry: Outcomes that are asked anew although the journal has an answer.

        Raises:
            ExportError: An exporter refused the batch; its ``result`` attribute holds the finished ``RunResult``.
        """
        from llmlabel.engine import run_sync

        return run_sync(self.arun(documents, retry))

    async def arun(self, documents: Documents, retry: Collection[str] = RETRY) -> RunResult:
        """Label all documents and return the result (async)."""
        return await self._finish(self._start(documents, retry))

    async def _finish(self, run: Run) -> RunResult:
        """Return the result of a run that was started."""
        from llmlabel.pipeline.result import RunResult

        started = time.monotonic()
        numbered: list[tuple[int, Prediction]] = []
        async with run:
            async for item in run.numbered():
                numbered.append(item)  # noqa: PERF401  # kept plain: the run is closed on the way out
        numbered.sort(key=lambda item: item[0])
        result = RunResult(
            predictions=tuple(prediction for _, prediction in numbered),
            rejected_inputs=run.rejected_inputs,
            seconds=time.monotonic() - started,
            stopped=run.stopped,
        )
        if not self.exporters:
            return result
        from llmlabel.pipeline.publishing import export_result

        return await export_result(self.exporters, result, publish_stopped=self.publish_stopped)

    def stream(self, documents: Documents, retry: Collection[str] = RETRY) -> Iterator[Prediction]:
        """Yield predictions as they finish; memory does not grow with their number.

        Exporters are fed meanwhile and publish at the end. Inputs that cannot be a document are logged; ``astream``
        returns a ``Run`` that lists them.
        """
        from llmlabel.engine import iterate_sync

        return iterate_sync(lambda: self.astream(documents, retry))

    def astream(self, documents: Documents, retry: Collection[str] = RETRY) -> Run:
        """Return a ``Run`` to iterate over: predictions as they finish, then ``rejected_inputs`` and ``exports``."""
        from llmlabel.pipeline.publishing import Feed

        return self._start(documents, retry, lambda: [Feed(exporter) for exporter in self.exporters])

    def prompts(self, document: str | Document) -> list[Prompt]:
        """Return exactly what would be sent for a document, one prompt per piece and pass; nothing is sent."""
        from llmlabel.pipeline.inputs import one_document
        from llmlabel.pipeline.plan import prompts_of

        return prompts_of(self.labeler, self.asking, self.redactor, one_document(document))

    def estimate(self, documents: Iterable[object]) -> RunPlan:
        """Return how many requests, tokens, seconds and dollars a run would take; nothing is sent or downloaded."""
        from llmlabel.pipeline.plan import estimate

        return estimate(self, documents)

    def close(self) -> None:
        """Close connections that sync calls keep open."""
        from llmlabel.engine import run_sync

        run_sync(self.aclose())

    async def aclose(self) -> None:
        """Close the connections of the running loop; an injected client stays open."""
        import asyncio

        engine = self._engines.pop(asyncio.get_running_loop(), None)
        if engine is not None:
            await engine.aclose()
        await self.labeler.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engines": None, "_calibration": None}  # it holds texts

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "_engines": WeakKeyDictionary(), "_calibration": Calibration()})

    def __repr__(self) -> str:
        return f"Pipeline({self.labeler!r}, resolver={type(self.resolver).__name__})"

    @property
    def fingerprint(self) -> str:
        """A hash of all that shapes the labels: labeler, schema, prompt, examples, asking, resolver."""
        from llmlabel.pipeline.identity import fingerprint_of

        return fingerprint_of(self.labeler, self.asking, type(self.resolver))

    def _open_engine(self) -> Engine:
        """Return an engine for one run; whoever asks for it closes it."""
        from llmlabel.pipeline.engines import open_engine

        return open_engine(
            self.labeler,
            limits=self.limits,
            journal=self.journal,
            on_event=self.on_event,
            price=self.price,
            calibration=self._calibration,
            store_text=self.store_text,
            telemetry=self.telemetry,
        )

    def _labeler(self, engine: Engine, retry: Collection[str]) -> DocumentLabeler:
        from llmlabel.pipeline.asking import Asker
        from llmlabel.pipeline.document import DocumentLabeler

        asker = Asker(engine, self.labeler, self.asking)
        return DocumentLabeler(
            asker, self.resolver, self.asking, redactor=self.redactor, fingerprint=self.fingerprint, retry=retry
        )

    def _start(
        self,
        documents: object,
        retry: Collection[str],
        feeds: Callable[[], list[Feed]] = list,
        engine: Engine | None = None,
    ) -> Run:
        """Return a run to iterate over, through an engine that it closes."""
        from llmlabel.pipeline.inputs import Inputs
        from llmlabel.pipeline.progress import Reporter
        from llmlabel.pipeline.publishing import total_of
        from llmlabel.pipeline.run import Parts, Run

        check_outcomes("retry", retry)

        def parts() -> Parts:
            used = engine or self._open_engine()
            used.journal.describe(self.description)
            reporter = Reporter(self.progress, total_of(documents), used.stats)
            return Parts(used, self._labeler(used, retry), reporter, feeds())

        return Run(Inputs(), documents, parts, publish_stopped=self.publish_stopped)
