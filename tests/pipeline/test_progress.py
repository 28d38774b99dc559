"""What a run shows while it works."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from llmlabel import Completion, Pipeline, Progress, RateLimitError, Usage
from tests.pipeline.conftest import Writer

PROGRAM = """
from llmlabel import Completion, LabelSchema, Pipeline, RateLimitError, Usage
from llmlabel.testing import ScriptedLabeler

usage = Usage(input_tokens=900, output_tokens=100, requests=1, cost=0.25)
refused = RateLimitError("slower", status_code=429, retryable=True, retry_after=0.01)
answers = [refused, *[Completion(text='{"entities": []}', usage=usage)] * 4]
labeler = ScriptedLabeler(LabelSchema(entities=["PER"]), answers)
documents = ["Ann", "Bo", "Cy", "Di"]
Pipeline(labeler).run(documents if KNOWN else (text for text in documents))
"""

KNOWN = PROGRAM.replace("KNOWN", "True")


def in_terminal(code: str, **more: str) -> str:
    """Return what a program writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    # The variable is set for all tests.
    kept = {name: value for name, value in os.environ.items() if name != "LLMLABEL_PROGRESS"}
    env = {**kept, "PYTHONWARNINGS": "error", **more}
    with subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=env) as program:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    assert 0 == program.returncode, shown
    return shown.decode()


def test_a_callable_is_told_of_each_document():
    """
    Counts, outcomes, requests, tokens and cost so far; pace and rest once there is something to tell from.
    """
    usage = Usage(input_tokens=10, output_tokens=2, requests=1, cost=0.5)
    answers = iter([RateLimitError("slow", status_code=429, retryable=True, retry_after=0.0), *["x"] * 3])

    def answer(prompt):
        given = next(answers)
        return given if isinstance(given, Exception) else Completion(text='{"entities": []}', usage=usage)

    told: list[Progress] = []
    Pipeline(Writer(answer), progress=told.append).run(["Ann", "Bo", "Cy"])

    assert [(1, 3), (2, 3), (3, 3)] == [(one.done, one.total) for one in told]
    assert {"labeled": 3} == told[-1].outcomes
    assert (36, 1.5, 1) == (told[-1].usage.input_tokens + 6, told[-1].usage.cost, told[-1].rate_limited)
    assert told[0].seconds_left == pytest.approx(2 / told[0].documents_per_second)
    assert 0 == told[-1].seconds_left


def test_the_rest_of_an_input_of_unknown_length_is_unknown():
    """
    A generator has no total, so nothing is said of what is left.
    """
    told: list[Progress] = []
    Pipeline(Writer(lambda prompt: '{"entities": []}'), progress=told.append).run(text for text in ("Ann", "Bo"))

    assert [(None, None)] * 2 == [(one.total, one.seconds_left) for one in told]


@pytest.mark.parametrize(("known", "counted"), [(True, "4/4"), (False, "4 docs")])
def test_a_terminal_shows_a_bar(known, counted):
    """
    Documents and their pace, requests in flight, tokens, cost and 429s; the rest of the time if the end is known.
    """
    shown = in_terminal(PROGRAM.replace("KNOWN", str(known)))
    last = [line for line in re.split(r"[\r\n]+", shown) if line.strip()][-1]
    wanted = (counted, "docs/s", "0 in flight", "4.00k tokens", "$1", "1 × 429")

    assert [] == [word for word in wanted if word not in last]
    assert known == ("<00:00" in last)


def test_the_bar_lives_while_nothing_finishes():
    """
    Requests in flight and 429s are seen before the first document is done.
    """
    program = """
import asyncio
from llmlabel import Completion, LabelSchema, LLMLabeler, Pipeline
from llmlabel.pipeline import progress


class Slow(LLMLabeler):
    async def complete(self, prompt):
        await asyncio.sleep(0.3)
        return Completion(text='{"entities": []}')


progress.REFRESH = 0.05
Pipeline(Slow(LabelSchema(entities=["PER"]), model="m")).run(["Ann", "Bo"])
"""
    lines = re.split(r"[\r\n]+", in_terminal(program))

    assert any("0/2" in line and "1 in flight" in line for line in lines)


def test_nothing_is_shown_where_nobody_looks():
    """
    With stderr in a pipe a run writes nothing at all.
    """
    command = [sys.executable, "-c", KNOWN]
    env = {name: value for name, value in os.environ.items() if name != "LLMLABEL_PROGRESS"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env)

    assert ("", "") == (done.stdout, done.stderr)


def test_a_bar_can_be_turned_off():
    """
    ``progress=False`` and ``LLMLABEL_PROGRESS=0`` show nothing in a terminal either.
    """
    quiet = KNOWN.replace("Pipeline(labeler)", "Pipeline(labeler, progress=False)")

    assert ("", "") == (in_terminal(KNOWN, LLMLABEL_PROGRESS="0"), in_terminal(quiet))


@pytest.mark.slow
def test_a_notebook_shows_a_bar(monkeypatch):
    """
    A run in a kernel shows its bar in the cell's output.
    """
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    import nbformat

    monkeypatch.delenv("LLMLABEL_PROGRESS", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(KNOWN)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = "".join(str(output) for output in notebook.cells[0].outputs)

    assert "4/4" in shown
