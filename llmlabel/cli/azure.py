"""``llmlabel azure``: label texts of a blob container into a project of Azure Language, and what belongs to that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import azure_access as access
from llmlabel.cli import azure_options as opt
from llmlabel.cli import documents, keys, terminal
from llmlabel.cli.azure_auto_label import auto_label, show
from llmlabel.errors import ConfigurationError
from llmlabel.exporters.azure_language import AzureLanguageExporter
from llmlabel.exporters.azure_restore import restore as restore_backup
from llmlabel.exporters.jsonl import JsonlExporter
from llmlabel.labelers.doctor import doctor as ask
from llmlabel.platforms.azure_language.access import checked_endpoint
from llmlabel.platforms.azure_language.doctor import examine
from llmlabel.platforms.azure_language.imported import load_imported, manifest_path, write_whole
from llmlabel.platforms.azure_language.labels_file import CLASSIFICATION_NAME
from llmlabel.platforms.azure_language.read_back import load_labels_file, read_back
from llmlabel.schema import LabelSchema
from llmlabel.workflows.auto_label import project_schema, upload_folder

app = typer.Typer(no_args_is_help=True)


@app.callback()
def azure() -> None:
    """Work with projects of Azure Language."""


app.command("auto-label")(auto_label)


@app.command("import")
def import_labels(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTED", help="A saved run, or a file of the jsonl exporter.")
    ],
    endpoint: opt.Endpoint,
    project: opt.Project,
    container: opt.Container,
    schema: arg.SchemaFile,
    storage_account: opt.Account = "",
    texts: opt.Texts = None,
    entra: opt.Entra = False,
    existing: opt.Existing = "refuse",
    overwrite_texts: opt.OverwriteTexts = False,
    min_confidence: opt.MinConfidence = None,
    only_reviewed: opt.OnlyReviewed = False,
    overlap: opt.Overlap = "refuse",
    unfit: opt.Unfit = "refuse",
    test_share: opt.TestShare = None,
    split_seed: opt.SplitSeed = 0,
    language: opt.Language = "en-us",
    api_version: opt.ApiVersion = "2023-04-01",
    dry_run: opt.DryRun = False,
    out: opt.Kept = None,
) -> None:
    """Import finished predictions and their texts."""
    with access.client(endpoint, entra=entra, api_version=api_version) as client:
        exporter = AzureLanguageExporter(
            endpoint,
            schema=LabelSchema.from_file(schema),
            project=project,
            container=container,
            storage=access.storage(container, storage_account, texts, entra=entra),
            existing=existing,
            directory=out,
            dry_run=dry_run,
            client=client,
            overwrite_texts=overwrite_texts,
            min_confidence=min_confidence,
            only_reviewed=only_reviewed,
            overlap=overlap,
            unfit=unfit,
            test_share=test_share,
            seed=split_seed,
            language=language,
        )
        done = exporter.export(documents.labelled(predicted))
    show(done)
    if done.held_back:
        raise typer.Exit(1)


@app.command("export")
def export_labels(
    endpoint: opt.Endpoint,
    project: opt.Project,
    file: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where to write the project, a labels file.")
    ] = None,
    downloaded: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="A labels file downloaded in the portal, instead of the service."),
    ] = None,
    container: opt.OptionalContainer = "",
    storage_account: opt.Account = "",
    texts: opt.Texts = None,
    entra: opt.Entra = False,
    gold: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the documents whose labels are all people's, as jsonl.")
    ] = None,
    classification: Annotated[
        str, typer.Option(metavar="NAME", help="What your schema calls the question of a classification project.")
    ] = CLASSIFICATION_NAME,
    out: opt.Kept = None,
    as_json: arg.AsJson = False,
) -> None:
    """Save a project as a labels file.

    With its texts, also show what people changed in our labels.
    """
    if file is None and not container and texts is None:
        raise ConfigurationError("give --to FILE to save the project, or --container (or --texts) to compare it")
    content = load_labels_file(downloaded) if downloaded is not None else _exported(endpoint, project, entra)
    if file is not None:
        write_whole(file, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
        terminal.line(f"{project}: written → {file}", error=as_json)
    if not container and texts is None:
        return
    store = access.storage(container, storage_account, texts, entra=entra)
    manifest = manifest_path(out or Path(f"llmlabel-azure-{project}"), project)
    imported = load_imported(manifest, checked_endpoint(endpoint), project).settled(content)
    found = read_back(content, store, imported, classification)
    if gold is not None:
        written = JsonlExporter(gold).export(found.gold)
        terminal.line(f"{written.written} document(s) labelled by people → {gold}", error=as_json)
    if as_json:
        terminal.json_line(found.to_records())
        return
    rows = [
        (item.document_id, item.change, item.before[0] if item.before else "", item.after[0] if item.after else "")
        for item in found.items
        if item.change != "unchanged"
    ]
    if rows:
        terminal.table(("document", "change", "imported", "now"), rows)
    terminal.line(str(found))


def _exported(endpoint: str, project: str, entra: bool) -> Mapping[str, Any]:
    with access.client(endpoint, entra=entra) as client:
        return client.export_project(project)


@app.command()
def upload(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The .txt files of this folder.")],
    container: opt.Container,
    storage_account: opt.Account = "",
    texts: opt.Texts = None,
    entra: opt.Entra = False,
    overwrite_texts: opt.OverwriteTexts = False,
) -> None:
    """Upload a folder of texts to a container.

    The container is made if it is absent; equal texts are skipped.
    """
    store = access.storage(container, storage_account, texts, entra=entra)
    written = upload_folder(store, folder, create=True, overwrite=overwrite_texts)
    terminal.line(f"{container}: {written} text(s) uploaded")


@app.command("schema")
def read_schema(
    endpoint: opt.Endpoint,
    project: opt.Project,
    file: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where to write the schema, YAML or JSON.")],
    api_version: opt.ApiVersion = "2023-04-01",
    entra: opt.Entra = False,
) -> None:
    """Write the labels of a project as a label schema.

    Add definitions and examples to it before you label.
    """
    with access.client(endpoint, entra=entra, api_version=api_version) as client:
        project_schema(client, project).to_file(file)
    terminal.line(f"{project}: labels written → {file}")


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="A file of the backups folder.")],
    endpoint: opt.Endpoint,
    entra: opt.Entra = False,
) -> None:
    """Make a project again what it was at a backup.

    What it is now is saved first.
    """
    with access.client(endpoint, entra=entra) as client:
        for note in restore_backup(client, backup):
            terminal.line(note)


@app.command()
def train(
    endpoint: opt.Endpoint,
    project: opt.Project,
    model: arg.Model,
    manual_split: Annotated[
        bool, typer.Option("--manual-split", help="Evaluate on the documents whose data set is Test.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the training.")] = True,
    entra: opt.Entra = False,
) -> None:
    """Train a model on a project's labels; Azure charges for it."""
    evaluation = {"kind": "manual"} if manual_split else None
    with access.client(endpoint, entra=entra) as client:
        job = client.train(project, model, evaluation=evaluation, wait=wait)
    terminal.line(f"training {job.id}: {job.status}")


