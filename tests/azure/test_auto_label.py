"""The whole job, in one call and one command: documents of a container in, verified labels in a project out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmlabel import (
    AuthenticationError,
    AzureLanguageExporter,
    AzureOpenAILabeler,
    ConfigurationError,
    ExportError,
    LabelSchema,
    ServiceError,
    SourceError,
)
from llmlabel.exporters.jsonl import read_jsonl
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.compare import documents_of, keys_of
from llmlabel.platforms.azure_language.labels_file import read_labels_file
from llmlabel.platforms.azure_language.texts import FolderTexts
from llmlabel.workflows.auto_label import auto_label, only_entities, project_schema
from tests.azure.conftest import SAMPLE, Clock
from tests.cli.conftest import cli, environment
from tests.servers.azure_service import KEY, Answer, AzureService
from tests.servers.openai_server import OpenAIServer, Reply, Request, refusal

__all__ = ["cli"]


@pytest.fixture
def gold(shared: Path) -> tuple[LabelSchema, dict[str, list[dict[str, str]]]]:
    """Schema of the official sample, and its labels as a model would say them, by text."""
    folder = shared / SAMPLE
    schema, documents = read_labels_file(folder / "loanAgreementsLabels.json", folder)
    said = {
        labeled.document.text: [{"text": entity.text, "label": entity.label} for entity in labeled.entities]
        for labeled in documents
    }
    return schema, said


@pytest.fixture
def model(gold: tuple[LabelSchema, dict[str, list[dict[str, str]]]]) -> Iterator[OpenAIServer]:
    """An Azure OpenAI-shaped server that knows the 20 agreements."""

    def answer(request: Request) -> str:
        asked = request.text
        mentions = next((said for text, said in gold[1].items() if text in asked), [])
        return json.dumps({"entities": mentions})

    with OpenAIServer(answer) as running:
        yield running


@pytest.fixture
def make(service: AzureService, tmp_path: Path, clock: Clock, gold: Any) -> Callable[..., AzureLanguageExporter]:
    """Return an exporter that merges into project ``loans``."""

    def made(**settings: Any) -> AzureLanguageExporter:
        given = {
            "schema": gold[0],
            "project": "loans",
            "container": "texts",
            "storage": FolderTexts(tmp_path / "container"),
            "create_container": True,
            "directory": tmp_path / "kept",
            "existing": "merge",
            "api_key": KEY,
            "clock": clock,
        }
        return AzureLanguageExporter(service.url, **{**given, **settings})

    return made


def labeler(schema: LabelSchema, model: OpenAIServer) -> AzureOpenAILabeler:
    """Return the labeler for the deployment."""
    return AzureOpenAILabeler(schema, deployment="gpt", endpoint=model.url, api_key="k" * 32)


def count(service: AzureService, project: str = "loans") -> int:
    """Return how many labels a project has."""
    return sum(len(keys_of(entry)) for entry in documents_of(service.projects[project]).values())


def test_folder_is_uploaded_labelled_imported_and_verified(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path
):
    """
    From nothing: 20 texts are uploaded, labelled and imported; a second call asks and imports nothing.
    """
    exporter = make()
    first = auto_label(labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, progress=False)
    asked = len(model.requests)
    again = make()
    second = auto_label(labeler(again.schema, model), again, upload=shared / SAMPLE, progress=False)

    assert first.export is not None
    assert second.export is not None
    assert (20, 20, asked, 1) == (
        first.export.written,
        asked,
        len(model.requests),
        service.calls["POST loans/:import"],
    )
    assert 230 < count(service) <= 240
    assert "imported: 20 document(s)" in str(first)


def test_only_unlabeled_documents_are_taken(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path
):
    """
    A second call with only_unlabeled takes the texts that the first one left.
    """
    for documents, limit in (("0*.txt", 3), ("*", 4)):
        exporter = make()
        auto_label(
            labeler(exporter.schema, model),
            exporter,
            upload=shared / SAMPLE,
            documents=documents,
            limit=limit,
            only_unlabeled=True,
            progress=False,
        )

    assert [f"0{number}.txt" for number in range(1, 8)] == sorted(documents_of(service.projects["loans"]))


def test_unlabeled_documents_are_looked_for_in_all_projects(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path
):
    """
    Where documents were divided over projects, those of the second count as labelled too.
    """
    for limit in (4, 2):
        exporter = make(documents_per_project=3)
        auto_label(
            labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, limit=limit, only_unlabeled=True,
            progress=False,
        )  # fmt: skip

    assert {"loans": 3, "loans-2": 3} == {name: len(documents_of(found)) for name, found in service.projects.items()}


def test_nothing_left_to_label_is_no_error(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path
):
    """
    When every text has labels, only_unlabeled ends well, asks nothing and says why.
    """
    for _ in range(2):
        exporter = make()
        done = auto_label(
            labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, only_unlabeled=True, progress=False
        )

    assert (None, 20, 1) == (done.export, len(model.requests), service.calls["POST loans/:import"])
    assert "every text that fits '*' has labels in project 'loans' already" in str(done)
    assert "nothing was to be labelled" in str(done)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"api_key": "f" * 32}, AuthenticationError, "HTTP 401"),
        ({"existing": "refuse", "project": "other"}, ExportError, "choose existing='merge'"),
        ({"project": "other"}, ExportError, "change project_kind="),
        ({"create_container": False, "storage": FolderTexts("/nowhere/at/all")}, ExportError, "is not there"),
    ],
)
def test_what_cannot_work_is_found_before_anything_is_asked(
    settings: dict[str, Any],
    error: type[Exception],
    said: str,
    make: Callable[..., AzureLanguageExporter],
    service: AzureService,
    model: OpenAIServer,
    shared: Path,
):
    """
    A wrong key, a project of another kind, one that may not be touched, no container: no request to the model.
    """
    kind = "CustomSingleLabelClassification"
    assets = {"projectKind": kind, "classes": [], "documents": []}
    metadata = {"projectName": "other", "projectKind": kind, "storageInputContainerName": "texts", "language": "en-us"}
    service.projects["other"] = {"stringIndexType": "Utf16CodeUnit", "metadata": metadata, "assets": assets}
    exporter = make(**settings)
    with pytest.raises(error, match=said):
        auto_label(labeler(exporter.schema, model), exporter, documents="0*", progress=False)

    assert [] == model.requests


def test_dry_run_uploads_nothing(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path
):
    """
    A dry run labels the texts of the folder and tells what would change.
    """
    exporter = make(dry_run=True)
    done = auto_label(labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, limit=2, progress=False)

    assert done.export is not None
    assert (2, {}, False) == (len(model.requests), service.projects, (tmp_path / "container").exists())
    assert "texts: 2 to upload, 0 there already, 0 to replace" in done.export.notes


def test_text_over_the_limit_costs_nothing_and_keeps_nothing_up(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path
):
    """
    What Azure does not take is a rejected input with its reason; the others are labelled and imported.
    """
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "01.txt").write_bytes((shared / SAMPLE / "01.txt").read_bytes())
    (folder / "long.txt").write_bytes(b"word " * 30_000)
    (folder / "empty.txt").write_bytes(b"")
    exporter = make()
    done = auto_label(labeler(exporter.schema, model), exporter, upload=folder, progress=False)

    assert (1, ["01.txt"]) == (len(model.requests), list(documents_of(service.projects["loans"])))
    assert [
        ("empty.txt", "the text is empty or blank"),
        ("long.txt", "the text has 150000 UTF-16 units, Azure Language takes 128000"),
    ] == [(item.id, item.reason) for item in done.result.rejected_inputs]


def test_labels_that_people_made_keep_their_text(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path
):
    """
    The upload of a folder does not replace a text that people labelled, even where it may replace texts.
    """
    exporter = make()
    auto_label(labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, limit=1, progress=False)
    documents_of(service.projects["loans"])["01.txt"]["entities"][0]["labels"][0]["category"] = "LenderName"
    folder = tmp_path / "newer"
    folder.mkdir()
    (folder / "01.txt").write_bytes(b"Another text.")
    (folder / "02.txt").write_bytes(b"A text that nobody labelled.")
    exporter = make(overwrite_texts=True)
    with pytest.raises(ExportError, match=r"'01.txt': people labelled the text") as caught:
        auto_label(labeler(exporter.schema, model), exporter, upload=folder, progress=False)

    assert 1 == len(caught.value.problems)
    assert (shared / SAMPLE / "02.txt").read_bytes() == (tmp_path / "container" / "02.txt").read_bytes()


def test_run_that_cannot_be_imported_keeps_its_labels(
    make: Callable[..., AzureLanguageExporter], service: AzureService, model: OpenAIServer, shared: Path
):
    """
    When the import fails, the error holds the finished run, and the next call imports without asking again.
    """
    service.fault = lambda asked: Answer(413) if asked.path.endswith(":import") else None
    exporter = make()
    with pytest.raises(ServiceError, match="documents_per_project=") as caught:
        auto_label(labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, progress=False)
    service.fault = lambda _: None
    again = make()
    done = auto_label(labeler(again.schema, model), again, progress=False)

    assert done.export is not None
    assert ({"labeled": 20}, 20, 20) == (caught.value.result.outcomes, len(model.requests), done.export.written)


def test_labels_of_the_project_are_the_schema(service: AzureService, client: AzureLanguageClient, sample: Any):
    """
    Without a schema the labels that the project declares are asked for, or some of them.
    """
    service.projects["p"] = sample
    schema = project_schema(client, "p")

    assert [item["category"] for item in sample["assets"]["entities"]] == list(schema.entity_names)
    assert ("Date",) == only_entities(schema, ["Date"]).entity_names
    with pytest.raises(ConfigurationError, match="not in the schema"):
        only_entities(schema, ["Nothing"])
    with pytest.raises(SourceError, match="there is no project 'q'"):
        project_schema(client, "q")


def test_run_that_meets_the_content_filter_stops(
    make: Callable[..., AzureLanguageExporter], service: AzureService, shared: Path
):
    """
    Where the filter takes most documents nothing is imported, and every document is accounted for.
    """

    def answer(_: Request) -> Reply:
        return refusal(400, "The response was filtered", code="content_filter", innererror={})

    exporter = make()
    with OpenAIServer(answer) as model:
        done = auto_label(labeler(exporter.schema, model), exporter, upload=shared / SAMPLE, progress=False)

    assert (None, 20, {}) == (done.export, len(done.result.predictions), service.projects)
    assert "the content filter took" in str(done.result.stopped)
    assert {"filtered", "not_run"} >= set(done.result.outcomes)


def command(service: AzureService, model: OpenAIServer, shared: Path, folder: Path, *more: str) -> list[str]:
    """Return the one command."""
    schema = folder / "schema.yaml"
    if not schema.exists():
        found, _ = read_labels_file(shared / SAMPLE / "loanAgreementsLabels.json", shared / SAMPLE)
        found.to_file(schema)
    return [
        *("azure", "auto-label", "--endpoint", service.url, "--project", "loans", "--container", "texts"),
        *("--deployment", "gpt", "--openai-endpoint", model.url, "--schema", str(schema)),
        *("--upload", str(shared / SAMPLE), "--texts", str(folder / "container"), "--out", str(folder / "kept")),
        *more,
    ]


def run(arguments: list[str], **variables: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "llmlabel", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(AZURE_LANGUAGE_KEY=KEY, AZURE_OPENAI_API_KEY="k" * 32, **variables),
    )


def test_one_command_does_the_whole_job(service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path):
    """
    The command labels 20 texts, imports, verifies and reports; its files hold no key.
    """
    service.steps = ("succeeded",)
    process = run(command(service, model, shared, tmp_path))
    out, errors = process.communicate(timeout=120)

    assert 0 == process.returncode, errors
    assert 230 < count(service) <= 240
    assert "azure-language: verified by export" in out
    kept = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert not any(secret in path.read_bytes() for path in kept for secret in (KEY.encode(), b"k" * 32))


def test_export_command_shows_what_people_changed(
    service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
):
    """
    The exported project is saved, and each corrected label is one line.
    """
    service.steps = ("succeeded",)
    run(command(service, model, shared, tmp_path)).communicate(timeout=120)
    documents_of(service.projects["loans"])["01.txt"]["entities"][0]["labels"].pop()
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    saved = tmp_path / "saved.json"
    done = cli(
        *("azure", "export", "--endpoint", service.url, "--project", "loans", "--to", str(saved)),
        *("--texts", str(tmp_path / "container"), "--out", str(tmp_path / "kept")),
    )

    assert (0, service.projects["loans"]) == (done.code, json.loads(saved.read_bytes()))
    assert f"{count(service)} unchanged (review unknown), 0 moved, 0 relabelled, 1 deleted, 0 added" in done.out


def test_downloaded_file_is_compared_without_the_service(
    service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path, cli: Any
):
    """
    A labels file from the portal tells what people changed, with no key and no request.
    """
    service.steps = ("succeeded",)
    run(command(service, model, shared, tmp_path)).communicate(timeout=120)
    content, asked = service.projects["loans"], len(service.asked)
    documents_of(content)["01.txt"]["entities"][0]["labels"].pop()
    (tmp_path / "downloaded.json").write_text(json.dumps(content))
    where = ("azure", "export", "--endpoint", service.url, "--project", "loans", "--out", str(tmp_path / "kept"))
    done = cli(*where, "--from", str(tmp_path / "downloaded.json"), "--texts", str(tmp_path / "container"))
    nothing = cli(*where)

    assert (0, asked, True) == (done.code, len(service.asked), "1 deleted, 0 added" in done.out)
    assert (2, True) == (nothing.code, "give --to FILE" in nothing.err)


def test_gold_of_people_is_written_for_evaluation(
    service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
):
    """
    Documents whose labels are all people's become a file that evaluate and schemas can use; others never do.
    """
    service.steps = ("succeeded",)
    run(command(service, model, shared, tmp_path)).communicate(timeout=120)
    for span in documents_of(service.projects["loans"])["01.txt"]["entities"][0]["labels"]:
        span.update(length=span["length"] - 1)
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    done = cli(
        *("azure", "export", "--endpoint", service.url, "--project", "loans", "--to", str(tmp_path / "saved.json")),
        *("--texts", str(tmp_path / "container"), "--out", str(tmp_path / "kept"), "--gold", str(tmp_path / "g.jsonl")),
    )

    assert (0, ["01"]) == (done.code, [item.document.id for item in read_jsonl(tmp_path / "g.jsonl")]), done.err
    assert "1 document(s) labelled by people" in done.out


def test_steps_are_commands_of_their_own(
    service: AzureService, sample: Any, cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: Path
):
    """
    Texts are uploaded, and the labels of a project written as a schema, without the rest of the job.
    """
    service.steps, service.projects["p"] = ("succeeded",), sample
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    where = ("--container", "texts", "--texts", str(tmp_path / "container"))
    uploaded = [cli("azure", "upload", str(shared / SAMPLE), *where).out.strip() for _ in range(2)]
    written = cli("azure", "schema", "--endpoint", service.url, "--project", "p", "--to", str(tmp_path / "schema.yaml"))

    assert ["texts: 20 text(s) uploaded", "texts: 0 text(s) uploaded"] == uploaded
    assert (0, [item["category"] for item in sample["assets"]["entities"]]) == (
        written.code,
        list(LabelSchema.from_file(tmp_path / "schema.yaml").entity_names),
    )


def test_missing_openai_endpoint_names_the_option(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    The one address that the command cannot know is asked for before anything is sent.
    """
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    done = cli(
        *("azure", "auto-label", "--endpoint", "https://example.org", "--project", "p", "--container", "texts"),
        *("--deployment", "gpt", "--texts", str(tmp_path)),
    )

    assert (2, True) == (done.code, "--openai-endpoint: give the address" in done.err)


