"""What Azure Language would refuse or misread is refused here, before anything is sent."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from llmlabel import (
    AzureLanguageBundleExporter,
    AzureLanguageExporter,
    ClassLabel,
    ConfigurationError,
    Document,
    Entity,
    ExportError,
    LabeledDocument,
    LabelSchema,
)
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.file_checks import labels_file_problems
from llmlabel.platforms.azure_language.texts import FolderTexts
from tests.servers.azure_service import KEY

Break = Callable[[dict[str, Any]], object]


def first(content: dict[str, Any]) -> Any:
    """Return the first document of a labels file."""
    return content["assets"]["documents"][0]


def labels(content: dict[str, Any]) -> Any:
    """Return the labels of the first document."""
    return first(content)["entities"][0]["labels"]


BROKEN: dict[str, tuple[Break, str]] = {
    "kinds differ": (lambda c: c["assets"].update(projectKind="CustomSingleLabelClassification"), "the same in both"),
    "no kind in assets": (lambda c: c["assets"].pop("projectKind"), "the same in both"),
    "other unit": (lambda c: c.update(stringIndexType="UnicodeCodePoint"), "stringIndexType"),
    "other version": (lambda c: c.update(projectFileVersion="2023-04-01"), "projectFileVersion"),
    "multilingual as text": (lambda c: c["metadata"].update(multilingual="false"), "multilingual"),
    "threshold": (lambda c: c["metadata"].update(settings={"confidenceThreshold": 2}), "from 0 to 1"),
    "project name": (lambda c: c["metadata"].update(projectName="a b"), "project: expected"),
    "container name": (lambda c: c["metadata"].update(storageInputContainerName="Texts"), "container: expected"),
    "label name": (lambda c: c["assets"]["entities"].append({"category": "A:B"}), "label 'A:B'"),
    "too many labels": (
        lambda c: c["assets"].update(entities=[{"category": f"L{n}"} for n in range(201)]),
        "expected 1 to 200",
    ),
    "language": (lambda c: first(c).update(language="klingon"), "language 'klingon'"),
    "data set": (lambda c: first(c).update(dataset="Validation"), "Train or Test"),
    "no location": (lambda c: first(c).pop("location"), "unexpected structure"),
    "no text file": (lambda c: first(c).update(location="01.pdf"), "a .txt file at the root"),
    "empty label": (lambda c: labels(c)[0].update(length=0), "takes 1 to 500"),
    "long label": (lambda c: labels(c)[0].update(length=501), "takes 1 to 500"),
    "negative offset": (lambda c: labels(c)[0].update(offset=-1), "lies outside the text"),
}
# Rules across fields, which a JSON Schema cannot say.
CROSSED: dict[str, tuple[Break, str]] = {
    "undeclared label": (lambda c: labels(c)[0].update(category="Nothing"), "'Nothing' is not declared"),
    "outside": (lambda c: labels(c)[0].update(offset=10**6), "lies outside the text"),
    "overlap": (lambda c: labels(c).append({**labels(c)[0], "category": "Interest"}), "overlaps another one"),
    "label twice": (lambda c: labels(c).append(labels(c)[0]), "a label stands twice"),
    "location twice": (lambda c: c["assets"]["documents"].append(first(c)), "stands twice"),
    "declared twice": (lambda c: c["assets"]["entities"].append({"category": "Date"}), "declared twice"),
    "two regions": (lambda c: first(c)["entities"].append(first(c)["entities"][0]), "one region"),
}


@pytest.mark.parametrize("name", [*BROKEN, *CROSSED])
def test_broken_project_is_refused(name: str, sample: dict[str, Any]):
    """
    Each way to break the official project is found and named.
    """
    act, said = {**BROKEN, **CROSSED}[name]
    act(sample)

    assert any(said in problem for problem in labels_file_problems(sample)), labels_file_problems(sample)


@pytest.mark.parametrize("name", [*BROKEN, *CROSSED])
def test_broken_project_is_refused_before_any_request(name: str, sample: dict[str, Any]):
    """
    A labels file that somebody wrote or changed by hand is not sent, either.
    """
    act, said = {**BROKEN, **CROSSED}[name]
    act(sample)
    with (
        AzureLanguageClient("https://example.org", api_key=KEY, transport=Unused()) as client,
        pytest.raises(ExportError) as caught,
    ):
        client.import_project("p", sample)

    assert any(said in problem for problem in caught.value.problems)


@pytest.mark.parametrize("name", BROKEN)
def test_strict_schema_agrees(name: str, sample: dict[str, Any], shared: Path):
    """
    What our check refuses by itself is refused by the strict schema of the file too.
    """
    strict = json.loads((shared / "contracts/azure-language/labels-file.strict.schema.json").read_bytes())
    validator = jsonschema.Draft202012Validator(strict)
    assert validator.is_valid(sample)
    BROKEN[name][0](sample)

    assert not validator.is_valid(sample)


def test_official_projects_are_sound(sample: dict[str, Any], shared: Path):
    """
    Microsoft's own projects pass, but for the one whose kind is spelled in two ways.
    """
    samples = shared / "contracts" / "azure-language" / "samples"
    single = json.loads((samples / "webOfScience.single.json").read_bytes())
    multi = json.loads((samples / "movieLabels.multi.json").read_bytes())
    multi["assets"]["projectKind"] = multi["metadata"]["projectKind"]

    assert [[], [], []] == [labels_file_problems(content) for content in (sample, single, multi)]


NER = LabelSchema(entities=["A", "B"])
MANY = LabelSchema(classifications={"c": {"labels": ["A", "B"], "multi_label": True}})
ONE = LabelSchema(classifications={"c": {"labels": ["A", "B"], "multi_label": False}})


def spans(text: str, *found: tuple[int, int, str], identity: str = "d") -> LabeledDocument:
    """Return a document with entities."""
    entities = tuple(Entity(start=start, end=end, label=label, text=text[start:end]) for start, end, label in found)
    return LabeledDocument(document=Document(id=identity, text=text), entities=entities)


def classes(*names: str) -> LabeledDocument:
    """Return a document with classes."""
    return LabeledDocument(
        document=Document(id="d", text="Text."), classes={"c": tuple(ClassLabel(label=name) for name in names)}
    )


class Unused(httpx.BaseTransport):
    """A transport that must not be used."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError("a request was sent")


