"""What a Kili bundle's files and report say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmlabel.errors import ConfigurationError, ExportError, SourceError
from llmlabel.exporters.kili_bundle import KiliBundleExporter, read_kili_bundle
from llmlabel.schema import LabelSchema
from llmlabel.testing.batches import labeled
from llmlabel.types import Document, Prediction

SCHEMA = LabelSchema(entities=["Name", "Other"])


def export(directory: Path, *batch: Prediction, **options: object):
    return KiliBundleExporter(directory / "b", schema=SCHEMA, **options).export(iter(batch))


def manifest(directory: Path) -> dict:
    return json.loads((directory / "b" / "manifest.json").read_bytes())


def test_layout(tmp_path):
    """
    Texts, answers, ontology and manifest stand where Kili's command line is pointed at.
    """
    failed = Prediction(document=Document(id="two", text="x"), outcome="failed")
    export(tmp_path, labeled("one", "Ann", ("Ann",)), failed)
    files = {p.relative_to(tmp_path / "b").as_posix() for p in tmp_path.rglob("*") if p.is_file()}

    assert {"assets/one.txt", "assets/two.txt", "labels/one.json", "ontology.json", "manifest.json"} == files


def test_manifest_maps_ids_to_files(tmp_path):
    """
    The id, whatever it is, stands beside the names of its files and its outcome.
    """
    failed = Prediction(document=Document(id="../x", text="x"), outcome="refused")
    export(tmp_path, labeled("one", "Ann", ()), failed)
    first, second = manifest(tmp_path)["documents"]

    assert {"id": "one", "outcome": "labeled", "asset": "assets/one.txt", "label": "labels/one.json"} == first
    assert ("../x", "refused", None) == (second["id"], second["outcome"], second["label"])
    assert second["asset"].startswith("assets/doc")


def test_line_ends_can_count_one_character(tmp_path):
    """
    With ``newlines="lf"`` texts, offsets and what is read back have line feeds; the report says so.
    """
    done = export(tmp_path, labeled("a", "one\r\nAnn\r", ("Ann",)), newlines="lf")
    answer = json.loads((tmp_path / "b/labels/a.json").read_bytes())
    ((document, found),) = read_kili_bundle(tmp_path / "b")

    assert b"one\nAnn\n" == (tmp_path / "b/assets/a.txt").read_bytes()
    assert 4 == answer["NAMED_ENTITIES_RECOGNITION_JOB"]["annotations"][0]["beginOffset"]
    assert ("one\nAnn\n", [(4, 7)]) == (document.text, [(e.start, e.end) for e in found.entities])
    assert "1 document(s) hold carriage returns, written as line feeds" in done.notes


def test_unknown_newlines_are_refused(tmp_path):
    """
    The option knows two values.
    """
    with pytest.raises(ConfigurationError, match="newlines: expected 'keep' or 'lf', found 'crlf'"):
        export(tmp_path, newlines="crlf")


def test_report_tells_where_the_unit_matters(tmp_path):
    """
    The undocumented unit is a question for the user only when a span depends on it.
    """
    plain = export(tmp_path / "1", labeled("a", "Ann é", ("Ann",)))
    moved = export(tmp_path / "2", labeled("a", "😀 Ann, Bob", ("Ann", "Bob")), labeled("b", "Ann 😀", ("Ann",)))

    assert "no span depends on the offset unit" in plain.notes[0]
    assert moved.notes[0].startswith("2 of 3 span(s), in 1 document(s), have other offsets in UTF-16")


def test_report_counts_carriage_returns(tmp_path):
    """
    What Kili's application does with CR is not known: the report says where to look.
    """
    report = export(tmp_path, labeled("a", "Ann\r\n", ()), labeled("b", "Ann\n", ()))

    assert any(note.startswith("1 document(s) hold carriage returns") for note in report.notes)


def test_model_name_defaults_to_model_and_schema(tmp_path):
    """
    The name under which Kili keeps predictions is the model's with the schema's fingerprint, or the user's.
    """
    one = labeled("a", "Ann", ()).model_copy(update={"model": "gpt-x"})
    export(tmp_path / "1", one)
    export(tmp_path / "2", one, model_name="mine")

    assert f"gpt-x@{SCHEMA.fingerprint}" == manifest(tmp_path / "1")["model_name"]
    assert "mine" == manifest(tmp_path / "2")["model_name"]


@pytest.mark.parametrize("outcome", ["partial", "truncated"])
def test_incomplete_documents_are_published_on_request(tmp_path, outcome):
    """
    ``include`` opts in to labels that are known to be incomplete.
    """
    one = labeled("a", "Ann", ("Ann",)).model_copy(update={"outcome": outcome})
    held = export(tmp_path / "1", one)
    published = export(tmp_path / "2", one, include=[outcome])

    assert [(0, 1), (1, 0)] == [(r.written, len(r.held_back)) for r in (held, published)]


def test_failures_cannot_be_included(tmp_path):
    """
    A document that failed has no labels to publish.
    """
    with pytest.raises(ConfigurationError, match="include"):
        export(tmp_path, include=["failed"])


def test_unknown_unit_is_refused(tmp_path):
    """
    Only units that Kili may count in are taken.
    """
    with pytest.raises(ConfigurationError, match="'utf16' or 'codepoint', found 'utf8'"):
        export(tmp_path, offset_unit="utf8")


def test_empty_text_is_a_problem_only_when_labelled(tmp_path):
    """
    Kili takes no empty asset: a skipped empty document has no file, a labelled one is refused.
    """
    skipped = Prediction(document=Document(id="empty", text=""), outcome="skipped")
    report = export(tmp_path / "1", skipped)

    assert (0, [None]) == (report.written, [item["asset"] for item in manifest(tmp_path / "1")["documents"]])
    with pytest.raises(ExportError, match="'empty': the text is empty"):
        export(tmp_path / "2", labeled("empty", "", ()))


def test_near_miss_of_a_label_is_explained(tmp_path):
    """
    The refusal shows the label that was probably meant.
    """
    with pytest.raises(ExportError, match="'name' is not in the schema; did you mean 'Name'"):
        export(tmp_path, labeled("a", "Ann", ("Ann",), label="name"))


@pytest.mark.parametrize("damage", ["manifest", "asset", "label", "offsets"])
def test_damaged_bundle_is_told(tmp_path, damage):
    """
    A missing file or a text that changed is an error that names folder and document.
    """
    export(tmp_path, labeled("one", "Ann", ("Ann",)))
    files = {"manifest": "manifest.json", "asset": "assets/one.txt", "label": "labels/one.json"}
    if damage == "offsets":
        (tmp_path / "b" / "assets" / "one.txt").write_text("Bob")
    else:
        (tmp_path / "b" / files[damage]).unlink()

    with pytest.raises(SourceError, match="manifest.json" if damage == "manifest" else "'one'"):
        list(read_kili_bundle(tmp_path / "b"))
