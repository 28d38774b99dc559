"""A run as provider batch jobs: what is submitted, and how a result is made of what comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from llmlabel.engine import Engine, RunStopped
from llmlabel.engine.batch import BatchBackend, BatchJob
from llmlabel.engine.batch_store import BatchStore
from llmlabel.engine.batches import Batches
from llmlabel.errors import ConfigurationError, LabelerError
from llmlabel.pipeline.document import prepare, prompt_for
from llmlabel.pipeline.engines import open_engine
from llmlabel.pipeline.inputs import Inputs
from llmlabel.pipeline.result import RunResult
from llmlabel.pipeline.run import grouped
from llmlabel.types import Completion, Document, Prompt

if TYPE_CHECKING:
    from llmlabel.pipeline.pipeline import Pipeline

log = logging.getLogger("llmlabel")
PRICE_SHARE = 0.5  # of the online price, at OpenAI and for Azure's global batch
AT_ONCE = 500  # answers brought to the disk together


class Request(NamedTuple):
    """One request, with the key that each of several documents would have alone."""

    prompt: Prompt
    parts: Mapping[str, bytes]


def backend_of(pipeline: Pipeline) -> BatchBackend:
    """Return the labeler's batch interface.

    Raises:
        ConfigurationError: It has none, or the pipeline has no journal to keep the jobs' ids in.
    """
    if pipeline.journal is None:
        raise ConfigurationError("a batch job needs Pipeline(journal=...): its file keeps the ids to collect by")
    backend = pipeline.labeler.batch_backend()
    if backend is None:
        raise ConfigurationError(
            f"{type(pipeline.labeler).__name__} has no batch interface (batch_backend() returned None); use run()"
        )
    return backend


def requests_of(
    pipeline: Pipeline, documents: Iterable[Document], key: Callable[[Prompt], bytes]
) -> Iterator[tuple[bytes, Request]]:
    """Yield what a run would ask first about the documents, grouped as a run would group them."""
    labeler, asking = pipeline.labeler, pipeline.asking
    rounds = range(asking.passes * asking.samples)
    for group in grouped(enumerate(documents), asking.documents_per_request):  # type: ignore[union-attr]  # not async
        tasks = [prepare(d, asking, pipeline.redactor) for _, d in group if d.text.strip()]
        tasks = [task for task in tasks if task.redaction.text.strip()]
        short = [task.sent for task in tasks if len(task.chunks) == 1]
        long = [(task, chunk) for task in tasks if len(task.chunks) > 1 for chunk in task.chunks]
        for number in rounds:
            alone = [task.prompt(labeler, chunk, number) for task, chunk in long]
            if len(short) == 1:
                alone.append(prompt_for(labeler, short, number))
            yield from ((key(prompt), Request(prompt, {})) for prompt in alone)
            if len(short) > 1:
                parts = {one.id: key(prompt_for(labeler, [one], number)) for one in short}
                prompt = prompt_for(labeler, short, number)
                yield key(prompt), Request(prompt, parts)


async def submit(pipeline: Pipeline, documents: Iterable[object] | AsyncIterable[object]) -> int:
    """Submit what the journal has no answer to, and return the run's number; see ``Pipeline.submit``."""
    backend, inputs, found = backend_of(pipeline), Inputs(), list[Document]()
    given = inputs.read(documents)
    if isinstance(given, AsyncIterable):
        found = [document async for _, document in given]
    else:
        found = [document for _, document in given]
    if inputs.rejected:
        log.warning("%d inputs were rejected and not submitted", len(inputs.rejected))
    engine = pipeline._open_engine()
    try:
        run = engine.journal.run
        open_ = {
            key: request.prompt
            for key, request in requests_of(pipeline, found, engine.key)
            if not await _answered(engine, request, key)
        }
        with BatchStore(str(pipeline.journal)) as store:
            # With a redactor nothing may keep the original texts: collect() is given the documents again.
            kept = () if pipeline.redactor is not None else found
            store.keep_documents(run, (document.model_dump_json() for document in kept))
            try:
                count = await Batches(backend, store, run).submit(open_.items())
            except LabelerError as error:
                error.add_note(f"what was submitted before is run {run} of the journal; collect({run}) finishes it")
                raise
        engine.journal.describe({"kind": "batch", "documents": len(found), "requests": count})
    finally:
        await engine.aclose()
    log.info("run %d: %d requests submitted as batch jobs", run, count)
    return run


