"""``llmlabel evaluate``: everything that is known of the scores, on one screen or as data."""

from __future__ import annotations

import csv
import json

import pytest

from llmlabel import ClassLabel, Document, Entity, JsonlExporter, LabeledDocument, Prediction
from tests.cli.conftest import process

TEXT = "Ann met Bob in Rome."
PLACES = {"Ann": (0, 3), "Bob": (8, 11), "Rome": (15, 19)}


def labeled(id, **labels):
    """Keywords are surfaces with a label, or (label, confidence); ``tone`` is a classification."""
    tone = labels.pop("tone", None)
    entities = []
    for name, given in labels.items():
        label, score = given if isinstance(given, tuple) else (given, None)
        start, end = PLACES[name]
        entities.append(
            Entity(start=start, end=end, label=label, text=name, confidence=score, confidence_method=score and "votes")
        )
    return {
        "document": Document(id=id, text=TEXT),
        "entities": tuple(entities),
        "classes": {"tone": (ClassLabel(label=tone),)} if tone else {},
    }


@pytest.fixture
def files(tmp_path):
    """Gold labels and predictions of twelve documents."""
    gold = [LabeledDocument(**labeled(str(n), Ann="PER", Bob="PER", Rome="LOC", tone="good")) for n in range(12)]
    guess = [
        Prediction(
            **labeled(str(n), Ann=("PER", 0.9), Bob=("LOC" if n % 3 else "PER", 0.6), tone="bad" if n % 4 else "good"),
            outcome="labeled",
        )
        for n in range(12)
    ]
    JsonlExporter(tmp_path / "gold.jsonl").export(gold)
    JsonlExporter(tmp_path / "guess.jsonl").export(guess)
    return str(tmp_path / "gold.jsonl"), str(tmp_path / "guess.jsonl")


def test_everything_is_on_one_screen(cli, files):
    """
    Scores with intervals, error kinds, the cost of review, classifications, and the warning about the size.
    """
    done = cli("evaluate", *files)

    assert 0 == done.code, done.err
    assert ["LOC", "PER", "all", "macro"] == [line.split()[0] for line in done.out.splitlines()[1:5]]
    for shown in (
        "F1 low",
        "f1: 0.",
        "bootstrap interval over documents",
        "spans: 16 correct, 8 wrong label",
        "review: 16 accept, 8 relabel, 0 move, 0 delete, 12 add",
        "tone: accuracy 0.250 (",
        "only 12 documents: too few to tell small differences",
    ):
        assert shown in done.out


def test_views_are_added_when_asked_for(cli, files):
    """
    The per-token table, what the confidences are worth, and the budget of review.
    """
    plain = cli("evaluate", *files)
    done = cli("evaluate", *files, "--tokens", "--confidence", "--precision", "0.9", "--budget")

    assert done.out.startswith(plain.out)
    for shown in ("all but O", "confidence of entities", "PER: 16 labels; ECE", "precision of 0.9,", "oracle"):
        assert shown in done.out
        assert shown not in plain.out


def test_all_of_it_is_data_too(cli, files):
    """
    As JSON, with the review cost of each document; the parts that were not asked for are absent.
    """
    plain = json.loads(cli("evaluate", *files, "--json").out)
    full = json.loads(cli("evaluate", *files, "--json", "--tokens", "--confidence", "--budget").out)

    assert {"tp": 16, "fp": 8, "fn": 20} == {name: plain["exact"][name] for name in ("tp", "fp", "fn")}
    assert plain["intervals"]["f1"]["low"] <= plain["exact"]["f1"] <= plain["intervals"]["f1"]["high"]
    assert (12, 1) == (len(plain["documents"]), plain["documents"][1]["cost"]["relabel"])
    assert {"tokens", "confidence", "budget"} == full.keys() - plain.keys()
    assert 24 == full["confidence"]["entities"]["reliability"]["count"]
    assert 12 == full["tokens"]["B-LOC"]["tp"] + full["tokens"]["B-LOC"]["fn"]


def test_foreign_labels_are_told_with_a_schema(cli, files, tmp_path):
    """
    The schema names what there is.
    """
    (tmp_path / "schema.yaml").write_text("entities: [PER]\n", encoding="utf-8")
    done = cli("evaluate", *files, "--schema", str(tmp_path / "schema.yaml"))

    assert "labels that the schema does not have count as wrong: LOC (8)" in done.out


def test_only_the_blind_split_is_scored(cli, files):
    """
    The same documents that were exported without predictions; an empty split is told.
    """
    found = json.loads(cli("evaluate", *files, "--blind", "0.4", "--json").out)
    done = cli("evaluate", *files, "--blind", "0")

    assert 0 < len(found["documents"]) < 12
    assert 2 == done.code
    assert "none of the gold documents is in this split" in done.err


def test_another_run_tells_what_to_look_at_first(cli, files):
    """
    With a perfect second opinion the queue is the best order there is.
    """
    found = json.loads(cli("evaluate", *files, "--budget", "--other", files[0], "--json").out)["budget"]["rows"]

    assert [row["oracle"] for row in found] == [row["f1"] for row in found]


def test_figures_and_csv_are_written(cli, files, tmp_path):
    """
    One picture for each part that is shown; the scores as CSV.
    """
    pytest.importorskip("matplotlib")
    out = tmp_path / "figures"
    done = cli("evaluate", *files, "--confidence", "--budget", "--figures", str(out), "--csv", str(tmp_path / "x.csv"))

    assert 0 == done.code, done.err
    expected = {"labels", "confusion", "confusion 2", "reliability of entities", "budget"}
    assert expected == {path.stem for path in out.iterdir()}
    assert {b"\x89PNG"} == {path.read_bytes()[:4] for path in out.iterdir()}
    rows = list(csv.reader((tmp_path / "x.csv").read_text("utf-8").splitlines()))
    assert ["LOC", "0.0", "0.0", "0.0"] == rows[1][:4]


def test_the_same_is_printed_by_every_process(files):
    """
    Whatever the seed of Python's hashes: numbers and their order.
    """
    runs = [process("evaluate", *files, "--json", "--tokens", "--budget", PYTHONHASHSEED=seed) for seed in "12"]

    assert 0 == runs[0].code, runs[0].err
    assert runs[0].out == runs[1].out
