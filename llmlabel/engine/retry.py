"""Asking again, in one place: what is worth another try, when, and when to give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmlabel.errors import LabelerError
from llmlabel.types import Completion

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["Tries", "retried"]

MAX_TRIES = 10  # if three of ten requests fail, one of 600 documents is lost in 300 runs
MAX_FREE = 100  # 429s are not tries of the document, but there is an end to them as well
MAX_SECONDS = 900.0  # spent on one document, waiting for the rate limit not counted
MAX_RETRY_AFTER = 900.0  # a service that asks for more (a daily quota) is not waited for


@dataclass(slots=True)
class Tries:
    """What one ask has used up so far: requests sent, those that are not its own tries, seconds in requests.

    ``free`` counts refusals by the rate limit and failures of a service that is down; ``paused`` says that the gate
    makes everybody wait after the last one, this ask among them.
    """

    sent: int = 0
    free: int = 0
    seconds: float = 0.0
    paused: bool = False
    last: LabelerError | None = None

    def exhausted(self) -> bool:
        """Whether the last error is final."""
        return self.sent - self.free >= MAX_TRIES or self.free >= MAX_FREE or self.seconds >= MAX_SECONDS


def transient(error: BaseException) -> bool:
    """Whether the same request may succeed later, and soon enough."""
    return isinstance(error, LabelerError) and error.retryable and (error.retry_after or 0.0) <= MAX_RETRY_AFTER


async def retried(
    attempt: Callable[[], Awaitable[Completion]],
    first: LabelerError,
    tries: Tries,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    given_up: Callable[[], bool] = lambda: False,
) -> Completion:
    """Return the answer of a later attempt, after one that ended with ``first``.

    Most requests succeed at once and never come here: tenacity costs more than the rest of the engine, also to import.
    ``given_up`` tells that no further attempt may be made.

    Raises:
        LabelerError: The last error, when it is not transient or the document has used up its tries.
    """
    from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

    seen: LabelerError | None = first
    backoff = wait_random_exponential(multiplier=0.5, max=5)

    async def again() -> Completion:
        nonlocal seen
        if seen is not None:
            error, seen = seen, None
            raise error
        return await attempt()

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if tries.paused:
            return 0.0
        asked = error.retry_after if isinstance(error, LabelerError) else None
        return max(backoff(state), asked or 0.0)

    retrying = AsyncRetrying(
        retry=retry_if_exception(transient),
        stop=lambda _: given_up() or tries.exhausted(),
        wait=pause,
        sleep=sleep,
        reraise=True,
    )
    answer: Completion = await retrying(again)
    return answer
