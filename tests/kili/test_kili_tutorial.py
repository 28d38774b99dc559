"""The tutorial of the documentation runs, cell by cell, with the real SDK against a local server."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

pytest.importorskip("kili")

from tests.kili.conftest import MUTATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kili_tutorial.md"
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def tutorial(kili, tmp_path, monkeypatch):
    """Run the cells of the page in order and return what they printed, and what they made."""
    monkeypatch.setenv("KILI_API_KEY", kili.stub.api_key)
    monkeypatch.setenv("KILI_API_ENDPOINT", kili.stub.endpoint)
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {"__name__": "tutorial"}
    printed = io.StringIO()
    cells = CELL.findall(PAGE.read_text("utf-8"))
    with contextlib.redirect_stdout(printed):
        for cell in cells:
            exec(compile(cell, PAGE.name, "exec"), made)
    return cells, made, printed.getvalue()


def test_tutorial_ends_with_predictions_in_the_project(tutorial, kili):
    """All six texts are assets, each with the prediction of the run."""
    _, made, printed = tutorial

    assert "6 assets created, 6 labels sent" in printed
    assert 6 == len(kili.labels(made["report"].model_name))
    assert {one.document.text for one in made["gold"]} == set(kili.texts().values())


def test_tutorial_measures_the_mistakes(tutorial):
    """The hand-written answers miss one entity and get one wrong; "Lisbon", which no text holds, was never exported."""
    _, made, _ = tutorial
    exact = made["evaluation"].exact

    assert (8, 1, 1) == (exact.tp, exact.fp, exact.fn)


def test_cells_can_be_run_again(tutorial, kili):
    """The export cell a second time sends nothing."""
    cells, made, _ = tutorial
    before = len(kili.stub.operations())
    with contextlib.redirect_stdout(io.StringIO()):
        exec(next(cell for cell in cells if "report = KiliExporter" in cell), made)

    assert [] == [name for name in kili.stub.operations()[before:] if name in MUTATIONS]
