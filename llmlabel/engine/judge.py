"""What the failure of one request means for all others: a pause, fewer in flight, or the end of the run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from llmlabel.engine.gate import Gate
from llmlabel.engine.limiter import Verdict
from llmlabel.engine.outage import FORBIDDEN, Outage
from llmlabel.engine.retry import Tries, transient
from llmlabel.engine.stats import EventKind, RunStats
from llmlabel.errors import LabelerError, LLMLabelError, RateLimitError, TransportError
from llmlabel.types import Limits

__all__ = ["Judge"]

OVERLOADED = frozenset({408, 429, 503, 529})
log = logging.getLogger("llmlabel.engine")


class Judge:
    """Tells the gate, the document's tries and the run what an error means; returns what it says of concurrency."""

    def __init__(
        self,
        gate: Gate,
        limits: Limits,
        stats: RunStats,
        *,
        stop: Callable[[LLMLabelError, str], object],
        tell: Callable[[EventKind, float | None], None],
    ) -> None:
        self.gate = gate
        self.limits = limits
        self.stats = stats
        self.outage = Outage()
        self._stop = stop
        self._tell = tell

    def __call__(self, error: LabelerError, since: float, tries: Tries) -> Verdict:
        """Draw the consequences of an error that a request sent at ``since`` met."""
        now = asyncio.get_running_loop().time()
        tries.paused = False
        if error.fatal and (self.stats.answered == 0 or error.status_code not in FORBIDDEN):
            self._stop(error, f"{type(error).__name__}: {error}")
            return "neutral"
        if isinstance(error, RateLimitError):
            return self._refused(error, now, since, tries)
        return self._failed(error, now, since, tries)

    def _refused(self, error: RateLimitError, now: float, since: float, tries: Tries) -> Verdict:
        self.stats.rate_limited += 1
        if not transient(error):
            self._tell("rate_limited", error.retry_after)
            if error.retry_after is not None:  # everybody would have to wait that long
                self._stop(error, f"{error}; it asks to wait {_long(error.retry_after)}: run again after that")
            return "neutral"
        verdict = self._pause(now, since, error.retry_after)
        tries.paused, tries.free = True, tries.free + 1
        self._tell("rate_limited", self.gate.paused_until - now)
        if (why := self.outage.refused(now, error)) is not None:
            self._stop(error, why)
        return verdict

    def _failed(self, error: LabelerError, now: float, since: float, tries: Tries) -> Verdict:
        passing = transient(error)
        pause, why = self.outage.failed(now, since, error, first_try=tries.sent == 1)
        if why is not None:
            self._stop(error, why)
        elif passing and self.outage.since is not None:
            tries.free += 1  # the service is down: no document's fault
        if pause:
            tries.paused = True
            self.gate.down(now, max(pause, error.retry_after or 0.0))
            log.debug("%s: everybody waits %.3f s", type(error).__name__, pause)
            return "neutral"
        overloaded = error.status_code in OVERLOADED
        if overloaded and passing and error.retry_after is not None:
            return self._pause(now, since, error.retry_after)
        timed_out = isinstance(error, TransportError) and now - since >= 0.9 * self.limits.request_timeout
        return "refused" if overloaded or timed_out else "neutral"

    def _pause(self, now: float, since: float, retry_after: float | None) -> Verdict:
        """Let everybody wait as long as the service asks for."""
        paced = self.gate.pacing(now)
        pause = self.gate.refused(now, since, retry_after)
        log.debug("refused by the service, everybody waits %.3f s", pause)
        return "neutral" if paced else "refused"  # a pace that was too fast says nothing about concurrency


def _long(seconds: float) -> str:
    hours = seconds / 3600
    return (
        f"{60 * hours:.0f} minutes" if hours < 2 else f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    )
