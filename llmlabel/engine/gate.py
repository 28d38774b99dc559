"""One gate per quota: requests and tokens per minute, shared by all runs of the process.

Both limits are token buckets in their scheduling form (the generic cell rate algorithm, ITU-T I.371): a request gets
the time at which it may leave, so those that wait are spread at the allowed pace and never released together.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from llmlabel.engine.bucket import Bucket, Spread
from llmlabel.types import RateLimit

__all__ = ["Gate", "gate_for"]

USABLE = 0.9  # of a full bucket: while a burst is being sent, the service's own bucket overflows
FORGET = 60.0  # seconds without a request after which what was learnt may be out of date
FIRST_PAUSE = 0.5  # after a 429 that does not say how long to wait; doubled each time in a row
LONGEST_PAUSE = 8.0
TRUSTED = 3  # refusals in a row after which the service's own word for the pause is not taken alone
ALONE = 10.0  # seconds without an answer after which the first request is taken for one that hangs
BESIDE = 0.002  # seconds between those that follow after that: few have left when a refusal of one of them comes back
NOTHING_TOLD = RateLimit()

Turn = Literal["first", "beside", "again"]


class Gate:
    """Says when the next request of a quota may be sent. Thread-safe: each caller waits on its own event loop.

    The first request goes alone; what its answer says of the limits sets pace and burst. If it has none after ten
    seconds, others follow one by one. A refusal pauses everybody.
    """

    def __init__(self) -> None:
        self.requests = Bucket()
        self.tokens = Bucket()
        self.pauses = 0  # how many there were, so that a sleeper sees that its time was moved
        self.paused_until = 0.0
        self._asked: tuple[float | None, float | None] = (None, None)
        self._known = False
        self._probing = False
        self._probes = 0
        self._strict = False  # after refusals or failures in a row nobody goes beside the one that finds out
        self._stretch = 1.0  # slower than the known pace, while refusals come in spite of it
        self._spread = Spread()
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

    async def enter(self, tokens: float | Callable[[], float]) -> bool:
        """Wait until one request of about ``tokens`` tokens may be sent; return whether it goes alone, as the first.

        A callable is asked when the request is booked: after the first answer, more is known. Whoever enters reports
        back with ``answered``, ``refused`` or ``failed``.
        """
        loop = asyncio.get_running_loop()
        turn: Turn = "again"
        while True:
            with self._lock:
                now = loop.time()
                first = self._try_first(now, turn)
                waiter = None if first is not None else _Waiter(loop, loop.create_future())
                if waiter is not None:
                    self._waiting.append(waiter)
                at, pauses = (
                    (now, self.pauses) if first is None else self._book(now, tokens() if callable(tokens) else tokens)
                )
            if waiter is not None:
                turn = await self._wait_for_first(waiter)
                continue
            turn = "again"
            try:
                if at > now:
                    await asyncio.sleep(at - now)
            except asyncio.CancelledError:
                self.failed(alone=bool(first))
                raise
            if pauses == self.pauses:
                if first and not self._strict:
                    loop.call_later(ALONE, self._let_one_follow, loop, self._probes, pauses)
                return bool(first)
            self.failed(alone=bool(first))

    def _let_one_follow(self, loop: asyncio.AbstractEventLoop, probe: int, pauses: int) -> None:
        """While the first request has neither answer nor error, let another one go, and the next one soon after."""
        with self._lock:
            if self._known or not self._probing or (probe, pauses) != (self._probes, self.pauses):
                return
            waiter = self._waiting.pop(0) if self._waiting else None
        if waiter is not None:
            waiter.wake("beside")
        loop.call_later(BESIDE, self._let_one_follow, loop, probe, pauses)

    def _try_first(self, now: float, turn: Turn) -> bool | None:
        """Return whether this request is the first; None if it has to wait for the first."""
        if self._known and now - self._last > FORGET and now > self.paused_until:
            self._known = False
        if self._known or turn == "beside":
            return False
        if self._probing and turn != "first":
            return None
        self._probing = True
        self._probes += 1
        return True

    def _book(self, now: float, wanted: float | Callable[[], float]) -> tuple[float, int]:
        tokens = wanted() if callable(wanted) else wanted
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

    async def _wait_for_first(self, waiter: _Waiter) -> Turn:
        """Wait until the first request has an answer, or it is this one's turn to go instead of it or beside it."""
        try:
            return await waiter.future
        except asyncio.CancelledError:
            with self._lock:
                woken = waiter not in self._waiting
                if not woken:
                    self._waiting.remove(waiter)
            self.failed(alone=woken and waiter.turn == "first")
            raise

    def answered(self, now: float, limit: RateLimit | None, *, estimated: float = 0.0, used: float = 0.0) -> None:
        """Learn from an answer: the limits its headers told, and the tokens it took (``estimated`` were booked)."""
        waiting: list[_Waiter] = []
        with self._lock:
            first, self._known, self._probing, self._strict = not self._known, True, False, False
            if first:
                waiting, self._waiting = self._waiting, []
            self._in_a_row = 0
            self._stretch = max(1.0, self._stretch * 0.98)
            self._spread.answered(now)
            self._learn(now, limit or NOTHING_TOLD, first=first)
            if self.requests.interval or self.tokens.interval:
                self._spread.stop()
            self.tokens.due += (used - estimated) * self.tokens.interval
        for waiter in waiting:
            waiter.wake("again")

    def _learn(self, now: float, limit: RateLimit, *, first: bool) -> None:
        for bucket, asked, told, left in (
            (self.requests, self._asked[0], limit.requests, limit.requests_remaining),
            (self.tokens, self._asked[1], limit.tokens, limit.tokens_remaining),
        ):
            if first:
                bucket.told = None
            bucket.set(asked, told, USABLE * left if first and told and left is not None else None)
            if bucket.interval and left is not None:
                bucket.cap(now, left + (not first))

    def refused(self, now: float, sent: float, retry_after: float | None) -> float:
        """Pause everybody after a 429 to a request sent at ``sent``; return the seconds until the next may leave."""
        with self._lock:
            again = sent >= self._paused_at
            self._paused_at = now if again else self._paused_at
            self._in_a_row += again
            grown = min(FIRST_PAUSE * 2 ** max(0, self._in_a_row - 1), LONGEST_PAUSE)
            pause = grown if retry_after is None else retry_after
            if self._in_a_row > TRUSTED:  # it was obeyed, and was not enough: "0" over and over would be no pause
                pause = max(pause, grown / 2**TRUSTED)
            if self._in_a_row > 1:
                self._known, self._strict = False, True  # no answer since the last pause: one finds out, not all
            if now + pause > self.paused_until:
                self.paused_until = now + pause
                self.pauses += 1
                self.requests.empty(self.paused_until)
                self.tokens.empty(self.paused_until)
                if self.requests.interval or self.tokens.interval:
                    self._stretch = min(2.0, self._stretch * 1.1) if again else self._stretch
                else:
                    self._spread.start(self.paused_until, pause)
            return self.paused_until - now

    def pacing(self, now: float) -> bool:
        """Whether requests leave later than they could, because of a known limit."""
        with self._lock:
            return self.requests.scarce(now) or self.tokens.scarce(now)

    def down(self, now: float, pause: float) -> None:
        """Pause everybody while the service answers nobody; after that one request goes alone again."""
        with self._lock:
            self._known, self._strict = False, True
            if now + pause > self.paused_until:
                self.paused_until = now + pause
                self.pauses += 1

    def failed(self, *, alone: bool) -> None:
        """The request brought no answer (an error, a cancellation): if it went alone, the next in line does."""
        while alone:
            with self._lock:
                heir = self._waiting.pop(0) if self._waiting else None
                self._probing = heir is not None
            alone = heir is not None and not heir.wake("first")


@dataclass(slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Turn] = field()
    turn: Turn = "again"

    def wake(self, turn: Turn) -> bool:
        """Let it go on; return False if its event loop is gone."""
        self.turn = turn
        try:
            self.loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:
            return False
        return True

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(self.turn)


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
