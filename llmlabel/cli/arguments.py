"""Arguments that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from pydantic import ValidationError

from llmlabel.cli import names
from llmlabel.errors import ConfigurationError
from llmlabel.types import Asking, Limits, Value, explain

_Settings = TypeVar("_Settings", bound=Value)


def _list_labelers(value: str) -> str:
    return _list(value, names.LABELERS)


def _list_exporters(value: str) -> str:
    return _list(value, names.EXPORTERS)


def _list(value: str, group: str) -> str:
    if value == "?":
        typer.echo(names.described(group))
        raise typer.Exit
    return value


Input = Annotated[
    Path, typer.Argument(metavar="INPUT", help="Text file or folder, .jsonl, .csv, .tsv, .parquet or .conll file.")
]
SchemaFile = Annotated[Path, typer.Option("--schema", "-s", metavar="FILE", help="Label schema, YAML or JSON.")]
Format = Annotated[
    Literal["json", "by_label", "inline"] | None,
    typer.Option("--format", help="How answers are written. [json]"),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything that is written.")]
Model = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME", help="Model, or deployment name, as the provider spells it.")
]
Labeler = Annotated[
    str,
    typer.Option(
        metavar="NAME", callback=_list_labelers, help="Who answers: openai, azure-openai, replay, …; ? lists all names."
    ),
]
BaseUrl = Annotated[
    str, typer.Option(metavar="URL", help="Address of an OpenAI-compatible server, or of an Azure resource.")
]
Options = Annotated[
    list[str], typer.Option("--option", "-o", metavar="KEY=VALUE", help="Setting of the labeler; repeatable.")
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="NAMES",
        callback=_list_exporters,
        help="Comma-separated: kili-bundle, azure-bundle, jsonl, …; ? lists all names.",
    ),
]
ExportOptions = Annotated[
    list[str],
    typer.Option("--export-option", metavar="NAME.KEY=VALUE", help="Setting of one exporter; repeatable."),
]
Blind = Annotated[
    float,
    typer.Option("--blind", min=0, max=1, metavar="SHARE", help="Share of documents that get no predictions, by id."),
]
TextField = Annotated[str | None, typer.Option(metavar="NAME", help="Column or key that holds the text. [text]")]
IdField = Annotated[str | None, typer.Option(metavar="NAME", help="Column or key that holds the id. [id]")]
InputOptions = Annotated[
    list[str],
    typer.Option("--input-option", metavar="KEY=VALUE", help="Setting of the reader, such as encoding=latin-1."),
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take the first N documents only.")]
Sample = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take N documents at random.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of --sample.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
PerRequest = Annotated[
    int, typer.Option("--documents-per-request", min=1, metavar="N", help="Pack N short documents into a request.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-document-tokens", min=16, metavar="N", help="Cut longer documents into pieces.")
]
Overlap = Annotated[int, typer.Option("--overlap-tokens", min=0, metavar="N", help="What neighbouring pieces share.")]
Context = Annotated[
    int, typer.Option("--context-tokens", min=0, metavar="N", help="What is shown around a piece, not to be labelled.")
]
NearLabels = Annotated[
    Literal["ledger", "map"],
    typer.Option("--near-labels", help="A near-miss label name: report it as unknown, or take it for the label."),
]
Passes = Annotated[int, typer.Option(min=1, metavar="N", help="Ask N times and take what any pass finds.")]
Journal = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        "--resume",
        metavar="FILE",
        help="Where answers are kept; a run with the same file asks only what is unanswered. [DIR/journal.sqlite]",
    ),
]
Concurrency = Annotated[
    int | None, typer.Option("--max-concurrency", min=1, metavar="N", help="Most requests in flight. [found out]")
]
RequestPace = Annotated[float | None, typer.Option("--requests-per-minute", metavar="N", help="Pace of requests.")]
TokenPace = Annotated[float | None, typer.Option("--tokens-per-minute", metavar="N", help="Pace of tokens.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost", metavar="X", help="Stop before the run costs more.")]
MaxTotal = Annotated[
    int | None, typer.Option("--max-total-tokens", metavar="N", help="Stop before the run takes more tokens.")
]


def listed(value: str) -> list[str]:
    """Return the parts of a comma-separated value, in order, without blanks."""
    return [part.strip() for part in value.split(",") if part.strip()]


def settings(kind: type[_Settings], **values: object) -> _Settings:
    """Return settings made of option values.

    Raises:
        ConfigurationError: A value that the settings refuse; the message names it.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigurationError(explain(error)) from None


def asking(
    documents_per_request: int,
    max_document_tokens: int | None,
    overlap_tokens: int,
    context_tokens: int,
    passes: int,
    near_labels: Literal["ledger", "map"] = "ledger",
) -> Asking:
    """Return how documents are asked about, made of option values."""
    return settings(
        Asking,
        documents_per_request=documents_per_request,
        max_document_tokens=max_document_tokens,
        overlap_tokens=overlap_tokens,
        context_tokens=context_tokens,
        passes=passes,
        near_labels=near_labels,
    )


def limits(
    concurrency: int | None,
    requests_per_minute: float | None,
    tokens_per_minute: float | None,
    max_cost: float | None = None,
    max_total_tokens: int | None = None,
) -> Limits:
    """Return the limits of a run made of option values; no concurrency means an automatic one."""
    return settings(
        Limits,
        max_concurrency=concurrency or "auto",
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        max_cost=max_cost,
        max_total_tokens=max_total_tokens,
    )
