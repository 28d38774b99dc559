"""What a pipeline is made of, checked when it is made, not after a run was paid for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from types import UnionType
from typing import get_args

from llmlabel.errors import ConfigurationError
from llmlabel.exporters.base import Exporter


def expect(name: str, value: object, kind: type | UnionType) -> None:
    """Raise ``ConfigurationError`` unless the value of an argument is of the kind that it must be."""
    if not isinstance(value, kind):
        wanted = getattr(kind, "__name__", str(kind).rpartition(".")[2])
        raise ConfigurationError(f"{name}: expected {wanted}, found {type(value).__name__}")


def as_exporters(exporters: Exporter | Iterable[Exporter]) -> tuple[Exporter, ...]:
    """Return one or several exporters as a tuple.

    Raises:
        ConfigurationError: Something else was given.
    """
    given = (exporters,) if isinstance(exporters, Exporter) or not isinstance(exporters, Iterable) else tuple(exporters)
    for exporter in given:
        expect("exporters", exporter, Exporter)
    return given


def check_outcomes(name: str, outcomes: Collection[str]) -> None:
    """Raise ``ConfigurationError`` unless all are outcomes of a document."""
    from llmlabel.types import Outcome

    if isinstance(outcomes, str):
        raise ConfigurationError(f"{name}: expected several outcomes such as ('failed',), found the text {outcomes!r}")
    if unknown := [outcome for outcome in outcomes if outcome not in get_args(Outcome)]:
        raise ConfigurationError(f"{name}: expected some of {list(get_args(Outcome))}, found {unknown}")


def check_hooks(journal: object, progress: object, telemetry: object, **callables: object) -> None:
    """Raise ``ConfigurationError`` unless each is what it must be, or None: a path, a bar, functions.

    OpenTelemetry is loaded only where it is used.
    """
    expect("journal", journal, str | Path | None)
    callables["progress"] = None if progress is False else progress
    for name, value in callables.items():
        if value is not None and not callable(value):
            raise ConfigurationError(f"{name}: expected a callable, found {type(value).__name__}")
    if telemetry is not None:
        from llmlabel.pipeline.telemetry import Telemetry

        expect("telemetry", telemetry, Telemetry)
