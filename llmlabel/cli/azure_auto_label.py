"""``llmlabel azure auto-label``: the whole job in one command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import azure_access as access
from llmlabel.cli import azure_options as opt
from llmlabel.cli import keys, report, terminal
from llmlabel.errors import ConfigurationError, LLMLabelError
from llmlabel.exporters.azure_language import AzureLanguageExporter
from llmlabel.labelers.base import LLMLabeler
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.texts import TextStore
from llmlabel.schema import LabelSchema
from llmlabel.types import Asking, ExportReport, Limits
from llmlabel.workflows.auto_label import RUN, AutoLabelled, only_entities, project_schema
from llmlabel.workflows.auto_label import auto_label as run_auto_label


def auto_label(
    context: typer.Context,
    endpoint: opt.Endpoint,
    project: opt.Project,
    container: opt.Container,
    deployment: opt.Deployment,
    schema: opt.OptionalSchema = None,
    openai_endpoint: opt.OpenAIEndpoint = "",
    documents: opt.Glob = "*",
    limit: arg.Limit = None,
    only_unlabeled: opt.OnlyUnlabeled = False,
    entities: opt.Entities = "",
    upload: opt.Upload = None,
    overwrite_texts: opt.OverwriteTexts = False,
    storage_account: opt.Account = "",
    texts: opt.Texts = None,
    entra: opt.Entra = False,
    existing: opt.Existing = "merge",
    min_confidence: opt.MinConfidence = None,
    only_reviewed: opt.OnlyReviewed = False,
    overlap: opt.Overlap = "refuse",
    unfit: opt.Unfit = "hold_back",
    test_share: opt.TestShare = None,
    split_seed: opt.SplitSeed = 0,
    language: opt.Language = "en-us",
    labeler: arg.Labeler = "azure-openai",
    option: arg.Options = [],
    samples: opt.Samples = 1,
    passes: arg.Passes = 1,
    max_document_tokens: arg.MaxTokens = None,
    overlap_tokens: arg.Overlap = 0,
    max_concurrency: arg.Concurrency = None,
    requests_per_minute: arg.RequestPace = None,
    tokens_per_minute: arg.TokenPace = None,
    max_cost: arg.MaxCost = None,
    max_total_tokens: arg.MaxTotal = None,
    max_filtered_share: opt.FilteredShare = 0.5,
    api_version: opt.ApiVersion = "2023-04-01",
    dry_run: opt.DryRun = False,
    out: opt.Kept = None,
) -> None:
    """Label the texts of a container and import the labels.

    What was imported is read back: it is proven that the labels stand there.

    Run the same command again to go on after an interruption. A dry run labels (and pays), but uploads and imports
    nothing.
    """
    _expect_endpoint(labeler, openai_endpoint, option)
    storage = access.storage(container, storage_account, texts, entra=entra)
    with access.client(endpoint, entra=entra, api_version=api_version) as client:
        wanted = _schema(client, project, schema, entities)
        made = _exporter(context.params, client, wanted, storage)
        model, options = _named(labeler, deployment, option, entra=entra)
        done = _run(context.params, keys.labeler(labeler, wanted, model, openai_endpoint, options), made)
    if done.export is not None:
        show(done.export)
    report.finish(done.result)


def _named(labeler: str, deployment: str, options: list[str], *, entra: bool) -> tuple[str, list[str]]:
    """Return model and options of the labeler; a deployment is no model, which ``--option model=`` may name."""
    if labeler != "azure-openai":
        return deployment, options
    return "", [f"deployment={deployment}", *options, *(["entra=yes"] if entra else [])]


def _some(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names}


def _exporter(
    given: Mapping[str, Any], client: AzureLanguageClient, schema: LabelSchema, storage: TextStore
) -> AzureLanguageExporter:
    where = _some(given, "project", "container", "existing", "overwrite_texts", "dry_run")
    what = _some(given, "min_confidence", "only_reviewed", "overlap", "unfit", "test_share", "language")
    return AzureLanguageExporter(
        client.endpoint,
        schema=schema,
        client=client,
        storage=storage,
        directory=given["out"],
        create_container=given["upload"] is not None,
        seed=given["split_seed"],
        **where,
        **what,
    )


def _run(given: Mapping[str, Any], labeler: LLMLabeler, exporter: AzureLanguageExporter) -> AutoLabelled:
    pace = _some(given, "max_cost", "max_total_tokens", "requests_per_minute", "tokens_per_minute")
    asking = _some(given, "samples", "passes", "max_document_tokens", "overlap_tokens")
    try:
        done = run_auto_label(
            labeler,
            exporter,
            asking=arg.settings(Asking, **asking),
            limits=arg.settings(Limits, max_concurrency=given["max_concurrency"] or "auto", **pace),
            **_some(given, "documents", "limit", "only_unlabeled", "upload", "max_filtered_share"),
        )
    except LLMLabelError as error:
        if getattr(error, "result", None) is not None:
            place = exporter.directory / RUN
            terminal.line(f"the labels are kept in {place}; the same command goes on without asking again", error=True)
        raise
    if given["min_confidence"] is not None and given["samples"] == 1 and done.export and not done.export.written:
        terminal.line(
            "no label has a confidence unless it is asked for: --samples 3, or --option logprobs=yes where the model "
            "has token probabilities",
            error=True,
        )
    return done


def show(done: ExportReport) -> None:
    """Print what an exporter did, and each document that it held back."""
    terminal.line(f"{done.target}: {done.written} written → {done.location}")
    for note in done.notes:
        terminal.line(f"{done.target}: {note}")
    for item in done.held_back[: report.SHOWN]:
        where = f"{item.document_id} ({item.label})" if item.label else item.document_id
        terminal.line(f"{done.target}: held back {where}: {item.reason}", error=True)
    if len(done.held_back) > report.SHOWN:
        terminal.line(f"{done.target}: held back {len(done.held_back) - report.SHOWN} more", error=True)


def _schema(client: AzureLanguageClient, project: str, file: Path | None, entities: str) -> LabelSchema:
    schema = project_schema(client, project) if file is None else LabelSchema.from_file(file)
    return only_entities(schema, arg.listed(entities)) if entities else schema


def _expect_endpoint(labeler: str, endpoint: str, options: list[str]) -> None:
    given = endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip()
    if labeler == "azure-openai" and not given and not any(item.startswith("endpoint=") for item in options):
        raise ConfigurationError(
            "--openai-endpoint: give the address of the Azure OpenAI resource that has the deployment, or set the "
            "environment variable AZURE_OPENAI_ENDPOINT"
        )
