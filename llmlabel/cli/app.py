"""The command tree, and what all commands share: ``-h``, ``--version``, one line for an error, the exit status.

Exit status: 0 all labelled, 1 some documents not (listed), 2 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import llmlabel
from llmlabel.cli import (
    azure,
    compare,
    demo,
    doctor,
    evaluate,
    export,
    kili,
    label,
    prompt,
    review,
    runs,
    schema,
    terminal,
)
from llmlabel.errors import LLMLabelError

USAGE = 2
INTERRUPTED = 130


# typer brings a copy of click, or uses an installed one: what it raises is found through its own names.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """Turns errors that a user can mend into one line and exit status 2; a bug keeps its traceback."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _one_line():
            return super().invoke(ctx)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        terminal.line("interrupted", error=True)
        raise typer.Exit(INTERRUPTED) from None
    except (LLMLabelError, OSError, ImportError, UsageError) as error:
        if not _mendable(error):
            raise
        terminal.line(f"error: {_told(error)}", error=True)
        raise typer.Exit(USAGE) from None


def _mendable(error: Exception) -> bool:
    """Whether a line about it helps: a missing extra says what to install, any other ImportError is a bug."""
    if isinstance(error, BrokenPipeError) or type(error).__name__ == "NoArgsIsHelpError":
        return False  # typer ends quietly, or prints the help
    return not isinstance(error, ImportError) or "pip install" in str(error)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, UsageError):
        return f"{error.format_message()} (see {_command(error)} -h)"  # type: ignore[attr-defined]  # click's own
    return str(error) or traceback.format_exception_only(error)[-1].strip()


def _command(error: Any) -> str:
    return error.ctx.command_path if error.ctx else "llmlabel"


app = typer.Typer(
    name="llmlabel",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llmlabel {llmlabel.__version__}")
        raise typer.Exit


@app.callback()
def llmlabel_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn any LLM into a labeler: documents and a schema in, labels that stand in the text out."""


for command in (
    demo.demo,
    label.label,
    prompt.prompt,
    prompt.estimate,
    evaluate.evaluate,
    compare.compare,
    export.export,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(azure.app, name="azure")
app.add_typer(kili.app, name="kili")
app.add_typer(review.app, name="review")
app.add_typer(runs.app, name="runs")
app.add_typer(schema.app, name="schema")
