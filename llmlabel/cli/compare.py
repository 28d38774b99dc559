"""``llmlabel compare``: which model, prompt, answer format or way of asking is better, on gold documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import TypeAdapter, ValidationError

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, keys, names, terminal
from llmlabel.errors import ConfigurationError
from llmlabel.formats import answer_format
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.result import RunResult
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import Example, LabelSchema
from llmlabel.types import Asking, LabeledDocument, Limits
from llmlabel.workflows.compare import check_variants, compare_runs
from llmlabel.workflows.comparison import COST, QUALITY, Comparison

_ASKING = ("documents_per_request", "max_document_tokens", "overlap_tokens", "passes", "samples", "max_reasks")
_OTHER = ("model", "format", "reasons", "examples", "prompt")
_BOOL = TypeAdapter(bool)
_NAME = re.compile(r"\w[\w.-]*")


def compare(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Documents with labels made by people.")],
    variant: Annotated[
        list[str],
        typer.Option(
            "--variant",
            metavar="NAME[:KEY=VALUE,…]",
            help=f"One way of asking; repeatable, the first is the baseline. Keys: {', '.join((*_OTHER, *_ASKING))}.",
        ),
    ] = [],
    run: Annotated[
        list[str],
        typer.Option("--run", metavar="NAME=FILE", help="Predictions that are there already; repeatable."),
    ] = [],
    schema: Annotated[
        Path | None, typer.Option("--schema", "-s", metavar="FILE", help="Label schema; needed for --variant.")
    ] = None,
    model: arg.Model = "",
    labeler: arg.Labeler = "openai",
    base_url: arg.BaseUrl = "",
    option: arg.Options = [],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keeps answers, and each run; needed for --variant.")
    ] = None,
    max_concurrency: arg.Concurrency = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", metavar="X", help="Stop before a variant costs more.")
    ] = None,
    as_json: arg.AsJson = False,
) -> None:
    """Compare variants over the same documents.

    Quality, which differences are real, cost, losses.

    Run it again, and only what is unanswered is asked; the numbers are the same.
    """
    truth = documents.labelled(gold)
    given = _named(variant, run)
    label_schema = LabelSchema.from_file(schema) if schema is not None else None
    limits = arg.settings(Limits, max_concurrency=max_concurrency or "auto", max_cost=max_cost)
    pipelines: dict[str, Pipeline] = {}
    for name, settings in given.items():
        if isinstance(settings, Path):
            continue
        if label_schema is None or out is None:
            raise ConfigurationError("--variant: needs --schema and --out")
        made = keys.labeler(labeler, label_schema, settings.get("model", model), base_url, option)
        _shape(name, made, settings)
        journal = out / f"{name}.sqlite"
        pipelines[name] = Pipeline(made, asking=_asking(name, settings), limits=limits, journal=journal)
    check_variants(truth, pipelines)
    runs = {
        name: documents.labelled(settings)
        if isinstance(settings, Path)
        else _predictions(name, pipelines[name], truth, out or Path())
        for name, settings in given.items()
    }
    _show(compare_runs(truth, runs, schema=label_schema), as_json)


def _named(variants: Sequence[str], runs: Sequence[str]) -> dict[str, Path | dict[str, str]]:
    """Return variants and saved runs by name, in the order given, variants first."""
    found: dict[str, Path | dict[str, str]] = {}
    for text in variants:
        name, _, rest = text.partition(":")
        _add(found, name, names.pairs(arg.listed(rest), f"--variant {name}"), "--variant")
    for text in runs:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise ConfigurationError(f"--run: expected NAME=FILE, found {text!r}")
        _add(found, name, Path(path), "--run")
    if len(found) < 2:
        raise ConfigurationError("expected two or more of --variant and --run to compare; the first is the baseline")
    return found


def _add(found: dict[str, Path | dict[str, str]], name: str, value: Path | dict[str, str], flag: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{flag}: expected a name of letters, digits, '_', '.', '-', found {name!r}")
    if name in found:
        raise ConfigurationError(f"{flag}: {name!r} stands twice")
    if isinstance(value, dict) and (unknown := sorted(set(value) - {*_OTHER, *_ASKING})):
        raise ConfigurationError(f"{flag} {name}: unknown {unknown}; expected some of {[*_OTHER, *_ASKING]}")
    found[name] = value


def _shape(name: str, made: LLMLabeler, settings: Mapping[str, str]) -> None:
    """Give a labeler the prompt and the examples of its variant."""
    prompt = _template(Path(settings["prompt"])) if "prompt" in settings else made.prompt
    changes: dict[str, object] = {}
    if "format" in settings:
        answer_format(settings["format"])
        changes["answer_format"] = settings["format"]
    if "reasons" in settings:
        changes["reasons"] = _switch(name, settings["reasons"])
    made.prompt = prompt.model_copy(update=changes)
    if "examples" in settings:
        labelled = documents.labelled(Path(settings["examples"]))
        made.examples = tuple(Example.from_labeled(item) for item in labelled)
        for number, example in enumerate(made.examples):
            made.schema.check(example, f"variant {name}, example {number + 1}")


def _template(path: Path) -> PromptTemplate:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: expected a prompt template as YAML or JSON") from None
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise ConfigurationError(f"{path}: expected the fields of a prompt template by name")
    return PromptTemplate(**fields)


def _switch(name: str, text: str) -> bool:
    try:
        return _BOOL.validate_python(text)
    except ValidationError:
        raise ConfigurationError(f"--variant {name}: reasons: expected yes or no, found {text!r}") from None


def _asking(name: str, settings: Mapping[str, str]) -> Asking:
    given = {key: settings[key] for key in _ASKING if key in settings}
    try:
        return arg.settings(Asking, **given)
    except ConfigurationError as error:
        raise ConfigurationError(f"--variant {name}: {error}") from None


def _predictions(
    name: str, pipeline: Pipeline, gold: Sequence[LabeledDocument], out: Path
) -> Sequence[LabeledDocument]:
    """Return a variant's predictions: those of the last time, if they are complete and nothing has changed."""
    path = out / f"{name}.jsonl"
    wanted = [item.document for item in gold]
    with pipeline:
        if path.is_file():
            kept = RunResult.load(path)
            same = [item.document for item in kept.predictions] == wanted and not kept.stopped
            if same and all(item.fingerprint == pipeline.fingerprint for item in kept.predictions):
                return kept.predictions
        out.mkdir(parents=True, exist_ok=True)
        result = pipeline.run(wanted)
    result.save(path)
    if result.stopped:
        raise ConfigurationError(f"variant {name!r} stopped early: {result.stopped}; what was answered is kept")
    return result.predictions


def _show(found: Comparison, as_json: bool) -> None:
    if as_json:
        data = found.model_dump(mode="json", exclude={"variants": {"__all__": {"evaluation"}}})
        terminal.json_line({**data, "verdict": found.verdict})
        return
    terminal.table(QUALITY, found.quality(), f"{found.measure}, {found.documents} documents")
    terminal.table(COST, found.cost())
    for fact in found.facts():
        terminal.line(fact)