def test_model_commands_train_and_deploy(service: AzureService, sample: Any, cli: Any, monkeypatch: pytest.MonkeyPatch):
    """
    Training and deployment happen when asked, by commands of their own.
    """
    service.steps, service.projects["p"] = ("succeeded",), sample
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    where = ("--endpoint", service.url, "--project", "p", "--model", "m")
    trained = cli("azure", "train", *where)
    deployed = cli("azure", "deploy", *where, "--deployment", "live")

    assert ("succeeded", "deployment live: succeeded") == (trained.out.split()[-1], deployed.out.strip())


def test_doctor_tells_what_works(
    service: AzureService, sample: Any, cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """
    The doctor changes nothing: a good key and folder are ok, a wrong key and an absent folder are not.
    """
    service.projects["p"] = sample
    where = ("azure", "doctor", "--endpoint", service.url, "--project", "p", "--container", "texts", "--texts")
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    good = cli(*where, str(tmp_path))
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", "f" * 32)
    bad = cli(*where, str(tmp_path / "none"))

    assert (0, 4, 2) == (good.code, good.out.count(" ok "), bad.code)
    assert ("FAILED" in bad.out, "HTTP 401" in bad.out, "is not there" in bad.out) == (True, True, True)
    assert {"p": sample} == service.projects


def test_doctor_names_the_missing_role(
    service: AzureService, sample: dict[str, Any], cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """
    A credential that may only read fails the check of imports, with the role that is needed.
    """
    service.projects["p"] = sample
    service.fault = lambda asked: Answer(403) if asked.method != "GET" else None
    monkeypatch.setenv("AZURE_LANGUAGE_KEY", KEY)
    where = ("--endpoint", service.url, "--project", "p", "--container", "texts", "--texts", str(tmp_path))
    found = cli("azure", "doctor", *where)

    assert (2, 1, 3) == (found.code, found.out.count("FAILED"), found.out.count(" ok "))
    assert "Cognitive Services Language Writer" in found.out
