"""``Engine.map``: lazily read input, bounded work, clean ends."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from llmlabel.engine.stream import stream
from tests.engine.engine_kit import run_virtual


async def collect(results):
    return [result async for result in results]


async def echo(item):
    await asyncio.sleep(0.01)
    return item


def generator(items):
    yield from items


async def asynchronous(items):
    for item in items:
        yield item


@pytest.mark.parametrize("make", [list, generator, asynchronous, iter], ids=["list", "generator", "async", "iterator"])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_every_item_comes_out_once(make, count):
    """
    All kinds of input give all results.
    """
    results = asyncio.run(collect(stream(echo, make(range(count)), lambda: 8)))

    assert list(range(count)) == sorted(results)


def test_results_come_as_they_finish():
    """
    A slow item does not hold back a quick one.
    """

    async def work(seconds):
        await asyncio.sleep(seconds)
        return seconds

    assert run_virtual(collect(stream(work, [3, 1, 2], lambda: 8))) == [1, 2, 3]


@pytest.mark.parametrize("make", [generator, asynchronous])
def test_input_is_read_lazily(make):
    """
    An endless input is read only as far as there is work to do.
    """
    read = itertools.count()
    last = 0

    def numbers():
        nonlocal last
        for number in read:
            last = number
            yield number

    async def numbers_async():
        nonlocal last
        for number in read:
            last = number
            yield number

    async def main():
        results = stream(echo, numbers() if make is generator else numbers_async(), lambda: 4)
        taken = [await anext(results) for _ in range(10)]
        await results.aclose()
        return taken

    assert len(asyncio.run(main())) == 10
    assert last <= 10 + 4 + 4 + 8 + 1


def test_no_more_works_run_than_allowed():
    """
    The width is never passed.
    """
    running = most = 0

    async def work(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    run_virtual(collect(stream(work, range(100), lambda: 7)))

    assert most == 7


def test_a_slow_consumer_holds_the_work_back():
    """
    While nothing is taken, only a bounded number of works is started.
    """
    started = 0

    async def work(item):
        nonlocal started
        started += 1
        return item

    async def main():
        results = stream(work, range(10_000), lambda: 50)
        await anext(results)
        await asyncio.sleep(100)
        await results.aclose()

    run_virtual(main())

    assert started <= 50 + 16 + 2


def test_an_exception_of_the_work_ends_the_stream_and_cancels_the_rest():
    """
    Nothing runs on after the error came out.
    """
    cancelled = 0

    async def work(item):
        nonlocal cancelled
        if item == 3:
            raise ValueError("three")
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    async def main():
        with pytest.raises(ValueError, match="three"):
            await collect(stream(work, range(10), lambda: 10))
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1
    assert cancelled == 9


@pytest.mark.parametrize("make", [generator, asynchronous])
def test_an_exception_of_the_input_comes_after_what_was_read_before(make):
    """
    Items before the broken one are finished and given out.
    """

    def broken():
        yield from range(5)
        raise OSError("input")

    async def broken_async():
        for item in range(5):
            yield item
        raise OSError("input")

    async def main():
        stream_of_results = stream(echo, broken() if make is generator else broken_async(), lambda: 2)
        results = [await anext(stream_of_results) for _ in range(5)]
        with pytest.raises(OSError, match="input"):
            await anext(stream_of_results)
        return sorted(results)

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_closing_early_cancels_what_runs_and_closes_the_input():
    """
    After the consumer left there is no task, and the async input was closed.
    """
    closed = False

    async def numbers():
        nonlocal closed
        try:
            for number in itertools.count():
                yield number
        finally:
            closed = True

    async def main():
        results = stream(echo, numbers(), lambda: 4)
        await anext(results)
        await results.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
    assert closed


def test_a_blocking_input_does_not_block_the_loop():
    """
    While the input waits for its next item, earlier results come out.
    """
    gate = threading.Event()

    def numbers() -> Iterator[int]:
        yield 1
        gate.wait(30)
        yield 2

    async def main():
        results = stream(echo, numbers(), lambda: 4)
        first = await anext(results)
        gate.set()
        return [first, *[result async for result in results]]

    assert asyncio.run(main()) == [1, 2]


def test_the_width_may_change_while_running():
    """
    Growing the width starts more works at the next result.
    """
    running, most, width = 0, [], [1]

    async def work(_):
        nonlocal running
        running += 1
        most.append(running)
        await asyncio.sleep(1)
        running -= 1

    async def main():
        async for _ in stream(work, range(20), lambda: width[0]):
            width[0] = 5

    run_virtual(main())

    assert (1, 5) == (most[0], max(most))
