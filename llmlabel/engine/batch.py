"""The seam for provider batch jobs: many requests as one job, at a lower price, answered within hours.

The engine writes the request bodies' prompts to the backend, keeps the job's id in the journal, and reconciles the
results by custom id, so that another process can collect what this one submitted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from llmlabel.errors import LabelerError
from llmlabel.types import Completion, Prompt

__all__ = ["BatchBackend", "BatchJob", "BatchLimits", "BatchRequest", "BatchResult", "BatchState"]

BatchState = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]
FINAL_STATES: frozenset[str] = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one job may hold; the engine splits a run into as many jobs as these ask for."""

    max_requests: int = 50_000
    max_bytes: int = 200_000_000


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a job; ``custom_id`` is unique within the run and comes back with the answer."""

    custom_id: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one request: a completion or an error, never both."""

    custom_id: str
    completion: Completion | None = None
    error: LabelerError | None = None


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A job as the provider sees it now; counts are requests. ``message`` says why a job failed."""

    id: str
    state: BatchState
    total: int = 0
    completed: int = 0
    failed: int = 0
    message: str | None = None

    @property
    def final(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in FINAL_STATES


class BatchBackend(ABC):
    """One provider's batch interface; a labeler returns it from ``batch_backend()``.

    Methods raise ``LabelerError`` when the provider does not answer. They do not retry: the engine does.
    """

    @property
    def limits(self) -> BatchLimits:
        """What one job may hold."""
        return BatchLimits()

    @abstractmethod
    def encode(self, request: BatchRequest) -> bytes:
        """Return the request as one line of the provider's file, without the newline and without a byte order mark."""

    @abstractmethod
    async def submit(self, lines: Sequence[bytes], *, label: str) -> BatchJob:
        """Upload the lines as one file and start a job; ``label`` marks it at the provider as ours.

        Submitting twice starts two jobs: before it submits again after a crash, the engine looks in ``find``.
        """

    @abstractmethod
    async def find(self, label: str) -> BatchJob | None:
        """Return the newest job submitted under ``label``, or None (also where the provider cannot tell)."""

    @abstractmethod
    async def status(self, job_id: str) -> BatchJob:
        """Return the job's state now."""

    @abstractmethod
    def results(self, job_id: str) -> AsyncIterator[BatchResult]:
        """Yield what is finished, from the output and the error file, in any order.

        Also for an expired or cancelled job: what was answered before the end is paid for.
        """

    @abstractmethod
    async def cancel(self, job_id: str) -> BatchJob:
        """Ask the provider to stop the job; requests that were answered already stay readable."""

    @abstractmethod
    async def delete(self, job_id: str) -> None:
        """Delete the job's files at the provider; called after the results are in the journal."""
