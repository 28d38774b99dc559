"""``kill -9`` at any moment, and what the next run asks again; the ledger is kept outside the engine."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from llmlabel.engine.runs import list_runs

CHILD = textwrap.dedent(
    """
    import asyncio, os, random, signal, sys, threading
    from llmlabel.engine import Engine
    from llmlabel.types import Completion, Limits, Message, Prompt, Usage
    path, seconds, count = sys.argv[1], float(sys.argv[3]), int(sys.argv[4])
    ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
    def note(kind, number):
        os.write(ledger, f"{kind} {number}\\n".encode())
    async def complete(request):
        number = request.messages[-1].content
        note("asked", number)
        await asyncio.sleep(random.uniform(0.005, 0.03))
        return Completion(text=number, usage=Usage(requests=1))
    async def main():
        engine = Engine(complete, fingerprint="f", quota_key="q", journal=path, limits=Limits(max_concurrency=16))
        async def work(number):
            answer = await engine.ask(Prompt(messages=(Message(role="user", content=str(number)),)))
            return int(answer.completion.text)
        if seconds:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        async for number in engine.map(work, iter(range(count))):
            note("yielded", number)
        note("finished", 0)
        await engine.aclose()
    asyncio.run(main())
    """
)


def kill_and_resume(folder: Path, moments: list[float], count: int) -> list[list[tuple[str, int]]]:
    """Run, kill at each moment, and run to the end; return the ledger lines of each life."""
    ledger = folder / "ledger"
    ledger.touch()
    lives, seen = [], 0
    for seconds in [*moments, 0.0]:
        command = [sys.executable, "-c", CHILD, str(folder / "j"), str(ledger), str(seconds), str(count)]
        code = subprocess.run(command, timeout=120, stderr=subprocess.DEVNULL if seconds else None).returncode
        assert code in ((0, -signal.SIGKILL) if seconds else (0,))
        lines = ledger.read_text().splitlines()
        lives.append([(kind, int(number)) for kind, number in map(str.split, lines[seen:])])
        seen = len(lines)
    return lives


def check_lives(lives: list[list[tuple[str, int]]], count: int) -> None:
    given: set[int] = set()
    asked: list[int] = []
    for life in lives:
        asked_now = [number for kind, number in life if kind == "asked"]
        assert not given & set(asked_now)  # what was yielded is never asked again
        given |= {number for kind, number in life if kind == "yielded"}
        asked += asked_now
    last = [number for kind, number in lives[-1] if kind == "yielded"]
    assert sorted(last) == list(range(count))
    assert len(asked) - count <= 16 * (len(lives) - 1)  # at most what was in flight at each kill


def test_killed_three_times_nothing_is_lost_and_little_asked_twice(tmp_path):
    """
    Every document once at the end; what a killed life had yielded is never asked again.
    """
    check_lives(kill_and_resume(tmp_path, [0.15, 0.3, 0.22], 250), 250)
    states = [record.state for record in list_runs(tmp_path / "j")]

    assert states[-1] == "finished"


@pytest.mark.slow
def test_killed_twenty_times(tmp_path):
    """
    The same at twenty seeded moments.
    """
    draw = random.Random(20)
    check_lives(kill_and_resume(tmp_path, [draw.uniform(0.02, 0.6) for _ in range(20)], 4000), 4000)
