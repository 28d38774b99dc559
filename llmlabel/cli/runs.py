"""``llmlabel runs``: what a journal holds."""

from __future__ import annotations

import os
import shlex
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from llmlabel.cli import terminal
from llmlabel.engine import runs as journals
from llmlabel.engine.batch_store import BatchStore
from llmlabel.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True)

Journal = Annotated[Path, typer.Argument(metavar="JOURNAL", help="File given as --journal: DIR/journal.sqlite.")]
Number = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run, as listed.")]
OneRun = Annotated[int | None, typer.Option("--run", metavar="N", help="This run only.")]


@app.callback()
def runs() -> None:
    """Look into a journal: its runs and answers."""


@app.command(name="list")
def list_(journal: Journal) -> None:
    """List the runs of a journal, oldest first."""
    rows = [
        (run.id, _moment(run.started), run.state, run.answers, run.unanswered, _outcomes(run))
        for run in journals.list_runs(journal)
    ]
    terminal.table(("run", "started", "state", "answers", "sent, unanswered", "documents"), rows)


@app.command()
def show(journal: Journal, run: Number) -> None:
    """Print all that is known of one run."""
    found = journals.show_run(journal, run)
    with BatchStore(journal) as store:
        jobs = {
            f"batch job {number}": f"{job.job or job.label}, last seen {job.state}, {len(job.keys)} requests"
            for number, job in enumerate(store.jobs(run), 1)
        }
    terminal.facts(
        {
            "run": found.id,
            "state": found.state,
            "started": _moment(found.started),
            "ended": None if found.ended is None else _moment(found.ended),
            "fingerprint": found.fingerprint,
            "answers": found.answers,
            "sent, unanswered": f"{found.unanswered} (what a resume may pay again)",
            "documents": _outcomes(found) or None,
            **jobs,
            **{name: _told(value) for name, value in (found.config or {}).items()},
        }
    )


@app.command()
def resume(
    context: typer.Context,
    journal: Journal,
    run: Annotated[int | None, typer.Argument(metavar="[RUN]", help="Number of the run, as listed. [the last]")] = None,
) -> None:
    """Start the command of a run again.

    It is started in the folder where it was started first; only what is unanswered is asked.
    """
    started = [one for one in journals.list_runs(journal) if one.config and "command" in one.config]
    found = started[-1] if run is None and started else journals.show_run(journal, run or 1)
    config = found.config or {}
    words = config.get("command")
    if not isinstance(words, list):
        raise ConfigurationError(
            f"run {found.id} was not started by llmlabel label; run the program again with journal={str(journal)!r}"
        )
    os.chdir(str(config["folder"]))
    terminal.line(f"run {found.id}: llmlabel {shlex.join(words)}", error=True)
    status = context.find_root().command.main(list(words), prog_name="llmlabel", standalone_mode=False)
    raise typer.Exit(status if isinstance(status, int) else 0)


@app.command()
def export(journal: Journal, run: OneRun = None) -> None:
    """Print the stored answers as JSON, one a line."""
    for answer in journals.export_run(journal, run):
        terminal.json_line(
            {
                "key": answer.key.hex(),
                "run": answer.run,
                "at": answer.at.isoformat(),
                "documents": answer.documents,
                "question": answer.question,
                "answer": answer.answer,
            },
            indent=None,
        )


@app.command()
def purge(
    journal: Journal,
    run: OneRun = None,
    before: Annotated[
        datetime | None, typer.Option(metavar="DATE", help="Answers stored before, such as 2026-11-01 (local time).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete answers for good.

    Those of one run, or those stored before a day. They would have to be paid again.
    """
    if run is None and before is None:
        raise ConfigurationError("purge: say what, by --run N or --before DATE")
    if not yes:
        _confirm(f"Delete these answers from {journal} for good?")
    moment = None if before is None else before.astimezone()
    terminal.line(f"{journals.purge_runs(journal, run=run, before=moment)} answers deleted")


def _confirm(question: str) -> None:
    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        agreed = False  # nobody is there to answer
    if not agreed:
        raise ConfigurationError("purge: nothing was deleted; --yes does not ask")


def _moment(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _outcomes(run: journals.RunRecord) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.items())


def _told(value: object) -> str:
    return shlex.join(map(str, value)) if isinstance(value, list) else str(value)
