"""``llmlabel label``: what it writes, prints and returns."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmlabel import LabelSchema, Pipeline, RunResult
from llmlabel.testing.scripted import ScriptedLabeler
from tests.cli.conftest import ANSWERS, DOCUMENTS, environment, process
from tests.servers.openai_server import OpenAIServer


def label(folder, *more: str) -> list[str]:
    """Return the arguments of a run over the folder's documents."""
    return ["label", folder.documents, "--schema", folder.schema, "--out", str(folder.out), *more]


def replay(folder, answers: dict[str, str], *more: str) -> list[str]:
    """Return the arguments of a run on recorded answers."""
    return label(folder, "--labeler", "replay", "--option", f"recording={folder.record(answers)}", *more)


def test_all_labelled_is_status_0(cli, folder):
    """
    A run in which every document is labelled ends with 0 and one file or folder per exporter.
    """
    done = cli(*replay(folder, ANSWERS, "--to", "kili-bundle,azure-bundle,jsonl"))

    assert (0, "") == (done.code, done.err)
    assert {"azure-bundle", "jsonl", "journal.sqlite", "kili-bundle", "run.jsonl"} <= {
        path.name for path in folder.out.iterdir()
    }
    assert "3, 3 labeled" in done.out


def test_saved_run_holds_every_prediction(cli, folder):
    """
    ``run.jsonl`` is the whole result.
    """
    cli(*replay(folder, ANSWERS))
    result = RunResult.load(folder.out / "run.jsonl")

    assert list(DOCUMENTS) == [prediction.document.id for prediction in result.predictions]
    assert ["Ann", "Bo", "Rome"] == [entity.text for entity in result.predictions[0].entities]


def test_documents_that_are_not_labelled_are_listed_with_status_1(cli, folder):
    """
    One unusable answer costs one document, which is named with its outcome.
    """
    done = cli(*replay(folder, {**ANSWERS, "b": "I would rather not."}))

    assert 1 == done.code
    assert [line for line in done.err.splitlines() if line.startswith("not labelled: b: invalid")]
    assert "3, 2 labeled" in done.out


def test_rejected_inputs_are_listed_with_status_1(cli, folder):
    """
    A record that cannot be a document is named with its place, and the good ones go on.
    """
    arguments = replay(folder, ANSWERS)
    with Path(folder.documents).open("a", encoding="utf-8") as file:
        file.write('{"id": "a", "text": "again"}\n{"id": "d"}\n')
    done = cli(*arguments)

    assert 1 == done.code
    assert 2 == sum(line.startswith("not labelled: ") for line in done.err.splitlines())
    assert "3, 3 labeled" in done.out


def test_warnings_of_the_library_are_one_line_each(folder):
    """
    What the library logs as a warning comes to stderr as a line, without a time and a module.
    """
    arguments = replay(folder, ANSWERS)
    with Path(folder.documents).open("a", encoding="utf-8") as file:
        file.write('{"id": "d"}\n')
    done = process(*arguments)

    assert 1 == done.code
    assert 1 == sum(line.startswith("warning: ") for line in done.err.splitlines())


def test_answers_are_paid_once(cli, folder, endpoint):
    """
    The same command again asks nothing that was answered.
    """
    arguments = label(folder, "--model", "m", "--base-url", endpoint.url)
    first = cli(*arguments)
    asked = len(endpoint.asked)
    again = cli(*arguments)

    assert (0, 0) == (first.code, again.code)
    assert (3, 3) == (asked, len(endpoint.asked))


def test_a_run_over_budget_goes_on_later(cli, folder):
    """
    What did not fit is listed with status 1; the same command without the cap asks only that.
    """
    with OpenAIServer('{"entities": []}') as server:
        arguments = label(folder, "--model", "m", "--base-url", server.base_url)
        stopped = cli(*arguments, "--max-total-tokens", "1900")
        asked = len(server.requests)
        done = cli(*arguments)

    assert (1, 0) == (stopped.code, done.code)
    assert "over_budget" in stopped.err
    assert "run.jsonl writes what is finished" in stopped.err
    assert (True, 3) == (0 < asked < 3, len(server.requests))


def test_journal_can_stand_elsewhere(cli, folder, endpoint, tmp_path):
    """
    ``--resume FILE`` is ``--journal FILE``: another output folder asks nothing again.
    """
    kept = str(tmp_path / "answers.sqlite")
    cli(*label(folder, "--model", "m", "--base-url", endpoint.url, "--journal", kept))
    other = label(folder, "--model", "m", "--base-url", endpoint.url, "--resume", kept)
    other[other.index(str(folder.out))] = str(tmp_path / "second")

    assert 0 == cli(*other).code
    assert 3 == len(endpoint.asked)


@pytest.mark.parametrize(
    ("more", "expected"), [(["--limit", "2"], ["a", "b"]), (["--sample", "1", "--seed", "3"], None)]
)
def test_part_of_the_input(cli, folder, endpoint, more, expected):
    """
    ``--limit`` takes the first documents, ``--sample`` some at random, the same ones for a seed.
    """
    assert 0 == cli(*label(folder, "--model", "m", "--base-url", endpoint.url, *more)).code
    found = [prediction.document.id for prediction in RunResult.load(folder.out / "run.jsonl").predictions]

    assert expected == found if expected else 1 == len(found)


