"""llmlabel's own format: lossless, versioned, careful with what stands at its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmlabel.errors import ExportError, SourceError
from llmlabel.exporters.jsonl import JsonlExporter, header, read_jsonl
from llmlabel.types import Document, LabeledDocument, Prediction, Provenance
from tests import strategies


def a_prediction(document_id="a", **more):
    return Prediction(document=Document(id=document_id, text="Ann\r\n"), outcome="failed", **more)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(strategies.predictions | strategies.labeled_documents, max_size=3, unique_by=lambda one: one.document.id)
)
def test_everything_comes_back_equal(tmp_path_factory, batch):
    """
    Whatever a prediction holds, reading gives an equal one of the same type, in the same order.
    """
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    JsonlExporter(path).export(iter(batch))
    found = list(read_jsonl(path))

    assert [(type(one), one) for one in batch] == [(type(one), one) for one in found]


def test_outcomes_are_counted_in_the_notes(tmp_path):
    """
    All predictions are written; the report says how many were not labelled.
    """
    batch = [a_prediction("a"), a_prediction("b"), LabeledDocument(document=Document(id="c", text="x"))]
    report = JsonlExporter(tmp_path / "x.jsonl").export(batch)

    assert (3, ("not labelled: 2 failed",)) == (report.written, report.notes)


def test_files_may_be_put_together(tmp_path):
    """
    A header in the middle, as after ``cat a b``, is read over.
    """
    for name in "ab":
        JsonlExporter(tmp_path / f"{name}.jsonl").export([a_prediction(name)])
    both = tmp_path / "both.jsonl"
    both.write_bytes((tmp_path / "a.jsonl").read_bytes() + b"\n" + (tmp_path / "b.jsonl").read_bytes())

    assert ["a", "b"] == [one.document.id for one in read_jsonl(both)]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", 1, "expected the header"),
        (b'{"type": "labeled", "value": {}}\n', 1, "expected the header"),
        (b'{"format": "llmlabel-jsonl", "version": 2}\n', 1, "version 2 is newer"),
        (b'{"format": "llmlabel-jsonl", "version": "1"}\n', 1, "expected a version number"),
        (b'{"format": "other", "version": 1}\n', 1, "expected format 'llmlabel-jsonl'"),
        (header() + b'{"type": "labeled", "value"', 2, "not JSON"),
        (header() + b"[1]\n", 2, "expected a JSON object, found list"),
        (header() + b'{"type": "odd", "value": {}}\n', 2, "found 'odd'"),
        (header() + b'{"type": "labeled", "value": {"document": {"id": "a"}}}\n', 2, "document.text: Field required"),
        (header() + b"[" * 200_000 + b"\n", 2, "not JSON"),
        (header() + b"\xff\xfe\n", 2, "not JSON"),
    ],
)
def test_damage_names_the_line(tmp_path, content, line, message):
    """
    A file that is not of this format, too new, or damaged gives one clear error with file and line.
    """
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"x\.jsonl, line") as caught:
        list(read_jsonl(path))
    assert (str(path), line) == (caught.value.path, caught.value.line)
    assert message in str(caught.value)


def test_missing_file_is_a_source_error(tmp_path):
    """
    A path that is not there is told as such.
    """
    with pytest.raises(SourceError, match="No such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))


def test_good_lines_are_yielded_before_the_damage(tmp_path):
    """
    Reading is lazy: what stands before a damaged line is not lost.
    """
    path = tmp_path / "x.jsonl"
    JsonlExporter(path).export([a_prediction()])
    with path.open("ab") as file:
        file.write(b"{")
    lines = read_jsonl(path)

    assert a_prediction() == next(lines)


def test_earlier_file_is_replaced(tmp_path):
    """
    A file that this exporter wrote is replaced by the next export.
    """
    exporter = JsonlExporter(tmp_path / "x.jsonl")
    exporter.export([a_prediction("old")])
    exporter.export([a_prediction("new")])

    assert ["new"] == [one.document.id for one in read_jsonl(tmp_path / "x.jsonl")]


@pytest.mark.parametrize(
    "made", [Provenance(kind="human", author="Kim"), Provenance(kind="model", reviewed=True)], ids=["human", "reviewed"]
)
def test_labels_of_a_person_are_not_overwritten(tmp_path, made):
    """
    A file with labels that a person made or reviewed stays.
    """
    exporter = JsonlExporter(tmp_path / "x.jsonl")
    exporter.export([a_prediction(provenance=made)])

    with pytest.raises(ExportError, match="a person made or reviewed"):
        exporter.export([a_prediction("new")])
    assert ["a"] == [one.document.id for one in read_jsonl(tmp_path / "x.jsonl")]


def test_foreign_file_is_not_overwritten(tmp_path):
    """
    A file of another kind, or a folder, at the place of the target is refused before anything is read.
    """
    (tmp_path / "x.jsonl").write_text("mine\n")

    def never():
        raise AssertionError("was read")
        yield

    for path in (tmp_path / "x.jsonl", tmp_path):
        with pytest.raises(ExportError, match="nothing was published"):
            JsonlExporter(path).export(never())


def test_lines_are_json_objects(tmp_path):
    """
    Other programs can read the file line by line.
    """
    JsonlExporter(tmp_path / "x.jsonl").export([a_prediction()])
    first, second = (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()

    assert {"format": "llmlabel-jsonl", "version": 1} == json.loads(first)
    assert ("prediction", "a") == (json.loads(second)["type"], json.loads(second)["value"]["document"]["id"])
