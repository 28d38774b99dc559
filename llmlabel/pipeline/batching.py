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
from llmlabel.engine.budget import Budget
from llmlabel.errors import ConfigurationError, LabelerError
from llmlabel.pipeline.document import prompt_for
from llmlabel.pipeline.engines import open_engine, price_for
from llmlabel.pipeline.first import first_requests
from llmlabel.pipeline.inputs import Inputs
from llmlabel.pipeline.plan import BATCH_SHARE, counter_for, dearest, expectation, priced
from llmlabel.pipeline.result import RunResult
from llmlabel.types import Completion, Document, Prompt

if TYPE_CHECKING:
    from llmlabel.pipeline.pipeline import Pipeline

log = logging.getLogger("llmlabel")
AT_ONCE = 500  # answers brought to the disk together


class Request(NamedTuple):
    """One request, with the key that each of several documents would have alone, and the texts it asks about."""

    prompt: Prompt
    parts: Mapping[str, bytes]
    asked: Sequence[Document]


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
    """Yield what a run would ask first about the documents, each with its key."""
    labeler = pipeline.labeler
    for prompt, asked, number in first_requests(labeler, documents, pipeline.asking, pipeline.redactor):
        alone = asked if len(asked) > 1 else ()
        yield key(prompt), Request(prompt, {one.id: key(prompt_for(labeler, [one], number)) for one in alone}, asked)


def affordable(pipeline: Pipeline, requests: Mapping[bytes, Request]) -> list[tuple[bytes, Prompt]]:
    """Return the requests that fit under ``max_cost`` and ``max_total_tokens``, the first ones first.

    Raises:
        ConfigurationError: There is a cap on the cost, and the price is not known or not one request fits.
    """
    limits, model, known = pipeline.limits, pipeline.labeler.model, pipeline._calibration
    budget = Budget(limits.max_total_tokens, limits.max_cost, lambda *_: None)
    fitting = [(key, request.prompt) for key, request in requests.items()]
    if budget.unlimited or not requests:
        return fitting
    price = price_for(pipeline.labeler, pipeline.price)
    expect = expectation(counter_for(model, known), known)
    for place, request in enumerate(requests.values()):
        usage = dearest(expect(request.prompt, request.asked))
        cost = priced(price, known.models(model), usage)
        if cost is None and limits.max_cost is not None:
            raise ConfigurationError(
                f"max_cost={limits.max_cost} cannot be kept: the price of model {model!r} is not known; "
                "give Pipeline(price=...), or max_total_tokens"
            )
        usage = usage.model_copy(update={"cost": None if cost is None else cost * BATCH_SHARE})
        if (problem := budget.take(usage)) is not None:
            if not place:
                raise ConfigurationError(f"nothing was submitted: {problem}")
            log.warning("%d of %d requests are submitted; %s", place, len(requests), problem)
            return fitting[:place]
    return fitting


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
        unanswered = {
            key: request
            for key, request in requests_of(pipeline, found, engine.key)
            if not await _answered(engine, request, key)
        }
        with BatchStore(str(pipeline.journal)) as store:
            _refuse_open(store, unanswered)
            open_ = affordable(pipeline, unanswered)
            # Where nothing may keep the original texts, collect() is given the documents again.
            kept = found if pipeline.redactor is None and pipeline.store_text else ()
            store.keep_documents(run, (document.model_dump_json() for document in kept))
            try:
                count = await Batches(backend, store, run).submit(open_)
            except LabelerError as error:
                error.add_note(f"what was submitted before is run {run} of the journal; collect({run}) finishes it")
                raise
        engine.journal.describe({"kind": "batch", "documents": len(found), "requests": count})
    finally:
        await engine.aclose()
    log.info("run %d: %d requests submitted as batch jobs", run, count)
    return run


def _refuse_open(store: BatchStore, unanswered: Iterable[bytes]) -> None:
    """Refuse to submit what stands in a job already: it would be paid twice.

    Raises:
        ConfigurationError: The answers of an earlier run are not collected yet.
    """
    known = store.open_keys()
    open_ = [known[key] for key in unanswered if key in known]
    if open_:
        raise ConfigurationError(
            f"{len(open_)} of these requests stand in batch jobs of run {open_[0]} already: call collect({open_[0]}) "
            "first, and what it leaves can be submitted again"
        )


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
        store_text=pipeline.store_text,
    )


def _documents(kept: Sequence[str], given: Iterable[object] | None, run: int) -> list[Document]:
    """Return the run's documents, given again or as the journal kept them."""
    if given is not None:
        return [document for _, document in Inputs().read_plain(given)]
    if not kept:
        raise ConfigurationError(
            f"run {run}: the journal does not keep documents of a pipeline with a redactor or with store_text=False; "
            "give documents= again"
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
        on_disk = engine.keep(request.prompt, result.completion, request.parts, price_share=BATCH_SHARE)
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
