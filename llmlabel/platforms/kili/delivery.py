"""Sending things to a server that may take them, refuse some of them, or leave us without an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from llmlabel.platforms.kili.faults import RequestFailed

V = TypeVar("V")
TRIES = 3
REFUSED_IN_A_ROW = 20


class Delivery(Generic[V]):
    """Sends chunks and settles each by reading back: an item is done when it is found on the server.

    After an unknown outcome only what is missing is sent again; a refused chunk is halved until the refused item is
    alone.

    Args:
        write: Sends items; may raise ``RequestFailed``.
        stored: Returns which of the items stand on the server.
        pause: Seconds to wait before reading again what seems missing after an unknown outcome.

    Attributes:
        done: Keys found on the server, of all chunks.
        failed: Reason by key, of all chunks.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, V]], None],
        stored: Callable[[Mapping[str, V]], Iterable[str]],
        pause: float = 2.0,
    ) -> None:
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}
        self._write = write
        self._stored = stored
        self._pause = pause
        self._refused = 0

    def send(self, items: Mapping[str, V]) -> None:
        """Send one chunk and settle every item of it.

        Raises:
            RequestFailed: Nothing gets through any more; ``done`` and ``failed`` hold what was settled.
        """
        pending = dict(items)
        problem: RequestFailed | None = None
        for _ in range(TRIES if pending else 0):
            problem = self._try(pending)
            pending = self._missing(pending)
            if pending and problem is not None and problem.kind == "unknown":
                time.sleep(self._pause)
                pending = self._missing(pending)
            if not pending:
                return
            if problem is None or problem.kind == "refused":
                break
        if problem is not None and problem.kind == "refused" and len(pending) > 1:
            keys = list(pending)
            for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                self.send({key: pending[key] for key in half})
            return
        reason = "sent without an error, but not found as sent when read back" if problem is None else problem.reason
        self.failed.update(dict.fromkeys(pending, reason))
        if problem is not None and problem.kind == "refused":
            self._refused += 1
            if self._refused >= REFUSED_IN_A_ROW:
                raise RequestFailed(
                    problem.method, "unreachable", f"{self._refused} refusals in a row; the last: {reason}"
                )

    def _try(self, items: Mapping[str, V]) -> RequestFailed | None:
        try:
            self._write(items)
        except RequestFailed as failed:
            if failed.kind == "unreachable":
                raise
            return failed
        return None

    def _missing(self, items: Mapping[str, V]) -> dict[str, V]:
        found = set(self._stored(items))
        self.done |= found & items.keys()
        if found:
            self._refused = 0
        return {key: value for key, value in items.items() if key not in found}


def chunks(items: Iterable[tuple[str, V]], size: Callable[[V], int], count: int, budget: int) -> Iterator[dict[str, V]]:
    """Yield the items in chunks of at most ``count`` and, but for single items, ``budget`` bytes."""
    chunk: dict[str, V] = {}
    used = 0
    for key, value in items:
        weight = size(value)
        if chunk and (len(chunk) == count or used + weight > budget):
            yield chunk
            chunk, used = {}, 0
        chunk[key] = value
        used += weight
    if chunk:
        yield chunk
