"""The exporter into a running project: check, upload, import, verify, merge."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmlabel import (
    AzureLanguageExporter,
    ClassLabel,
    ConfigurationError,
    Document,
    Entity,
    ExportError,
    LabeledDocument,
    LabelSchema,
    Prediction,
    Provenance,
    ServiceError,
)
from llmlabel.exporters.azure_restore import restore
from llmlabel.exporters.jsonl import read_jsonl
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.compare import documents_of, keys_of
from llmlabel.platforms.azure_language.labels_file import read_labels_file
from llmlabel.platforms.azure_language.texts import FolderTexts, read_documents
from tests.azure.conftest import SAMPLE, Clock
from tests.servers.azure_service import KEY, Answer, Asked, AzureService

MOOD = LabelSchema(classifications={"mood": {"labels": ["GOOD", "BAD"], "multi_label": False}})
SCHEMA = LabelSchema(entities={"PERSON": "a person", "CITY": "a city"})


def labeled(identity: str, text: str, *entities: tuple[str, str], **more: Any) -> Prediction:
    """Return a prediction with entities at the first place of each text."""
    found = tuple(
        Entity(start=text.index(part), end=text.index(part) + len(part), label=label, text=part, confidence=0.9)
        for part, label in entities
    )
    document = Document(id=identity, text=text)
    return Prediction(document=document, entities=found, **{"outcome": "labeled", **more})


ANN = labeled("ann", "Ann met Bo in Rome.", ("Ann", "PERSON"), ("Rome", "CITY"))
BO = labeled("bo", "😀 Bo\r\nlives in Oslo e\u0301 שלום.", ("Bo", "PERSON"), ("Oslo", "CITY"), ("שלום", "PERSON"))
NOBODY = labeled("nobody", "Nobody is here.")
BATCH = [ANN, BO, NOBODY]


@pytest.fixture
def store(tmp_path: Path) -> FolderTexts:
    """A folder that stands for the container."""
    made = FolderTexts(tmp_path / "container")
    made.create()
    return made


@pytest.fixture
def make(
    service: AzureService, store: FolderTexts, tmp_path: Path, clock: Clock
) -> Callable[..., AzureLanguageExporter]:
    """Return an exporter with some settings; its clock does not wait."""

    def made(**settings: Any) -> AzureLanguageExporter:
        given = {
            "schema": SCHEMA,
            "project": "p",
            "container": "texts",
            "storage": store,
            "directory": tmp_path / "kept",
            "api_key": KEY,
            "clock": clock,
        }
        return AzureLanguageExporter(service.url, **{**given, **settings})

    return made


def labels(service: AzureService, project: str = "p") -> dict[str, list[tuple[str, int, int]]]:
    """Return the labels of a project in the service, by location."""
    return {name: sorted(keys_of(entry)) for name, entry in documents_of(service.projects[project]).items()}


def change(service: AzureService, project: str, location: str, act: Callable[[list[dict[str, Any]]], object]) -> None:
    """Let a person change the labels of one document in the portal."""
    act(documents_of(service.projects[project])[location]["entities"][0]["labels"])


# -- a new project ----------------------------------------------------------------------------------------------------


def test_labels_are_uploaded_imported_and_verified(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    Texts lie in the container byte for byte, labels in the project, and an export proves it.
    """
    report = make().export(BATCH)

    assert (3, ()) == (report.written, report.held_back)
    assert {"ann.txt", "bo.txt", "nobody.txt"} == {item.name for item in store.texts()}
    assert BO.document.text.encode() == store.read("bo.txt")
    assert {
        "ann.txt": [("CITY", 14, 4), ("PERSON", 0, 3)],
        "bo.txt": [("CITY", 16, 4), ("PERSON", 3, 2), ("PERSON", 24, 4)],
        "nobody.txt": [],
    } == labels(service)
    assert "verified by export: 5 label(s) in 3 document(s) as sent" in report.notes


