"""Adaptive concurrency against services whose capacity changes, on a clock that jumps."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from llmlabel.engine.engine import Engine
from llmlabel.engine.limiter import Limiter
from llmlabel.types import Limits
from tests.engine.engine_kit import Service, prompt, run_virtual

numbers = itertools.count()


def drive(service: Service, setting: int | str, until: float) -> tuple[Service, list[int]]:
    """Ask without end until the service's clock says ``until``; return the limits seen on the way."""

    async def main() -> list[int]:
        engine = Engine(
            service.complete,
            fingerprint="f",
            quota_key=f"limiter-test-{next(numbers)}",
            limits=Limits(max_concurrency=setting),
        )

        async def work(number: int) -> None:
            await engine.ask(prompt(str(number)))

        seen = []
        results = engine.map(work, range(10**9))
        async for _ in results:
            seen.append(engine.stats.concurrency)
            if service.now() > until:
                break
        await results.aclose()
        await engine.aclose()
        return seen

    return service, run_virtual(main())


def halves_and_restores(now: float) -> int:
    return 60 if now < 25 else 30 if now < 50 else 60


@pytest.mark.parametrize("retry_after", [1.0, None])
def test_auto_follows_a_capacity_that_halves_and_comes_back(retry_after):
    """
    Twenty seconds after each change, the throughput is at least 80 % of what the service can do.
    """
    service, _ = drive(Service(halves_and_restores, retry_after=retry_after), "auto", 80)
    best = [60 / service.latency, 30 / service.latency, 60 / service.latency]
    reached = [service.rate(15, 25), service.rate(40, 50), service.rate(70, 80)]

    assert [True, True, True] == [rate >= 0.8 * most for rate, most in zip(reached, best, strict=True)]


def test_auto_keeps_a_service_busy_that_queues():
    """
    A service that lets requests wait instead of refusing them is used fully, without an ever longer queue.
    """
    service, seen = drive(Service(lambda _: 40, queue=True), "auto", 40)

    assert service.rate(20, 40) >= 0.95 * 40 / service.latency
    assert max(seen) <= 4 * 40


def test_auto_starts_modestly():
    """
    Hardly more than a handful is in flight when the first answers come.
    """
    _, seen = drive(Service(lambda _: 1000), "auto", 1.2)

    assert max(seen[:10]) <= 32


def test_a_number_is_a_ceiling():
    """
    No more requests than the given number are ever in flight, and all of them are used from the start.
    """
    service, seen = drive(Service(lambda _: 1000), 7, 20)

    assert {7} == set(seen)
    assert service.rate(5, 20) == pytest.approx(7 / service.latency, rel=0.1)


def test_a_ceiling_above_the_capacity_shrinks():
    """
    A number that the service refuses is not insisted on.
    """
    service, _ = drive(Service(lambda _: 20), 100, 40)

    assert service.rate(20, 40) >= 0.8 * 20 / service.latency
    assert service.refused < 0.1 * len(service.done)


def test_slots_are_given_in_the_order_asked_for():
    """
    Waiters get freed slots first come, first served.
    """

    async def main() -> list[int]:
        limiter, order = Limiter(1), []

        async def one(number: int) -> None:
            since = await limiter.acquire()
            order.append(number)
            await asyncio.sleep(1)
            limiter.release(since, "good")

        await asyncio.gather(*(one(number) for number in range(5)))
        return order

    assert run_virtual(main()) == [0, 1, 2, 3, 4]


def test_a_cancelled_waiter_loses_no_slot():
    """
    Whether cancelled before or after it got its slot, a waiter leaves the count right.
    """

    async def main() -> int:
        limiter = Limiter(1)
        since = await limiter.acquire()
        early = asyncio.ensure_future(limiter.acquire())
        late = asyncio.ensure_future(limiter.acquire())
        await asyncio.sleep(0)
        early.cancel()
        await asyncio.sleep(0)
        limiter.release(since, "good")
        late.cancel()
        await asyncio.gather(early, late, return_exceptions=True)
        await limiter.acquire()
        return limiter.in_flight

    assert run_virtual(main()) == 1
