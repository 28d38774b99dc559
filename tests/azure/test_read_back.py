"""Coming back: what people did to our labels, compared with what we imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmlabel import LabeledDocument, SourceError
from llmlabel.platforms.azure_language.imported import Imported, ImportedDocument
from llmlabel.platforms.azure_language.labels_file import Project, project_file
from llmlabel.platforms.azure_language.read_back import read_back
from llmlabel.platforms.azure_language.texts import FolderTexts

TEXTS = {"a.txt": "😀 Ann met Bo in Rome.\r\n", "b.txt": "Cy.", "c.txt": "Only people here."}
ANN, BO, ROME = ("PERSON", 3, 3), ("PERSON", 11, 2), ("CITY", 17, 4)
Key = tuple[str, int, int]


@pytest.fixture
def store(tmp_path: Path) -> FolderTexts:
    """The texts of the project."""
    made = FolderTexts(tmp_path)
    for name, text in TEXTS.items():
        made.write(name, text.encode())
    return made


def project(**documents: list[Key]) -> dict[str, Any]:
    """Return an exported project with these labels."""
    entries: list[Any] = []
    for name, keys in documents.items():
        length = len(TEXTS[f"{name}.txt"].encode("utf-16-le")) // 2
        labels = [{"category": label, "offset": start, "length": size} for label, start, size in keys]
        region = {"regionOffset": 0, "regionLength": length, "labels": labels}
        entries.append({"location": f"{name}.txt", "language": "en-us", "entities": [region]})
    return project_file(Project("p", "texts", "CustomEntityRecognition"), ["PERSON", "CITY"], entries)


def imported(**documents: list[Key]) -> Imported:
    """Return a manifest; ids are not the file names."""
    made = {f"{name}.txt": ImportedDocument(id=f"id/{name}", labels=tuple(keys)) for name, keys in documents.items()}
    return Imported(endpoint="https://example.org", project="p", documents=made)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ([ANN, BO, ROME], [("unchanged", ANN, ANN), ("unchanged", BO, BO), ("unchanged", ROME, ROME)]),
        ([ANN, BO], [("unchanged", ANN, ANN), ("unchanged", BO, BO), ("deleted", ROME, None)]),
        (
            [ANN, BO, ("PERSON", 17, 4)],
            [("unchanged", ANN, ANN), ("unchanged", BO, BO), ("relabelled", ROME, ("PERSON", 17, 4))],
        ),
        (
            [ANN, ("PERSON", 7, 6), ROME],
            [("unchanged", ANN, ANN), ("unchanged", ROME, ROME), ("moved", BO, ("PERSON", 7, 6))],
        ),
        (
            [ANN, BO, ROME, ("CITY", 7, 3)],
            [
                ("unchanged", ANN, ANN),
                ("unchanged", BO, BO),
                ("unchanged", ROME, ROME),
                ("added", None, ("CITY", 7, 3)),
            ],
        ),
    ],
)
def test_each_label_has_one_fate(now: list[Key], found: list[Any], store: FolderTexts):
    """
    Labels are unchanged, deleted, relabelled, moved or added; each is told once.
    """
    read = read_back(project(a=now), store, imported(a=[ANN, BO, ROME]))

    assert found == [(item.change, item.before, item.after) for item in read.items]


def test_corrected_label_shows_its_texts_under_our_id(store: FolderTexts):
    """
    The table has the words of both sides, right behind an emoji too, and the id that we gave.
    """
    read = read_back(project(a=[("PERSON", 3, 7)]), store, imported(a=[ANN]))

    assert [("id/a", "moved", "Ann", "Ann met")] == [
        (r["document_id"], r["change"], r["text_before"], r["text_after"]) for r in read.to_records()
    ]


def test_unchanged_labels_never_become_gold(store: FolderTexts):
    """
    Only documents in which every label is a person's are gold; unchanged entities say that their review is unknown.
    """
    content = project(a=[ANN, BO], b=[("PERSON", 0, 2)], c=[])
    read = read_back(content, store, imported(a=[ANN, ROME], c=[("PERSON", 5, 6)]))

    assert ["b", "id/c"] == [document.document.id for document in read.gold]
    assert [("Ann", "unchanged (review unknown)"), ("Bo", None)] == [
        (entity.text, entity.reason) for entity in read.documents[0].entities
    ]
    assert "model" == kind(read.documents[0])


def test_labels_that_a_person_reviewed_before_are_gold(store: FolderTexts):
    """
    What was reviewed before the import is a person's while it stands, and is told apart from what nobody looked at.
    """
    seen = ImportedDocument(id="a", labels=(ANN, BO), reviewed=("PERSON",))
    manifest = Imported(endpoint="https://example.org", project="p", documents={"a.txt": seen})
    read = read_back(project(a=[ANN, BO]), store, manifest)

    assert (["a"], "0 unchanged (review unknown), 2 unchanged (reviewed before), 0 moved") == (
        [document.document.id for document in read.gold],
        str(read).removesuffix(", 0 relabelled, 0 deleted, 0 added"),
    )


def test_document_that_the_model_saw_empty_is_not_gold(store: FolderTexts):
    """
    An empty document that we imported says nothing of a person; one that people emptied, or added, does.
    """
    read = read_back(project(a=[], b=[], c=[]), store, imported(a=[], b=[("PERSON", 0, 2)]))

    assert ["id/b", "c"] == [document.document.id for document in read.gold]


def test_gold_becomes_examples(store: FolderTexts):
    """
    Corrected documents show the model what is wanted, in reading order.
    """
    read = read_back(project(a=[ROME, ANN]), store, imported())
    (example,) = read.examples()

    assert [("Ann", "PERSON"), ("Rome", "CITY")] == [(item.text, item.label) for item in example.entities]


def kind(labeled: LabeledDocument) -> str:
    """Return who made the labels of a document."""
    assert labeled.provenance is not None
    return labeled.provenance.kind


def test_document_that_lost_all_labels_is_told(store: FolderTexts):
    """
    A document that is not in the project any more has all its labels deleted.
    """
    read = read_back(project(b=[]), store, imported(a=[ANN, BO]))

    assert {"unchanged": 0, "moved": 0, "relabelled": 0, "deleted": 2, "added": 0} == read.counts


def test_downloaded_file_is_read_too(store: FolderTexts, tmp_path: Path):
    """
    A labels file that was downloaded in the portal does as well; anything else is named.
    """
    path = tmp_path / "x.json"
    path.write_text("[]")

    with pytest.raises(SourceError, match="not a readable labels file"):
        read_back(path, store, imported())
