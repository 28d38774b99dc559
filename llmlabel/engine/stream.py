"""Running work on a lazily read input with a bound on how much is under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from llmlabel.engine.intake import Intake, open_intake

__all__ = ["stream"]

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 8


async def stream(
    work: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    width: Callable[[], int],
) -> AsyncIterator[R]:
    """Yield ``await work(item)`` for each item, as they finish.

    At most ``width()`` works run at once. What has finished and was not taken yet counts as well, beyond a small
    number, so a slow consumer holds the input back. An exception of ``work`` or of the input ends the stream; ending
    it early cancels what runs.
    """
    pool = _Pool(work, width)
    pool.intake = open_intake(items, AHEAD, pool.fill)
    try:
        pool.fill()
        while True:
            while pool.finished:
                task = pool.finished.popleft()
                pool.fill()
                yield task.result()
            if pool.done():
                return
            pool.wake.clear()
            await pool.wake.wait()
    finally:
        await pool.aclose()


class _Pool(Generic[T, R]):
    def __init__(self, work: Callable[[T], Awaitable[R]], width: Callable[[], int]) -> None:
        self.work = work
        self.width = width
        self.intake: Intake[T]
        self.running: set[asyncio.Task[R]] = set()
        self.finished: deque[asyncio.Task[R]] = deque()
        self.wake = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.closed = False

    def fill(self) -> None:
        """Start works while there is room and input."""
        width = self.width()
        while not self.closed and len(self.running) < width and len(self.finished) < max(1, min(width, 2 * AHEAD)):
            item = self.intake.take()
            if item is None:
                break
            task = self.loop.create_task(self._run(item[0]))
            self.running.add(task)
            task.add_done_callback(self._finish)
        if self.intake.ended:
            self.wake.set()

    async def _run(self, item: T) -> R:
        return await self.work(item)

    def _finish(self, task: asyncio.Task[R]) -> None:
        self.running.discard(task)
        if not self.closed:
            self.finished.append(task)
            self.fill()
            self.wake.set()

    def done(self) -> bool:
        """Whether nothing more can come; raises what the input raised, after all that ran has been given out."""
        if self.running or self.finished or self.intake.ready or not self.intake.ended:
            return False
        if self.intake.error is not None:
            raise self.intake.error
        return True

    async def aclose(self) -> None:
        """Cancel what runs and wait for it."""
        self.closed = True
        await self.intake.aclose()
        tasks = [*self.running, *self.finished]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
