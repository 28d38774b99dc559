"""Sync calls on one private event loop: in a script, in a thread, in a notebook whose own loop is running.

One daemon thread per process runs the loop, so that connection pools, gates and journals live between calls. No loop
is patched, and none is made per call.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

__all__ = ["iterate_sync", "run_sync"]

T = TypeVar("T")
BUFFER = 16  # results waiting for a sync consumer: enough to keep the loop busy, too few to hold memory


class LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="llmlabel-loop", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def refuse_itself(self) -> None:
        """Raise if the calling thread is this one: it would wait for itself."""
        if threading.current_thread() is self.thread:
            raise RuntimeError(
                "a sync call of llmlabel was made on llmlabel's own event loop (inside `complete` or a callback); "
                "await its async twin there: alabel, arun, astream"
            )

    def stop(self) -> None:
        """Cancel what still runs, close the loop, end the thread."""
        if self.thread.is_alive() and self.thread is not threading.current_thread():
            asyncio.run_coroutine_threadsafe(_cancel_all(), self.loop)
            self.thread.join(timeout=2)


async def _cancel_all() -> None:
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    loop.call_soon(loop.stop)


_lock = threading.Lock()
_thread: LoopThread | None = None
_of_parent: list[LoopThread] = []


def loop_thread() -> LoopThread:
    """Return the process's loop thread, started at the first call."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = LoopThread()
        return _thread


def _after_fork() -> None:
    global _lock, _thread
    _lock = threading.Lock()
    if _thread is not None:
        # Closing the inherited loop would unregister descriptors of the parent's epoll; it is only let go.
        _of_parent.append(_thread)
        _thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _at_exit() -> None:
    if _thread is not None:
        _thread.stop()


class _Call(Generic[T]):
    """A coroutine on the loop thread, in the caller's context; unlike a future it can be waited for after a cancel."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.loop = loop
        self.coroutine = coroutine
        self.done = threading.Event()
        self.task: asyncio.Task[T] | None = None

    def start(self) -> None:
        """Start the coroutine; does not wait."""
        self.loop.call_soon_threadsafe(self._start, contextvars.copy_context())

    def _start(self, context: contextvars.Context) -> None:
        self.task = self.loop.create_task(self.coroutine, context=context)
        self.task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # marks it as seen: the caller may have left
        self.done.set()

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
        else:  # the interrupt came before the start
            self.coroutine.close()
            self.done.set()

    def cancel(self) -> None:
        """Cancel the coroutine and wait until its clean-up is done."""
        try:
            self.loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return  # the loop is closed: the process is ending, and everything was cancelled
        self.done.wait()

    def result(self) -> T:
        """Start and wait; Ctrl-C cancels, whenever it comes."""
        try:
            self.start()
            self.done.wait()
        except BaseException:
            self.cancel()
            raise
        assert self.task is not None
        return self.task.result()


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the coroutine's result, run on llmlabel's own loop.

    Ctrl-C cancels the coroutine, waits for its clean-up, and raises ``KeyboardInterrupt``; a second one does not wait.

    Raises:
        RuntimeError: Called from that loop itself, where waiting would never end.
    """
    thread = loop_thread()
    try:
        thread.refuse_itself()
    except RuntimeError:
        coroutine.close()
        raise
    return _Call(thread.loop, coroutine).result()


def iterate_sync(make: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """Yield what the async iterator returned by ``make`` yields, from llmlabel's own loop.

    The producer runs ahead by a small buffer only. Leaving the iterator early, or Ctrl-C, cancels and closes it.

    Raises:
        RuntimeError: Called from that loop itself.
    """
    thread = loop_thread()
    thread.refuse_itself()
    return _Channel[T](thread.loop).take(make)


class _Channel(Generic[T]):
    """A bounded hand-over from the loop thread to one sync consumer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.items: deque[T] = deque()
        self.filled = threading.Event()
        self.drained = asyncio.Event()
        self.ended = False

    def take(self, make: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """Start the producer and yield its items in the consumer's thread."""
        call = _Call(self.loop, self._feed(make))
        try:
            call.start()
            while True:
                self.filled.wait()
                self.filled.clear()
                while self.items:
                    item = self.items.popleft()
                    if len(self.items) == BUFFER // 2:
                        self.loop.call_soon_threadsafe(self.drained.set)
                    yield item
                if self.ended and not self.items:
                    break
                self.loop.call_soon_threadsafe(self.drained.set)
        except BaseException:
            call.cancel()
            raise
        call.done.wait()
        assert call.task is not None
        call.task.result()

    async def _feed(self, make: Callable[[], AsyncIterator[T]]) -> None:
        source = make()
        try:
            async for item in source:
                self.items.append(item)
                self.filled.set()
                while len(self.items) >= BUFFER:
                    self.drained.clear()
                    if len(self.items) >= BUFFER:
                        await self.drained.wait()
        finally:
            close = getattr(source, "aclose", None)
            try:
                if close is not None:
                    await close()
            finally:
                self.ended = True
                self.filled.set()
