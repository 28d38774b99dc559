"""Ctrl-C, a second process, and a notebook kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
import asyncio, sys
from llmlabel import Completion, LabelSchema, LLMLabeler, Pipeline

class Slow(LLMLabeler):
    async def complete(self, prompt):
        print("asked", flush=True)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
        return Completion(text="{}")

try:
    Pipeline(Slow(LabelSchema(entities=["A"]), model="m"), progress=False).run(["one"])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_cancels_what_is_in_flight_and_says_nothing_else():
    """
    The request is cancelled, KeyboardInterrupt reaches the caller, and no warning is printed.
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert ("asked\n", "cancelled\ninterrupted\n", "") == (first, out, err)


@pytest.mark.slow
def test_sync_calls_and_displays_work_in_a_jupyter_kernel():
    """
    In a real kernel, whose loop is running, ``run`` works twice and the result shows itself as HTML.
    """
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    source = """
    from llmlabel import Completion, LabelSchema, LLMLabeler, Pipeline
    class Quick(LLMLabeler):
        async def complete(self, prompt):
            return Completion(text='{"entities": [{"text": "Ann", "label": "PER"}]}')
    pipeline = Pipeline(Quick(LabelSchema(entities=["PER"]), model="m"))
    pipeline.run(["Ann is here"])
    pipeline.label("Ann is here")
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(source))])
    done = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (shown,) = [output for output in done.cells[0].outputs if output.output_type == "execute_result"]

    assert "Ann" in shown.data["text/html"]
