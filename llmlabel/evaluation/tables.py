"""One table, told as text, for rich, as CSV; the notebook's form is ``html.table_html``. None is shown as a dash."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from llmlabel.html import Cell, terminal_safe

if TYPE_CHECKING:
    from rich.table import Table

# A spreadsheet reads a cell that starts with one of these as a formula, and runs it; tab and return may hide one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def shown(value: Cell) -> str:
    """Return a cell as text: three decimals, a dash for None, nothing that a terminal would obey."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else terminal_safe(str(value))


def text_table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield the lines of a table: the first column to the left, the others to the right."""
    cells = [list(headers), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    for first, *rest in cells:
        yield first.ljust(widths[0]) + "".join(f"  {cell:>{w}}" for cell, w in zip(rest, widths[1:], strict=True))


def rich_table(
    headers: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = "", below: Iterable[str] = ()
) -> Table:
    """Return a table for ``rich.print``; nothing in it is read as markup.

    Raises:
        ImportError: rich is not installed (extra ``cli``).
    """
    try:
        from rich.box import SIMPLE
        from rich.table import Table
        from rich.text import Text
    except ImportError as error:
        raise ImportError('this view needs rich: pip install "llmlabel[cli]"') from error
    caption = Text("\n".join(map(terminal_safe, below)), justify="left")
    table = Table(title=Text(terminal_safe(title)), caption=caption, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(headers):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    return table


def csv_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV; None is an empty cell, and no text in it is a formula to a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(headers)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    """Return a text that would be read as a formula behind an apostrophe, which a spreadsheet hides."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
