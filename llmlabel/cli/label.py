"""``llmlabel label``: documents and a schema in, bundles out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, keys, names, report
from llmlabel.errors import ExportError
from llmlabel.exporters.base import Exporter
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.result import RunResult
from llmlabel.schema import LabelSchema

JOURNAL = "journal.sqlite"


def label(
    context: typer.Context,
    input: arg.Input,
    schema: arg.SchemaFile,
    out: arg.Out,
    to: arg.To = "jsonl",
    model: arg.Model = "",
    labeler: arg.Labeler = "openai",
    base_url: arg.BaseUrl = "",
    option: arg.Options = [],
    format: arg.Format = None,
    export_option: arg.ExportOptions = [],
    blind: arg.Blind = 0.0,
    text_field: arg.TextField = None,
    id_field: arg.IdField = None,
    input_option: arg.InputOptions = [],
    limit: arg.Limit = None,
    sample: arg.Sample = None,
    seed: arg.Seed = 0,
    documents_per_request: arg.PerRequest = 1,
    max_document_tokens: arg.MaxTokens = None,
    overlap_tokens: arg.Overlap = 0,
    context_tokens: arg.Context = 0,
    passes: arg.Passes = 1,
    near_labels: arg.NearLabels = "ledger",
    max_concurrency: arg.Concurrency = None,
    requests_per_minute: arg.RequestPace = None,
    tokens_per_minute: arg.TokenPace = None,
    max_cost: arg.MaxCost = None,
    max_total_tokens: arg.MaxTotal = None,
    journal: arg.Journal = None,
) -> None:
    """Label documents and write them for annotation platforms.

    The same command goes on after an interruption: answers that came are not asked for again.
    """
    documents.expect(input, out)
    label_schema = LabelSchema.from_file(schema)
    targets = _blinded(names.exporters(arg.listed(to), label_schema, out, export_option), blind)
    made = _answering(keys.labeler(labeler, label_schema, model, base_url, option), format)
    asking = arg.asking(documents_per_request, max_document_tokens, overlap_tokens, context_tokens, passes, near_labels)
    limits = arg.limits(max_concurrency, requests_per_minute, tokens_per_minute, max_cost, max_total_tokens)
    chosen = documents.read(input, text_field, id_field, input_option, limit=limit, sample=sample, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    with Pipeline(made, exporters=targets, asking=asking, limits=limits, journal=journal or out / JOURNAL) as pipeline:
        pipeline.description |= {"command": typed(context), "folder": str(Path.cwd())}
        result = run(pipeline, chosen, out / "run.jsonl")
    report.finish(result, out / "run.jsonl")


def _answering(made: LLMLabeler, format: str | None) -> LLMLabeler:
    """Return the labeler, told to ask for answers of this format if one is named."""
    if format is not None:
        made.prompt = made.prompt.model_copy(update={"answer_format": format})
    return made


def _blinded(targets: Sequence[Exporter], share: float) -> Sequence[Exporter]:
    """Return exporters that publish the documents of the blind split without predictions."""
    if not share:
        return targets
    from llmlabel.quality import BlindExporter

    return [BlindExporter(target, share=share) for target in targets]


def typed(context: typer.Context) -> list[str]:
    """Return the command as it was typed, defaults left out: what ``runs resume`` starts again."""
    words = [str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        for one in value if isinstance(value, list | tuple) else [value]:
            words += [str(one)] if parameter.param_type_name == "argument" else [parameter.opts[0], str(one)]
    return words


def run(pipeline: Pipeline, chosen: Iterable[object], path: Path) -> RunResult:
    """Run the pipeline and save the result, also when an exporter refused it: it was paid for."""
    try:
        result = pipeline.run(chosen)
    except ExportError as error:
        finished = getattr(error, "result", None)
        if isinstance(finished, RunResult):
            finished.save(path)
        raise
    result.save(path)
    return result
