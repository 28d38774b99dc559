"""Sync calls: from a script, a thread, a running loop, a forked child; Ctrl-C."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from llmlabel.engine import iterate_sync, run_sync
from llmlabel.engine.bridge import BUFFER

who = contextvars.ContextVar("who", default="nobody")


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def numbers(count: int):
    for number in range(count):
        yield number


def run_script(text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(text)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_script_gets_the_result():
    """
    A coroutine's value comes back.
    """
    assert run_sync(answer()) == 42


def test_a_running_loop_does_not_stand_in_the_way():
    """
    As in a notebook, a sync call works inside a coroutine of another loop.
    """

    async def cell() -> int:
        return run_sync(answer())

    assert asyncio.run(cell()) == 42


def test_many_threads_share_the_loop():
    """
    Calls from several threads run on the same loop.
    """

    async def loop_id() -> int:
        return id(asyncio.get_running_loop())

    seen = set()
    threads = [threading.Thread(target=lambda: seen.add(run_sync(loop_id()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 1


def test_errors_come_out_as_they_are():
    """
    The caller sees the coroutine's own exception.
    """

    async def broken() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        run_sync(broken())


def test_context_variables_of_the_caller_arrive():
    """
    A value set by the caller is seen by the coroutine.
    """

    async def read() -> str:
        return who.get()

    token = who.set("caller")
    try:
        assert run_sync(read()) == "caller"
    finally:
        who.reset(token)


def test_a_sync_call_on_its_own_loop_is_refused():
    """
    Where waiting would never end, the error names the async twin.
    """

    async def nested() -> None:
        run_sync(answer())

    async def nested_iteration() -> None:
        iterate_sync(lambda: numbers(3))

    with pytest.raises(RuntimeError, match="alabel, arun, astream"):
        run_sync(nested())
    with pytest.raises(RuntimeError, match="alabel, arun, astream"):
        run_sync(nested_iteration())


@pytest.mark.parametrize("count", [0, 1, BUFFER, BUFFER + 1, 1000])
def test_iteration_gives_every_item_in_order(count):
    """
    What the async iterator yields comes out unchanged.
    """
    assert list(range(count)) == list(iterate_sync(lambda: numbers(count)))


def test_the_producer_waits_for_the_consumer():
    """
    An endless producer is only a buffer ahead.
    """
    made = 0

    async def endless():
        nonlocal made
        for made in itertools.count():
            yield made

    iterator = iterate_sync(endless)
    for _ in range(5):
        next(iterator)
    iterator.close()

    assert made <= 5 + BUFFER + 1


def test_leaving_early_closes_the_producer():
    """
    Its clean-up has run when the consumer goes on.
    """
    closed = []

    async def endless():
        try:
            for number in itertools.count():
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    for _ in iterate_sync(endless):
        break

    iterator = iterate_sync(endless)
    next(iterator)
    iterator.close()

    assert closed[-1] is True


def test_an_error_of_the_producer_comes_after_its_items():
    """
    Items before the error are not lost.
    """

    async def broken():
        yield 1
        yield 2
        raise LookupError("lost")

    seen = []
    with pytest.raises(LookupError, match="lost"):
        seen.extend(iterate_sync(broken))

    assert seen == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_a_loop_of_its_own():
    """
    The child of a process that used the loop can use it too.
    """
    done = run_script(
        """
        import asyncio, os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from llmlabel.engine import run_sync
        async def answer(): return 42
        assert run_sync(answer()) == 42
        child = os.fork()
        if child == 0:
            os._exit(run_sync(answer()))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), run_sync(answer()))
        """
    )

    assert (done.stdout.split(), done.stderr) == (["42", "42"], "")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_cancels_and_comes_out_as_keyboard_interrupt():
    """
    The coroutine's clean-up runs, and nothing is printed at exit.
    """
    done = run_script(
        f"""
        import asyncio, os
        from llmlabel.engine import run_sync
        async def work():
            try:
                asyncio.get_running_loop().call_soon(os.kill, os.getpid(), {int(signal.SIGINT)})
                await asyncio.sleep(60)
            finally:
                print("cleaned")
        try:
            run_sync(work())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )

    assert (done.stdout.split(), done.stderr) == (["cleaned", "interrupted"], "")


def test_a_process_ends_cleanly_while_something_still_runs():
    """
    An iterator that was never finished leaves no message at exit.
    """
    done = run_script(
        """
        import itertools
        from llmlabel.engine import iterate_sync
        async def endless():
            for number in itertools.count():
                yield number
        iterator = iterate_sync(endless)
        print(next(iterator))
        """
    )

    assert (done.stdout.split(), done.stderr, done.returncode) == (["0"], "", 0)
