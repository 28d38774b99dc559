"""The calls of a pipeline that go through provider batch jobs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from llmlabel.engine.batch import BatchJob
    from llmlabel.pipeline.pipeline import Pipeline
    from llmlabel.pipeline.result import RunResult


class BatchCalls:
    """Batch jobs: half the price, answered within a day; for ``Pipeline``.

    They need a journal, which keeps the documents and the ids of the jobs: another process may collect.
    """

    def submit(self, documents: Iterable[object]) -> int:
        """Submit the documents as provider batch jobs and return the run's number, to ``collect`` it by.

        What the journal has an answer to is left out; the rest of an interrupted run can be moved to batch jobs so.
        The documents are read into memory. A pipeline with a redactor does not keep them.

        Raises:
            ConfigurationError: The pipeline has no journal, or the labeler no batch interface.
            LabelerError: The provider did not take the job.
        """
        from llmlabel.engine import run_sync

        return run_sync(self.asubmit(documents))

    async def asubmit(self, documents: Iterable[object] | AsyncIterable[object]) -> int:
        """Submit the documents as provider batch jobs and return the run's number (async)."""
        from llmlabel.pipeline.batching import submit

        return await submit(cast("Pipeline", self), documents)

    def collect(
        self,
        run: int,
        *,
        documents: Iterable[object] | None = None,
        online: bool = True,
        keep_files: bool = False,
        poll_seconds: float = 30.0,
        on_state: Callable[[BatchJob], None] | None = None,
    ) -> RunResult:
        """Wait for the jobs of a submitted run and return its result, as ``run`` does.

        Every answer is in the journal before the files at the provider are deleted, so that a call that was broken
        off can be made again.

        Args:
            run: What ``submit`` returned, in this process or another.
            documents: The documents again; needed if the pipeline has a redactor.
            online: Whether what the jobs left (failed, expired, unusable answers) is asked online, at the full price;
                otherwise such a document ends ``not_run``.
            keep_files: Whether the files stay at the provider.
            poll_seconds: Pause between two looks at the jobs.
            on_state: Called with each job whenever its state changed.

        Raises:
            ConfigurationError: No such run, no journal, or no batch interface.
            LabelerError: The provider did not answer.
        """
        from llmlabel.engine import run_sync

        return run_sync(
            self.acollect(
                run,
                documents=documents,
                online=online,
                keep_files=keep_files,
                poll_seconds=poll_seconds,
                on_state=on_state,
            )
        )

    async def acollect(
        self,
        run: int,
        *,
        documents: Iterable[object] | None = None,
        online: bool = True,
        keep_files: bool = False,
        poll_seconds: float = 30.0,
        on_state: Callable[[BatchJob], None] | None = None,
    ) -> RunResult:
        """Wait for the jobs of a submitted run and return its result (async); see ``collect``."""
        from llmlabel.pipeline.batching import collect

        return await collect(
            cast("Pipeline", self),
            run,
            documents=documents,
            online=online,
            keep_files=keep_files,
            poll_seconds=poll_seconds,
            on_state=on_state,
        )

    def batch_jobs(self, run: int, *, cancel: bool = False) -> list[BatchJob]:
        """Return the jobs of a submitted run as they are now; ``cancel`` asks the provider to stop them first.

        What a cancelled job had answered is paid for, and can be collected.
        """
        from llmlabel.engine import run_sync

        return run_sync(self.abatch_jobs(run, cancel=cancel))

    async def abatch_jobs(self, run: int, *, cancel: bool = False) -> list[BatchJob]:
        """Return the jobs of a submitted run as they are now (async); see ``batch_jobs``."""
        from llmlabel.pipeline.batching import batches_of

        async with batches_of(cast("Pipeline", self), run) as (batches, _):
            return await (batches.cancel() if cancel else batches.refresh())
