"""The commands around a run: prompt, estimate, schema, doctor before it; evaluate, export, demo after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmlabel import Document, LabelSchema, Pipeline, RunResult, read_jsonl
from llmlabel.review import Decision
from llmlabel.review.decisions import text_hash
from llmlabel.testing import ScriptedLabeler
from tests.cli.conftest import ANSWERS, DOCUMENTS


@pytest.fixture
def run_file(cli, folder) -> str:
    """A saved run over the folder's documents."""
    recording = folder.record(ANSWERS)
    cli("label", folder.documents, "-s", folder.schema, "--labeler", "replay", "-o", f"recording={recording}", "--out",
        str(folder.out))  # fmt: skip
    return str(folder.out / "run.jsonl")


def test_prompt_shows_exactly_what_would_be_sent(cli, folder):
    """
    The JSON form is the prompt that the pipeline sends, and no key is needed.
    """
    done = cli("prompt", folder.documents, "--schema", folder.schema, "--json", "--limit", "3")
    labeler = ScriptedLabeler(LabelSchema.from_file(folder.schema), ANSWERS)
    with Pipeline(labeler, progress=False) as pipeline:
        pipeline.run([Document(id=identity, text=text) for identity, text in DOCUMENTS.items()])
    sent = {prompt.document_ids[0]: prompt.model_dump(mode="json") for prompt in labeler.prompts}

    assert 0 == done.code
    assert sent == {item.pop("document"): item for item in json.loads(done.out)}


def test_prompt_shows_the_first_document_alone(cli, folder):
    """
    Without --limit one document is enough to see how it is asked.
    """
    done = cli("prompt", folder.documents, "--schema", folder.schema, "--json")

    assert ["a"] == [item["document"] for item in json.loads(done.out)]


def test_prompt_shows_the_pieces_of_a_long_document_and_what_stands_around_them(cli, folder):
    """
    --max-document-tokens cuts, --context-tokens shows the neighbours of each piece, not to be labelled.
    """
    path = folder.path / "long.jsonl"
    path.write_text(json.dumps({"id": "long", "text": "It rained all day long in Oslo. " * 12}) + "\n", "utf-8")
    sizes = ("--max-document-tokens", "40", "--context-tokens", "10", "--json")
    shown = json.loads(cli("prompt", str(path), "--schema", folder.schema, *sizes).out)

    assert len(shown) > 2
    assert all("(context, do not label)" in item["messages"][-1]["content"] for item in shown)


def test_terminal_shows_documents_as_text(cli, folder):
    """
    Markup in a document stands there as it is, and control characters are made visible.
    """
    done = cli("prompt", folder.documents, "--schema", folder.schema, "--limit", "3")

    assert "[bold]Oslo[/bold] ␛[31mtoday." in done.out
    assert "\x1b" not in done.out


@pytest.mark.parametrize("form", ["json", "by_label", "inline"])
def test_every_answer_format_can_be_shown(cli, folder, form):
    """
    ``--format`` shows how each answer format asks.
    """
    done = cli("prompt", folder.documents, "--schema", folder.schema, "--format", form)

    assert 0 == done.code
    assert DOCUMENTS["a"] in done.out


def test_estimate_counts_documents_and_requests(cli, folder):
    """
    The plan of a run is printed; nothing is sent.
    """
    done = cli("estimate", folder.documents, "--schema", folder.schema, "--json")
    plan = json.loads(done.out)

    assert (0, 3, 3) == (done.code, plan["documents"], plan["requests"])


def test_estimate_gives_money_and_time(cli, folder):
    """
    With a model whose price is known, the plan has the cost online and as a batch, and the time at a given pace.
    """
    pytest.importorskip("genai_prices", reason="needs genai-prices")
    words = ("estimate", folder.documents, "--schema", folder.schema, "--model", "gpt-4o-mini")
    plan = json.loads(cli(*words, "--requests-per-minute", "1", "--json").out)
    shown = cli(*words).out

    assert 180 == plan["seconds"]
    assert plan["cost"] / 2 == pytest.approx(plan["batch_cost"])
    assert "as a batch" in shown


