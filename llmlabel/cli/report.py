"""What a run came to, on one screen; and the exit status that says whether anything is missing."""

from __future__ import annotations

from pathlib import Path

import typer

from llmlabel.cli import terminal
from llmlabel.pipeline.result import RunResult

SHOWN = 50


def finish(result: RunResult, saved: Path | None = None) -> None:
    """Print the summary and every document that was not labelled; exit with 1 if there is one.

    Args:
        result: What the run came to.
        saved: Where it is, for a run that can be gone on with.

    Raises:
        typer.Exit: Status 1 when documents are missing, 2 when the run stopped before any was labelled.
    """
    terminal.line(str(result))
    missing = not_labelled(result)
    for identity, outcome, reason in missing[:SHOWN]:
        terminal.line(f"not labelled: {identity}: {outcome}{f' ({reason})' if reason else ''}", error=True)
    if len(missing) > SHOWN:
        terminal.line(f"not labelled: {len(missing) - SHOWN} more; the saved run lists them all", error=True)
    if result.stopped and saved is not None:
        terminal.line(
            f"the run stopped early: the same command goes on; llmlabel export {saved} writes what is finished",
            error=True,
        )
    exit_if_missing(result)


def exit_if_missing(result: RunResult) -> None:
    """Leave with the status that says whether anything is missing.

    Raises:
        typer.Exit: Status 1 when documents are missing, 2 when the run stopped before any was labelled.
    """
    if result.stopped and "labeled" not in result.outcomes:
        terminal.line(f"error: {result.stopped}", error=True)
        raise typer.Exit(2)
    if not_labelled(result) or result.stopped:
        raise typer.Exit(1)


def not_labelled(result: RunResult) -> list[tuple[str, str, str]]:
    """Return id, outcome and reason of every document that has no complete labels, and of every rejected input."""
    missing = [
        (prediction.document.id, prediction.outcome, prediction.error.message if prediction.error else "")
        for prediction in result.predictions
        if prediction.outcome != "labeled"
    ]
    return missing + [(item.id or f"input {item.index}", "rejected", item.reason) for item in result.rejected_inputs]
