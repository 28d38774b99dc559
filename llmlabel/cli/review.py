"""``llmlabel review``: the page on which a person looks at labels, and what was decided there."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from llmlabel.cli import documents, terminal
from llmlabel.exporters.jsonl import JsonlExporter
from llmlabel.exporters.publish import outside_bundle
from llmlabel.quality import review_queue
from llmlabel.review import apply_decisions, read_decisions, review_page
from llmlabel.schema import LabelSchema
from llmlabel.types import LabeledDocument


class _PageFirst(TyperGroup):
    """``llmlabel review FILE`` means ``llmlabel review page FILE``; ``./page`` names a file that is called so."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["page", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(no_args_is_help=True, cls=_PageFirst)

Predicted = Annotated[
    Path, typer.Argument(metavar="PREDICTED", help="A saved run (run.jsonl), or a file of the jsonl exporter.")
]
SchemaFile = Annotated[
    Path | None, typer.Option("--schema", "-s", metavar="FILE", help="Gives the labels to choose from.")
]
Title = Annotated[str, typer.Option(metavar="TEXT", help="Heading of the page.")]
Reviewer = Annotated[str | None, typer.Option(metavar="NAME", help="Written into each decision.")]
Order = Annotated[
    Literal["input", "gain"],
    typer.Option(help="gain: documents first where a look is expected to change most."),
]
Decisions = Annotated[Path, typer.Argument(metavar="DECISIONS", help="The file of decisions (JSON Lines).")]


@app.callback()
def review() -> None:
    """Look at labels in the browser, and carry out what was decided."""


@app.command()
def page(
    predicted: Predicted,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="The page, one self-contained HTML file. [PREDICTED.review.html, beside the bundle it is in]",
        ),
    ] = None,
    schema: SchemaFile = None,
    title: Title = "Review",
    reviewer: Reviewer = None,
    order: Order = "input",
    open_it: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open it in the browser. [where a person sits]")
    ] = None,
) -> None:
    """Write the review page and open it.

    It saves decisions as a file, by its button.
    """
    made = review_page(_ordered(predicted, order), title=title, schema=_schema(schema), reviewer=reviewer)
    place = outside_bundle(predicted)
    out = out or place.with_name(f"{place.name}.review.html")
    out.write_text(made, encoding="utf-8", newline="\n")
    terminal.line(f"review page → {out}")
    if open_it or (open_it is None and sys.stdout.isatty()):
        webbrowser.open(out.resolve().as_uri())


@app.command()
def serve(
    predicted: Predicted,
    decisions: Decisions,
    schema: SchemaFile = None,
    title: Title = "Review",
    reviewer: Reviewer = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0: any free one.")] = 0,
    order: Order = "input",
) -> None:
    """Serve the review page on this machine.

    Each decision is in the file before it is acknowledged.
    """
    from llmlabel.review.server import ReviewServer

    shown = _ordered(predicted, order)
    with ReviewServer(shown, decisions, schema=_schema(schema), title=title, reviewer=reviewer, port=port) as server:
        terminal.line(f"open {server.url} (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            terminal.line(f"decisions → {decisions}")


@app.command()
def apply(
    predicted: Predicted,
    decisions: Annotated[
        list[Path],
        typer.Argument(metavar="DECISIONS...", help="Files of decisions (JSON Lines), of one or more people."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the reviewed documents go (.jsonl).")],
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose decision counts where people decided differently.")
    ] = None,
) -> None:
    """Write the documents with the decisions carried out.

    `llmlabel export` takes the file.
    """
    made = [decision for file in decisions for decision in read_decisions(file)]
    reviewed = apply_decisions(documents.labelled(predicted), made, reviewer=reviewer)
    report = JsonlExporter(out).export(reviewed)
    done = sum(labeled.provenance is not None and labeled.provenance.reviewed for labeled in reviewed)
    terminal.line(f"{done} of {report.written} documents reviewed → {out}")


def _ordered(path: Path, order: str) -> list[LabeledDocument]:
    items = documents.labelled(path)
    if order == "input":
        return items
    by_id = {item.document.id: item for item in items}
    return [by_id[entry.document_id] for entry in review_queue(items)]


def _schema(path: Path | None) -> LabelSchema | None:
    return None if path is None else LabelSchema.from_file(path)