def test_schema_check_prints_what_it_asks_for(cli, folder):
    """
    A good schema is summed up, label by label.
    """
    done = cli("schema", "check", folder.schema)

    assert 0 == done.code
    assert [] == [word for word in ("PERSON", "a city", "ok: schema.yaml") if word not in done.out]


def test_schema_check_names_the_line_of_a_mistake(cli, folder):
    """
    An unquoted ``No`` is an error of that line, with status 2.
    """
    with Path(folder.schema).open("a", encoding="utf-8") as file:
        file.write("  No: a refusal\n")
    done = cli("schema", "check", folder.schema)

    assert 2 == done.code
    assert "line 4" in done.err


def test_doctor_sends_one_tiny_request(cli, endpoint):
    """
    A server that answers is healthy; it was asked once, and about no document.
    """
    done = cli("doctor", "--model", "m", "--base-url", endpoint.url)

    assert 0 == done.code, done.out
    assert 1 == len(endpoint.asked)


def test_doctor_names_what_is_wrong(cli):
    """
    A server that is not there is status 2, and the check that failed is marked.
    """
    done = cli("doctor", "--model", "m", "--base-url", "http://127.0.0.1:9/v1")

    assert 2 == done.code
    assert "FAILED" in done.out


def test_evaluate_compares_two_files(cli, folder, run_file):
    """
    Scores of a run against itself are perfect, in every form that predictions are kept in.
    """
    cli("export", run_file, "-s", folder.schema, "--to", "jsonl", "--out", str(folder.path / "again"))
    exported = str(next((folder.path / "again").rglob("*.jsonl")))
    done = cli("evaluate", exported, run_file, "--json")
    scores = json.loads(done.out)

    assert 0 == done.code
    assert {"precision": 1.0, "recall": 1.0, "f1": 1.0, "tp": 5, "fp": 0, "fn": 0} == scores["exact"]
    assert {"PERSON", "CITY"} == set(scores["by_label"])


def test_evaluate_needs_labels(cli, folder, run_file):
    """
    A file of plain documents is not gold.
    """
    done = cli("evaluate", folder.documents, run_file)

    assert 2 == done.code
    assert "without labels" in done.err


def test_export_writes_a_finished_run_again(cli, folder, run_file):
    """
    A saved run goes to one more platform without asking any model.
    """
    done = cli("export", run_file, "-s", folder.schema, "--to", "kili-bundle,jsonl", "--out", str(folder.path / "more"))
    found = list(read_jsonl(next((folder.path / "more").rglob("*.jsonl"))))

    assert 0 == done.code, done.err
    assert list(DOCUMENTS) == [labeled.document.id for labeled in found]
    assert (folder.path / "more" / "kili-bundle" / "ontology.json").is_file()


def test_demo_writes_everything(cli, tmp_path):
    """
    The demo needs neither key nor network, prints scores and ledger, and writes bundles, JSONL and the page.
    """
    done = cli("demo", "--out", str(tmp_path / "demo"))

    assert (0, "") == (done.code, done.err)
    assert "recorded" in done.out
    assert {"kili", "azure", "predictions.jsonl", "review.html"} <= {
        path.name for path in (tmp_path / "demo").iterdir()
    }


def test_demo_can_ask_a_live_server(cli, tmp_path, endpoint):
    """
    With a model the same texts are sent to it; that none of its answers is usable is told by the status.
    """
    done = cli("demo", "--out", str(tmp_path / "demo"), "--model", "m", "--base-url", endpoint.url)

    assert 1 == done.code, done.err
    assert "Documents: 32 invalid" in done.out
    assert len(endpoint.asked) >= 30


def test_demo_of_a_server_that_is_not_there_fails(cli, tmp_path):
    """
    Nothing was labelled: status 2, the reason, and no long list of documents.
    """
    done = cli("demo", "--out", str(tmp_path / "demo"), "--model", "m", "--base-url", "http://127.0.0.1:9")

    assert 2 == done.code
    assert "the connection was refused" in done.err
    assert len(done.out.splitlines()) < 25


