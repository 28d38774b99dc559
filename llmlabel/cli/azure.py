"""``llmlabel azure``: label texts of a blob container into a project of Azure Language, and what belongs to that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import azure_access as access
from llmlabel.cli import documents, keys, report, terminal
from llmlabel.exporters.azure_import import restore as restore_backup
from llmlabel.exporters.azure_language import AzureLanguageExporter
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.doctor import examine
from llmlabel.platforms.azure_language.imported import load_imported, manifest_path, write_whole
from llmlabel.platforms.azure_language.read_back import read_back
from llmlabel.schema import LabelSchema
from llmlabel.types import ExportReport, Limits
from llmlabel.workflows.auto_label import auto_label as run_auto_label
from llmlabel.workflows.auto_label import only_entities, project_schema

app = typer.Typer(no_args_is_help=True)

Endpoint = Annotated[
    str,
    typer.Option(metavar="URL", envvar="AZURE_LANGUAGE_ENDPOINT", help="Address of the Language resource."),
]
Project = Annotated[str, typer.Option(metavar="NAME", help="Name of the project.")]
Container = Annotated[str, typer.Option(metavar="NAME", help="Name of the blob container with the texts.")]
Account = Annotated[
    str, typer.Option("--storage-account", metavar="URL", help="Address of the storage account; or a connection string "
                      "in the environment.")
]  # fmt: skip
Texts = Annotated[
    Path | None,
    typer.Option("--texts", metavar="DIR", help="A folder that is kept equal to the container, instead of an account."),
]
Entra = Annotated[bool, typer.Option("--entra", help="Sign in with Entra ID (az login) instead of keys.")]
Existing = Annotated[
    Literal["refuse", "merge", "overwrite"],
    typer.Option(help="What to do with a project of this name; merge keeps all that people labelled."),
]
Kept = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where journal, manifest and backups are kept. [llmlabel-azure-PROJECT]"),
]
MinConfidence = Annotated[
    float | None, typer.Option(min=0, max=1, metavar="X", help="Hold back documents with a label below X.")
]
TestShare = Annotated[
    float | None, typer.Option(min=0, max=1, metavar="X", help="Share of documents for the Test data set.")
]
Language = Annotated[str, typer.Option(metavar="CODE", help="Language of the project, in Azure's spelling.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would change; upload and import nothing.")]
ApiVersion = Annotated[str, typer.Option(metavar="VERSION", help="Version of the authoring API.")]

Deployment = Annotated[str, typer.Option(metavar="NAME", help="Azure OpenAI deployment, or model, that labels.")]
OptionalSchema = Annotated[
    Path | None,
    typer.Option("--schema", "-s", metavar="FILE", help="Label schema; default: the labels of the project."),
]
OpenAIEndpoint = Annotated[
    str, typer.Option(metavar="URL", help="Address of the Azure OpenAI resource. [AZURE_OPENAI_ENDPOINT]")
]
Glob = Annotated[str, typer.Option(metavar="GLOB", help="Which texts of the container, by name.")]
OnlyUnlabeled = Annotated[
    bool, typer.Option("--only-unlabeled", help="Leave out texts that have labels in the project.")
]
Entities = Annotated[str, typer.Option(metavar="A,B", help="Only these entity labels of the schema.")]
Upload = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Upload the .txt files of this folder to the container first.")
]


@app.callback()
def azure() -> None:
    """Work with projects of Azure Language."""


@app.command("auto-label")
def auto_label(
    endpoint: Endpoint,
    project: Project,
    container: Container,
    deployment: Deployment,
    schema: OptionalSchema = None,
    openai_endpoint: OpenAIEndpoint = "",
    documents: Glob = "*",
    limit: arg.Limit = None,
    only_unlabeled: OnlyUnlabeled = False,
    entities: Entities = "",
    upload: Upload = None,
    storage_account: Account = "",
    texts: Texts = None,
    entra: Entra = False,
    existing: Existing = "merge",
    min_confidence: MinConfidence = None,
    test_share: TestShare = None,
    language: Language = "en-us",
    labeler: arg.Labeler = "azure-openai",
    option: arg.Options = [],
    max_cost: arg.MaxCost = None,
    max_total_tokens: arg.MaxTotal = None,
    requests_per_minute: arg.RequestPace = None,
    tokens_per_minute: arg.TokenPace = None,
    api_version: ApiVersion = "2023-04-01",
    dry_run: DryRun = False,
    out: Kept = None,
) -> None:
    """Label the texts of a container and import the labels.

    What was imported is read back: it is proven that the labels stand there.

    Run the same command again to go on after an interruption. A dry run labels (and pays), but imports nothing.
    """
    pace = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    limits = arg.settings(Limits, max_cost=max_cost, max_total_tokens=max_total_tokens, **pace)
    storage = access.storage(container, storage_account, texts, entra=entra)
    where: dict[str, Any] = {"project": project, "container": container, "storage": storage}
    where |= {"existing": existing, "directory": out}
    how: dict[str, Any] = {"language": language, "dry_run": dry_run, "test_share": test_share}
    how["min_confidence"] = min_confidence
    with access.client(endpoint, entra=entra, api_version=api_version) as client:
        wanted = _schema(client, project, schema, entities)
        made = AzureLanguageExporter(
            endpoint, schema=wanted, client=client, create_container=upload is not None, **where, **how
        )
        options = [*option, "entra=yes"] if entra and labeler == "azure-openai" else option
        asked = keys.labeler(labeler, wanted, deployment, openai_endpoint, options)
        chosen: dict[str, Any] = {"documents": documents, "limit": limit, "upload": upload}
        done = run_auto_label(asked, made, limits=limits, only_unlabeled=only_unlabeled, **chosen)
    if done.export is not None:
        _show(done.export)
    report.finish(done.result)


def _schema(client: AzureLanguageClient, project: str, file: Path | None, entities: str) -> LabelSchema:
    schema = project_schema(client, project) if file is None else LabelSchema.from_file(file)
    return only_entities(schema, arg.listed(entities)) if entities else schema


@app.command("import")
def import_labels(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTED", help="A saved run, or a file of the jsonl exporter.")
    ],
    endpoint: Endpoint,
    project: Project,
    container: Container,
    schema: arg.SchemaFile,
    storage_account: Account = "",
    texts: Texts = None,
    entra: Entra = False,
    existing: Existing = "refuse",
    min_confidence: MinConfidence = None,
    language: Language = "en-us",
    api_version: ApiVersion = "2023-04-01",
    dry_run: DryRun = False,
    out: Kept = None,
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
            min_confidence=min_confidence,
            language=language,
        )
        done = exporter.export(documents.labelled(predicted))
    _show(done)
    if done.held_back:
        raise typer.Exit(1)


@app.command("export")
def export_labels(
    endpoint: Endpoint,
    project: Project,
    file: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where to write the project, a labels file.")],
    container: Annotated[
        str, typer.Option(metavar="NAME", help="Compare with what was imported; its texts lie in this container.")
    ] = "",
    storage_account: Account = "",
    texts: Texts = None,
    entra: Entra = False,
    out: Kept = None,
    as_json: arg.AsJson = False,
) -> None:
    """Save a project as a labels file.

    With its texts, also show what people changed in our labels.
    """
    with access.client(endpoint, entra=entra) as client:
        content = client.export_project(project)
        write_whole(file, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
        terminal.line(f"{project}: written → {file}", error=as_json)
        if not container and texts is None:
            return
        store = access.storage(container, storage_account, texts, entra=entra)
        place = out or Path(f"llmlabel-azure-{project}")
        imported = load_imported(manifest_path(place, project), client.endpoint, project).settled(content)
        found = read_back(content, store, imported)
    if as_json:
        terminal.json_line(found.to_records())
        return
    changed = [item for item in found.items if item.change != "unchanged"]
    terminal.table(
        ("document", "change", "imported", "now"),
        [
            (item.document_id, item.change, item.before[0] if item.before else "", item.after[0] if item.after else "")
            for item in changed
        ],
    )
    terminal.line(str(found))


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="A file of the backups folder.")],
    endpoint: Endpoint,
    entra: Entra = False,
) -> None:
    """Make a project again what it was at a backup.

    What it is now is saved first.
    """
    with access.client(endpoint, entra=entra) as client:
        for note in restore_backup(client, backup):
            terminal.line(note)


@app.command()
def train(
    endpoint: Endpoint,
    project: Project,
    model: arg.Model,
    manual_split: Annotated[
        bool, typer.Option("--manual-split", help="Evaluate on the documents whose data set is Test.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the training.")] = True,
    entra: Entra = False,
) -> None:
    """Train a model on a project's labels; Azure charges for it."""
    evaluation = {"kind": "manual"} if manual_split else None
    with access.client(endpoint, entra=entra) as client:
        job = client.train(project, model, evaluation=evaluation, wait=wait)
    terminal.line(f"training {job.id}: {job.status}")


