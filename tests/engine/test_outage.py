"""A service that is down, refuses for hours, or allows next to nothing: what is lost, and when the run ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from llmlabel.engine import Engine, RunStopped
from llmlabel.errors import AuthenticationError, LabelerError, RateLimitError, ServiceError, TransportError
from llmlabel.types import Completion, Limits, Prompt, RateLimit
from tests.engine.engine_kit import completion, prompt, run_virtual

numbers = itertools.count()
DOWN = TransportError("refused", retryable=True)
Say = Callable[[float, str], "BaseException | Completion | None"]


class Timed:
    """Says what happens at each moment (seconds since the start) to each text; None is an answer."""

    def __init__(self, say: Say, latency: float = 0.1) -> None:
        self.say = say
        self.latency = latency
        self.asked: list[tuple[float, str]] = []
        self.started: float | None = None

    async def __call__(self, request: Prompt) -> Completion:
        now, text = asyncio.get_running_loop().time(), request.messages[-1].content
        self.started = now if self.started is None else self.started
        self.asked.append((now - self.started, text))
        said = self.say(now - self.started, text)
        await asyncio.sleep(self.latency)
        if isinstance(said, BaseException):
            raise said
        return said or completion(text)

    def between(self, start: float, end: float) -> int:
        return sum(start <= moment < end for moment, _ in self.asked)


def label(service: Timed, count: int, width: int = 32) -> tuple[list[Completion], list[LabelerError], int, float]:
    """Ask ``count`` texts; return answers, errors, how many were not asked, and the seconds it took."""
    answers: list[Completion] = []
    errors: list[LabelerError] = []
    unasked = 0

    async def main() -> float:
        nonlocal unasked
        began = asyncio.get_running_loop().time()
        engine = Engine(
            service, fingerprint="f", quota_key=f"outage-{next(numbers)}", limits=Limits(max_concurrency=width)
        )

        async def work(number: int) -> None:
            nonlocal unasked
            try:
                answers.append((await engine.ask(prompt(str(number)))).completion)
            except LabelerError as error:
                errors.append(error)
            except RunStopped:
                unasked += 1

        async for _ in engine.map(work, range(count)):
            pass
        await engine.aclose()
        return asyncio.get_running_loop().time() - began

    seconds = run_virtual(main())
    return answers, errors, unasked, seconds


@pytest.mark.parametrize("error", [DOWN, ServiceError("bad gateway", retryable=True, status_code=502)])
@pytest.mark.parametrize("span", [(0.0, 3.0), (2.0, 5.0), (2.0, 40.0)])
def test_an_outage_that_ends_loses_nothing(error: LabelerError, span: tuple[float, float]):
    """
    Down for a while, at the start or later: everything is answered, and few requests are sent in vain.
    """
    service = Timed(lambda now, _: error if span[0] <= now < span[1] else None)
    answers, errors, unasked, seconds = label(service, 2000)

    assert (2000, [], 0) == (len(answers), errors, unasked)
    assert service.between(*span) <= 32 + 20
    assert seconds < span[1] + 25


def test_an_outage_that_does_not_end_stops_the_run():
    """
    After a minute without any answer the rest is not asked, and the documents in flight have the error.
    """
    service = Timed(lambda now, _: DOWN if now > 2 else None)
    answers, errors, unasked, seconds = label(service, 5000)

    assert 5000 == len(answers) + len(errors) + unasked
    assert unasked > 4000
    assert {"refused"} == {str(error) for error in errors}
    assert 60 < seconds < 90


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_service_that_never_answers_stops_the_run_soon(status: int, retry_after: float | None):
    """
    Eight requests, one at a time and ever farther apart, are enough.
    """
    error = ServiceError("failed", retryable=True, status_code=status, retry_after=retry_after)
    service = Timed(lambda *_: error)
    answers, errors, unasked, seconds = label(service, 1000)

    assert (0, 8) == (len(answers), len(service.asked))
    assert unasked == 1000 - len(errors)
    assert seconds < 15


def test_one_document_on_a_dead_service_fails_soon():
    """
    Eight tries, and a clear error after a few seconds.
    """
    service = Timed(lambda *_: DOWN, latency=0.0)
    _, [error], _, seconds = label(service, 1)

    assert 8 == error.tries
    assert 3 < seconds < 5


def test_documents_that_always_fail_do_not_look_like_an_outage():
    """
    They fail after ten tries; the others are answered, and nobody waits for them.
    """
    service = Timed(lambda _, text: ServiceError("500", retryable=True, status_code=500) if text[-1] == "7" else None)
    answers, errors, unasked, seconds = label(service, 600)

    assert (540, 60, 0) == (len(answers), len(errors), unasked)
    assert {10} == {error.tries for error in errors}
    assert seconds < 60


def test_a_service_that_fails_often_loses_nothing():
    """
    Every third request fails, for whichever document: all come through.
    """
    counter = itertools.count()
    service = Timed(lambda *_: None if next(counter) % 3 else DOWN)
    answers, errors, unasked, _ = label(service, 600)

    assert (600, [], 0) == (len(answers), errors, unasked)


def test_a_daily_quota_that_is_used_up_stops_the_run():
    """
    Nobody waits for hours; what was answered is there, and hardly anything is sent in vain.
    """
    used_up = RateLimitError("too many requests", retryable=True, retry_after=18_000.0, status_code=429)
    counter = itertools.count()
    service = Timed(lambda *_: None if next(counter) < 200 else used_up)
    answers, errors, unasked, seconds = label(service, 1000)

    assert (200, 800) == (len(answers), len(errors) + unasked)
    assert len(errors) <= 32
    assert seconds < 5


def test_a_daily_quota_says_how_long_it_would_take():
    """
    The reason names the hours, so that a person knows when to run again.
    """
    service = Timed(lambda *_: RateLimitError("too many requests", retryable=True, retry_after=18_000.0))

    async def main() -> str | None:
        engine = Engine(service, fingerprint="f", quota_key=f"outage-{next(numbers)}")
        with pytest.raises(RateLimitError):
            await engine.ask(prompt("a"))
        await engine.aclose()
        return engine.stopped

    assert run_virtual(main()) == "too many requests; it asks to wait 5 hours: run again after that"


@pytest.mark.parametrize("retry_after", [None, 30.0])
def test_refusals_without_end_stop_the_run(retry_after: float | None):
    """
    A quarter of an hour of nothing but 429 is no rate limit any more.
    """
    service = Timed(lambda *_: RateLimitError("no", retryable=True, retry_after=retry_after, status_code=429))
    answers, errors, unasked, seconds = label(service, 400)

    assert (0, 400) == (len(answers), len(errors) + unasked)
    assert 900 <= seconds < 1000


def test_a_pause_of_nothing_over_and_over_is_not_taken_at_its_word():
    """
    ``Retry-After: 0`` for five seconds neither loses documents nor hammers the service.
    """
    refusal = RateLimitError("no", retryable=True, retry_after=0.0, status_code=429)
    service = Timed(lambda now, _: refusal if now < 5 else None, latency=0.01)
    answers, errors, unasked, _ = label(service, 200)

    assert (200, [], 0) == (len(answers), errors, unasked)
    assert service.between(0, 5) < 40


@pytest.mark.parametrize("headers", [True, False])
def test_one_request_a_minute(headers: bool):
    """
    With or without headers every document is answered, without many refusals.
    """
    last = [-1000.0]

    def say(now: float, text: str) -> BaseException | Completion:
        if now < last[0] + 60:
            return RateLimitError("no", retryable=True, status_code=429)
        last[0] = now
        told = RateLimit(requests=1, requests_remaining=0) if headers else None
        return completion(text).model_copy(update={"rate_limit": told})

    service = Timed(say)
    answers, errors, unasked, seconds = label(service, 6)

    assert (6, [], 0) == (len(answers), errors, unasked)
    assert seconds < 500
    assert len(service.asked) <= (6 if headers else 80)


def test_limits_that_some_answers_do_not_repeat_are_kept():
    """
    Only every tenth answer names the limit of 600 a minute; the pace holds all the same.
    """
    counter = itertools.count()

    def say(_: float, text: str) -> Completion:
        told = RateLimit(requests=600, requests_remaining=0) if next(counter) % 10 == 0 else None
        return completion(text).model_copy(update={"rate_limit": told})

    service = Timed(say)
    label(service, 100)

    assert max(service.between(second, second + 1) for second in range(10)) <= 11


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("a firewall", status_code=403, fatal=True),
        ServiceError("not found", status_code=404, fatal=True),
    ],
)
def test_one_forbidden_document_among_answers_is_its_own_affair(error: LabelerError):
    """
    Once there were answers, key and deployment are right: a few such documents fail, eight in a row end the run.
    """
    few = Timed(lambda _, text: error if text in {"50", "90"} else None)
    many = Timed(lambda now, _: error if now > 0.5 else None)

    assert (98, 2, 0) == (len((result := label(few, 100))[0]), len(result[1]), result[2])
    assert label(many, 1000)[2] > 700