@app.command()
def deploy(
    endpoint: opt.Endpoint,
    project: opt.Project,
    deployment: Annotated[str, typer.Option(metavar="NAME", help="What to call the deployment.")],
    model: arg.Model,
    entra: opt.Entra = False,
) -> None:
    """Make a trained model callable under a deployment name."""
    with access.client(endpoint, entra=entra) as client:
        terminal.line(f"deployment {deployment}: {client.deploy(project, deployment, model).status}")


@app.command()
def doctor(
    endpoint: opt.Endpoint,
    project: opt.Project,
    container: opt.Container,
    storage_account: opt.Account = "",
    texts: opt.Texts = None,
    deployment: Annotated[
        str, typer.Option(metavar="NAME", help="Ask this Azure OpenAI deployment too, with one tiny request.")
    ] = "",
    openai_endpoint: opt.OpenAIEndpoint = "",
    entra: opt.Entra = False,
) -> None:
    """Check address, credential, roles, project and container.

    Reads only.
    """
    with access.client(endpoint, entra=entra) as client:
        checks = examine(client, project, lambda: access.storage(container, storage_account, texts, entra=entra))
    rows: list[tuple[str, bool | None, str]] = [(check.name, check.ok, check.detail) for check in checks]
    if deployment:
        options = ["entra=yes"] if entra else []
        asked = keys.labeler("azure-openai", LabelSchema(entities=["ANY"]), deployment, openai_endpoint, options)
        rows += [(item.name, item.ok, f"{item.detail}{item.hint and f'; {item.hint}'}") for item in ask(asked)]
    marks = {True: "ok", False: "FAILED", None: "unknown"}
    terminal.table(("check", "", "found"), [(name, marks[ok], detail) for name, ok, detail in rows])
    if any(ok is False for _, ok, _ in rows):
        raise typer.Exit(2)