def test_what_was_exported_reads_back_to_the_character(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    Emoji, CRLF, combining marks and right-to-left text keep every span from export to export.
    """
    make().export(BATCH)
    _, found = read_labels_file(service.projects["p"], lambda name: store.read(name).decode())

    assert {item.document.id: [(e.text, e.label) for e in item.entities] for item in BATCH} == {
        item.document.id: [(e.text, e.label) for e in item.entities] for item in found
    }


def test_every_span_survives_export_import_export(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    What the project gives back, exported again into another one, is the same file to the last offset.
    """
    make().export(BATCH)
    _, found = read_labels_file(service.projects["p"], lambda name: store.read(name).decode())
    make(project="q").export(found)
    first, second = (copy.deepcopy(service.projects[name]) for name in ("p", "q"))
    second["metadata"]["projectName"] = "p"

    assert first == second
    assert {item.document.id: item.document.text for item in BATCH} == {d.document.id: d.document.text for d in found}


def test_second_run_changes_nothing(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    The same labels again are found to stand there: no second import, no refusal.
    """
    make().export(BATCH)
    report = make().export(BATCH)

    assert (1, 3) == (service.calls["POST p/:import"], report.written)
    assert "project 'p' has these labels already; nothing was imported" in report.notes


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_classification_projects(kind: str, make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    Classes go into a project of the kind that the schema says.
    """
    part = {"labels": ["GOOD", "BAD"], "multi_label": kind == "multi"}
    schema = LabelSchema(classifications={"mood": part})
    document = Document(id="a", text="Fine.")
    one = LabeledDocument(document=document, classes={"mood": (ClassLabel(label="GOOD"),)})
    make(schema=schema).export([one])

    assert {"a.txt": [("GOOD", -1, 0)]} == labels(service)
    assert kind in service.projects["p"]["metadata"]["projectKind"].lower()


def test_descriptions_go_where_the_version_has_them(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    The definition of an entity is sent with the preview version only.
    """
    make().export(BATCH)
    make(api_version="2025-05-15-preview", project="q").export(BATCH)

    assert [{"category": "PERSON"}, {"category": "CITY"}] == service.projects["p"]["assets"]["entities"]
    assert "a person" == service.projects["q"]["assets"]["entities"][0]["description"]


def test_more_documents_than_a_project_takes_are_split(
    make: Callable[..., AzureLanguageExporter], service: AzureService
):
    """
    Documents beyond the limit go into further projects over the same container.
    """
    report = make(documents_per_project=2).export(BATCH)

    assert ({"p": 2, "p-2": 1}, 3) == (
        {name: len(documents_of(content)) for name, content in service.projects.items()},
        report.written,
    )


def test_documents_stay_in_their_project_in_any_order(
    make: Callable[..., AzureLanguageExporter], service: AzureService
):
    """
    Another round, in another order and with more documents, finds each document where it was.
    """
    settings = {"documents_per_project": 2, "existing": "merge"}
    make(**settings).export(BATCH)
    cy = labeled("cy", "Cy is here.", ("Cy", "PERSON"))
    dora = labeled("dora", "Dora is here.", ("Dora", "PERSON"))
    make(**settings).export([dora, NOBODY, cy, BO, ANN])

    assert {"p": {"ann.txt", "bo.txt"}, "p-2": {"nobody.txt", "dora.txt"}, "p-3": {"cy.txt"}} == {
        name: set(documents_of(content)) for name, content in service.projects.items()
    }


def test_problems_of_all_projects_are_told(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    What forbids a batch is told at once, whichever project its documents would go to.
    """
    long = [labeled(name, "x" * 600, ("x" * 501, "PERSON")) for name in ("one", "two")]
    with pytest.raises(ExportError) as caught:
        make(documents_per_project=1).export(long)

    assert (2, []) == (len(caught.value.problems), service.asked)


# -- checks before anything is sent -----------------------------------------------------------------------------------


def test_existing_project_is_refused(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts, sample: dict[str, Any]
):
    """
    A project that others made is not touched unless asked, and no text is uploaded.
    """
    service.projects["p"] = copy.deepcopy(sample)

    with pytest.raises(ExportError, match="choose existing='merge'"):
        make().export(BATCH)
    assert (sample, []) == (service.projects["p"], list(store.texts()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"existing": "refuse"}, "choose existing='merge'"),
        ({"existing": "merge"}, "the project has storageInputContainerName 'example-data'"),
        (
            {"existing": "merge", "schema": LabelSchema(classifications={"m": {"labels": ["A"]}})},
            "change project_kind=",
        ),
        ({"project": "new", "storage": FolderTexts("/nowhere/at/all")}, "container 'texts' is not there"),
    ],
)
def test_what_forbids_any_import_is_found_without_labels(
    settings: dict[str, Any],
    said: str,
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    sample: dict[str, Any],
):
    """
    Before anything is paid for, a look at the project tells whether labels can go into it.
    """
    service.projects["p"] = sample

    with pytest.raises(ExportError, match=said):
        make(**settings).preflight()
    assert {"GET"} == {asked.method for asked in service.asked}


@pytest.mark.parametrize("existing", ["refuse", "merge", "overwrite"])
def test_project_that_we_made_passes_the_first_look(existing: str, make: Callable[..., AzureLanguageExporter]):
    """
    A project of our own is no obstacle to going on.
    """
    make().preflight()
    make().export(BATCH)
    make(existing=existing).preflight()


def test_text_that_people_labelled_is_not_replaced(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    Overwriting a text would move what people marked in it; only texts that nobody labelled are replaced.
    """
    make(existing="merge").export([ANN, BO])
    change(service, "p", "bo.txt", lambda there: there[0].update(category="CITY"))
    newer = [labeled("ann", "Ann left.", ("Ann", "PERSON")), labeled("bo", "Bo left.", ("Bo", "PERSON"))]
    with pytest.raises(ExportError, match=r"'bo.txt': people labelled the text") as caught:
        make(existing="merge", overwrite_texts=True).export(newer)

    assert (1, BO.document.text.encode()) == (len(caught.value.problems), store.read("bo.txt"))


def test_documents_that_azure_does_not_take_are_held_back_when_asked(
    make: Callable[..., AzureLanguageExporter], service: AzureService, tmp_path: Path
):
    """
    One label too long refuses a batch, all such documents named, or costs that document alone.
    """
    long = labeled("long", "x" * 600, ("x" * 501, "PERSON"))
    nested = labeled("nested", "Rome city", ("Rome city", "CITY"), ("Rome", "CITY"))
    with pytest.raises(ExportError) as caught:
        make().export([*BATCH, long, nested])
    report = make(unfit="hold_back").export([*BATCH, long, nested])

    assert (2, {}) == (len(caught.value.problems), {} if service.calls["POST p/:import"] == 1 else service.calls)
    assert (3, ["long", "nested"]) == (report.written, [item.document_id for item in report.held_back])
    assert "longer than 500" in report.held_back[0].reason
    assert ["long", "nested"] == [item.document.id for item in read_jsonl(tmp_path / "kept" / "review.jsonl")]


def test_text_that_differs_in_the_container_is_refused(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    A stored text is never replaced unasked, and then nothing else is uploaded either.
    """
    store.write("ann.txt", b"another text")
    with pytest.raises(ExportError, match="holds another text in the container"):
        make().export(BATCH)
    assert ({}, ["ann.txt"]) == (service.projects, [item.name for item in store.texts()])

    make(overwrite_texts=True).export(BATCH)
    assert ANN.document.text.encode() == store.read("ann.txt")


def test_absent_container_is_refused(make: Callable[..., AzureLanguageExporter], tmp_path: Path):
    """
    A container that is not there is made only when asked.
    """
    elsewhere = FolderTexts(tmp_path / "none")
    with pytest.raises(ExportError, match="container 'texts' is not there"):
        make(storage=elsewhere).export(BATCH)

    assert 3 == make(storage=elsewhere, create_container=True).export(BATCH).written


def test_names_that_differ_by_case_alone_are_refused(make: Callable[..., AzureLanguageExporter], store: FolderTexts):
    """
    A text beside one whose name differs by case would be lost on other systems.
    """
    store.write("ANN.txt", b"x")

    with pytest.raises(ExportError, match="by case alone"):
        make().export(BATCH)


def test_dry_run_tells_and_does_nothing(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    A dry run says what would be uploaded and imported.
    """
    report = make(dry_run=True).export(BATCH)

    assert (0, {}, []) == (report.written, service.projects, list(store.texts()))
    assert "project 'p': new; 5 label(s) in 2 document(s) added, 3 document(s) new" in report.notes
    assert "texts: 3 to upload, 0 there already, 0 to replace" in report.notes


def test_dry_run_lists_each_label_that_would_change(
    make: Callable[..., AzureLanguageExporter], service: AzureService, tmp_path: Path
):
    """
    Added, replaced and held back labels stand in a file, document by document; the project stays as it is.
    """
    make(existing="merge").export([ANN])
    change(service, "p", "ann.txt", lambda there: there[1].update(offset=13, length=5))
    before = copy.deepcopy(service.projects)
    make(existing="merge", dry_run=True).export([labeled("ann", ANN.document.text, ("Bo", "PERSON"), ("Rome", "CITY"))])
    (line,) = (tmp_path / "kept" / "changes-p.jsonl").read_text().splitlines()

    assert before == service.projects
    assert {
        "id": "ann",
        "location": "ann.txt",
        "added": [{"category": "PERSON", "offset": 8, "length": 2}],
        "replaced": [{"category": "PERSON", "offset": 0, "length": 3}],
        "held_back": [{"category": "CITY", "offset": 14, "length": 4, "reason": "overlaps a label that stands there"}],
    } == json.loads(line)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"existing": "replace"}, "expected refuse, merge or overwrite"),
        ({"project": "no/name"}, "project: expected"),
        ({"documents_per_project": 0}, "documents_per_project"),
    ],
)
def test_wrong_setting_is_refused_at_once(
    settings: dict[str, Any], said: str, make: Callable[..., AzureLanguageExporter]
):
    """
    What cannot work is said when the exporter is made.
    """
    with pytest.raises(ConfigurationError, match=said):
        make(**settings)


# -- what is held back ------------------------------------------------------------------------------------------------


def test_unsure_unlabelled_and_unreviewed_go_to_the_review_file(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts, tmp_path: Path
):
    """
    Texts of documents that are held back are uploaded, their labels wait in the sidecar file.
    """
    unsure = labeled("unsure", "Cy is here.", ("Cy", "PERSON")).model_copy(update={"outcome": "labeled"})
    unsure = unsure.model_copy(update={"entities": (unsure.entities[0].model_copy(update={"confidence": 0.2}),)})
    failed = labeled("failed", "Something.", outcome="failed")
    report = make(min_confidence=0.5).export([*BATCH, unsure, failed])

    assert {"unsure", "failed"} == {item.document_id for item in report.held_back}
    assert {"unsure", "failed"} == {item.document.id for item in read_jsonl(tmp_path / "kept" / "review.jsonl")}
    assert (3, 5) == (len(documents_of(service.projects["p"])), len(list(store.texts())))


def test_only_reviewed_documents_are_imported(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    With only_reviewed, a document goes in when a person has looked at it.
    """
    seen = ANN.model_copy(update={"provenance": Provenance(kind="model", reviewed=True)})
    report = make(only_reviewed=True).export([seen, BO])

    assert (["ann.txt"], ["bo"]) == (list(labels(service)), [item.document_id for item in report.held_back])


def test_nothing_labelled_imports_nothing(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    A batch without one labelled document leaves the project alone.
    """
    report = make().export([labeled("failed", "Something.", outcome="failed")])

    assert (0, {}) == (report.written, service.projects)


# -- merging ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def official(service: AzureService, store: FolderTexts, shared: Path, sample: dict[str, Any]) -> dict[str, Any]:
    """The official project with its 240 human labels, in the service as ``LoanAgreement``."""
    for path in sorted((shared / SAMPLE).glob("*.txt")):
        store.write(path.name, path.read_bytes())
    sample["metadata"]["someNewField"] = {"kept": True}
    sample["assets"]["documents"][0]["unknown"] = [1, 2]
    service.projects["LoanAgreement"] = copy.deepcopy(sample)
    return sample


def words(store: FolderTexts, label: str = "FIRST_WORD") -> list[LabeledDocument]:
    """Return every text of the container with its first word labelled."""
    found = []
    for document in read_documents(store):
        assert isinstance(document, Document)
        word = document.text.split()[0]
        start = document.text.index(word)
        entity = Entity(start=start, end=start + len(word), label=label, text=word)
        found.append(LabeledDocument(document=document, entities=(entity,)))
    return found


WORDS = LabelSchema(entities=["FIRST_WORD"])
INTO = {"schema": WORDS, "project": "LoanAgreement", "container": "example-data", "existing": "merge"}


def human(content: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the labels of a project that are not ours, as they stand in the file."""
    return {
        entry["location"]: [
            label for region in entry["entities"] for label in region["labels"] if label["category"] != "FIRST_WORD"
        ]
        for entry in content["assets"]["documents"]
    }


def test_merge_keeps_all_human_labels_and_fields(
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    store: FolderTexts,
    official: dict[str, Any],
):
    """
    A new entity type goes into documents with 240 human labels, and each of these stays equal, in its order.
    """
    report = make(**INTO).export(words(store))
    found = service.projects["LoanAgreement"]
    stripped = copy.deepcopy(found)
    stripped["assets"]["entities"] = [e for e in stripped["assets"]["entities"] if e["category"] != "FIRST_WORD"]
    for entry in stripped["assets"]["documents"]:
        region = entry["entities"][0]
        region["labels"] = [label for label in region["labels"] if label["category"] != "FIRST_WORD"]

    assert (240, human(official)) == (sum(map(len, human(found).values())), human(found))
    assert official == stripped
    assert 20 - len(report.held_back) == sum(
        key[0] == "FIRST_WORD" for keys in labels(service, "LoanAgreement").values() for key in keys
    )


def test_edit_between_our_calls_aborts(
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    store: FolderTexts,
    official: dict[str, Any],
):
    """
    Somebody's work between our two looks at the project is noticed and kept, and nothing is imported.
    """

    def edit(asked: Asked, answer: Answer) -> Answer:
        if "/result" in asked.path and sum("/result" in item.path for item in service.asked) == 1:
            change(service, "LoanAgreement", "01.txt", lambda there: there[0].update(category="Edited"))
        return answer

    service.after = edit
    with pytest.raises(ServiceError, match="somebody changed project 'LoanAgreement'"):
        make(**INTO).export(words(store))
    before = official["assets"]["documents"][0]["entities"][0]["labels"][0]["category"]
    change(service, "LoanAgreement", "01.txt", lambda there: there[0].update(category=before))

    assert official == service.projects["LoanAgreement"]
    assert 0 == service.calls["POST LoanAgreement/:import"]


def test_backup_brings_the_project_back(
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    client: AzureLanguageClient,
    store: FolderTexts,
    official: dict[str, Any],
    tmp_path: Path,
):
    """
    What was there before a merge is in a backup, and restore makes it so again.
    """
    make(**INTO).export(words(store))
    (backup,) = (tmp_path / "kept" / "backups").iterdir()
    restore(client, backup)

    assert official == json.loads(backup.read_bytes()) == service.projects["LoanAgreement"]
    assert 2 == len(list((tmp_path / "kept" / "backups").iterdir()))


def test_restored_project_takes_our_labels_again(
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    client: AzureLanguageClient,
    tmp_path: Path,
):
    """
    Restoring is no deletion by a person: the next round adds what the backup did not have yet.
    """
    make(existing="merge").export([ANN])
    make(existing="merge").export([ANN, BO])
    (backup,) = (tmp_path / "kept" / "backups").iterdir()
    restore(client, backup)
    assert ["ann.txt"] == list(labels(service))
    report = make(existing="merge").export([ANN, BO])

    assert ((), {"ann.txt", "bo.txt"}) == (report.held_back, set(labels(service)))
    assert "2 label(s) of an earlier import were found unchanged (review unknown)" in report.notes


def test_backup_from_elsewhere_leaves_what_it_has_as_ours(
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    client: AzureLanguageClient,
    tmp_path: Path,
):
    """
    A file without a manifest of its own keeps those labels ours that it has and that were ours.
    """
    make(existing="merge").export([ANN, BO])
    content = copy.deepcopy(service.projects["p"])
    documents_of(content)["bo.txt"]["entities"][0]["labels"].pop()
    (tmp_path / "mine.json").write_text(json.dumps(content))
    restore(client, tmp_path / "mine.json", directory=tmp_path / "kept")
    report = make(existing="merge").export([ANN, BO])

    assert (0, 5) == (len(report.held_back), sum(map(len, labels(service).values())))


def test_training_is_judged_by_the_whole_project(
    make: Callable[..., AzureLanguageExporter], store: FolderTexts, official: dict[str, Any]
):
    """
    What training needs is counted over the project as it will be, not over the documents of one round.
    """
    report = make(**INTO, dry_run=True).export(words(store)[:3])
    said = " ".join(report.notes)

    assert ("trains from" in said, "Date 20" in said, "FIRST_WORD 3" in said) == (False, True, True)


def test_labels_of_people_win_over_ours(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    Where a person labelled, moved, relabelled or deleted, our label of a second round is held back.
    """
    make(existing="merge").export([ANN, BO])
    change(service, "p", "ann.txt", lambda there: there[0].update(category="CITY"))
    change(service, "p", "ann.txt", lambda there: there[1].update(offset=13, length=5))
    change(service, "p", "bo.txt", lambda there: there.pop(1))
    before = labels(service)
    report = make(existing="merge").export([ANN, BO])

    assert before == labels(service)
    assert [
        ("ann", "PERSON", "overlaps a label that stands there"),
        ("ann", "CITY", "overlaps a label that stands there"),
        ("bo", "CITY", "a person deleted this label"),
    ] == [(item.document_id, item.label, item.reason) for item in report.held_back]


def test_deletion_is_remembered_over_rounds(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    A label that a person deleted does not come back, however often we find it.
    """
    make(existing="merge").export([BO])
    change(service, "p", "bo.txt", lambda there: there.pop(1))
    for _ in range(2):
        make(existing="merge").export([BO, ANN])

    assert [("PERSON", 3, 2), ("PERSON", 24, 4)] == labels(service)["bo.txt"]


def test_only_our_own_labels_are_replaced(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    A second round replaces labels that still equal what we imported, and leaves the others of the document.
    """
    make(existing="merge").export([ANN])
    change(service, "p", "ann.txt", lambda there: there.append({"category": "PERSON", "offset": 8, "length": 2}))
    better = labeled("ann", "Ann met Bo in Rome.", ("Ann", "CITY"))
    report = make(existing="merge").export([better])

    assert [("CITY", 0, 3), ("PERSON", 8, 2)] == labels(service)["ann.txt"]
    assert "2 label(s) of an earlier import were found unchanged (review unknown)" in report.notes


def reviewed(one: Prediction) -> Prediction:
    """Return the document as a person's review leaves it."""
    return one.model_copy(update={"provenance": Provenance(kind="human", reviewed=True)})


def test_reviewed_labels_are_not_replaced_by_a_model(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    What a person reviewed before the import is that person's: a later round of the model changes nothing there.
    """
    make(existing="merge").export([reviewed(ANN)])
    guess = labeled("ann", ANN.document.text, ("Ann", "CITY"), ("Bo", "PERSON"))
    report = make(existing="merge").export([guess, BO])

    assert [("CITY", 14, 4), ("PERSON", 0, 3)] == labels(service)["ann.txt"]
    assert {("ann", "a person reviewed this document before it was imported")} == {
        (item.document_id, item.reason) for item in report.held_back
    }
    assert not any("review unknown" in note for note in report.notes)


def test_reviewed_labels_give_way_to_a_later_review(
    make: Callable[..., AzureLanguageExporter], service: AzureService, store: FolderTexts
):
    """
    A person who reviews the document once more may change what the first review brought, and new types may be added.
    """
    make(existing="merge").export([reviewed(ANN)])
    make(existing="merge").export([reviewed(labeled("ann", ANN.document.text, ("Ann", "PERSON"), ("Bo", "PERSON")))])
    assert [("PERSON", 0, 3), ("PERSON", 8, 2)] == labels(service)["ann.txt"]
    more = LabelSchema(entities=["VERB"])
    report = make(existing="merge", schema=more).export([labeled("ann", ANN.document.text, ("met", "VERB"))])

    assert ((), 3) == (report.held_back, len(labels(service)["ann.txt"]))


def test_reviewed_text_is_not_replaced(make: Callable[..., AzureLanguageExporter], store: FolderTexts):
    """
    Labels of a person keep the text they were made on, though we brought them.
    """
    make(existing="merge").export([reviewed(ANN)])

    with pytest.raises(ExportError, match=r"'ann.txt': people labelled the text"):
        make(existing="merge", overwrite_texts=True).export([labeled("ann", "Ann left.", ("Ann", "PERSON"))])


def test_reviewed_class_is_not_replaced_by_a_model(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    The same for a class of the whole text.
    """
    document = Document(id="a", text="Fine.")
    good, bad = (LabeledDocument(document=document, classes={"mood": (ClassLabel(label=x),)}) for x in ("GOOD", "BAD"))
    seen = good.model_copy(update={"provenance": Provenance(kind="model", reviewed=True)})
    make(schema=MOOD, existing="merge").export([seen])
    report = make(schema=MOOD, existing="merge").export([bad])

    assert ({"a.txt": [("GOOD", -1, 0)]}, 1) == (labels(service), len(report.held_back))


def test_classes_of_people_stay(make: Callable[..., AzureLanguageExporter], service: AzureService):
    """
    In a classification project a class that we set may change, one that a person set may not.
    """
    schema = LabelSchema(classifications={"mood": {"labels": ["GOOD", "BAD"], "multi_label": False}})

    def mood(identity: str, label: str) -> LabeledDocument:
        document = Document(id=identity, text=f"Text of {identity}.")
        return LabeledDocument(document=document, classes={"mood": (ClassLabel(label=label),)})

    settings = {"schema": schema, "existing": "merge"}
    make(**settings).export([mood("a", "GOOD"), mood("b", "GOOD")])
    documents_of(service.projects["p"])["b.txt"]["class"]["category"] = "BAD"
    report = make(**settings).export([mood("a", "BAD"), mood("b", "GOOD")])

    assert {"a.txt": [("BAD", -1, 0)], "b.txt": [("BAD", -1, 0)]} == labels(service)
    assert ["b"] == [item.document_id for item in report.held_back]


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"container": "other"}, "change container="), ({"project_kind": None}, "change project_kind=")],
)
def test_project_of_another_container_or_kind_is_refused(
    settings: dict[str, Any],
    said: str,
    make: Callable[..., AzureLanguageExporter],
    official: dict[str, Any],
    store: FolderTexts,
):
    """
    A merge goes into the same kind of project over the same container.
    """
    schema = LabelSchema(classifications={"mood": {"labels": ["GOOD"], "multi_label": True}})
    document = Document(id="a", text="Fine.")
    other = LabeledDocument(document=document, classes={"mood": (ClassLabel(label="GOOD"),)})
    given = {**INTO, **settings} if "container" in settings else {**INTO, **settings, "schema": schema}

    with pytest.raises(ExportError, match=said):
        make(**given).export(words(store) if "container" in settings else [other])


def test_overwrite_keeps_a_backup(
    make: Callable[..., AzureLanguageExporter], service: AzureService, official: dict[str, Any], tmp_path: Path
):
    """
    Replacing a project is possible when asked, after its labels were saved.
    """
    report = make(project="LoanAgreement", existing="overwrite").export(BATCH)
    (backup,) = (tmp_path / "kept" / "backups").iterdir()

    assert (official, 3) == (json.loads(backup.read_bytes()), len(labels(service, "LoanAgreement")))
    assert "all 240 label(s) that the project had are replaced; they are in the backup" in report.notes


def test_service_that_stores_other_labels_is_found_out(
    make: Callable[..., AzureLanguageExporter], service: AzureService
):
    """
    An import that ended well and stored something else is an error that names the document.
    """

    def after(asked: Asked, answer: Answer) -> Answer:
        if asked.path.endswith(":import"):
            change(service, "p", "ann.txt", lambda there: there.pop())
        return answer

    service.after = after
    with pytest.raises(ServiceError, match=r"ann.txt: 1 label\(s\) missing"):
        make().export(BATCH)


def test_manifest_of_another_project_is_refused(make: Callable[..., AzureLanguageExporter], tmp_path: Path):
    """
    Labels are ours only in the project that the manifest is about.
    """
    make().export(BATCH)
    path = tmp_path / "kept" / "imported-p.json"
    path.write_text(
        path.read_text().replace('"project": "p"', '"project": "other"').replace('"project":"p"', '"project":"other"')
    )

    with pytest.raises(ConfigurationError, match="belongs to project 'other'"):
        make().export(BATCH)
