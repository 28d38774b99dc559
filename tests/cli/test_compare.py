"""``llmlabel compare``: variants and saved runs over the same documents."""

from __future__ import annotations

import json

import pytest

from llmlabel import Document, JsonlExporter, LabelSchema, Pipeline
from llmlabel.testing import ScriptedLabeler
from tests.cli.conftest import ANSWERS, DOCUMENTS, Folder


@pytest.fixture
def gold(folder: Folder) -> str:
    """The folder's documents, labelled as the good answers say."""
    return labelled(folder, ANSWERS, "gold.jsonl")


def labelled(folder: Folder, answers: dict[str, str], name: str) -> str:
    labeler = ScriptedLabeler(LabelSchema.from_file(folder.schema), answers)
    with Pipeline(labeler, progress=False) as pipeline:
        result = pipeline.run([Document(id=id, text=text) for id, text in DOCUMENTS.items()])
    path = folder.path / name
    JsonlExporter(path).export(result.predictions)
    return str(path)


def replayed(folder: Folder, recording: str) -> tuple[str, ...]:
    return (
        "--schema", folder.schema, "--labeler", "replay", "-o", f"recording={recording}", "--out", str(folder.out),
    )  # fmt: skip


def test_saved_runs_are_compared(cli, folder, gold):
    """
    No labeler is needed; three documents have no winner.
    """
    fewer = labelled(folder, {**ANSWERS, "a": '{"entities": []}'}, "fewer.jsonl")
    done = cli("compare", gold, "--run", f"all={gold}", "--run", f"fewer={fewer}")

    assert 0 == done.code
    assert "no winner: 3 documents are too few to tell" in done.out
    assert "0.571" in done.out


def test_variants_are_asked_once_and_give_the_same_numbers(cli, folder, gold, endpoint, monkeypatch):
    """
    A second run asks nothing and prints the same, tokens included; a changed variant is asked.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    ask = ("--schema", folder.schema, "--model", "m", "--base-url", endpoint.url, "--out", str(folder.out), "--json")
    first = cli("compare", gold, "--variant", "plain", "--variant", "why:reasons=yes", *ask)
    asked = len(endpoint.asked)
    second = cli("compare", gold, "--variant", "plain", "--variant", "why:reasons=yes", *ask)
    again = len(endpoint.asked)
    cli("compare", gold, "--variant", "plain", "--variant", "why:passes=2", *ask)

    assert (0, 0) == (first.code, second.code), first.err + second.err
    assert first.out == second.out
    assert (6, 6, 12) == (asked, again, len(endpoint.asked))
    found = json.loads(first.out)
    assert ["plain", "why"] == [variant["name"] for variant in found["variants"]]
    assert [(1.0, 30), (1.0, 30)] == [(v["f1"], v["usage"]["input_tokens"]) for v in found["variants"]]
    assert None is found["winner"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--variant", "a"), "two or more"),
        (("--variant", "a", "--variant", "b"), "needs --schema and --out"),
        (("--variant", "a", "--variant", "a"), "stands twice"),
        (("--variant", "../a", "--variant", "b"), "expected a name of letters"),
        (("--variant", "a:colour=red", "--variant", "b"), "unknown ['colour']"),
        (("--run", "a", "--run", "b=c"), "expected NAME=FILE"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(cli, gold, arguments, told):
    """
    Before anything is paid.
    """
    done = cli("compare", gold, *arguments)

    assert 2 == done.code
    assert told in done.err


@pytest.mark.parametrize(
    ("variant", "told"),
    [
        ("b:passes=none", "--variant b: passes"),
        ("b:format=xml", "xml"),
        ("b:reasons=perhaps", "reasons: expected yes or no"),
    ],
)
def test_wrong_settings_name_the_variant(cli, folder, gold, variant, told):
    """
    A value that cannot be read is told with its variant.
    """
    recording = folder.record(ANSWERS)
    done = cli("compare", gold, "--variant", "a", "--variant", variant, *replayed(folder, recording))

    assert 2 == done.code
    assert told in done.err


def test_examples_that_are_gold_are_refused(cli, folder, gold):
    """
    A variant must not have seen the answers.
    """
    recording = folder.record(ANSWERS)
    done = cli("compare", gold, "--variant", "a", "--variant", f"b:examples={gold}", *replayed(folder, recording))

    assert 2 == done.code
    assert "3 of its examples are gold documents" in done.err


def test_a_prompt_template_is_read(cli, folder, gold):
    """
    From YAML; a wrong field is told.
    """
    recording = folder.record(ANSWERS)
    template = folder.path / "prompt.yaml"
    template.write_text("colour: red\n")
    done = cli("compare", gold, "--variant", "a", "--variant", f"b:prompt={template}", *replayed(folder, recording))

    assert 2 == done.code
    assert "colour" in done.err


def test_a_second_look_is_a_variant(cli, folder, gold):
    """
    Nothing is doubtful in the good answers, so it costs nothing; a changed variant is not taken for the saved one.
    """
    recording = folder.record(ANSWERS)
    ask = ("--variant", "plain", *replayed(folder, recording), "--json")
    first = json.loads(cli("compare", gold, "--variant", "b", *ask).out)
    second = json.loads(cli("compare", gold, "--variant", "b:verify=yes", *ask).out)

    assert [] == first["notes"]
    assert "b: 0 doubtful span(s) were looked at twice" in second["notes"]
    assert "b: 3 document(s) were answered before; what they took is not in this table" in second["notes"]


def test_the_comparison_is_drawn_and_written(cli, folder, gold):
    """
    As a figure and as CSV; a format that cannot be drawn is told.
    """
    pytest.importorskip("matplotlib")
    runs = ("--run", f"a={gold}", "--run", f"b={gold}")
    figure, table = folder.path / "compare.svg", folder.path / "compare.csv"
    done = cli("compare", gold, *runs, "--plot", str(figure), "--csv", str(table))
    wrong = cli("compare", gold, *runs, "--plot", str(folder.path / "compare.xyz"))

    assert 0 == done.code, done.err
    assert "<svg" in figure.read_text("utf-8")
    assert ["variant", "a", "b"] == [line.split(",")[0] for line in table.read_text("utf-8").splitlines()]
    assert 2 == wrong.code
    assert "compare.xyz: cannot be drawn" in wrong.err
