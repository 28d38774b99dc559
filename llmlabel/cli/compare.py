"""``llmlabel compare``: which model, prompt, answer format or way of asking is better, on gold documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, terminal, variants
from llmlabel.engine import run_sync
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.counting import Measure
from llmlabel.pipeline.result import RunResult
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument, Limits
from llmlabel.workflows.compare import Variant, check_variants, compare_runs, run_notes
from llmlabel.workflows.comparison import COST, QUALITY, Comparison


def compare(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Documents with labels made by people.")],
    variant: Annotated[
        list[str],
        typer.Option(
            "--variant",
            metavar="NAME[:KEY=VALUE,…]",
            help=f"One way of asking; repeatable, the first is the baseline. Keys: {', '.join(variants.KEYS)}.",
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
    measure: Annotated[
        Measure | None, typer.Option(help="What F1 is of. [entities; classes where the gold documents have none]")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draws it, as .png, .svg or .pdf (extra plots).")
    ] = None,
    as_csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Writes the tables as CSV.")] = None,
    as_json: arg.AsJson = False,
) -> None:
    """Compare variants over the same documents.

    Shows quality, which differences are real, cost, losses. Run it again, and only what is unanswered is asked.
    """
    truth = documents.labelled(gold)
    given = variants.named(variant, run)
    asked = {name: settings for name, settings in given.items() if not isinstance(settings, Path)}
    label_schema = LabelSchema.from_file(schema) if schema is not None else None
    pipelines: dict[str, Variant] = {}
    if asked:
        if label_schema is None or out is None:
            raise ConfigurationError("--variant: needs --schema and --out")
        limits = arg.settings(Limits, max_concurrency=max_concurrency or "auto", max_cost=max_cost)
        maker = variants.Maker(labeler, model, base_url, option, label_schema, limits, out)
        pipelines = {name: maker.variant(name, settings) for name, settings in asked.items()}
        check_variants(truth, pipelines)
    runs, notes = _runs(given, pipelines, truth, out or Path())
    found = compare_runs(truth, runs, schema=label_schema, measure=measure, notes=notes)
    if plot is not None:
        terminal.save_figure(found.figure(), plot)
    if as_csv is not None:
        as_csv.write_text(found.to_csv(), encoding="utf-8", newline="")
    _show(found, as_json)


def _runs(
    given: Mapping[str, variants.Settings],
    pipelines: Mapping[str, Variant],
    gold: Sequence[LabeledDocument],
    out: Path,
) -> tuple[dict[str, Sequence[LabeledDocument]], list[str]]:
    """Return the predictions of each variant and saved run, in the order given, and what must be known of them."""
    runs: dict[str, Sequence[LabeledDocument]] = {}
    notes: list[str] = []
    for name, settings in given.items():
        if isinstance(settings, Path):
            runs[name] = documents.labelled(settings)
            continue
        result = _result(name, pipelines[name], gold, out)
        runs[name] = result.predictions
        notes += [f"{name}: {note}" for note in result.notes]
    return runs, notes


def _result(name: str, variant: Variant, gold: Sequence[LabeledDocument], out: Path) -> RunResult:
    """Return a variant's run: that of the last time, if it is complete and nothing has changed."""
    path = out / f"{name}.jsonl"
    wanted = [item.document for item in gold]
    with variant:
        if path.is_file():
            kept = RunResult.load(path)
            same = [item.document for item in kept.predictions] == wanted and not kept.stopped
            if same and all(item.fingerprint == variant.fingerprint for item in kept.predictions):
                return kept
        out.mkdir(parents=True, exist_ok=True)
        result = run_sync(variant.arun(wanted))
    # The notes are kept with the run: what was answered by an earlier, broken one stays missing in its usage.
    result = result.model_copy(update={"notes": tuple(run_notes(result))})
    result.save(path)
    if result.stopped:
        raise ConfigurationError(f"variant {name!r} stopped early: {result.stopped}; what was answered is kept")
    return result


def _show(found: Comparison, as_json: bool) -> None:
    if as_json:
        data = found.model_dump(mode="json", exclude={"variants": {"__all__": {"evaluation"}}})
        terminal.json_line({**data, "verdict": found.verdict})
        return
    terminal.table(QUALITY, found.quality(), f"{found.measure}, {found.documents} documents")
    terminal.table(COST, found.cost())
    for fact in found.facts():
        terminal.line(fact)
