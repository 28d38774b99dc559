"""How many requests may be in flight: a ceiling, or a number found while running.

The search borrows from congestion control. It starts small and doubles per round trip while that pays (slow start).
What the service refuses tells how much it takes at once; that level is held for a while and then exceeded, slowly at
first, as CUBIC does (RFC 9438). Growth that brings no more answers per second is taken back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

__all__ = ["Limiter", "Verdict"]

Verdict = Literal["good", "refused", "neutral"]
START = 16
AUTO_CEILING = 512  # below the usual limit of 1,024 open files
HOLD = 4.0  # seconds at a level before more is tried
PROBE = 0.3  # growth tried before it is judged; reached after two holds
NOISE = 0.15  # so small a share of refusals, at a level that worked before, may have other causes
SAMPLE = 20  # outcomes from which a share is taken
ALIKE = 0.2  # few refusals count if the last three came at numbers in flight that differ no more than this
GAIN = 0.25  # share of the added concurrency that must come back as answers per second


class Limiter:
    """Slots for requests in flight on one event loop, handed out in the order asked for.

    Args:
        setting: ``"auto"``, or a ceiling, which only refusals shrink.
    """

    def __init__(self, setting: int | Literal["auto"]) -> None:
        self.auto = setting == "auto"
        self.ceiling = AUTO_CEILING if setting == "auto" else setting
        self.in_flight = 0
        self._limit = float(START if setting == "auto" else setting)
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._slow_start = self.auto
        self._base = self._limit  # the level from which the next probe starts
        self._held_since = 0.0
        self._shrunk = 0.0  # when the last refusals were judged; requests from before say nothing new
        self._round = _Round()
        self._reference: float | None = None  # answers per second at the base level
        self._levels: deque[int] = deque(maxlen=3)  # requests in flight when refusals began
        self._flat = 0  # rounds in a row in which growth brought nothing
        self._refusal: float | None = None  # when the first one not yet judged came
        self._refused = self._accepted = 0
        self._round_trip = 0.0

    @property
    def width(self) -> int:
        """Requests allowed in flight now."""
        return max(1, min(int(self._limit), self.ceiling))

    async def acquire(self) -> float:
        """Wait for a slot and return the time it was given, to be passed to ``release``."""
        loop = asyncio.get_running_loop()
        if self._refusal is not None:
            self._judge(loop.time())
        if self.in_flight < self.width and not self._waiters:
            self.in_flight += 1
            return loop.time()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.in_flight -= 1
                self._wake()
            else:
                self._waiters.remove(waiter)
            raise
        return loop.time()

    def release(self, since: float, verdict: Verdict) -> None:
        """Give the slot back and learn from how the request went (``refused``: 429, overload, time-out)."""
        now = asyncio.get_running_loop().time()
        full = self.in_flight >= self.width
        self.in_flight -= 1
        if verdict == "good":
            self._round_trip += (now - since - self._round_trip) * (0.1 if self._round_trip else 1.0)
            self._accepted += 1
            if self._refusal is None and self._round.count(now, self.width, full):
                self._end_round(now)
            if full and self._refusal is None:
                self._grow(now)
        elif verdict == "refused" and since >= self._shrunk:
            self._refused += 1
            if self._refusal is None:
                # Counted from here on: what was accepted takes longer to come back than a refusal.
                self._refusal, self._accepted = now, 0
                self._levels.append(self.in_flight + 1)
        if self._refusal is not None:
            self._judge(now)
        self._wake()

    def _wake(self) -> None:
        while self._waiters and self.in_flight < self.width:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)

    def _judge(self, now: float) -> None:
        """A round trip after a refusal: shrink to what was accepted."""
        seen = self._refused + self._accepted
        if self._refusal is None or now - self._refusal < self._round_trip or seen < min(SAMPLE, 2 * self.width):
            return
        share = self._refused / seen
        self._refusal, self._refused = None, 0
        target = self._limit * max(1 - share, 0.5)
        if share < NOISE and not self._slow_start and self._limit <= 1.02 * self._base:
            if max(self._levels) - min(self._levels) > ALIKE * max(self._levels) or len(self._levels) < 3:
                return
            target = min(target, min(self._levels) - 1.0)
        self._slow_start = False
        self._limit = max(1.0, target)
        self._shrunk = now
        self._hold(now)

    def _hold(self, now: float) -> None:
        self._base = self._limit
        self._held_since = now
        self._reference = None
        self._round = _Round(now, self.width)

    def _grow(self, now: float) -> None:
        if self._limit >= self.ceiling or self._flat:
            return
        if self._slow_start:
            self._limit += 1
            return
        over = (now - self._held_since - HOLD) / HOLD
        if over > 0:
            target = self._base * (1 + PROBE * over**3)
            self._limit = min(max(target, self._limit), self._limit + 1, float(self.ceiling))

    def _end_round(self, now: float) -> None:
        """About a round trip has passed: did growing since the reference bring more answers per second?"""
        rate, saturated, level = self._round.rate(now), self._round.saturated, self._round.level
        self._round = _Round(now, self.width)
        if not self.auto or not saturated:
            return
        grown = level / self._base - 1
        if self._reference is None or grown < PROBE / 2:
            smooth = 1.0 if self._slow_start or self._reference is None else 0.3
            self._reference = (1 - smooth) * (self._reference or 0.0) + smooth * rate
            self._flat = 0
            self._base = level if self._slow_start else self._base
        elif grown >= PROBE:
            if rate >= self._reference * (1 + grown * GAIN):
                self._base, self._reference = float(level), rate
                self._held_since = now - HOLD  # it pays: go on without a pause
                self._flat = 0
            elif self._flat < 2:
                self._flat += 1  # latencies vary: one slow round proves little
            else:
                self._flat = 0
                self._slow_start = False
                self._limit = self._base
                self._hold(now)


class _Round:
    """Answers counted over about one round trip at one level."""

    __slots__ = ("answers", "full", "level", "started")

    def __init__(self, started: float = 0.0, level: int = START) -> None:
        self.started = started
        self.level = level
        self.answers = self.full = 0

    def count(self, now: float, width: int, full: bool) -> bool:
        """Count an answer; return whether the round is over."""
        if not self.started:
            self.started, self.level = now, width
        self.answers += 1
        self.full += full
        return self.answers >= max(self.level, START) and now > self.started

    @property
    def saturated(self) -> bool:
        return self.full > self.answers // 2

    def rate(self, now: float) -> float:
        return self.answers / (now - self.started)
