"""Long-running jobs of the authoring API: what they said, and waiting for their end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from llmlabel.errors import ServiceError
from llmlabel.platforms.azure_language.limiter import Clock
from llmlabel.platforms.azure_language.replies import JobIssue, issue_of
from llmlabel.types import Value

logger = logging.getLogger(__name__)

FIRST_POLL, LONGEST_POLL, _GROWTH = 2.0, 15.0, 1.5
ENDED_WELL = frozenset({"succeeded", "partiallyCompleted"})
ENDED = ENDED_WELL | {"failed", "cancelled"}


class Job(Value):
    """A job as the service last described it.

    ``status``: ``notStarted``, ``running``, ``cancelling``, then ``succeeded``, ``failed``, ``cancelled`` or
    ``partiallyCompleted``; any other word counts as not ended. ``state`` is the whole answer.
    """

    kind: str
    id: str = ""
    status: str = "unknown"
    errors: tuple[JobIssue, ...] = ()
    warnings: tuple[JobIssue, ...] = ()
    state: dict[str, Any] = {}

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status in ENDED

    def notes(self) -> list[str]:
        """Return one line per warning, and one if the job ended half done."""
        head = [f"the {self.kind} job ended as partiallyCompleted"] if self.status == "partiallyCompleted" else []
        return head + [f"{self.kind}: {issue}" for issue in (*self.errors, *self.warnings)]


def job_of(kind: str, state: object) -> Job:
    """Return a job from the body of its status request."""
    body = state if isinstance(state, dict) else {}

    def issues(name: str) -> tuple[JobIssue, ...]:
        found = body.get(name)
        return tuple(issue_of(item) for item in found) if isinstance(found, list) else ()

    return Job(
        kind=kind,
        id=str(body.get("jobId") or ""),
        status=str(body.get("status") or "unknown"),
        errors=issues("errors"),
        warnings=issues("warnings"),
        state=body,
    )


def wait_for(
    ask: Callable[[], Job], *, clock: Clock, deadline: float, on_progress: Callable[[Job], None] | None = None
) -> Job:
    """Return a job when it has ended well; asks after 2 s, then less and less often, down to every 15 s.

    Args:
        ask: Returns the job's present state.
        clock: Where the time comes from.
        deadline: Most seconds to wait for the end.
        on_progress: Called with each state.

    Raises:
        ServiceError: The job failed, was cancelled, or did not end in time; with codes, targets and hints.
    """
    until, pause = clock.monotonic() + deadline, FIRST_POLL
    while True:
        job = ask()
        if on_progress is not None:
            on_progress(job)
        logger.debug("%s job %s: %s", job.kind, job.id, job.status)
        if job.ended:
            return _judged(job)
        left = until - clock.monotonic()
        if left <= 0:
            raise ServiceError(
                f"Azure Language: the {job.kind} job {job.id!r} is still {job.status!r} after {deadline:g} s; it goes "
                "on there: run again later, or give a longer job_deadline=",
                retryable=True,
            )
        clock.sleep(min(pause, left))
        pause = min(pause * _GROWTH, LONGEST_POLL)


def _judged(job: Job) -> Job:
    if job.status in ENDED_WELL:
        for note in job.notes():
            logger.warning("%s", note)
        return job
    reasons: Mapping[str, tuple[JobIssue, ...]] = {"error": job.errors, "warning": job.warnings}
    lines = [f"\n  - {name} {issue}" for name, issues in reasons.items() for issue in issues]
    said = "".join(lines) or "; the service gave no reason"
    raise ServiceError(f"Azure Language: the {job.kind} job {job.id!r} {_ended(job.status)}{said}", status_code=200)


def _ended(status: str) -> str:
    return "failed" if status == "failed" else f"ended as {status}"