def exporter(folder: Path, schema: LabelSchema = NER, **settings: Any) -> AzureLanguageExporter:
    """Return an exporter that may not send anything."""
    given: dict[str, Any] = {"project": "p", "container": "texts", **settings}
    return AzureLanguageExporter(
        "https://example.org",
        schema=schema,
        storage=FolderTexts(folder),
        directory=folder / "kept",
        api_key=KEY,
        transport=Unused(),
        **given,
    )


@pytest.mark.parametrize(
    ("schema", "batch", "said"),
    [
        (NER, [spans(" \n")], "the text is empty or blank"),
        (NER, [spans("x" * 128_001)], "the text has 128001 UTF-16 units"),
        (NER, [spans("😀" * 64_001)], "the text has 128002 UTF-16 units"),
        (NER, [spans("\ufeffx")], "byte order mark"),
        (NER, [spans("x" * 600, (0, 501, "A"))], "longer than 500"),
        (NER, [spans("one two", (0, 5, "A"), (2, 7, "B"))], "overlap"),
        (NER, [spans("one", (0, 3, "C"))], "'C' is not in the schema"),
        (NER, [spans("one"), spans("two")], "the id stands twice"),
        (ONE, [classes("A", "B")], "takes one label"),
        (ONE, [classes("C")], "label 'C' is not in the schema"),
        (MANY, [classes("A", "A")], "holds a label twice"),
    ],
)
def test_labels_that_cannot_be_imported_are_refused_before_any_request(
    schema: LabelSchema, batch: list[LabeledDocument], said: str, tmp_path: Path
):
    """
    The whole batch is refused, with the document and the reason, and nothing is sent.
    """
    with pytest.raises(ExportError, match=said):
        exporter(tmp_path, schema).export(batch)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"project": "a b"}, "project: expected"),
        ({"container": "Texts"}, "container: expected"),
        ({"language": "klingon"}, "language: 'klingon' is not supported"),
        ({"schema": LabelSchema(entities=["A:B"])}, "label 'A:B'"),
        ({"schema": LabelSchema(entities=[f"L{n}" for n in range(201)])}, "expected 1 to 200"),
    ],
)
def test_names_that_azure_refuses_are_refused_at_once(settings: dict[str, Any], said: str, tmp_path: Path):
    """
    Names do not depend on documents: they are refused when the exporter is made.
    """
    with pytest.raises(ConfigurationError, match=said):
        exporter(tmp_path, **settings)


@pytest.mark.parametrize(
    ("schema", "one", "settings", "said"),
    [
        (NER, spans("one", (0, 3, "A")), {}, "1 document(s) with labels; Azure Language trains from 10 on"),
        (NER, spans("one", (0, 3, "A")), {}, "fewer than the recommended 50 labels: A 1, B 0"),
        (NER, spans("one", (0, 3, "A")), {"test_share": 0.5}, "not in both of the Train and Test sets: A, B"),
        (NER, spans("one two", (0, 4, "A")), {}, "1 label(s) begin or end with white space"),
        (NER, spans("one", identity="a_b"), {}, "1 file name(s) have other characters than letters and digits"),
        (NER, spans("one", identity="../a"), {}, "1 id(s) are not safe file names; manifest.json has the names"),
        (LabelSchema(entities=["Date", "date"]), spans("one"), {}, "labels that differ by case alone: Date, date"),
    ],
)
def test_what_is_unwise_is_remarked_on(
    schema: LabelSchema, one: LabeledDocument, settings: dict[str, Any], said: str, tmp_path: Path
):
    """
    What Azure takes, but a person should know of, is a note of the report.
    """
    made = AzureLanguageBundleExporter(tmp_path, schema=schema, project="p", container="texts", **settings)

    assert any(note.startswith(said) for note in made.export([one]).notes)


@pytest.mark.parametrize("settings", [{"multilingual": "false"}, {"settings": {"confidenceThreshold": 2}}])
def test_wrong_setting_of_the_project_is_refused_before_any_request(settings: dict[str, Any], tmp_path: Path):
    """
    Values that the service would refuse in the file are found in it.
    """
    with pytest.raises(ExportError, match=r"multilingual|confidenceThreshold"):
        exporter(tmp_path, **settings).export([spans("one", (0, 3, "A"))])


def test_check_leaves_the_project_as_it_is(sample: dict[str, Any]):
    """
    Checking changes nothing.
    """
    before = copy.deepcopy(sample)
    labels_file_problems(sample)

    assert before == sample
