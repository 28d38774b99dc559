"""``llmlabel schema``: what a schema file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmlabel.cli import terminal
from llmlabel.schema import LabelSchema

app = typer.Typer(no_args_is_help=True)


@app.callback()
def schema() -> None:
    """Work with schema files."""


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Label schema, YAML or JSON.")]) -> None:
    """Read a schema, check it, and print what it asks for."""
    found = LabelSchema.from_file(file)
    rows = [("entity", label.name, label.description) for label in found.entities]
    rows += [("relation", relation.name, relation.description) for relation in found.relations]
    rows += [
        ("classification", part.name, f"{'several' if part.multi_label else 'one'} of {', '.join(part.label_names)}")
        for part in found.classifications
    ]
    rows += [("text", part.name, part.description) for part in found.texts]
    terminal.table(("kind", "name", "meaning"), rows)
    terminal.line(f"ok: {file.name}, {len(found.examples)} example(s), fingerprint {found.fingerprint}")
