"""What the commands print: results to stdout, remarks and errors to stderr, documents never as markup."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmlabel.errors import ConfigurationError
from llmlabel.html import terminal_safe

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def line(text: str = "", *, error: bool = False, style: str = "") -> None:
    """Print one text as it is: markup in it is not read, control characters are shown."""
    _console(error).print(Text(terminal_safe(text), style=style), soft_wrap=True)


def json_line(value: object, indent: int | None = 2) -> None:
    """Print a value as JSON for other programs: no colours, ASCII only; ``indent=None`` keeps it on one line."""
    typer.echo(json.dumps(value, ensure_ascii=True, indent=indent))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table; numbers stand right, texts left."""
    listed = [list(row) for row in rows]
    shown = Table(title=Text(terminal_safe(title)) if title else None, title_justify="left", box=None, pad_edge=False)
    for place, header in enumerate(headers):
        numeric = any(isinstance(row[place], int | float) for row in listed)
        shown.add_column(Text(header), justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        shown.add_row(*(Text(_cell(value)) for value in row))
    _console(False).print(shown)


def facts(pairs: Mapping[str, object] | Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line, the values in one column."""
    listed = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
    width = max((len(name) for name, _ in listed), default=0)
    for name, value in listed:
        line(f"{name:<{width}}  {_cell(value)}".rstrip())


def save_figure(figure: Figure, path: Path) -> None:
    """Draw a figure into a file, in the format that its name says.

    Raises:
        ConfigurationError: There is no such format, or the file cannot be written.
    """
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{path}: cannot be drawn: {error}") from None
    line(f"figure → {path}", error=True)


class _Remarks(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        line(f"{record.levelname.lower()}: {record.getMessage()}", error=True)


def show_warnings() -> None:
    """Print what the library logs as a warning, one line each; for a process that is this command."""
    logging.getLogger("llmlabel").addHandler(_Remarks(logging.WARNING))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else terminal_safe(str(value))


def _console(error: bool) -> Console:
    # Made for each call: tests and notebooks exchange sys.stdout. A pipe has no width, and no line is to be cut there.
    console = Console(stderr=error, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 160
    return console