def test_decisions_of_two_people_are_merged(cli, folder, run_file):
    """
    Where they differ nothing is chosen, unless --reviewer says whose decision counts.
    """
    document = RunResult.load(run_file).predictions[0].document
    about = {"document": "a", "text": text_hash(document.text), "entity": (0, 3, "PERSON")}
    files = []
    for name, action in (("kim", "accept"), ("lou", "reject")):
        path = folder.path / f"{name}.jsonl"
        path.write_text(Decision(**about, action=action, by=name).model_dump_json() + "\n", encoding="utf-8")
        files.append(str(path))
    out = folder.path / "reviewed.jsonl"
    refused = cli("review", "apply", run_file, *files, "--out", str(out))
    done = cli("review", "apply", run_file, *files, "--out", str(out), "--reviewer", "lou")

    assert 2 == refused.code
    assert "kim, lou decided differently about entity" in refused.err
    assert 0 == done.code, done.err
    assert ["Bo", "Rome"] == [entity.text for entity in next(iter(read_jsonl(out))).entities]


def test_runs_lists_what_a_journal_holds(cli, folder, run_file):
    """
    Each run of a journal is one row, with its number, state and answers.
    """
    done = cli("runs", "list", str(folder.out / "journal.sqlite"))
    row = done.out.splitlines()[1].split()

    assert 0 == done.code
    assert ("1", "finished", "3") == (row[0], row[3], row[4])


def test_runs_show_prints_one_run(cli, folder, run_file):
    """
    One run is printed with what a resume may pay again; a run that is not there is status 2.
    """
    journal = str(folder.out / "journal.sqlite")

    shown = cli("runs", "show", journal, "1")

    assert 0 == shown.code
    assert [] == [name for name in ("fingerprint", "labeler", "command", "documents") if f"\n{name} " not in shown.out]
    assert 2 == cli("runs", "show", journal, "7").code


def test_runs_export_prints_every_answer(cli, folder, run_file):
    """
    Stored answers come as JSON, one a line.
    """
    done = cli("runs", "export", str(folder.out / "journal.sqlite"))

    assert 3 == len([json.loads(line) for line in done.out.splitlines()])


def test_runs_purge_deletes_only_what_is_named(cli, folder, run_file):
    """
    Without --run or --before nothing is deleted; with it, the answers are gone.
    """
    journal = str(folder.out / "journal.sqlite")

    assert 2 == cli("runs", "purge", journal, "--yes").code
    nobody = cli("runs", "purge", journal, "--run", "1")
    assert (2, True) == (nobody.code, "nothing was deleted" in nobody.err)
    assert "3 answers deleted\n" == cli("runs", "purge", journal, "--run", "1", "--yes").out
    assert "" == cli("runs", "export", journal).out


def test_file_that_is_no_journal_is_left_alone(cli, folder):
    """
    Another file is not a journal: status 2, and not one byte of it changes.
    """
    before = Path(folder.schema).read_bytes()
    done = cli("runs", "list", folder.schema)

    assert (2, before) == (done.code, Path(folder.schema).read_bytes())


def test_review_page_is_one_file(cli, folder, run_file):
    """
    The page holds every document and needs nothing beside it.
    """
    out = folder.path / "page.html"
    done = cli("review", "page", run_file, "--schema", folder.schema, "--out", str(out))

    assert 0 == done.code, done.err
    assert "Ann met Bo in Rome." in out.read_text("utf-8")


def test_review_decisions_are_carried_out(cli, folder, run_file):
    """
    What a person decided on the page is in the file that ``apply`` writes.
    """
    document = RunResult.load(run_file).predictions[0].document
    decision = Decision(document="a", text=text_hash(document.text), action="reject", entity=(0, 3, "PERSON"))
    done_with = Decision(document="a", text=text_hash(document.text), action="done")
    decisions = folder.path / "decisions.jsonl"
    decisions.write_text(f"{decision.model_dump_json()}\n{done_with.model_dump_json()}\n", encoding="utf-8")
    done = cli("review", "apply", run_file, str(decisions), "--out", str(folder.path / "reviewed.jsonl"))
    reviewed = next(iter(read_jsonl(folder.path / "reviewed.jsonl")))

    assert 0 == done.code, done.err
    assert ["Bo", "Rome"] == [entity.text for entity in reviewed.entities]