def test_exporter_options_reach_their_exporter(cli, folder):
    """
    ``--export-option NAME.key=value`` sets an argument of that exporter alone.
    """
    more = ["--to", "azure-bundle,jsonl", "--export-option", "azure-bundle.project=Harbour"]
    assert 0 == cli(*replay(folder, ANSWERS, *more)).code
    files = [path.read_text("utf-8") for path in (folder.out / "azure-bundle").rglob("*.json")]

    assert any('"Harbour"' in text for text in files)


def test_third_party_names_are_listed(plugin):
    """
    ``--labeler ?`` and ``--to ?`` list every name with the package that brings it, and import none of them.
    """
    labelers = process("label", "x", "--schema", "s", "--out", "o", "--labeler", "?", PYTHONPATH=plugin)
    exporters = process("label", "x", "--schema", "s", "--out", "o", "--to", "?", PYTHONPATH=plugin)

    assert (0, 0) == (labelers.code, exporters.code), labelers.err
    assert [] == [name for name in ("azure-openai", "openai", "replay", "waiting") if name not in labelers.out]
    assert "counting" in exporters.out
    assert "acme-labels 1.2" in exporters.out


def test_third_party_exporter_is_used_by_name(folder, plugin):
    """
    An exporter of another package gets its folder below the output folder; a broken neighbour does not matter.
    """
    done = process(*replay(folder, ANSWERS, "--to", "counting"), PYTHONPATH=plugin)

    assert 0 == done.code, done.err
    assert f"3 written → {folder.out / 'counting'}" in done.out


def test_factory_that_makes_something_else_is_a_configuration_error(folder, plugin):
    """
    An entry point that makes no labeler is named.
    """
    done = process(*label(folder, "--labeler", "wrong"), PYTHONPATH=plugin)

    assert 2 == done.code
    assert ["error: --labeler wrong: its entry point made a str, not an LLMLabeler"] == done.err.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_interrupt_is_status_130(folder, plugin, tmp_path):
    """
    Ctrl-C ends a run at once, without a traceback.
    """
    mark = tmp_path / "asked"
    arguments = label(folder, "--labeler", "waiting", "--model", "m", "--option", f"mark={mark}")
    running = subprocess.Popen(
        [sys.executable, "-m", "llmlabel", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=plugin),
    )
    end = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < end and running.poll() is None:
        os.sched_yield()
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)

    assert 130 == running.returncode, err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_key_is_asked_for_without_echo(endpoint, folder):
    """
    Where a person sits and no key is set, it is asked for; it is sent, and never shown.
    """
    import pty

    url = endpoint.url.removesuffix("/v1")
    arguments = ["doctor", "--labeler", "azure-openai", "--model", "m", "--base-url", url]
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "llmlabel", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"not shown" not in seen:
        seen += os.read(ours, 1024)
    os.write(ours, b"secret-key-7\n")
    with contextlib.suppress(OSError):  # Linux: the other end is closed
        while chunk := os.read(ours, 1024):
            seen += chunk
    os.close(ours)

    assert 0 == running.wait(60), seen.decode()
    assert b"secret-key-7" not in seen
    assert any("secret-key-7" in value for header in endpoint.headers for value in header.values())


def test_answer_format_is_the_one_that_prompt_shows(cli, folder, endpoint):
    """
    ``--format`` asks in that format: what is sent is what ``llmlabel prompt --format`` shows.
    """
    cli(*label(folder, "--model", "m", "--base-url", endpoint.url, "--format", "by_label", "--limit", "1"))
    shown = cli("prompt", folder.documents, "--schema", folder.schema, "--format", "by_label", "--json")
    first = json.loads(shown.out)[0]

    assert first["messages"] == [
        {"role": message["role"], "content": message["content"]} for message in endpoint.asked[0]["messages"]
    ]


@pytest.mark.parametrize(("more", "labels"), [((), []), (("--near-labels", "map"), ["PERSON", "CITY"])])
def test_near_miss_labels_are_mapped_when_asked(cli, folder, more, labels):
    """
    A label that is spelled almost like one of the schema is unknown, or taken for it with --near-labels map.
    """
    misspelt = ANSWERS["c"].replace("PERSON", "Person").replace("CITY", "city")
    cli(*replay(folder, {**ANSWERS, "c": misspelt}, *more))
    found = RunResult.load(folder.out / "run.jsonl").predictions[2]

    assert labels == [entity.label for entity in found.entities]


def test_a_run_can_be_started_again_from_its_journal(cli, folder, monkeypatch):
    """
    ``runs resume`` starts the command of the last run in its folder; everything is answered by the journal.
    """
    monkeypatch.chdir(folder.path)
    cli(*replay(folder, ANSWERS, "--limit", "2"))
    (folder.out / "run.jsonl").unlink()
    done = cli("runs", "resume", str(folder.out / "journal.sqlite"))
    shown = cli("runs", "show", str(folder.out / "journal.sqlite"), "1")

    assert 0 == done.code
    assert 2 == len(RunResult.load(folder.out / "run.jsonl").predictions)
    assert "--limit 2" in shown.out
    assert "2 labeled" in shown.out


def test_a_run_of_a_program_is_not_started_again(cli, tmp_path):
    """
    The journal of a Python program says how to go on instead.
    """
    scripted = ScriptedLabeler(LabelSchema(entities=["PER"]), ['{"entities": []}'])
    Pipeline(scripted, journal=tmp_path / "journal.sqlite", progress=False).run(["Ann"])
    done = cli("runs", "resume", str(tmp_path / "journal.sqlite"))

    assert 2 == done.code
    assert "was not started by llmlabel label" in done.err
