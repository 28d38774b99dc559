"""When a service answers nobody: pauses that let it come back, and an end to waiting."""

from __future__ import annotations

from llmlabel.engine.retry import MAX_SECONDS, transient
from llmlabel.errors import LabelerError

__all__ = ["Outage"]

ALIKE = 8  # failures in a row after which it is the service, not the document
FIRST_PAUSES = (0.1, 0.8)  # before anything was ever answered: shortest and longest pause; doubled in between
PAUSES = (0.5, 10.0)  # after answers
PATIENCE = 60.0  # seconds without any answer, in an outage, after which the run is given up
FORBIDDEN = frozenset({403, 404})  # of one document (a firewall), or of the deployment: told apart by their number


class Outage:
    """Watches for failures that are not one document's own.

    Before the first answer of a run any failure may mean that it can go nowhere. Later an outage shows in requests
    that were sent for the first time and all fail: documents that always fail meet their second try before that.
    """

    def __init__(self) -> None:
        self.since: float | None = None  # when the first failure of the outage came
        self._answered = False
        self._kind: tuple[object, ...] = ()
        self._alike = self._first_tries = self._pauses = 0
        self._paused_at = 0.0
        self._refused_since: float | None = None

    def answered(self) -> None:
        """Note an answer: whatever was wrong is over."""
        self._answered = True
        self.since = self._refused_since = None
        self._alike = self._first_tries = self._pauses = 0

    def refused(self, now: float, error: LabelerError) -> str | None:
        """Note a 429; return why the run can go nowhere, if there were only such for too long."""
        if self._refused_since is None:
            self._refused_since = now
        waited = now - self._refused_since
        return f"only refusals for {waited / 60:.0f} minutes, at last {_told(error)}" if waited >= MAX_SECONDS else None

    def failed(self, now: float, sent: float, error: LabelerError, *, first_try: bool) -> tuple[float, str | None]:
        """Note another failure; return the pause that all should make (0: none), and why the run can go nowhere.

        Args:
            now: The time.
            sent: When the request left; those sent before a pause began tell nothing new.
            error: What came of it.
            first_try: Whether it was the first request for its document.
        """
        passing = transient(error)
        if passing and sent < self._paused_at:
            return (0.0, None)
        kind = ("transient",) if passing else (type(error), error.status_code)
        self._alike = self._alike + 1 if kind == self._kind else 1
        self._kind = kind
        if self._alike >= ALIKE and (not self._answered or error.status_code in FORBIDDEN):
            which = "last" if self._answered else "first"
            return (0.0, f"the {which} {self._alike} requests all failed in the same way, {_told(error)}")
        if not passing:
            return (0.0, None)
        if not self._answered:
            return (self._pause(now, *FIRST_PAUSES), None)
        self._first_tries += first_try
        if self._first_tries < ALIKE:
            return (0.0, None)
        if self.since is None:
            self.since = now
        if now - self.since >= PATIENCE:
            return (0.0, f"the service has answered nothing for {now - self.since:.0f} s, {_told(error)}")
        return (self._pause(now, *PAUSES), None)

    def _pause(self, now: float, shortest: float, longest: float) -> float:
        self._paused_at = now
        self._pauses += 1
        return float(min(shortest * 2 ** (self._pauses - 1), longest))


def _told(error: LabelerError) -> str:
    return f"{type(error).__name__}: {error}"
