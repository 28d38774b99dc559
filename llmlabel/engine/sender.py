"""Sending one request: budget, gate, slot, the request itself, journal; and what its failure means for the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from llmlabel.engine.budget import Budget, Estimator, Price
from llmlabel.engine.gate import Gate
from llmlabel.engine.journal import Journal
from llmlabel.engine.judge import Judge
from llmlabel.engine.limiter import Limiter, Verdict
from llmlabel.engine.retry import Tries, retried, transient
from llmlabel.engine.stats import Event, EventKind, RunStats, RunStopped
from llmlabel.errors import JournalError, LabelerError, LLMLabelError, RateLimitError, TransportError
from llmlabel.types import Completion, Limits, Prompt, Usage

__all__ = ["PACKED", "Complete", "Sender"]

PACKED = "packed_keys"  # in the details of a stored packed answer: the keys of its documents, in their order

Complete = Callable[[Prompt], Awaitable[Completion]]
log = logging.getLogger("llmlabel.engine")


class Sender:
    """Brings requests to the provider at the pace that gate, slots and budget allow."""

    def __init__(
        self,
        complete: Complete,
        *,
        gate: Gate,
        limits: Limits,
        journal: Journal,
        stats: RunStats,
        on_event: Callable[[Event], None] | None,
        price: Price | None,
    ) -> None:
        self.complete = complete
        self.gate = gate
        self.limits = limits
        self.journal = journal
        self.stats = stats
        self.on_event = on_event
        self.price = price
        self.stopped: LLMLabelError | None = None
        self.why: str | None = None
        self._halted = asyncio.Event()
        gate.configure(limits.requests_per_minute, limits.tokens_per_minute)
        self._limiter = Limiter(limits.max_concurrency)
        stats.concurrency = self._limiter.width
        self._estimator = Estimator()
        self._budget = Budget(limits.max_total_tokens, limits.max_cost, self._priced)
        self._judge = Judge(gate, limits, stats, stop=self.stop, tell=self.tell)
        self._aside = 0

    def width(self) -> int:
        """How many works should run: the slots, as many that are read, placed or ready to go, and those set aside.

        Answers come in bursts. With fewer works ready, slots would stay empty until the answers of a burst are placed.
        """
        width = self._limiter.width
        return 2 + 2 * width + min(self._aside, width)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within it the caller waits without needing a slot: another work may start instead."""
        self._aside += 1
        try:
            yield
        finally:
            self._aside -= 1

    def tell(self, kind: EventKind, seconds: float | None = None) -> None:
        """Report an event to whoever listens."""
        if self.on_event is not None:
            self.on_event(self.stats.event(kind, seconds))

    async def answer(self, key: bytes, prompt: Prompt, parts: Mapping[str, bytes]) -> Completion:
        """Return the answer to a prompt, stored under ``key``; asks again where that may help.

        Raises:
            LabelerError: The endpoint did not answer; ``tries`` says how many requests were sent.
            OverBudget: Not sent: it could pass a cap.
            RunStopped: Not sent: no request of this run can succeed any more.
        """
        tries = Tries()
        try:
            try:
                return await self._attempt(key, prompt, parts, tries)
            except LabelerError as error:
                if not transient(error) or self.stopped is not None:
                    raise
                first = error
            attempt, given_up = partial(self._attempt, key, prompt, parts, tries), self._halted.is_set
            return await retried(attempt, first, tries, sleep=partial(self._rest, tries), given_up=given_up)
        except LabelerError as error:
            error.tries = tries.sent
            self.stats.failed += 1
            self.tell("failed")
            raise

    async def _rest(self, tries: Tries, seconds: float) -> None:
        """Wait before the next try, without keeping others from starting; not if the gate makes everybody wait."""
        if isinstance(tries.last, RateLimitError):
            return
        self.stats.retried += 1
        self.tell("retried", seconds)
        if not seconds:
            return
        with self.aside(), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._halted.wait()  # a run that stops does not sit out its pauses

    async def _attempt(self, key: bytes, prompt: Prompt, parts: Mapping[str, bytes], tries: Tries) -> Completion:
        """Send the request once: budget, gate, slot, request, journal."""
        reserved = await self._budget.reserve(prompt)
        paid: Completion | None = None
        try:
            since, alone, pace = await self._admit(prompt, tries)
            paid, on_disk = await self._request(key, prompt, parts, since, tries, alone=alone)
            now, usage = asyncio.get_running_loop().time(), paid.usage
            used = usage.input_tokens + usage.output_tokens
            self._estimator.learn(prompt, usage)
            self.gate.answered(now, paid.rate_limit, estimated=pace, used=used)
            self.tell("answered", now - since)
        finally:
            lost = paid is None and isinstance(tries.last, TransportError)
            self._budget.settle(
                reserved, None if paid is None else paid.usage, None if paid is None else paid.model, lost=lost
            )
        if on_disk is not None:
            try:
                await on_disk
            except JournalError as error:
                raise self.stop(error, str(error)) from error
        return paid

    async def _admit(self, prompt: Prompt, tries: Tries) -> tuple[float, bool, float]:
        """Wait for gate and slot; return when the slot was given, whether the request goes alone, tokens booked."""
        pace = 0.0

        def booked() -> float:
            nonlocal pace
            pace = self._estimator.pace(prompt)
            return pace

        while True:
            self._check(tries)
            alone = await self.gate.enter(booked)
            try:
                since = await self._limiter.acquire()
            except BaseException:
                self.gate.failed(alone=alone)
                raise
            if self.stopped is None and self.gate.paused_until <= since:
                return since, alone, pace
            self._limiter.release(since, "neutral")
            self.gate.failed(alone=alone)

    def _check(self, tries: Tries) -> None:
        if self.stopped is None:
            return
        if tries.last is not None:
            raise tries.last
        raise RunStopped(f"not asked, the run had stopped: {self.stopped}", self.stopped)

    async def _request(
        self, key: bytes, prompt: Prompt, parts: Mapping[str, bytes], since: float, tries: Tries, *, alone: bool
    ) -> tuple[Completion, asyncio.Future[None] | None]:
        stats = self.stats
        tries.sent += 1
        stats.requests += 1
        stats.in_flight += 1
        self.journal.sent(key)
        self.tell("sent")
        verdict: Verdict = "neutral"
        try:
            answer = self._paid(await self._timed(prompt), tries)
            verdict = "good"
            self._judge.outage.answered()
            return answer, self._keep(key, prompt, parts, answer)  # before anything else: it is paid for
        except RunStopped:
            self.journal.forget(key)  # it was not sent
            raise
        except LabelerError as error:
            tries.last = error
            verdict = self._judge(error, since, tries)
            if not isinstance(error, TransportError):
                self.journal.forget(key)  # the service said no: this try was not paid
            raise
        finally:
            stats.in_flight -= 1
            tries.seconds += asyncio.get_running_loop().time() - since
            self._limiter.release(since, verdict)
            stats.concurrency = self._limiter.width
            if verdict != "good":
                self.gate.failed(alone=alone)

    def _keep(
        self, key: bytes, prompt: Prompt, parts: Mapping[str, bytes], answer: Completion
    ) -> asyncio.Future[None] | None:
        if parts:
            answer = answer.model_copy(
                update={"details": {**answer.details, PACKED: [part.hex() for part in parts.values()]}}
            )
        text, question = answer.model_dump_json(), prompt.messages[-1].content
        try:
            return self.journal.store(key, text, documents=prompt.document_ids, question=question, parts=parts)
        except JournalError as error:
            raise self.stop(error, str(error)) from error

    async def _timed(self, prompt: Prompt) -> Completion:
        seconds = self.limits.request_timeout
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await self.complete(prompt)
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise TransportError(f"no answer within request_timeout={seconds:g} s", retryable=True) from error

    def keep(
        self, key: bytes, prompt: Prompt, parts: Mapping[str, bytes], answer: Completion, share: float
    ) -> asyncio.Future[None] | None:
        """Store an answer that came another way, at a share of the price."""
        cost = answer.usage.cost if answer.usage.cost is not None else self._priced(answer.model, answer.usage)
        usage = answer.usage.model_copy(update={"cost": None if cost is None else cost * share})
        self._budget.charge(usage, answer.model)
        return self._keep(key, prompt, parts, answer.model_copy(update={"usage": usage}))

    def stop(self, error: LLMLabelError, why: str) -> RunStopped:
        """Let nothing more be sent; return the error for whoever found out."""
        if self.stopped is None:
            self.stopped, self.why = error, why
            self._halted.set()
            log.error("the run stops asking: %s", why)
            self.tell("stopped")
        return RunStopped(why, error)

    def _paid(self, answer: Completion, tries: Tries) -> Completion:
        """Return the answer with all tries in its usage, and count it."""
        usage = answer.usage
        cost = usage.cost if usage.cost is not None else self._priced(answer.model, usage)
        inside = max(usage.requests - 1, 0)  # a labeler may need several, to learn what its endpoint takes
        self.stats.requests += inside
        requests = tries.sent + inside
        if usage.requests != requests or cost != usage.cost:
            usage = usage.model_copy(update={"requests": requests, "cost": cost})
            answer = answer.model_copy(update={"usage": usage})
        self.stats.pay(usage)
        return answer

    def _priced(self, model: str | None, usage: Usage) -> float | None:
        if self.price is not None and not usage.input_tokens + usage.output_tokens:
            return 0.0  # a refusal names neither model nor tokens, and does not make the run's cost unknown
        return None if self.price is None else self.price(model, usage)

    def unanswered(self, error: LabelerError) -> Usage:
        """Return what a request without an answer took: nothing if the service said no, else nobody knows."""
        told = error.status_code is not None and self.price is not None
        return Usage(requests=error.tries, cost=0.0 if told else None)
