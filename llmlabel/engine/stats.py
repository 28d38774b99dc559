"""What a run has done so far: live counters, events, and the two ways in which a run ends early."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from llmlabel.errors import LLMLabelError
from llmlabel.types import Usage

__all__ = ["Event", "EventKind", "OverBudget", "RunStats", "RunStopped"]

EventKind = Literal["sent", "answered", "reused", "retried", "rate_limited", "failed", "stopped"]


class OverBudget(LLMLabelError):
    """The request was not sent: with it, the run could pass ``max_cost`` or ``max_total_tokens``."""


class RunStopped(LLMLabelError):
    """The request was not sent: no request of this run can succeed any more.

    Attributes:
        reason: The error that stopped the run, or None when the journal can take no more.
    """

    def __init__(self, message: str, reason: LLMLabelError | None = None) -> None:
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, and the counts at that moment; holds no text of any document.

    ``seconds`` is the duration of the request (``answered``) or the pause to come (``retried``, ``rate_limited``).
    """

    kind: EventKind
    requests: int
    in_flight: int
    answered: int
    reused: int
    retried: int
    rate_limited: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    concurrency: int
    seconds: float | None = None


@dataclass(slots=True)
class RunStats:
    """Live counters of one engine; read them at any time, from any thread.

    Attributes:
        requests: Requests sent, each try counted.
        in_flight: Requests sent and not yet answered.
        answered: Answers received.
        reused: Asks served from the journal, or by an identical request of this run.
        retried: Tries that failed and were repeated, 429s not counted.
        rate_limited: Responses with status 429.
        failed: Asks that ended with an error.
        concurrency: Requests allowed in flight at this moment.
        input_tokens, output_tokens, cached_tokens, reasoning_tokens: Paid by this run.
        started: When the engine was made, by ``time.monotonic``.
    """

    requests: int = 0
    in_flight: int = 0
    answered: int = 0
    reused: int = 0
    retried: int = 0
    rate_limited: int = 0
    failed: int = 0
    concurrency: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    started: float = field(default_factory=time.monotonic)
    _cost: float = 0.0
    _unpriced: bool = False

    @property
    def cost(self) -> float | None:
        """What this run has paid, or None if any part is unknown."""
        return None if self._unpriced or not self.answered else self._cost

    @property
    def usage(self) -> Usage:
        """Tokens, requests and cost of this run; what was reused is not in it."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            reasoning_tokens=self.reasoning_tokens,
            requests=self.requests,
            cost=self.cost,
        )

    def pay(self, usage: Usage) -> None:
        """Count an answer and what it took."""
        self.answered += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.reasoning_tokens += usage.reasoning_tokens
        if usage.cost is None:
            self._unpriced = True
        else:
            self._cost += usage.cost

    def event(self, kind: EventKind, seconds: float | None = None) -> Event:
        """Return the counts of this moment as a value."""
        return Event(
            kind,
            self.requests,
            self.in_flight,
            self.answered,
            self.reused,
            self.retried,
            self.rate_limited,
            self.failed,
            self.input_tokens,
            self.output_tokens,
            self.cost,
            self.concurrency,
            seconds,
        )
