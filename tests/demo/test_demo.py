"""The embedded default: its data are current, its answers show every kind of loss, its outputs are complete."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from llmlabel.demo import DemoResult, demo_documents, demo_gold, demo_schema, run_demo
from llmlabel.exporters.jsonl import read_jsonl
from llmlabel.testing import ScriptedLabeler

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "llmlabel" / "demo"


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    path = ROOT / "tools" / "record_demo.py"
    if not path.exists():
        pytest.skip("needs the tools folder of the repository")
    spec = importlib.util.spec_from_file_location("record_demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("demo"))


def outcome(shown: DemoResult, id: str) -> str:
    return next(p.outcome for p in shown.run.predictions if p.document.id == id)


def lost(shown: DemoResult, id: str) -> list[tuple[str, str]]:
    prediction = next(p for p in shown.run.predictions if p.document.id == id)
    return [(p.mention.text, p.status) for p in prediction.placements if not p.placed]


def test_data_are_current(recorder: ModuleType, tmp_path: Path) -> None:
    """
    The shipped files are what the recorder makes of the cases and of today's prompts.
    """
    recorder.record(tmp_path)

    for name in recorder.FILES:
        assert (HOME / name).read_bytes() == (tmp_path / name).read_bytes(), f"run tools/record_demo.py ({name})"


def test_documents_are_the_gold_ones() -> None:
    """
    The labels are those of the documents, in the same order.
    """
    assert demo_documents() == [labeled.document for labeled in demo_gold()]


def test_documents_show_many_languages_and_traps() -> None:
    """
    About thirty documents in eleven languages, with CRLF, emoji, a bidi control and markup among them.
    """
    documents = demo_documents()
    text = "".join(document.text for document in documents)

    assert 28 <= len(documents) <= 36
    assert {"ar", "de", "en", "es", "fr", "hi", "ja", "nl", "pl", "tr", "zh"} == {d.language for d in documents}
    assert all(trap in text for trap in ("\r\n", "🎉", "\u202e", "</script>", "İ"))


def test_gold_labels_are_in_the_schema() -> None:
    """
    Every label of the author is one of the schema's, every label of the schema is used.
    """
    schema = demo_schema()
    used = {e.label for labeled in demo_gold() for e in labeled.entities}

    assert set(schema.entity_names) == used


def test_every_document_comes_out_once(shown: DemoResult) -> None:
    """
    Predictions are in the order of the documents.
    """
    assert demo_documents() == [p.document for p in shown.run.predictions]


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("news-asked-again", "labeled"),
        ("news-loose-json", "labeled"),
        ("news-no-entities", "labeled"),
        ("support-never-usable", "invalid"),
        ("contract-truncated", "truncated"),
        ("news-filtered", "filtered"),
        ("support-refused", "refused"),
    ],
)
def test_bad_answers_have_their_outcomes(shown: DemoResult, id: str, expected: str) -> None:
    """
    Asked again, repaired, empty, unusable, cut off, filtered and refused are different things.
    """
    assert expected == outcome(shown, id)


def test_all_other_documents_are_labelled(shown: DemoResult) -> None:
    """
    Only the four documents with a bad last answer are not labelled.
    """
    assert Counter(labeled=28, invalid=1, truncated=1, filtered=1, refused=1) == Counter(shown.run.outcomes)


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("anfrage-erfunden", [("Berlin", "not_found")]),
        ("support-named-too-often", [("Tern Air", "duplicate")]),
        ("news-unknown-label", [("Osprey Prize", "unknown_label")]),
    ],
)
def test_lost_mentions_have_their_reasons(shown: DemoResult, id: str, expected: list[tuple[str, str]]) -> None:
    """
    An invented mention, one named once too often and one with an unknown label are told apart.
    """
    assert expected == lost(shown, id)


def test_changed_spellings_are_placed(shown: DemoResult) -> None:
    """
    Case, line ends, quotes, dashes, decomposed and wide letters are found, and marked as normalized.
    """
    normalized = {e.text for p in shown.run.predictions for e in p.entities if e.match == "normalized"}

    assert normalized >= {
        "Lumen\r\nTextiles S.A.",
        "Élodie Marchand",
        "L’Atelier d’Été",
        "Aix‑en‑Provence",
        "April 2019",
        "Sonnenbrot AG",
        "İpek Yıldız",
        "İSTANBUL",
        "ＡＢＣ商事",
    }


def test_misspelt_name_is_placed_as_fuzzy(shown: DemoResult) -> None:
    """
    A name with two letters exchanged is found, and marked as fuzzy.
    """
    fuzzy = [e.text for p in shown.run.predictions for e in p.entities if e.match == "fuzzy"]

    assert ["Willemijn Verhoeven"] == fuzzy


def test_text_that_talks_to_the_model_is_suspicious(shown: DemoResult) -> None:
    """
    The injection attempt is flagged, and nothing else.
    """
    assert ["support-injection"] == [p.document.id for p in shown.run.predictions if p.suspicious]


def test_scores_are_high_and_not_perfect(shown: DemoResult) -> None:
    """
    The answers have errors on purpose, which scores must show.
    """
    f1 = shown.evaluation.exact.f1

    assert f1 is not None
    assert 0.8 < f1 < 1


def test_outputs_are_written(shown: DemoResult) -> None:
    """
    Both bundles, the lossless file and the page are there; the file reads back as the predictions.
    """
    folder = shown.page.parent
    labels = json.loads((folder / "azure" / "labels.json").read_text(encoding="utf-8"))

    assert list(shown.run.predictions) == list(read_jsonl(folder / "predictions.jsonl"))
    assert 28 == len(list((folder / "kili" / "labels").iterdir()))
    assert 28 == len(labels["assets"]["documents"])
    assert shown.page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_says_that_answers_are_recorded(shown: DemoResult) -> None:
    """
    The first lines say that no model was asked; the report fits a screen.
    """
    lines = str(shown).splitlines()

    assert "recorded" in lines[1]
    assert "no model was asked" in lines[1]
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 160 + len(str(shown.page.parent))


def test_report_has_no_control_characters(shown: DemoResult) -> None:
    """
    Nothing of a document reaches the terminal unescaped.
    """
    assert str(shown).replace("\n", "").isprintable()


def test_demo_can_be_run_again(tmp_path: Path) -> None:
    """
    A second run replaces the files of the first.
    """
    assert run_demo(tmp_path).run.predictions == run_demo(tmp_path).run.predictions


def test_live_labeler_is_asked_and_named(tmp_path: Path) -> None:
    """
    With a labeler the same documents are labelled live, and the report says by what.
    """
    labeler = ScriptedLabeler(
        demo_schema(), lambda _: '{"entities": [], "relations": [], "classes": {"kind": "News"}}', model="some-model"
    )

    result = run_demo(tmp_path, labeler)

    assert len(demo_documents()) == len(labeler.prompts)
    assert "Answered live by some-model." in str(result)
    assert "recorded" not in str(result)