@app.command()
def deploy(
    endpoint: Endpoint,
    project: Project,
    deployment: Annotated[str, typer.Option(metavar="NAME", help="What to call the deployment.")],
    model: arg.Model,
    entra: Entra = False,
) -> None:
    """Make a trained model callable under a deployment name."""
    with access.client(endpoint, entra=entra) as client:
        terminal.line(f"deployment {deployment}: {client.deploy(project, deployment, model).status}")


@app.command()
def doctor(
    endpoint: Endpoint,
    project: Project,
    container: Container,
    storage_account: Account = "",
    texts: Texts = None,
    entra: Entra = False,
) -> None:
    """Check address, credential, project and container.

    Reads only.
    """
    with access.client(endpoint, entra=entra) as client:
        checks = examine(client, project, lambda: access.storage(container, storage_account, texts, entra=entra))
    terminal.table(("check", "", "found"), [(c.name, {True: "ok", False: "FAILED"}[c.ok], c.detail) for c in checks])
    if not all(check.ok for check in checks):
        raise typer.Exit(2)


def _show(done: ExportReport) -> None:
    terminal.line(f"{done.target}: {done.written} written → {done.location}")
    for note in done.notes:
        terminal.line(f"{done.target}: {note}")
    for item in done.held_back:
        where = f"{item.document_id} ({item.label})" if item.label else item.document_id
        terminal.line(f"{done.target}: held back {where}: {item.reason}", error=True)
