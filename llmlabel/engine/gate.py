"""One gate per quota: requests and tokens per minute, shared by all runs of the process.

Both limits are token buckets in their scheduling form (the generic cell rate algorithm, ITU-T I.371): a request gets
the time at which it may leave, so those that wait are spread at the allowed pace and never released together.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field

from llmlabel.types import RateLimit

__all__ = ["Gate", "gate_for"]

MARGIN = 1.01  # clocks differ: ask one percent slower than allowed
CLOSE = 0.0005  # seconds between departures that a pause has saved up
USABLE = 0.9  # of a full bucket: while a burst is being sent, the service's own bucket overflows
FORGET = 60.0  # seconds without a request after which what was learnt may be out of date
FIRST_PAUSE = 0.5  # after a 429 that does not say how long to wait; doubled each time in a row
LONGEST_PAUSE = 60.0
NOTHING_TOLD = RateLimit()


@dataclass(slots=True)
class Bucket:
    """A rate and a burst: ``interval`` is seconds per unit (0: no limit), ``due`` when the bucket will be full."""

    interval: float = 0.0
    burst: float = 1.0
    due: float = 0.0

    def set(self, asked: float | None, told: float | None, burst: float | None) -> None:
        """Take the stricter of two limits per minute; ``burst`` is what may leave at once, if that is known."""
        allowed = min(asked or told or 0.0, told or asked or 0.0)
        if burst is not None:
            self.burst = max(1.0, burst)
        elif not self.interval or not told:
            self.burst = max(1.0, allowed / 60)
        self.interval = MARGIN * 60 / allowed if allowed else 0.0

    def ready(self, now: float, units: float) -> float:
        """Return when ``units`` may leave."""
        return max(now, self.due + (min(units, self.burst) - self.burst) * self.interval)

    def scarce(self, now: float) -> bool:
        """Whether the last unit had to wait, or nearly so."""
        return self.interval > 0 and self.due + (1 - self.burst) * self.interval > now - 0.25

    def take(self, at: float, units: float, stretch: float) -> None:
        """Book ``units`` that leave at ``at``; the next ones leave ``stretch`` times later than at the known pace."""
        self.due = max(self.due, at) + units * self.interval * stretch

    def empty(self, at: float) -> None:
        """Leave nothing in the bucket at ``at``, and let at most a second's worth collect from now on."""
        if self.interval:
            self.burst = max(1.0, min(self.burst, 1 / self.interval))
        self.due = at + self.burst * self.interval

    def cap(self, now: float, remaining: float) -> None:
        """Count on no more than ``remaining`` units: the quota may have other users."""
        self.due = max(self.due, now + max(0.0, self.burst - remaining) * self.interval)


