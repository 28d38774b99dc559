"""``llmlabel doctor``: does the endpoint answer as it must?"""

from __future__ import annotations

import typer

from llmlabel.cli import arguments as arg
from llmlabel.cli import keys, terminal
from llmlabel.schema import LabelSchema

_MARKS = {True: "ok", False: "FAILED", None: "unknown"}


def doctor(
    model: arg.Model = "", labeler: arg.Labeler = "openai", base_url: arg.BaseUrl = "", option: arg.Options = []
) -> None:
    """Check key, endpoint and model with one tiny request.

    No document is sent. Structured output is tried too.
    """
    from llmlabel.labelers.doctor import doctor as examine

    checks = examine(keys.labeler(labeler, LabelSchema(entities=["ANY"]), model, base_url, option))
    terminal.table(("check", "", "found"), [(check.name, _MARKS[check.ok], check.detail) for check in checks])
    for check in checks:
        if check.hint:
            terminal.line(f"{check.name}: {check.hint}")
    if any(check.ok is False for check in checks):
        raise typer.Exit(2)
