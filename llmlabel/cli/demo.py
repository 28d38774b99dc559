"""``llmlabel demo``: the main job on texts that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import keys, report, terminal


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for everything that is written.")] = Path(
        "llmlabel-demo"
    ),
    model: arg.Model = "",
    labeler: arg.Labeler = "openai",
    base_url: arg.BaseUrl = "",
    option: arg.Options = [],
) -> None:
    """Label the texts that come with llmlabel, from recorded answers.

    With --model, the same texts are labelled live by that model; the exit status then says whether any is missing.
    """
    from llmlabel.demo import demo_schema, run_demo

    live = keys.labeler(labeler, demo_schema(), model, base_url, option) if model else None
    done = run_demo(out, live)
    terminal.line(str(done))
    if live:  # recorded answers are bad on purpose
        report.exit_if_missing(done.run)
