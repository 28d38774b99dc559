"""Labels files of others: read with care."""

from __future__ import annotations

import json

import pytest

from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.platforms.azure_language.labels_file import read_labels_file, read_project

TEXT = "😀 Ann\r\n"


def labels_file(*documents: dict, kind: str = "CustomEntityRecognition", **assets: object) -> dict:
    declared = {"entities": [{"category": "Name"}]} if kind == "CustomEntityRecognition" else {}
    return {
        "projectFileVersion": "2022-05-01",
        "stringIndexType": "Utf16CodeUnit",
        "metadata": {"projectKind": kind, "projectName": "p", "language": "en", "multilingual": True},
        "assets": {"projectKind": kind, **declared, "documents": list(documents), **assets},
    }


def entry(offset: object = 3, length: object = 3, **more: object) -> dict:
    spans = [{"category": "Name", "offset": offset, "length": length}]
    regions = [{"regionOffset": 0, "regionLength": 8, "labels": spans}]
    return {"location": "a.txt", "language": "en-us", "entities": regions, **more}


def test_offsets_become_code_points():
    """
    UTF-16 offsets of a text with an emoji point at the same characters in code points.
    """
    _, (found,) = read_labels_file(labels_file(entry()), lambda location: TEXT)

    assert [(2, 5, "Ann", "Name")] == [(e.start, e.end, e.text, e.label) for e in found.entities]


def test_labels_count_as_made_by_people():
    """
    A labels file cannot say who labelled: its labels are a person's.
    """
    _, (found,) = read_labels_file(labels_file(entry(dataset="Test")), lambda location: TEXT)

    assert ("human", {"dataset": "Test"}, "en-us", "a") == (
        found.provenance.kind,
        found.document.metadata,
        found.document.language,
        found.document.id,
    )


def test_project_is_kept():
    """
    What the file says of its project can be given to an exporter again; absent settings stay absent.
    """
    project = read_project(labels_file())

    assert ("p", "en", True, None) == (project.project, project.language, project.multilingual, project.settings)


def test_all_documents_that_do_not_fit_are_told(tmp_path):
    """
    One error names each entry: half a character, outside the text, wrong structure, missing text, doubled id.
    """
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    broken = [
        entry(offset=1),
        entry(offset=99),
        entry(length=0),
        entry(offset="3"),
        {"location": "a.txt", "language": "en-us"},
        entry(location="none.txt"),
        entry(location="../out.txt"),
        entry(location="latin.txt"),
        entry(),
        entry(),
    ]

    with pytest.raises(SourceError) as caught:
        read_labels_file(labels_file(*broken), tmp_path)
    message = str(caught.value)
    for number in range(8):
        assert f"documents[{number}]" in message
    for part in ("inside a character", "outside", "'entities' is missing", "No such file", "leads out", "not UTF-8"):
        assert part in message
    assert "id 'a' stands twice" in message
    assert "Ann" not in message


def test_location_never_leaves_the_folder(tmp_path):
    """
    A location with an absolute path or through a link is not read.
    """
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.txt").symlink_to(secret)
    for location in (str(secret), "link.txt", "../secret.txt"):
        with pytest.raises(SourceError, match="leads out of the folder"):
            read_labels_file(labels_file(entry(location=location)), tmp_path / "in")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"{}",
        json.dumps(labels_file(kind="CustomHealthcare")).encode(),
        json.dumps({**labels_file(), "stringIndexType": "UnicodeCodePoint"}).encode(),
        json.dumps(labels_file(projectKind="CustomSingleLabelClassification")).encode(),
    ],
)
def test_what_is_not_a_labels_file_is_told(tmp_path, content):
    """
    Broken JSON, other kinds and other units are a source error that names the file.
    """
    path = tmp_path / "labels.json"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"labels\.json"):
        read_labels_file(path, tmp_path)


def test_file_without_labels_is_no_schema():
    """
    A project that declares no label gives nothing to label.
    """
    with pytest.raises(ConfigurationError, match="nothing to label"):
        read_labels_file(labels_file(entities=[]), lambda location: TEXT)
