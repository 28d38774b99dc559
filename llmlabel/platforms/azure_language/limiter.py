"""The pace that the authoring API allows: 10 changes and 100 reads a minute."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

POST_PER_MINUTE, GET_PER_MINUTE = 10, 100
_MINUTE = 60.0


class Clock(Protocol):
    """Tells the time and waits; the module ``time`` is one."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class MinuteLimiter:
    """Lets a bounded number of requests through in any 60 seconds, reads and changes counted apart.

    Args:
        clock: Where the time comes from.
        posts: Changes (everything but GET) a minute.
        gets: Reads a minute.
    """

    def __init__(self, clock: Clock, posts: int = POST_PER_MINUTE, gets: int = GET_PER_MINUTE) -> None:
        self._clock = clock
        self._allowed = {True: gets, False: posts}
        self._sent: dict[bool, deque[float]] = {True: deque(), False: deque()}
        self._lock = threading.Lock()

    def wait(self, method: str) -> float:
        """Wait until a request may be sent; return the seconds waited."""
        reads = method == "GET"
        sent, allowed = self._sent[reads], self._allowed[reads]
        with self._lock:
            began = now = self._clock.monotonic()
            while len(sent) >= allowed and (left := sent[0] + _MINUTE - now) > 0:
                self._clock.sleep(left)
                now = self._clock.monotonic()
            if len(sent) >= allowed:
                sent.popleft()
            sent.append(now)
        return now - began
