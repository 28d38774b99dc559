"""What ``Engine.ask`` does with answers, errors, budgets, and identical requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from llmlabel.engine import Engine, OverBudget, RunStopped
from llmlabel.errors import AuthenticationError, LabelerError, RateLimitError, ServiceError, TransportError
from llmlabel.types import Completion, Limits, Prompt, RateLimit, Usage
from tests.engine.engine_kit import completion, prompt, run_virtual

numbers = itertools.count()


class Script:
    """Answers each text with its outcomes in turn, the last one for ever; an exception is raised."""

    def __init__(self, outcomes: Callable[[str], list[Completion | BaseException]], latency: float = 0.1) -> None:
        self.outcomes = outcomes
        self.latency = latency
        self.asked: list[str] = []
        self.in_flight = self.most = 0

    async def __call__(self, request: Prompt) -> Completion:
        text = request.messages[-1].content
        self.asked.append(text)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        outcomes = self.outcomes(text)
        outcome = outcomes[min(self.asked.count(text), len(outcomes)) - 1]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def engine_on(script: Callable[[Prompt], object], **more: object) -> Engine:
    return Engine(script, fingerprint="f", quota_key=f"asking-test-{next(numbers)}", **more)


async def ask_all(engine: Engine, texts: list[str]) -> list[object]:
    answers = await asyncio.gather(*(engine.ask(prompt(text)) for text in texts), return_exceptions=True)
    await engine.aclose()
    return answers


def flaky(*errors: BaseException) -> Script:
    return Script(lambda _: [*errors, completion("good")])


@pytest.mark.parametrize(
    "error",
    [
        TransportError("reset", retryable=True),
        ServiceError("failed", retryable=True, status_code=500),
        ServiceError("overloaded", retryable=True, status_code=503, retry_after=2.0),
        ServiceError("conflict", retryable=True, status_code=409),
    ],
)
def test_a_transient_error_is_asked_again_and_counted_in_the_usage(error):
    """
    The answer of the third request is returned, and its usage says that there were three.
    """
    script = flaky(error, error)
    [answer] = run_virtual(ask_all(engine_on(script), ["a"]))

    assert ("good", 3) == (answer.completion.text, answer.completion.usage.requests)


def test_a_final_error_is_not_asked_again():
    """
    A refused request is sent once.
    """
    script = flaky(ServiceError("no", status_code=422))
    [error] = run_virtual(ask_all(engine_on(script), ["a"]))

    assert isinstance(error, ServiceError)
    assert (1, ["a"]) == (error.tries, script.asked)


def test_tries_are_bounded_and_the_last_error_is_the_documents():
    """
    After ten tries the error is final and says how many there were.
    """
    errors = [ServiceError(str(n), retryable=True, status_code=500) for n in range(20)]
    script = Script(lambda text: errors if text == "a" else [completion()])
    [error, _] = run_virtual(ask_all(engine_on(script), ["a", "b"]))

    assert ("9", 10, 10) == (str(error), error.tries, script.asked.count("a"))


def test_a_rate_limit_is_not_a_try_of_the_document():
    """
    Twenty refusals by the rate limit are waited out.
    """
    script = flaky(*[RateLimitError("slow down", retryable=True, retry_after=1.0, status_code=429)] * 20)
    engine = engine_on(script)
    [answer] = run_virtual(ask_all(engine, ["a"]))

    assert (21, 20, 0) == (answer.completion.usage.requests, engine.stats.rate_limited, engine.stats.retried)


def test_an_exhausted_daily_quota_is_not_waited_for():
    """
    A Retry-After of hours is a final error.
    """
    script = flaky(RateLimitError("tomorrow", retryable=True, retry_after=40_000.0, status_code=429))
    [error] = run_virtual(ask_all(engine_on(script), ["a"]))

    assert isinstance(error, RateLimitError)


def test_a_bug_in_complete_is_not_retried_or_hidden():
    """
    A TypeError comes out as it is.
    """
    script = flaky(TypeError("bug"))
    [error] = run_virtual(ask_all(engine_on(script), ["a"]))

    assert isinstance(error, TypeError)


def test_a_request_without_an_answer_is_given_up_after_request_timeout():
    """
    The engine's own time limit holds for a provider that has none, and the request is tried again.
    """
    script = Script(lambda _: [completion()], latency=1000)
    engine = engine_on(script, limits=Limits(request_timeout=5))
    [error] = run_virtual(ask_all(engine, ["a"]))

    assert isinstance(error, TransportError)
    assert "request_timeout=5 s" in str(error)
    assert len(script.asked) == 8


def test_a_rejected_key_stops_the_run():
    """
    One request is sent; the others are not, and say why.
    """
    script = Script(lambda _: [AuthenticationError("rejected key", status_code=401, fatal=True)])
    answers = run_virtual(ask_all(engine_on(script), [str(n) for n in range(50)]))

    assert (1, 1, 49) == (
        len(script.asked),
        sum(isinstance(a, AuthenticationError) for a in answers),
        sum(isinstance(a, RunStopped) for a in answers),
    )
    assert all("rejected key" in str(a) for a in answers)


def test_first_requests_that_all_fail_alike_stop_the_run():
    """
    Eight refusals of the same kind, and no answer yet, end a run that can go nowhere.
    """
    script = Script(lambda _: [ServiceError("unsupported parameter", status_code=400)])
    answers = run_virtual(ask_all(engine_on(script), [str(n) for n in range(100)]))

    assert len(script.asked) == 8
    assert sum(isinstance(a, RunStopped) for a in answers) == 92


def test_one_answer_keeps_the_run_alive():
    """
    Once anything was answered, refusals are the documents' own affair.
    """
    script = Script(lambda t: [completion()] if t == "0" else [ServiceError("too long", status_code=400)])
    answers = run_virtual(ask_all(engine_on(script), [str(n) for n in range(100)]))

    assert sum(isinstance(a, RunStopped) for a in answers) == 0
    assert len(script.asked) == 100


def test_identical_requests_are_asked_once():
    """
    Fifty times the same text is one request, and forty-nine reused answers.
    """
    script = flaky()
    engine = engine_on(script)
    answers = run_virtual(ask_all(engine, ["same"] * 50))

    assert (1, 49) == (len(script.asked), sum(a.reused for a in answers))
    assert engine.stats.reused == 49


def test_another_sample_of_the_same_text_is_another_request():
    """
    The sample number is part of what makes a request.
    """
    script = flaky()

    async def main() -> list[bool]:
        engine = engine_on(script)
        return [(await engine.ask(prompt("a", sample=n))).reused for n in (0, 1, 0)]

    assert run_virtual(main()) == [False, False, True]


def test_fresh_asks_although_there_is_an_answer_and_replaces_it():
    """
    The new answer is what later asks get.
    """
    script = Script(lambda _: [completion("old"), completion("new")])

    async def main() -> list[tuple[str, bool]]:
        engine = engine_on(script)
        answers = [await engine.ask(prompt("a"), fresh=fresh) for fresh in (False, True, False)]
        return [(a.completion.text, a.reused) for a in answers]

    assert run_virtual(main()) == [("old", False), ("new", False), ("new", True)]


def test_when_the_asker_is_cancelled_another_one_asks():
    """
    Whoever waited for the same answer gets it all the same.
    """
    script = flaky()

    async def main() -> str:
        engine = engine_on(script)
        first = asyncio.ensure_future(engine.ask(prompt("a")))
        second = asyncio.ensure_future(engine.ask(prompt("a")))
        await asyncio.sleep(0.05)
        first.cancel()
        return (await second).completion.text

    assert run_virtual(main()) == "good"


def test_tokens_never_pass_the_cap():
    """
    The run stops before max_total_tokens, comes close to it, and names the cap.
    """
    script = Script(lambda _: [completion()])
    engine = engine_on(script, limits=Limits(max_total_tokens=600, max_concurrency=64))
    answers = run_virtual(ask_all(engine, [f"{n:05}" for n in range(200)]))
    spent = engine.stats.input_tokens + engine.stats.output_tokens

    assert 600 * 0.85 <= spent <= 600
    assert {True} == {"max_total_tokens=600" in str(a) for a in answers if isinstance(a, OverBudget)}
    assert sum(isinstance(a, OverBudget) for a in answers) == 200 - spent // 15


def test_cost_never_passes_the_cap():
    """
    With a price of one cent a token, a run with max_cost=5 spends at most 5.
    """
    script = Script(lambda _: [completion(model="m")])

    def price(model: str | None, usage: Usage) -> float:
        return 0.01 * (usage.input_tokens + usage.output_tokens)

    engine = engine_on(script, limits=Limits(max_cost=5.0, max_concurrency=64), price=price)
    run_virtual(ask_all(engine, [f"{n:05}" for n in range(200)]))

    assert 4.0 <= engine.stats.cost <= 5.0


def test_a_cap_on_cost_without_a_price_stops_after_the_first_answer():
    """
    An unknown price is never taken for nothing.
    """
    script = Script(lambda _: [completion(model="mystery")])
    engine = engine_on(script, limits=Limits(max_cost=5.0))
    answers = run_virtual(ask_all(engine, [str(n) for n in range(20)]))

    assert len(script.asked) == 1
    assert any("the price of model 'mystery' is not known" in str(a) for a in answers)
    assert engine.stats.cost is None


def test_rate_limit_headers_pace_the_run_without_a_refusal():
    """
    500 requests at 3,000 a minute with 50 in the bucket take nine seconds, and none is refused.
    """

    class Bucket:
        def __init__(self) -> None:
            self.left, self.seen, self.refused = 50.0, None, 0

        async def __call__(self, request: Prompt) -> Completion:
            now = asyncio.get_running_loop().time()
            self.seen = now if self.seen is None else self.seen
            self.left, self.seen = min(50.0, self.left + (now - self.seen) * 50), now
            if self.left < 1:
                self.refused += 1
                raise RateLimitError("429", retryable=True, status_code=429, retry_after=0.02)
            self.left -= 1
            limit = RateLimit(requests=3000, requests_remaining=int(self.left))
            await asyncio.sleep(0.1)
            return completion(rate_limit=limit)

    bucket = Bucket()

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        await ask_all(engine_on(bucket, limits=Limits(max_concurrency=128)), [str(n) for n in range(500)])
        return asyncio.get_running_loop().time() - start

    assert run_virtual(main()) <= 1.15 * 9.0 + 0.2
    assert bucket.refused == 0


def test_a_limit_of_tokens_alone_is_used_and_kept():
    """
    What the first answer took is what the next requests are booked with: near the limit, and hardly a refusal.
    """

    class Bucket:
        def __init__(self) -> None:
            self.left, self.seen, self.refused = 4000.0, None, 0

        async def __call__(self, request: Prompt) -> Completion:
            now = asyncio.get_running_loop().time()
            self.seen = now if self.seen is None else self.seen
            self.left, self.seen = min(4000.0, self.left + (now - self.seen) * 4000), now
            if self.left < 300:
                self.refused += 1
                raise RateLimitError("429", retryable=True, status_code=429, retry_after=0.2)
            self.left -= 300
            limit = RateLimit(tokens=240_000, tokens_remaining=int(self.left))
            await asyncio.sleep(0.05)
            usage = Usage(input_tokens=250, output_tokens=50, requests=1)
            return completion().model_copy(update={"usage": usage, "rate_limit": limit})

    bucket = Bucket()

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        await ask_all(engine_on(bucket, limits=Limits(max_concurrency=64)), [str(1000 + n) for n in range(300)])
        return asyncio.get_running_loop().time() - start

    assert run_virtual(main()) <= 1.05 * (300 * 300 - 4000) / 4000
    assert bucket.refused <= 3


def test_two_engines_of_one_quota_share_the_pace():
    """
    Two engines at 60 requests a minute together send one a second.
    """
    script = flaky()

    async def main() -> float:
        start = asyncio.get_running_loop().time()
        engines = [
            Engine(script, fingerprint=f, quota_key="asking-shared", limits=Limits(requests_per_minute=60))
            for f in "ab"
        ]
        await asyncio.gather(*(ask_all(e, [str(n) for n in range(10)]) for e in engines))
        return asyncio.get_running_loop().time() - start

    assert run_virtual(main()) == pytest.approx(19, rel=0.05)


def test_seeded_faults_lose_nothing():
    """
    With 10 % errors, 5 % refusals and 2 % resets every document is answered.
    """
    import random

    draw = random.Random(7)

    class Faulty:
        async def __call__(self, request: Prompt) -> Completion:
            await asyncio.sleep(0.1)
            luck = draw.random()
            if luck < 0.10:
                raise ServiceError("500", retryable=True, status_code=500)
            if luck < 0.15:
                raise RateLimitError("429", retryable=True, status_code=429, retry_after=1.0)
            if luck < 0.17:
                raise TransportError("reset", retryable=True)
            return completion(request.messages[-1].content)

    texts = [str(n) for n in range(600)]
    answers = run_virtual(ask_all(engine_on(Faulty(), limits=Limits(max_concurrency=128)), texts))

    assert texts == [a.completion.text for a in answers]


def test_events_tell_the_counts_and_no_text():
    """
    A listener sees sent, retried, answered and reused, with the numbers of the moment.
    """
    events = []
    script = flaky(ServiceError("500", retryable=True, status_code=500))

    async def main() -> None:
        engine = engine_on(script, on_event=events.append)
        await engine.ask(prompt("secret text"))
        await engine.ask(prompt("secret text"))

    run_virtual(main())

    assert ["sent", "retried", "sent", "answered", "reused"] == [event.kind for event in events]
    assert (2, 1, 1, 1, 10) == (
        events[-1].requests,
        events[-1].answered,
        events[-1].reused,
        events[-1].retried,
        events[-1].input_tokens,
    )
    assert "secret" not in repr(events)


def test_the_error_shared_by_identical_requests_reaches_all():
    """
    Documents with the same text fail with the same error after one series of tries.
    """
    script = flaky(ServiceError("no", status_code=422))
    answers = run_virtual(ask_all(engine_on(script), ["same"] * 5))

    assert len(script.asked) == 1
    assert all(isinstance(a, LabelerError) for a in answers)
