"""``llmlabel evaluate``: how good predictions are, against labels made by people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, terminal
from llmlabel.evaluation import evaluate as score

_FIGURES = ("precision", "recall", "f1", "tp", "fp", "fn")


def evaluate(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Labels made by people: .jsonl, or .conll.")],
    predicted: Annotated[Path, typer.Argument(metavar="PREDICTED", help="A saved run, .jsonl, or .conll.")],
    as_json: arg.AsJson = False,
) -> None:
    """Print precision, recall and F1, by label and overall.

    An entity counts as found if span and label are exactly right.
    """
    found = score(documents.labelled(gold), documents.labelled(predicted))
    by_label = {name: _figures(found.by_label[name]) for name in sorted(found.by_label)}
    overall = _figures(found.exact)
    if as_json:
        terminal.json_line({"exact": overall, "by_label": by_label})
        return
    rows = [*by_label.items(), ("all", overall)]
    terminal.table(("label", *_FIGURES), [(name, *figures.values()) for name, figures in rows])


def _figures(value: object) -> dict[str, float | int | None]:
    return {name: getattr(value, name) for name in _FIGURES}
