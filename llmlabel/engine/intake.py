"""Reading the input of a run lazily: inline where that cannot block, else from a thread or a task of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["Intake", "open_intake"]

T = TypeVar("T")


class Intake(Generic[T]):
    """Items ready to start, at most ``ahead`` of them; ``arrived`` is called on the loop when there are more."""

    def __init__(self, ahead: int, arrived: Callable[[], None]) -> None:
        self.ahead = ahead
        self.arrived = arrived
        self.ready: deque[T] = deque()
        self.ended = False
        self.error: BaseException | None = None

    def take(self) -> tuple[T] | None:
        """Return the next item, boxed, or None if there is none now."""
        return (self.ready.popleft(),) if self.ready else None

    async def aclose(self) -> None:
        """Stop reading."""


class _Inline(Intake[T]):
    """A list or tuple: no read of it can block."""

    def __init__(self, items: Sequence[T]) -> None:
        super().__init__(0, lambda: None)
        self.iterator = iter(items)

    def take(self) -> tuple[T] | None:
        for item in self.iterator:
            return (item,)
        self.ended = True
        return None


class _FromTask(Intake[T]):
    """An async iterable, read by one task."""

    def __init__(self, items: AsyncIterable[T], ahead: int, arrived: Callable[[], None]) -> None:
        super().__init__(ahead, arrived)
        self.room = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._read(items))

    async def _read(self, items: AsyncIterable[T]) -> None:
        iterator = aiter(items)
        try:
            async for item in iterator:
                self.ready.append(item)
                self.arrived()
                while len(self.ready) >= self.ahead:
                    self.room.clear()
                    await self.room.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.error = error
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
            self.ended = True
            self.arrived()

    def take(self) -> tuple[T] | None:
        item = super().take()
        self.room.set()
        return item

    async def aclose(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


class _FromThread(Intake[T]):
    """Any other iterable: its ``next`` may block, so one thread reads it (a generator allows only one)."""

    def __init__(self, items: Iterable[T], ahead: int, arrived: Callable[[], None]) -> None:
        super().__init__(ahead, arrived)
        self.loop = asyncio.get_running_loop()
        self.room = threading.Semaphore(ahead)
        self.closed = False
        self.woken = False
        threading.Thread(target=self._read, args=(items,), name="llmlabel-input", daemon=True).start()

    def _read(self, items: Iterable[T]) -> None:
        iterator: Iterator[T] | None = None
        try:
            iterator = iter(items)
            while self._may_read():
                try:
                    self.ready.append(next(iterator))
                except StopIteration:
                    break
                self._wake()
        except BaseException as error:
            self.error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None and self.closed:
                with suppress(Exception):
                    close()
            self.ended = True
            self._wake()

    def _may_read(self) -> bool:
        self.room.acquire()
        return not self.closed

    def _wake(self) -> None:
        if not self.woken:
            self.woken = True
            with suppress(RuntimeError):  # the loop may be closed by now
                self.loop.call_soon_threadsafe(self._arrived)

    def _arrived(self) -> None:
        self.woken = False
        if not self.closed:
            self.arrived()

    def take(self) -> tuple[T] | None:
        item = super().take()
        if item is not None:
            self.room.release()
        return item

    async def aclose(self) -> None:
        # The thread may be blocked in the caller's iterator: it is told to stop, not waited for.
        self.closed = True
        self.room.release()


def open_intake(items: Iterable[T] | AsyncIterable[T], ahead: int, arrived: Callable[[], None]) -> Intake[T]:
    """Return the way to read ``items`` that does not block the running loop."""
    if isinstance(items, AsyncIterable):
        return _FromTask(items, ahead, arrived)
    if isinstance(items, list | tuple | range):
        return _Inline(items)
    return _FromThread(items, ahead, arrived)
