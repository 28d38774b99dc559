"""The tutorial of the documentation runs as the notebook it is, with the real SDK against a local server."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

pytest.importorskip("kili")

from llmlabel.sources.kili import KiliSource
from tests.kili.conftest import MUTATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kili_tutorial.md"
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Kili's own page on pre-annotation with a model: recipes/ner_pre_annotations_openai.ipynb of its SDK.
ORIGINAL_CELLS, ORIGINAL_LINES = 36, 245


@pytest.fixture
def cells():
    """The cells of the page, in order."""
    return CELL.findall(PAGE.read_text("utf-8"))


@pytest.fixture
def tutorial(kili, cells, tmp_path, monkeypatch):
    """Run the cells in order and return what they made, and what they printed."""
    monkeypatch.setenv("KILI_API_KEY", kili.stub.api_key)
    monkeypatch.setenv("KILI_API_ENDPOINT", kili.stub.endpoint)
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {"__name__": "tutorial"}
    return made, run(cells, made)


def run(cells, made):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in cells:
            exec(compile(cell, PAGE.name, "exec"), made)
    return printed.getvalue()


def test_tutorial_ends_with_predictions_in_the_project(tutorial, kili):
    """All texts of the demo's file are assets; those that were labelled carry what the run found."""
    made, printed = tutorial
    source = KiliSource(made["project_id"], api_key=kili.stub.api_key, api_endpoint=kili.stub.endpoint)
    labelled = {one.document.id: one for one in made["run"].predictions if one.outcome == "labeled"}

    assert "29 assets created" in printed
    assert {one.document.id: one.document.text for one in made["gold"]} == kili.texts()
    assert {name: [(e.start, e.end, e.label) for e in one.entities] for name, one in labelled.items()} == {
        one.document.id: [(e.start, e.end, e.label) for e in one.entities] for one in source.labels("model")
    }


def test_tutorial_measures_the_recorded_mistakes(tutorial):
    """Scores are those of the recorded answers; what no text holds was never exported."""
    made, printed = tutorial
    exact = made["evaluation"].exact

    assert (76, 3, 16) == (exact.tp, exact.fp, exact.fn)
    assert "all (exact)" in printed


def test_tutorial_can_be_run_again(tutorial, cells, kili):
    """The whole page a second time, in another process's place: no project is made, and nothing is sent."""
    before = len(kili.stub.operations())
    run(cells, {"__name__": "again"})

    assert [] == [name for name in kili.stub.operations()[before:] if name in MUTATIONS]


def test_tutorial_is_shorter_than_the_original(cells):
    """A third of the cells and a sixth of the lines of the page that it replaces, at most."""
    lines = sum(bool(line.strip()) for cell in cells for line in cell.splitlines())

    assert 3 * len(cells) <= ORIGINAL_CELLS
    assert 6 * lines <= ORIGINAL_LINES


def test_tutorial_runs_in_a_kernel(kili, cells, tmp_path, monkeypatch):
    """In a notebook an event loop runs already: every cell works there too."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("KILI_API_KEY", kili.stub.api_key)
    monkeypatch.setenv("KILI_API_ENDPOINT", kili.stub.endpoint)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(output.get("text", "") for cell in notebook.cells for output in cell.outputs)

    assert "29 assets created" in shown
