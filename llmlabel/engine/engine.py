"""The run engine: every request of a run goes through ``Engine.ask``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from llmlabel.engine.budget import Price
from llmlabel.engine.gate import gate_for
from llmlabel.engine.journal import Found, Journal
from llmlabel.engine.keys import Keys
from llmlabel.engine.sender import Complete, Sender
from llmlabel.engine.stats import Event, RunStats
from llmlabel.engine.stream import stream
from llmlabel.errors import JournalError, LabelerError
from llmlabel.types import Completion, Limits, Prompt, Usage

__all__ = ["Answer", "Complete", "Engine"]

T = TypeVar("T")
R = TypeVar("R")
LEASE_POLL = 0.25  # seconds between looks for the answer that another process is waiting for


class Answer(NamedTuple):
    """A completion, and whether it was paid for earlier: by an earlier run, or by an identical request of this one."""

    completion: Completion
    reused: bool


class Engine:
    """Asks a provider: paced, bounded, retried in one place, every answer in the journal before it is used.

    Belongs to the event loop it is first used on. Engines with the same ``quota_key`` share one gate.

    Args:
        complete: Sends one prompt; raises ``LabelerError`` if there is no answer, and does not retry.
        fingerprint: All that shapes an answer beside the prompt; answers are found again under it.
        quota_key: Which rate limit the requests draw on.
        limits: Concurrency, pace, budget and seconds per request.
        journal: A file that keeps the answers; without it they last as long as the engine, in a temporary file.
        on_event: Called on the event loop with each ``Event``; it must not block.
        price: What usage of a model costs, or None if that is not known.
        store_text: Whether the journal keeps questions and document ids, beside hashes and answers.

    Raises:
        JournalError: The journal cannot be used.
    """

    def __init__(
        self,
        complete: Complete,
        *,
        fingerprint: str,
        quota_key: str,
        limits: Limits = Limits(),
        journal: str | Path | None = None,
        on_event: Callable[[Event], None] | None = None,
        price: Price | None = None,
        store_text: bool = True,
    ) -> None:
        self.limits = limits
        self.stats = RunStats()
        self.journal = Journal(journal, fingerprint=fingerprint, store_text=store_text)
        self._sender = Sender(
            complete,
            gate=gate_for(quota_key),
            limits=limits,
            journal=self.journal,
            stats=self.stats,
            on_event=on_event,
            price=price,
        )
        self._keys = Keys(fingerprint)
        self.unbilled: set[bytes] = set()  # keys whose stored answers this run paid for, in a batch job
        self._flights: dict[bytes, asyncio.Future[Completion | None]] = {}

    async def ask(self, prompt: Prompt, *, fresh: bool = False, parts: Mapping[str, bytes] = {}) -> Answer:
        """Return the answer to ``prompt``, from the journal if it is there.

        Args:
            prompt: The request.
            fresh: Ask although there is an answer, and replace it.
            parts: For a request about several documents: the key (``key``) that each would have alone, by id, in
                the order of the request. Its stored answer is found under these keys too; then
                ``completion.details["packed_keys"]`` lists them (hex) in that order.

        Raises:
            LabelerError: The endpoint did not answer; ``tries`` says how many requests were sent.
            OverBudget: Not sent: it could pass a cap.
            RunStopped: Not sent: no request of this run can succeed any more.
        """
        key = self._keys.of(prompt)
        while (flight := self._flights.get(key)) is not None:
            shared = await asyncio.shield(flight)
            if shared is not None:
                return self._reuse(shared)
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            completion = None if fresh else await self._find(key)
            reused = completion is not None and key not in self.unbilled
            self.unbilled.discard(key)
            if completion is None:
                completion = await self._sender.answer(key, prompt, parts)
            flight.set_result(completion)
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # marks it as seen: nobody else may be waiting
            raise
        finally:
            del self._flights[key]
            if not flight.done() or flight.exception() is not None:
                self.journal.release(key)
            if not flight.done():
                flight.set_result(None)  # cancelled: whoever else wants the answer asks for it
        return self._reuse(completion) if reused else Answer(completion, reused=False)

    @property
    def stopped(self) -> str | None:
        """Why no request of this run can succeed any more, or None."""
        return self._sender.why

    def unanswered(self, error: LabelerError) -> Usage:
        """Return what the requests took that ended with this error."""
        return self._sender.unanswered(error)

    def key(self, prompt: Prompt) -> bytes:
        """Return what the journal knows a request by."""
        return self._keys.of(prompt)

    async def stored(self, prompt: Prompt) -> Completion | None:
        """Return the stored answer to ``prompt``, also one asked together with others; ask nothing."""
        answer = (await self.journal.find(self._keys.of(prompt))).answer
        return None if answer is None else Completion.model_validate_json(answer)

    def keep(
        self, prompt: Prompt, completion: Completion, parts: Mapping[str, bytes] = {}, *, price_share: float = 1.0
    ) -> asyncio.Future[None] | None:
        """Store an answer that came in a batch job; the future is done when it is on the disk.

        Args:
            prompt: The request.
            completion: Its answer.
            parts: As for ``ask``.
            price_share: The share of the online price that it cost.
        """
        return self._sender.keep(self.key(prompt), prompt, parts, completion, price_share)

    async def _find(self, key: bytes) -> Completion | None:
        """Return the stored answer; wait for it while another process asks the same."""
        found = await self._lease(key)
        if found.leased:
            with self._sender.aside():
                while found.leased:
                    await asyncio.sleep(LEASE_POLL)
                    found = await self._lease(key)
        return None if found.answer is None else Completion.model_validate_json(found.answer)

    async def _lease(self, key: bytes) -> Found:
        try:
            return await self.journal.find(key, lease=True)
        except JournalError as error:
            raise self._sender.stop(error, str(error)) from error

    def _reuse(self, completion: Completion) -> Answer:
        self.stats.reused += 1
        self._sender.tell("reused")
        return Answer(completion, reused=True)

    def map(self, work: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[R]:
        """Yield ``await work(item)`` for each item, as they finish.

        The input is read lazily, off the event loop where reading can block. As many works run as requests may be in
        flight, and as many more, ready to follow or at work on an answer. What ``work`` or the input raises ends the
        iteration; closing it cancels what runs.
        """
        return stream(work, items, self._sender.width)

    async def aclose(self) -> None:
        """Bring the journal to the disk and close it."""
        await self.journal.aclose()
