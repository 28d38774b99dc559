"""When requests may leave: at a known pace, or spread where none is known. Pure arithmetic on the time it is given."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bucket", "Spread"]

MARGIN = 1.01  # clocks differ: ask one percent slower than allowed
CLOSE = 0.0005  # seconds between departures that a pause has saved up


@dataclass(slots=True)
class Bucket:
    """A rate and a burst: ``interval`` is seconds per unit (0: no limit), ``due`` when the bucket will be full."""

    interval: float = 0.0
    burst: float = 1.0
    due: float = 0.0
    told: float | None = None  # the service's last word: not every response repeats it

    def set(self, asked: float | None, told: float | None, burst: float | None) -> None:
        """Take the stricter of two limits per minute; ``burst`` is what may leave at once, if that is known."""
        told = self.told = told or self.told
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


class Spread:
    """Departures after a pause where no pace is known: at first somewhat faster than answers came, then faster."""

    __slots__ = ("answers", "gap", "next", "rate", "saved", "since")

    def __init__(self) -> None:
        self.next = self.gap = self.rate = self.since = self.saved = 0.0
        self.answers = 0

    def take(self, at: float) -> None:
        """Book a departure at ``at``."""
        if self.gap:
            self.next = at + (CLOSE if self.saved >= 1 else self.gap)
            self.saved -= 1

    def stop(self) -> None:
        """Leave the departures to a pace that is known by now."""
        self.next = self.gap = 0.0

    def start(self, until: float, pause: float) -> None:
        """Begin to spread after a pause of ``pause`` seconds that lasts until ``until``."""
        self._measure(self.since + 1.0)
        self.next = self.since = until
        self.answers = 0
        self.saved = pause * self.rate  # what the service's bucket has filled up by then may leave close together
        self.gap = 1 / min(max(1.5 * self.rate, 20.0), 1000.0)

    def answered(self, now: float) -> None:
        """Count an answer, and leave a little less room between departures."""
        self.answers += 1
        if now - self.since >= 1:
            self._measure(now)
            self.answers, self.since = 0, now
        self.gap = self.gap * 0.9 if self.gap > 0.001 else 0.0

    def _measure(self, now: float) -> None:
        self.rate = max(0.8 * self.rate, self.answers / max(now - self.since, 1.0))
