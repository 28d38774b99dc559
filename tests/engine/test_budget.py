"""Caps on tokens and money: never passed, nearly used up, with many requests in flight."""

from __future__ import annotations

import asyncio

import pytest

from llmlabel.chunking import estimate_tokens
from llmlabel.engine import Engine, OverBudget
from llmlabel.errors import TransportError
from llmlabel.types import Completion, Limits, Prompt, Usage
from tests.engine.engine_kit import prompt, run_virtual

ENGLISH = [f"{n} " + "Ann met Bob in Paris. " * (1 + n % 30) for n in range(300)]
CHINESE = [f"{n} " + "安娜昨天到达北京，与公司的总经理见了面。" * (1 + n % 30) for n in range(300)]
GROWING = [f"{n} " + "Ann met Bob. " * (1 + n // 3) for n in range(300)]


def answers_of(length):
    """Return a service that bills an answer's length by a function of the question, and 0.1 s for each."""

    async def complete(request: Prompt) -> Completion:
        await asyncio.sleep(0.1)
        question = request.messages[-1].content
        usage = Usage(input_tokens=20 + estimate_tokens(question), output_tokens=length(question), requests=1)
        return Completion(text="{}", usage=usage, model="m")

    return complete


def price(model: str | None, usage: Usage) -> float | None:
    return None if model is None else (usage.input_tokens + 4 * usage.output_tokens) / 1000


def spent(texts: list[str], length, limits: Limits) -> tuple[Engine, int]:
    """Return the engine after asking about all texts, and how many were refused."""

    async def main() -> tuple[Engine, int]:
        engine = Engine(answers_of(length), fingerprint="f", quota_key="q", limits=limits, price=price)
        asked = await asyncio.gather(*(engine.ask(prompt(text)) for text in texts), return_exceptions=True)
        await engine.aclose()
        return engine, sum(isinstance(answer, OverBudget) for answer in asked)

    return run_virtual(main())


@pytest.mark.parametrize(
    ("texts", "length"),
    [
        (ENGLISH, lambda text: 20 + len(text) // 12),
        (CHINESE, lambda text: 20 + len(text) // 6),
        (ENGLISH[:60] + CHINESE, lambda text: 20 + len(text) // 6),
        (GROWING, lambda text: 20 + len(text) // 10),
        (ENGLISH, lambda text: 1000),
    ],
    ids=["English", "Chinese", "English, then Chinese", "growing", "long answers"],
)
@pytest.mark.parametrize("limits", [{"max_total_tokens": 40_000}, {"max_cost": 80.0}], ids=["tokens", "cost"])
def test_a_cap_is_nearly_used_and_never_passed(texts, length, limits):
    """
    Whatever the language and the length of texts and answers, with 64 requests in flight from the start.
    """
    engine, refused = spent(texts, length, Limits(max_concurrency=64, **limits))
    [(name, cap)] = limits.items()
    used = engine.stats.cost if name == "max_cost" else engine.stats.input_tokens + engine.stats.output_tokens

    assert 0.85 * cap <= used <= cap
    assert refused > 0


def test_an_answer_that_was_lost_counts_as_paid():
    """
    A connection that broke after the service had billed: what was really billed stays under the cap.
    """
    billed, tries = 0, 0

    async def complete(request: Prompt) -> Completion:
        nonlocal billed, tries
        await asyncio.sleep(0.1)
        tries += 1
        billed += 100
        if tries % 3 == 0:
            raise TransportError("the connection was closed", retryable=True)
        return Completion(text="{}", usage=Usage(input_tokens=80, output_tokens=20, requests=1))

    async def main() -> None:
        limits = Limits(max_concurrency=16, max_total_tokens=10_000)
        engine = Engine(complete, fingerprint="f", quota_key="lossy", limits=limits)
        texts = [f"{n:03} Ann met Bob." for n in range(200)]
        await asyncio.gather(*(engine.ask(prompt(text)) for text in texts), return_exceptions=True)
        await engine.aclose()

    run_virtual(main())

    assert 8_000 <= billed <= 10_000


def test_a_service_that_cannot_be_reached_uses_up_no_budget():
    """
    Refused connections end as the failure that they are, not as a budget that is spent.
    """

    async def complete(request: Prompt) -> Completion:
        raise TransportError("the connection was refused", retryable=True)

    async def main() -> list[BaseException | object]:
        limits = Limits(max_concurrency=1, max_total_tokens=700)
        engine = Engine(complete, fingerprint="f", quota_key="away", limits=limits)
        asked = await asyncio.gather(*(engine.ask(prompt(str(n))) for n in range(3)), return_exceptions=True)
        await engine.aclose()
        return asked

    assert not any(isinstance(answer, OverBudget) for answer in run_virtual(main()))


def test_a_labeler_that_tells_its_costs_needs_no_price():
    """
    What its answers cost is what the next are expected to cost; they are not sent one by one.
    """

    async def complete(request: Prompt) -> Completion:
        await asyncio.sleep(1.0)
        return Completion(text="{}", usage=Usage(input_tokens=30, output_tokens=10, requests=1, cost=0.5))

    async def main() -> tuple[Engine, float]:
        limits = Limits(max_concurrency=8, max_cost=20.0)
        engine = Engine(complete, fingerprint="f", quota_key="own costs", limits=limits)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(engine.ask(prompt(text)) for text in ENGLISH), return_exceptions=True)
        await engine.aclose()
        return engine, asyncio.get_running_loop().time() - began

    engine, seconds = run_virtual(main())

    assert 17.0 <= engine.stats.cost <= 20.0
    assert seconds < 20


def test_a_service_that_counts_nothing_is_not_asked_one_by_one():
    """
    Without counts nothing can be learnt: after three answers requests go side by side.
    """

    async def complete(request: Prompt) -> Completion:
        await asyncio.sleep(1.0)
        return Completion(text="{}")

    async def main() -> float:
        limits = Limits(max_concurrency=64, max_total_tokens=10**9)
        engine = Engine(complete, fingerprint="f", quota_key="uncounted", limits=limits)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(engine.ask(prompt(text)) for text in ENGLISH[:60]))
        await engine.aclose()
        return asyncio.get_running_loop().time() - began

    assert 4.0 == pytest.approx(run_virtual(main()), abs=0.5)
