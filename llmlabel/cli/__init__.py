"""The ``llmlabel`` command: a thin layer over the same calls that a Python program makes."""

from __future__ import annotations

import sys

NEEDED = 'the llmlabel command needs the packages of its extra: pip install "llmlabel[cli]"\n'


def main() -> None:
    """Run the command line; without typer and rich, say in one line what to install and exit with status 2."""
    try:
        from llmlabel.cli.app import app
        from llmlabel.cli.terminal import show_warnings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"click", "rich", "typer"}:
            raise
        sys.stderr.write(NEEDED)
        sys.exit(2)
    show_warnings()
    app(prog_name="llmlabel")
