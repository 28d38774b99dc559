"""What importing llmlabel costs, measured in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "azure", "httpx", "httpx2", "kili", "numpy", "openai", "pandas", "pyarrow", "rich", "typer")


def python(code: str) -> str:
    """Run code in a fresh interpreter that reports warnings as errors; return what it printed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # With the first model pydantic looks for plugins in all that is installed: a cost of the environment, not ours.
    kept["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=kept)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded(code: str, modules: tuple[str, ...]) -> set[str]:
    """Return which of the modules are loaded once the code has run."""
    return set(python(f"import sys\n{code}\nprint(*(set({modules!r}) & set(sys.modules)))").split())


def cpu_seconds(code: str) -> float:
    """Return the CPU time that the code takes in a fresh interpreter, start-up not counted."""
    return float(python(f"import time\nbegan = time.process_time()\n{code}\nprint(time.process_time() - began)"))


BUILD = """
from llmlabel import LabelSchema, Pipeline, ReplayLabeler
Pipeline(ReplayLabeler(LabelSchema(entities=["PER"]), {recording!r}))
"""


@pytest.fixture
def build(tmp_path) -> str:
    """Code that builds a pipeline on an empty recording."""
    recording = tmp_path / "recording.jsonl"
    recording.write_text("", encoding="utf-8")
    return BUILD.format(recording=str(recording))


def test_import_loads_neither_pydantic_nor_a_vendor_package():
    """
    ``import llmlabel`` is free until a name is used.
    """
    assert set() == loaded("import llmlabel", ("pydantic", "asyncio", "yaml", *HEAVY))


def test_values_and_schema_load_no_vendor_package():
    """
    The values and the schema need pydantic alone.
    """
    assert set() == loaded("from llmlabel import Document, LabelSchema; LabelSchema(entities=['PER'])", HEAVY)


def test_pipeline_on_a_recording_loads_no_vendor_package(build: str):
    """
    Building a pipeline that replays answers loads no HTTP client and no SDK.
    """
    assert set() == loaded(build, HEAVY)


def test_command_line_module_loads_neither_typer_nor_pydantic():
    """
    ``llmlabel.cli`` can be imported without the extra that its commands need.
    """
    assert set() == loaded("import llmlabel.cli", ("pydantic", *HEAVY))


def test_building_a_pipeline_loads_nothing_that_only_a_run_needs(build: str):
    """
    The engine, the parsers, the resolver, and all values but those that a pipeline is made of come with the first run.
    """
    of_a_run = ("asyncio", "json_repair", "sqlite3", "tenacity", "yaml")
    ours = ("chunking", "documents", "engine", "exchange", "html", "parsing", "pipeline.tokens", "resolvers.aligned")
    names = (*of_a_run, *(f"llmlabel.{name}" for name in (*ours, "types")))

    assert set() == loaded(build, names)


ALL_VALUES = """
import llmlabel
from llmlabel.values import Value

def below(kind):
    return {kind}.union(*map(below, kind.__subclasses__()))

for name in llmlabel.__all__:
    getattr(llmlabel, name)
values = below(Value)
assert {llmlabel.Label, llmlabel.Prediction} <= values
print(*(kind.__name__ for kind in values if not kind.__pydantic_complete__))
"""


def test_no_value_is_left_to_its_first_use():
    """
    Every value is complete once it is defined: pydantic before 2.14 completes none safely while two threads use it.
    """
    assert "" == python(ALL_VALUES)


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="coverage changes what imports cost")
def test_building_a_pipeline_costs_at_most_twice_pydantic(build: str):
    """
    A pipeline on a recording costs at most two times the CPU of loading pydantic's ``BaseModel``.
    """
    using_pydantic = "from pydantic import BaseModel"
    # Taken in turn, so that a busy moment of the machine falls on both; what is least disturbed is the cost.
    taken = [(cpu_seconds(using_pydantic), cpu_seconds(build)) for _ in range(8)]

    assert min(built for _, built in taken) <= 2 * min(pydantic for pydantic, _ in taken)
