"""What the engine's tests share: prompts, an event loop whose clock jumps, and a service with a limited capacity."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

from llmlabel.errors import RateLimitError
from llmlabel.types import Completion, Message, Prompt, Usage

T = TypeVar("T")


def prompt(text: str, **more: object) -> Prompt:
    messages = (Message(role="system", content="Label it."), Message(role="user", content=text))
    return Prompt(messages=messages, document_ids=(text,), **more)


def completion(text: str = "ok", **more: object) -> Completion:
    return Completion(text=text, usage=Usage(input_tokens=10, output_tokens=5, requests=1), **more)


class _JumpingSelector(selectors.DefaultSelector):
    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None):
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            return super().select(None)  # only another thread can go on
        self.loop.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which waiting takes no time: when all tasks wait, the clock jumps to the next timer."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_virtual(main: Coroutine[object, object, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class Service:
    """Answers ``capacity(now)`` requests at once; more are refused (429) or wait for their turn."""

    def __init__(
        self,
        capacity: Callable[[float], int],
        *,
        latency: float = 0.5,
        sigma: float = 0.3,
        queue: bool = False,
        retry_after: float | None = 1.0,
        seed: int = 1,
    ) -> None:
        self.capacity = capacity
        self.latency = latency
        self.sigma = sigma
        self.queue = queue
        self.retry_after = retry_after
        self.random = random.Random(seed)
        self.started: float | None = None
        self.busy = self.refused = 0
        self.done: list[float] = []
        self.waiting: list[asyncio.Future[None]] = []

    def now(self) -> float:
        now = asyncio.get_running_loop().time()
        if self.started is None:
            self.started = now
        return now - self.started

    async def complete(self, request: Prompt) -> Completion:
        if self.queue:
            while self.busy >= self.capacity(self.now()):
                turn = asyncio.get_running_loop().create_future()
                self.waiting.append(turn)
                await turn
        elif self.busy >= self.capacity(self.now()):
            self.refused += 1
            await asyncio.sleep(0.01)
            raise RateLimitError("too many", retryable=True, retry_after=self.retry_after, status_code=429)
        self.busy += 1
        try:
            await asyncio.sleep(self.latency * self.random.lognormvariate(-(self.sigma**2) / 2, self.sigma))
        finally:
            self.busy -= 1
            while self.waiting and self.busy < self.capacity(self.now()):
                turn = self.waiting.pop(0)
                if not turn.done():
                    turn.set_result(None)
                    break
        self.done.append(self.now())
        return completion(request.messages[-1].content)

    def rate(self, start: float, end: float) -> float:
        return sum(start <= moment < end for moment in self.done) / (end - start)
