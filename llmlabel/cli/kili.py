"""``llmlabel kili``: predictions into a Kili project, in an order to look at, texts and people's labels out of it."""

from __future__ import annotations

import collections
import getpass
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, terminal
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.corrections import corrections
from llmlabel.exporters.jsonl import header, to_line
from llmlabel.exporters.kili import KiliExporter
from llmlabel.exporters.kili_create import create_kili_project
from llmlabel.exporters.kili_queue import prioritize_kili_assets
from llmlabel.exporters.kili_report import KiliReport
from llmlabel.quality.queue import review_queue
from llmlabel.schema import LabelSchema
from llmlabel.sources.kili import KiliSource
from llmlabel.types import Document, LabeledDocument, Rejected

app = typer.Typer(no_args_is_help=True)

ProjectId = Annotated[str | None, typer.Option(metavar="ID", help="The project, as its address shows it.")]
Endpoint = Annotated[
    str | None, typer.Option(metavar="URL", help="GraphQL endpoint of another Kili than the public one.")
]
NerJob = Annotated[str | None, typer.Option(metavar="KEY", help="The entity job, where the project has several.")]
Unit = Annotated[str, typer.Option(metavar="UNIT", help="What Kili counts offsets in: utf16 or codepoint.")]
Newlines = Annotated[
    str, typer.Option(metavar="keep|lf", help="lf: every line end counts one character, as some browsers have it.")
]
Choices = Annotated[str, typer.Option(metavar="create|skip|error", help="What to do with texts not in the project.")]


@app.callback()
def kili() -> None:
    """Push predictions to Kili, pull corrected labels.

    The key is read from KILI_API_KEY.
    """


@app.command()
def push(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTED", help="A saved run (run.jsonl), or a file of the jsonl exporter.")
    ],
    schema: arg.SchemaFile,
    project_id: ProjectId = None,
    create: Annotated[
        str | None, typer.Option(metavar="TITLE", help="Create a project for the schema, or find the one created so.")
    ] = None,
    endpoint: Endpoint = None,
    model_name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of this version. [model@hash]")] = None,
    missing: Choices = "create",
    labeled: Annotated[
        str, typer.Option(metavar="skip|send", help="Whether texts that people work on get a prediction.")
    ] = "skip",
    ner_job: NerJob = None,
    offset_unit: Unit = "utf16",
    newlines: Newlines = "keep",
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Notes what was sent, for --retire-previous.")
    ] = None,
    retire_previous: Annotated[
        bool, typer.Option("--retire-previous", help="Delete our older predictions, as the journal lists them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and show the plan; write nothing.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON.")] = None,
    as_json: arg.AsJson = False,
) -> None:
    """Push predictions; what is there is not sent again.

    Exit status 1 if a document failed.
    """
    if (project_id is None) == (create is None):
        raise ConfigurationError("give either --project-id ID or --create TITLE")
    if create is not None and dry_run:
        raise ConfigurationError("--create and --dry-run exclude each other: there is no project to compare with")
    label_schema = LabelSchema.from_file(schema)
    if create is not None:
        collections.deque(documents.each_labelled(predicted), maxlen=0)  # a damaged file makes no project
    access: dict[str, Any] = {"schema": label_schema, "api_key": _key(), "api_endpoint": endpoint}
    if project_id is None:
        project_id = create_kili_project(str(create), **access)
        terminal.line(f"project {project_id}", error=as_json)
    options: dict[str, Any] = {"missing": missing, "labeled": labeled, "offset_unit": offset_unit, "newlines": newlines}
    exporter = KiliExporter(
        project_id,
        **access,
        **options,
        model_name=model_name,
        ner_job=ner_job,
        journal=journal,
        retire_previous=retire_previous,
        dry_run=dry_run,
        tell=lambda line: tqdm.write(line, file=sys.stderr),
    )
    _tell(exporter.export(documents.each_labelled(predicted)), report, as_json=as_json)


