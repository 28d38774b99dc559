"""The batch jobs of one run: split, submitted once, watched, reconciled by custom id, and cleared away."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from llmlabel.engine.batch import BatchBackend, BatchJob, BatchRequest, BatchResult
from llmlabel.engine.batch_store import COLLECTED, LOST, STORED, BatchStore, StoredJob
from llmlabel.engine.retry import transient
from llmlabel.errors import LabelerError
from llmlabel.types import Prompt

__all__ = ["Batches"]

T = TypeVar("T")
TRIES = 5
PAUSE = 0.5  # seconds before the second try; doubled for each further one
log = logging.getLogger("llmlabel.engine")


class Batches:
    """Runs the batch jobs of one run through a provider's backend; what it learns is in the store at once.

    Args:
        backend: The provider's interface.
        store: Where labels, ids and states are kept.
        run: The run's number in the journal.
    """

    def __init__(self, backend: BatchBackend, store: BatchStore, run: int) -> None:
        self.backend = backend
        self.store = store
        self.run = run

    async def submit(self, requests: Iterable[tuple[bytes, Prompt]]) -> int:
        """Submit requests as as many jobs as their number and size need; return how many requests that are.

        Raises:
            LabelerError: The provider did not take a job; those before it are submitted.
        """
        count = 0
        for number, (keys, lines) in enumerate(self._files(requests), 1):
            label = f"llmlabel-{self.run}-{number}-{uuid.uuid4().hex[:12]}"
            self.store.add(self.run, label, keys)  # first: a crash from here on leaves a label to look for
            try:
                job = await self._submitted(lines, label)
            except LabelerError as error:
                if not error.retryable:  # refused for good: there is nothing to look for
                    self.store.update(label, None, LOST)
                raise
            self.store.update(label, job.id, job.state)
            count += len(keys)
        return count

    def _files(self, requests: Iterable[tuple[bytes, Prompt]]) -> Iterator[tuple[list[bytes], list[bytes]]]:
        limits = self.backend.limits
        keys: list[bytes] = []
        lines: list[bytes] = []
        size = 0
        for key, prompt in requests:
            line = self.backend.encode(BatchRequest(key.hex(), prompt))
            if len(line) + 1 > limits.max_bytes:
                log.warning("a request of %d bytes fits into no batch file; it is left to be asked online", len(line))
                continue
            if keys and (len(keys) >= limits.max_requests or size + len(line) + 1 > limits.max_bytes):
                yield keys, lines
                keys, lines, size = [], [], 0
            keys.append(key)
            lines.append(line)
            size += len(line) + 1
        if keys:
            yield keys, lines

    async def _submitted(self, lines: list[bytes], label: str) -> BatchJob:
        """Submit one job; a try that may have reached the provider is looked for before the next."""

        async def once() -> BatchJob:
            return await self.backend.submit(lines, label=label)

        async def unless_there() -> BatchJob:
            return await self.backend.find(label) or await once()

        try:
            return await once()
        except LabelerError as error:
            if not transient(error):
                raise
            await asyncio.sleep(max(PAUSE, error.retry_after or 0.0))
        return await _again(unless_there)

    async def refresh(self) -> list[BatchJob]:
        """Return the run's jobs as the provider sees them now; collected ones as they were."""
        return [job for stored in self.store.jobs(self.run) if (job := await self._look(stored)) is not None]

    async def _look(self, stored: StoredJob) -> BatchJob | None:
        if stored.state in {LOST, STORED, COLLECTED}:
            name, total = stored.job or stored.label, len(stored.keys)
            if stored.state == LOST:
                return BatchJob(name, "failed", total=total, message="never arrived at the provider")
            return BatchJob(name, "completed", total=total)
        if stored.job is None:
            job = await _again(lambda: self.backend.find(stored.label))
            self.store.update(stored.label, job.id if job else None, job.state if job else LOST)
            return job
        job = await _again(lambda: self.backend.status(stored.job or ""))
        self.store.update(stored.label, job.id, job.state)
        return job

    async def wait(self, poll_seconds: float, on_state: Callable[[BatchJob], None] | None = None) -> list[BatchJob]:
        """Return the jobs once none of them changes any more; ``on_state`` is told each state once."""
        told: dict[str, str] = {}
        while True:
            jobs = await self.refresh()
            for job in jobs:
                if told.get(job.id) != job.state:
                    told[job.id] = job.state
                    log.info("batch job %s: %s, %d of %d requests", job.id, job.state, job.completed, job.total)
                    if on_state is not None:
                        on_state(job)
            if all(job.final for job in jobs):
                return jobs
            await asyncio.sleep(poll_seconds)

    async def cancel(self) -> list[BatchJob]:
        """Ask the provider to stop the jobs that still run, and return all."""
        for job in await self.refresh():
            if not job.final and job.state != "cancelling":
                await _again(lambda job=job: self.backend.cancel(job.id))  # type: ignore[misc]  # bound now
        return await self.refresh()

    async def results(self) -> AsyncIterator[tuple[bytes, BatchResult]]:
        """Yield what the jobs that are not collected yet brought, each request of theirs at most once."""
        for stored in self.store.jobs(self.run):
            if stored.job is None or stored.state in {STORED, COLLECTED}:
                continue
            wanted = {key.hex() for key in stored.keys}
            for attempt in range(TRIES):
                try:
                    async for result in self.backend.results(stored.job):
                        if result.custom_id in wanted:
                            wanted.discard(result.custom_id)
                            yield bytes.fromhex(result.custom_id), result
                    break
                except LabelerError as error:
                    if not transient(error) or attempt == TRIES - 1:
                        raise
                    await asyncio.sleep(max(PAUSE * 2**attempt, error.retry_after or 0.0))

    async def finish(self, *, keep_files: bool) -> None:
        """Note that everything is stored; delete the files at the provider unless they are to be kept."""
        for stored in self.store.jobs(self.run):
            if stored.job is None or stored.state == COLLECTED:
                continue
            job = stored.job
            if not keep_files:
                self.store.update(stored.label, job, STORED)  # first: without its files a job cannot be read again
                try:
                    await _again(lambda job=job: self.backend.delete(job))  # type: ignore[misc]  # bound now
                except LabelerError as error:
                    log.warning("batch job %s: its files could not be deleted: %s", job, error)
            self.store.update(stored.label, job, COLLECTED)


async def _again(call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a call that may be repeated without harm, after some tries if need be."""
    for attempt in range(TRIES - 1):
        try:
            return await call()
        except LabelerError as error:
            if not transient(error):
                raise
            await asyncio.sleep(max(PAUSE * 2**attempt, error.retry_after or 0.0))
    return await call()
