"""The gate: pace, burst, pauses, one for all."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from llmlabel.engine.gate import Gate, gate_for
from llmlabel.types import RateLimit
from tests.engine.engine_kit import run_virtual


async def departures(gate: Gate, count: int, tokens: float = 0.0) -> list[float]:
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def one() -> float:
        await gate.enter(tokens)
        return loop.time() - start

    return sorted(await asyncio.gather(*(one() for _ in range(count))))


def now() -> float:
    return asyncio.get_running_loop().time()


def test_the_first_request_goes_alone():
    """
    Nobody passes while the first request has no answer; all do when it has.
    """

    async def main() -> tuple[bool, int, int]:
        gate = Gate()
        alone = await gate.enter(0)
        others = [asyncio.ensure_future(gate.enter(0)) for _ in range(5)]
        await asyncio.sleep(9.99)
        before = sum(task.done() for task in others)
        gate.answered(now(), None)
        await asyncio.gather(*others)
        return alone, before, len(others)

    assert run_virtual(main()) == (True, 0, 5)


def test_a_first_request_that_hangs_does_not_hold_up_the_others():
    """
    After ten seconds they follow one by one, and all at once when the first answer tells that nothing is limited.
    """

    async def main() -> tuple[list[float], list[float]]:
        gate, loop = Gate(), asyncio.get_running_loop()
        await gate.enter(0)
        leaving = asyncio.ensure_future(departures(gate, 200))
        loop.call_later(10.2, lambda: gate.answered(now(), RateLimit()))
        times = await leaving
        return [at for at in times if at < 10.19], [at for at in times if at >= 10.19]

    one_by_one, at_once = run_virtual(main())

    assert one_by_one[0] == pytest.approx(10.0)
    assert min(b - a for a, b in itertools.pairwise(one_by_one)) == pytest.approx(0.002)
    assert 80 < len(one_by_one) < 100
    assert at_once[-1] - at_once[0] < 0.02


def test_a_refusal_ends_the_following_of_a_first_request_that_hangs():
    """
    Once one that followed is refused, the others wait for the pause and for an answer.
    """

    async def main() -> tuple[int, int]:
        gate = Gate()
        await gate.enter(0)
        others = [asyncio.ensure_future(gate.enter(0)) for _ in range(50)]
        await asyncio.sleep(10.011)
        gate.refused(now(), now(), 1.0)
        left = sum(task.done() for task in others)
        await asyncio.sleep(30)
        after = sum(task.done() for task in others)
        gate.answered(now(), None)
        await asyncio.gather(*others)
        return left, after

    left, after = run_virtual(main())

    assert left == after < 10


def test_a_pace_that_is_told_after_a_refusal_replaces_the_careful_return():
    """
    50 requests a second leave from the end of the pause on, not the 20 that are tried where nothing is known.
    """

    async def main() -> list[float]:
        gate, loop = Gate(), asyncio.get_running_loop()
        await gate.enter(0)
        leaving = asyncio.ensure_future(departures(gate, 100))
        loop.call_later(10.1, lambda: gate.refused(now(), now(), 1.0))
        loop.call_later(10.5, lambda: gate.answered(now(), RateLimit(requests=3000, requests_remaining=0)))
        return await leaving

    times = run_virtual(main())

    assert times[-1] == pytest.approx(11.1 + sum(at > 11.0 for at in times) * 0.02, abs=0.15)


def test_nobody_goes_beside_the_request_that_finds_out_whether_an_outage_is_over():
    """
    However long its answer takes.
    """

    async def main() -> int:
        gate = Gate()
        gate.down(now(), 1.0)
        await gate.enter(0)
        others = [asyncio.ensure_future(gate.enter(0)) for _ in range(5)]
        await asyncio.sleep(60)
        passed = sum(task.done() for task in others)
        gate.answered(now(), None)
        await asyncio.gather(*others)
        return passed

    assert run_virtual(main()) == 0


def test_when_the_first_request_fails_another_one_is_the_first():
    """
    A failed first request hands its role to exactly one of those that wait.
    """

    async def main() -> int:
        gate = Gate()
        await gate.enter(0)
        others = [asyncio.ensure_future(gate.enter(0)) for _ in range(5)]
        await asyncio.sleep(1)
        gate.failed(alone=True)
        await asyncio.sleep(1)
        passed = sum(task.done() for task in others)
        gate.answered(now(), None)
        await asyncio.gather(*others)
        return passed

    assert run_virtual(main()) == 1


def test_burst_and_pace_come_from_the_first_answer():
    """
    With 50 of 3,000 requests a minute left, nine tenths leave at once and the others 20 ms apart.
    """

    async def main() -> list[float]:
        gate = Gate()
        await gate.enter(0)
        gate.answered(now(), RateLimit(requests=3000, requests_remaining=50))
        return await departures(gate, 145)

    times = run_virtual(main())

    assert times[44] == 0
    assert times[-1] == pytest.approx(100 * 0.02, rel=0.03)
    assert min(b - a for a, b in itertools.pairwise(times[50:])) > 0.0199


def test_unknown_limits_do_not_slow_down():
    """
    An answer without rate limit headers leaves the gate open.
    """

    async def main() -> list[float]:
        gate = Gate()
        await gate.enter(0)
        gate.answered(now(), RateLimit())
        return await departures(gate, 1000)

    assert run_virtual(main())[-1] == 0


def test_the_users_limit_holds_without_headers():
    """
    120 requests a minute are two a second, from the first second on.
    """

    async def main() -> list[float]:
        gate = Gate()
        gate.configure(120, None)
        await gate.enter(0)
        gate.answered(now(), None)
        return await departures(gate, 20)

    assert run_virtual(main())[-1] == pytest.approx(19 * 0.5, rel=0.06)


def test_tokens_per_minute_pace_requests_by_their_size():
    """
    At 60,000 tokens a minute, requests of 500 tokens leave half a second apart.
    """

    async def main() -> list[float]:
        gate = Gate()
        gate.configure(None, 60_000)
        await gate.enter(0)
        gate.answered(now(), None)
        return await departures(gate, 12, tokens=500)

    times = run_virtual(main())

    assert times[-1] == pytest.approx(10 * 0.5, rel=0.03)


def test_booked_tokens_are_put_right_by_the_answer():
    """
    Tokens that were booked and not used let the next request leave earlier.
    """

    async def main() -> tuple[float, float]:
        times = []
        for used in (1000, 0):
            gate = Gate()
            gate.configure(None, 60_000)
            await gate.enter(0)
            gate.answered(now(), None)
            await gate.enter(1000)
            gate.answered(now(), None, estimated=1000, used=used)
            times.append((await departures(gate, 1, tokens=1000))[0])
        return times[0], times[1]

    slow, fast = run_virtual(main())

    assert fast == 0
    assert slow == pytest.approx(1.0, rel=0.03)


def test_a_refusal_pauses_everybody_and_spreads_their_return():
    """
    After a Retry-After of 5 s nobody leaves earlier, and never two at once.
    """

    async def main() -> list[float]:
        gate = Gate()
        await gate.enter(0)
        gate.answered(now(), None)
        gate.refused(now(), now(), 5.0)
        return await departures(gate, 40)

    times = run_virtual(main())

    assert times[0] >= 5
    assert len(set(times)) == 40


def test_a_refusal_moves_those_that_wait_already():
    """
    A request with a time to leave takes a later one when a pause begins before it.
    """

    async def main() -> list[float]:
        gate = Gate()
        gate.configure(60, None)
        await gate.enter(0)
        gate.answered(now(), None)
        waiting = asyncio.ensure_future(departures(gate, 5))
        await asyncio.sleep(0.5)
        gate.refused(now(), now(), 30.0)
        return await waiting

    times = run_virtual(main())

    assert times[0] >= 30
    assert all(b - a > 1 for a, b in itertools.pairwise(times))


def test_refusals_without_retry_after_pause_longer_each_time():
    """
    Refusals in a row double the pause; an answer starts over.
    """

    async def main() -> list[float]:
        gate = Gate()
        await gate.enter(0)
        gate.answered(now(), None)
        pauses = []
        for _ in range(4):
            alone = await gate.enter(0)
            pauses.append(gate.refused(now(), now(), None))
            gate.failed(alone=alone)
        await gate.enter(0)
        gate.answered(now(), None)
        pauses.append(gate.refused(now(), now(), None))
        return pauses

    assert run_virtual(main()) == pytest.approx([0.5, 1.0, 2.0, 4.0, 0.5])


def test_late_refusals_of_one_burst_count_once():
    """
    Refusals of requests sent before the pause began do not lengthen it further.
    """

    async def main() -> list[float]:
        gate = Gate()
        await gate.enter(0)
        gate.answered(now(), None)
        sent = now()
        await asyncio.sleep(0.1)
        return [gate.refused(now(), sent, None) for _ in range(20)]

    assert run_virtual(main()) == pytest.approx([0.5] * 20)


def test_less_remaining_than_expected_means_others_use_the_quota():
    """
    A remaining count below our own slows down to the pace at once.
    """

    async def main() -> list[float]:
        gate = Gate()
        await gate.enter(0)
        gate.answered(now(), RateLimit(requests=600, requests_remaining=599))
        await gate.enter(0)
        gate.answered(now(), RateLimit(requests=600, requests_remaining=0))
        return await departures(gate, 11)

    assert run_virtual(main())[-1] == pytest.approx(1.0, rel=0.15)


def test_a_cancelled_first_request_does_not_block_the_gate():
    """
    If the first request is cancelled while it waits for a pause, the next one takes its place.
    """

    async def main() -> bool:
        gate = Gate()
        gate.refused(now(), now(), 100.0)
        first = asyncio.ensure_future(gate.enter(0))
        second = asyncio.ensure_future(gate.enter(0))
        await asyncio.sleep(1)
        first.cancel()
        return await second

    assert run_virtual(main()) is True


def test_equal_quota_keys_share_one_gate():
    """
    The table of gates gives the same gate for the same key, and another one for another key.
    """
    assert gate_for("gate-test|a") is gate_for("gate-test|a")
    assert gate_for("gate-test|a") is not gate_for("gate-test|b")