class Gate:
    """Says when the next request of a quota may be sent. Thread-safe: each caller waits on its own event loop.

    The first request goes alone; what its answer says of the limits sets pace and burst. A refusal pauses everybody.
    """

    def __init__(self) -> None:
        self.requests = Bucket()
        self.tokens = Bucket()
        self.pauses = 0  # how many there were, so that a sleeper sees that its time was moved
        self.paused_until = 0.0
        self._asked: tuple[float | None, float | None] = (None, None)
        self._known = False
        self._probing = False
        self._stretch = 1.0  # slower than the known pace, while refusals come in spite of it
        self._spread = _Spread()
        self._in_a_row = 0
        self._paused_at = 0.0  # when a refusal last counted; requests sent before it tell nothing new
        self._last = 0.0
        self._waiting: list[_Waiter] = []
        self._lock = threading.Lock()

    def configure(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """Set the user's own limits; the strictest one given for this quota counts, and the service's own too."""
        with self._lock:
            self._asked = (_stricter(self._asked[0], requests_per_minute), _stricter(self._asked[1], tokens_per_minute))
            self._learn(0.0, NOTHING_TOLD, first=False)

    async def enter(self, tokens: float) -> bool:
        """Wait until one request of about ``tokens`` tokens may be sent; return whether it goes alone, as the first.

        Whoever enters reports back with ``answered``, ``refused`` or ``failed``.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                now = loop.time()
                first = self._try_first(now)
                waiter = None if first is not None else _Waiter(loop, loop.create_future())
                if waiter is not None:
                    self._waiting.append(waiter)
                at, pauses = (now, self.pauses) if first is None else self._book(now, tokens)
            if waiter is not None:
                await self._wait_for_first(waiter)
                continue
            try:
                if at > now:
                    await asyncio.sleep(at - now)
            except asyncio.CancelledError:
                if first:
                    self.failed()
                raise
            if pauses == self.pauses:
                return bool(first)
            if first:
                self.failed()

    def _try_first(self, now: float) -> bool | None:
        """Return whether this request is the first; None if it has to wait for the first."""
        if self._known and now - self._last > FORGET and now > self.paused_until:
            self._known = False
        if self._known:
            return False
        if self._probing:
            return None
        self._probing = True
        return True

    def _book(self, now: float, tokens: float) -> tuple[float, int]:
        at = max(
            now,
            self.paused_until,
            self._spread.next,
            self.requests.ready(now, 1),
            self.tokens.ready(now, tokens),
        )
        self.requests.take(at, 1, self._stretch)
        self.tokens.take(at, tokens, self._stretch)
        self._spread.take(at)
        self._last = at
        return at, self.pauses

    async def _wait_for_first(self, waiter: _Waiter) -> None:
        try:
            await waiter.future
        except asyncio.CancelledError:
            with self._lock:
                woken = waiter not in self._waiting
                if not woken:
                    self._waiting.remove(waiter)
            if woken:
                self._wake(1)
            raise

    def answered(self, now: float, limit: RateLimit | None, *, estimated: float = 0.0, used: float = 0.0) -> None:
        """Learn from an answer: the limits its headers told, and the tokens it took (``estimated`` were booked)."""
        with self._lock:
            first, self._known, self._probing = not self._known, True, False
            self._in_a_row = 0
            self._stretch = max(1.0, self._stretch * 0.98)
            self._spread.answered(now)
            self._learn(now, limit or NOTHING_TOLD, first=first)
            self.tokens.due += (used - estimated) * self.tokens.interval
        if first:
            self._wake(None)

    def _learn(self, now: float, limit: RateLimit, *, first: bool) -> None:
        for bucket, asked, told, left in (
            (self.requests, self._asked[0], limit.requests, limit.requests_remaining),
            (self.tokens, self._asked[1], limit.tokens, limit.tokens_remaining),
        ):
            bucket.set(asked, told, USABLE * left if first and told and left is not None else None)
            if bucket.interval and left is not None:
                bucket.cap(now, left + 1)

    def refused(self, now: float, sent: float, retry_after: float | None) -> float:
        """Pause everybody after a 429 to a request sent at ``sent``; return the seconds until the next may leave."""
        with self._lock:
            again = sent >= self._paused_at
            self._paused_at = now if again else self._paused_at
            self._in_a_row += again
            pause = (
                min(FIRST_PAUSE * 2 ** max(0, self._in_a_row - 1), LONGEST_PAUSE)
                if retry_after is None
                else retry_after
            )
            first, self._probing = self._probing, False
            if now + pause > self.paused_until:
                self.paused_until = now + pause
                self.pauses += 1
                self.requests.empty(self.paused_until)
                self.tokens.empty(self.paused_until)
                if self.requests.interval or self.tokens.interval:
                    self._stretch = min(2.0, self._stretch * 1.1) if again else self._stretch
                else:
                    self._spread.start(self.paused_until, pause)
            wait = self.paused_until - now
        if first:
            self._wake(1)
        return wait

    def pacing(self, now: float) -> bool:
        """Whether requests leave later than they could, because of a known limit."""
        with self._lock:
            return self.requests.scarce(now) or self.tokens.scarce(now)

    def failed(self) -> None:
        """The request brought no answer (an error, a cancellation): if it was the first, another one is the first."""
        with self._lock:
            first, self._probing = self._probing and not self._known, False
        if first:
            self._wake(1)

    def _wake(self, count: int | None) -> None:
        with self._lock:
            chosen = self._waiting[:count]
            del self._waiting[:count]
        for waiter in chosen:
            waiter.wake()


class _Spread:
    """Departures after a pause where no pace is known: at first somewhat faster than answers came, then faster."""

    __slots__ = ("answers", "gap", "next", "rate", "saved", "since")

    def __init__(self) -> None:
        self.next = self.gap = self.rate = self.since = self.saved = 0.0
        self.answers = 0

    def take(self, at: float) -> None:
        if self.gap:
            self.next = at + (CLOSE if self.saved >= 1 else self.gap)
            self.saved -= 1

    def start(self, until: float, pause: float) -> None:
        self._measure(self.since + 1.0)
        self.next = self.since = until
        self.answers = 0
        self.saved = pause * self.rate  # what the service's bucket has filled up by then may leave close together
        self.gap = 1 / min(max(1.5 * self.rate, 20.0), 1000.0)

    def answered(self, now: float) -> None:
        self.answers += 1
        if now - self.since >= 1:
            self._measure(now)
            self.answers, self.since = 0, now
        self.gap = self.gap * 0.9 if self.gap > 0.001 else 0.0

    def _measure(self, now: float) -> None:
        self.rate = max(0.8 * self.rate, self.answers / max(now - self.since, 1.0))


@dataclass(slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None] = field()

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


def _stricter(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


_gates: dict[str, Gate] = {}
_gates_lock = threading.Lock()


def gate_for(quota_key: str) -> Gate:
    """Return the process's gate for a quota."""
    with _gates_lock:
        return _gates.setdefault(quota_key, Gate())


def _after_fork() -> None:
    # Locks and waiters of the parent's threads mean nothing here.
    global _gates_lock
    _gates_lock = threading.Lock()
    _gates.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