def _tell(done: KiliReport, report: Path | None, *, as_json: bool) -> None:
    if report is not None:
        report.write_text(done.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if as_json:
        terminal.line(done.model_dump_json())
    else:
        for line in str(done).splitlines():
            terminal.line(line)
    if done.failed:
        raise typer.Exit(1)


@app.command()
def pull(
    project_id: Annotated[str, typer.Option(metavar="ID", help="The project, as its address shows it.")],
    out: arg.Out,
    schema: Annotated[
        Path | None, typer.Option("--schema", "-s", metavar="FILE", help="Label schema. [the project's ontology]")
    ] = None,
    status: Annotated[str, typer.Option(metavar="NAMES", help="Comma-separated: only texts of these statuses.")] = "",
    predicted: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Predictions to compare people's labels with.")
    ] = None,
    endpoint: Endpoint = None,
    ner_job: NerJob = None,
    offset_unit: Unit = "utf16",
    newlines: Newlines = "keep",
) -> None:
    """Write schema, texts and people's labels to a folder.

    The files are schema.yaml, documents.jsonl and labels.jsonl. Labels on honeypots, and those of several people who
    labelled one text, go to honeypot.jsonl and consensus.jsonl.
    """
    given = LabelSchema.from_file(schema) if schema else None
    unit: dict[str, Any] = {"offset_unit": offset_unit, "newlines": newlines}
    source = KiliSource(project_id, schema=given, api_key=_key(), api_endpoint=endpoint, ner_job=ner_job, **unit)
    source.ontology  # noqa: B018  # refuses before anything is written
    out.mkdir(parents=True, exist_ok=True)
    source.schema.to_file(out / "schema.yaml")
    if given is None:  # its author need not be the one who pays for prompts with these texts
        terminal.line("schema.yaml, read from the project; its texts go into prompts:")
        for line in (out / "schema.yaml").read_text("utf-8").splitlines():
            terminal.line(f"  {line}")
    rejected = _documents(source.documents(statuses=arg.listed(status) or None), out / "documents.jsonl")
    labels, bad = _labels(source.labels(), out)
    ours = documents.labelled(predicted) if predicted is not None else None
    for group, found in labels.items():
        if ours is not None and (found or group == "ordinary"):
            if group != "ordinary":
                terminal.line(f"{group} labels, kept apart:")
            for line in str(corrections(ours, found)).splitlines():
                terminal.line(line)
    if rejected or bad:
        raise typer.Exit(1)


@app.command()
def queue(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTED", help="A saved run (run.jsonl), or a file of the jsonl exporter.")
    ],
    project_id: Annotated[str, typer.Option(metavar="ID", help="The project, as its address shows it.")],
    endpoint: Endpoint = None,
) -> None:
    """Let people see the doubtful texts first.

    Sets the priorities of the assets, and the reasons as their metadata.
    """
    order = review_queue(documents.each_labelled(predicted))
    reasons = {
        one.document_id: {"expected_wrong": round(one.wrong, 2), "expected_missed": round(one.missed, 2)}
        for one in order
    }
    missed = prioritize_kili_assets(project_id, list(reasons), reasons=reasons, api_key=_key(), api_endpoint=endpoint)
    terminal.line(f"{len(order) - len(missed)} of {len(order)} text(s) have their priority")
    for name, reason in missed.items():
        terminal.line(f"no priority: {name}: {reason}", error=True)
    if missed:
        raise typer.Exit(1)


def _documents(records: Iterable[Document | Rejected], path: Path) -> int:
    counted: Counter[bool] = Counter()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            counted[isinstance(record, Rejected)] += 1
            if isinstance(record, Rejected):
                terminal.line(f"rejected: {record.id}: {record.reason}", error=True)
            else:
                line = {"id": record.id, "text": record.text, "metadata": record.metadata}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    terminal.line(f"{path.name}: {counted[False]} text(s)")
    return counted[True]


def _labels(records: Iterable[LabeledDocument | Rejected], out: Path) -> tuple[dict[str, list[LabeledDocument]], int]:
    found: dict[str, list[LabeledDocument]] = {"ordinary": [], "consensus": [], "honeypot": []}
    bad = 0
    for record in records:
        if isinstance(record, Rejected):
            terminal.line(f"rejected: {record.id}: {record.reason}", error=True)
            bad += 1
        else:
            found[record.document.metadata["kili"]["group"]].append(record)
    for group, labels in found.items():
        path = out / ("labels.jsonl" if group == "ordinary" else f"{group}.jsonl")
        if labels or group == "ordinary":
            path.write_bytes(header() + b"".join(map(to_line, labels)))
            people = {one.provenance.author for one in labels if one.provenance}
            terminal.line(f"{path.name}: {len(labels)} label(s) by {len(people)} person(s)")
        else:
            path.unlink(missing_ok=True)  # of an earlier pull
    return found, bad


def _key() -> str | None:
    if os.environ.get("KILI_API_KEY", "").strip() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return getpass.getpass("API key for Kili (not shown): ")