async def _answered(engine: Engine, request: Request, key: bytes) -> bool:
    keys = [key] if not request.parts else [key, *request.parts.values()]
    found = [(await engine.journal.find(one)).answer is not None for one in keys]
    return found[0] or (len(found) > 1 and all(found[1:]))


@asynccontextmanager
async def batches_of(pipeline: Pipeline, run: int) -> AsyncIterator[tuple[Batches, BatchStore]]:
    """Give the jobs of a submitted run.

    Raises:
        ConfigurationError: The journal has no such run.
    """
    backend = backend_of(pipeline)
    with BatchStore(str(pipeline.journal)) as store:
        if not store.jobs(run) and not store.documents(run):
            known = ", ".join(map(str, store.runs())) or "none"
            raise ConfigurationError(
                f"run {run} of {pipeline.journal} was not submitted as a batch; those are: {known}"
            )
        yield Batches(backend, store, run), store


async def collect(
    pipeline: Pipeline,
    run: int,
    *,
    documents: Iterable[object] | None,
    online: bool,
    keep_files: bool,
    poll_seconds: float,
    on_state: Callable[[BatchJob], None] | None,
) -> RunResult:
    """Return the result of a submitted run; see ``Pipeline.collect``."""
    async with batches_of(pipeline, run) as (batches, store):
        found = _documents(store.documents(run), documents, run)
        jobs = await batches.wait(poll_seconds, on_state)
        errors: dict[bytes, LabelerError] = {}

        async def left(prompt: Prompt) -> Completion:
            error = errors.get(engine.key(prompt))
            raise RunStopped(f"not answered in the batch job{f': {error}' if error else ''}", error)

        engine = pipeline._open_engine() if online else _closed_engine(pipeline, left)
        try:
            requests = dict(requests_of(pipeline, found, engine.key))
            await _store(engine, batches, requests, errors)
            for stored in store.jobs(run):
                for key in stored.keys:
                    request = requests.get(key)
                    engine.unbilled.update([key] if request is None or not request.parts else request.parts.values())
            await batches.finish(keep_files=keep_files)
        except BaseException:
            await engine.aclose()
            raise
        result = await pipeline._finish(pipeline._start(found, ("failed",) if online else (), engine=engine))
    return result.model_copy(update={"notes": (*result.notes, *_notes(jobs, len(errors), online))})


def _closed_engine(pipeline: Pipeline, complete: Callable[[Prompt], object]) -> Engine:
    return open_engine(
        pipeline.labeler,
        limits=pipeline.limits,
        journal=pipeline.journal,
        on_event=pipeline.on_event,
        price=pipeline.price,
        calibration=None,
        complete=complete,  # type: ignore[arg-type]  # it only raises
    )


def _documents(kept: Sequence[str], given: Iterable[object] | None, run: int) -> list[Document]:
    """Return the run's documents, given again or as the journal kept them."""
    if given is not None:
        return [document for _, document in Inputs().read_plain(given)]
    if not kept:
        raise ConfigurationError(
            f"run {run}: the journal does not keep documents of a pipeline with a redactor; give documents= again"
        )
    return [Document.model_validate_json(text) for text in kept]


async def _store(
    engine: Engine, batches: Batches, requests: Mapping[bytes, Request], errors: dict[bytes, LabelerError]
) -> None:
    """Bring every answer into the journal, and onto the disk; note the requests that ended with an error."""
    waiting: list[asyncio.Future[None]] = []
    async for key, result in batches.results():
        request = requests.get(key)
        if result.completion is None or request is None:
            errors[key] = result.error or LabelerError("the documents have changed since the job was submitted")
            continue
        on_disk = engine.keep(request.prompt, result.completion, request.parts, price_share=PRICE_SHARE)
        if on_disk is not None:
            waiting.append(on_disk)
        if len(waiting) >= AT_ONCE:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)


def _notes(jobs: list[BatchJob], errors: int, online: bool) -> list[str]:
    then = "asked online" if online else "left unanswered"
    notes = [
        f"batch job {job.id}: {job.state}{f' ({job.message})' if job.message else ''}; what it left was {then}"
        for job in jobs
        if job.state != "completed"
    ]
    return [*notes, f"{errors} requests ended with an error in the batch job; they were {then}"] if errors else notes
