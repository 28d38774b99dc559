"""``llmlabel export``: predictions that are finished, for one more platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, names, terminal
from llmlabel.quality import blind_split, is_blind
from llmlabel.schema import LabelSchema


def export(
    predicted: Annotated[
        Path, typer.Argument(metavar="PREDICTED", help="A saved run (run.jsonl), or a file of the jsonl exporter.")
    ],
    schema: arg.SchemaFile,
    to: arg.To,
    out: arg.Out,
    export_option: arg.ExportOptions = [],
    blind: arg.Blind = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of --blind.")] = 0,
) -> None:
    """Write finished predictions for one more platform."""
    label_schema = LabelSchema.from_file(schema)
    exporters = names.exporters(arg.listed(to), label_schema, out, export_option)
    labelled = blind_split(documents.labelled(predicted), blind, seed)
    hidden = {item.document.id for item in labelled if is_blind(item)}
    if hidden:
        terminal.line(f"{len(hidden)} document(s) are in the blind split: exported without predictions")
    held = False
    for exporter in exporters:
        report = exporter.export(labelled)
        terminal.line(f"{report.target}: {report.written} written → {report.location or ''}".rstrip(" →"))
        for item in (held_item for held_item in report.held_back if held_item.document_id not in hidden):
            terminal.line(f"{report.target}: held back {item.document_id}: {item.reason}", error=True)
        for note in report.notes:
            terminal.line(f"{report.target}: {note}")
        held = held or any(item.document_id not in hidden for item in report.held_back)
    if held:
        raise typer.Exit(1)
