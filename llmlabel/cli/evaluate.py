"""``llmlabel evaluate``: how good predictions are, and what their confidence is worth, against labels by people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, get_args

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, terminal
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation import Evaluation, TokenTable, token_table
from llmlabel.evaluation import evaluate as score
from llmlabel.evaluation.report import HEADERS
from llmlabel.quality import (
    BudgetTable,
    Reliability,
    Threshold,
    in_blind_split,
    judged,
    measured_budget,
    reliability_of,
    review_queue,
    thresholds_for,
)
from llmlabel.quality.judging import Kind
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument, Prediction

_KINDS: tuple[Kind, ...] = get_args(Kind)


class _Worth(NamedTuple):
    """What the confidences of one kind of labels are worth."""

    reliability: Reliability
    thresholds: dict[str, Threshold]


class _Parts(NamedTuple):
    """What is shown, written or drawn; what was not asked for is empty."""

    scores: Evaluation
    tokens: TokenTable | None
    worth: dict[str, _Worth]
    budget: BudgetTable | None


def evaluate(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Labels made by people: .jsonl, or .conll.")],
    predicted: Annotated[Path, typer.Argument(metavar="PREDICTED", help="A saved run, .jsonl, or .conll.")],
    schema: Annotated[
        Path | None, typer.Option("--schema", "-s", metavar="FILE", help="Names every label; foreign ones are told.")
    ] = None,
    include: Annotated[
        str, typer.Option(metavar="OUTCOMES", help="Outcomes whose labels count too, such as partial,truncated.")
    ] = "",
    blind: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="SHARE", help="Only the blind split of that share.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of --blind.")] = 0,
    tokens: Annotated[bool, typer.Option("--tokens", help="Adds the B-/I- table per token.")] = False,
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Adds what the confidences are worth, and thresholds.")
    ] = False,
    precision: Annotated[float, typer.Option(metavar="P", help="What the thresholds are to reach.")] = 0.95,
    budget: Annotated[bool, typer.Option("--budget", help="Adds what reviewing a share of them gives.")] = False,
    other: Annotated[
        list[Path],
        typer.Option("--other", metavar="FILE", help="Another run, whose labels tell --budget what to look at first."),
    ] = [],
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Draws what is shown (extra plots).")
    ] = None,
    as_csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Writes the scores as CSV.")] = None,
    as_json: arg.AsJson = False,
) -> None:
    """Print scores, what went wrong, and what review costs.

    Every score comes with its interval. An entity counts as found if span and label are exactly right.
    """
    truth, guesses = _sides(gold, predicted, blind, seed)
    known = LabelSchema.from_file(schema) if schema is not None else None
    found = _Parts(
        score(truth, guesses, schema=known, include=arg.listed(include)),
        token_table(truth, guesses) if tokens else None,
        dict(_worth(truth, guesses, precision)) if confidence else {},
        _budget(truth, guesses, other) if budget else None,
    )
    if figures is not None:
        _draw(found, guesses, figures)
    if as_csv is not None:
        as_csv.write_text(found.scores.to_csv(), encoding="utf-8", newline="")
    if as_json:
        terminal.json_line(_data(found))
    else:
        _show(found, precision)


def _sides(
    gold: Path, predicted: Path, blind: float | None, seed: int
) -> tuple[list[LabeledDocument], list[LabeledDocument]]:
    sides = documents.labelled(gold), documents.labelled(predicted)
    if blind is None:
        return sides
    truth, guesses = ([item for item in side if in_blind_split(item.document.id, blind, seed)] for side in sides)
    if not truth:
        raise ConfigurationError(f"--blind {blind}: none of the gold documents is in this split (seed {seed})")
    return truth, guesses


def _worth(
    gold: Sequence[LabeledDocument], predicted: Sequence[LabeledDocument], precision: float
) -> Iterator[tuple[str, _Worth]]:
    for kind in _KINDS:
        if items := judged(gold, predicted, kind):
            yield kind, _Worth(reliability_of(items), thresholds_for(items, precision))


def _budget(
    gold: Sequence[LabeledDocument], predicted: Sequence[LabeledDocument], others: Sequence[Path]
) -> BudgetTable:
    here = {item.document.id for item in predicted}
    lacking = [Prediction(document=g.document, outcome="not_run") for g in gold if g.document.id not in here]
    return measured_budget(gold, predicted, review_queue([*predicted, *lacking], list(map(documents.labelled, others))))


def _data(found: _Parts) -> dict[str, object]:
    data = found.scores.to_dict()
    if found.tokens is not None:
        data["tokens"] = {tag: value.to_dict() for tag, value in found.tokens.by_tag.items()}
    if found.worth:
        data["confidence"] = {
            kind: {
                "reliability": worth.reliability.model_dump(mode="json"),
                "thresholds": {label: value.model_dump(mode="json") for label, value in worth.thresholds.items()},
            }
            for kind, worth in found.worth.items()
        }
    if found.budget is not None:
        data["budget"] = found.budget.model_dump(mode="json")
    return data


def _show(found: _Parts, precision: float) -> None:
    terminal.table(HEADERS, found.scores.rows())
    for fact in found.scores.facts():
        terminal.line(fact)
    if found.tokens is not None:
        terminal.line()
        terminal.line(str(found.tokens))
    for kind, worth in found.worth.items():
        terminal.line(f"\nconfidence of {kind}")
        terminal.line(str(worth.reliability))
        terminal.line(f"thresholds for a precision of {precision:g}, chosen on these documents:")
        rows = [(label, t.value, t.precision, t.kept, t.coverage) for label, t in worth.thresholds.items()]
        terminal.table(("label", "threshold", "precision", "kept", "share kept"), rows)
    if found.budget is not None:
        terminal.line(f"\n{found.budget}")


def _draw(found: _Parts, predicted: Sequence[LabeledDocument], folder: Path) -> None:
    from llmlabel.quality import plots

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"labels": plots.label_counts_figure(predicted)}
    if found.scores.confusion:
        drawn["confusion"] = plots.confusion_figure(found.scores)
    for name, scores in found.scores.classes.items():
        if scores.confusion:
            drawn[f"confusion {len(drawn)}"] = plots.confusion_figure(scores.confusion, name)
    for kind, worth in found.worth.items():
        drawn[f"reliability of {kind}"] = plots.reliability_figure(worth.reliability, f"Confidence of {kind}")
    if found.budget is not None:
        drawn["budget"] = plots.budget_figure(found.budget)
    for name, figure in drawn.items():
        terminal.save_figure(figure, folder / f"{name}.png")
