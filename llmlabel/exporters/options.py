"""The built-in exporters by entry point: options come as strings from the command line.

``out`` is the folder or file to write; the command line always gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from llmlabel.errors import ConfigurationError
from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter
from llmlabel.exporters.jsonl import JsonlExporter
from llmlabel.exporters.kili_bundle import KiliBundleExporter
from llmlabel.schema import LabelSchema

_AZURE = (
    "project",
    "container",
    "language",
    "project_kind",
    "classification",
    "overlap",
    "include",
    "min_confidence",
    "only_reviewed",
    "multilingual",
    "test_share",
    "seed",
    "description",
    "unfit",
)
_KILI = ("offset_unit", "newlines", "include", "only_reviewed", "confidence", "model_name")


def jsonl(schema: LabelSchema, options: Mapping[str, str]) -> JsonlExporter:
    """Return a ``JsonlExporter``; ``out`` is a ``.jsonl`` file, or the folder for ``predictions.jsonl``."""
    _known("jsonl", options, ("only_reviewed",))
    given = {"only_reviewed": options["only_reviewed"]} if "only_reviewed" in options else {}
    out = _out("jsonl", options)
    return JsonlExporter(out if out.suffix == ".jsonl" else out / "predictions.jsonl", **_convert("jsonl", given))


def kili_bundle(schema: LabelSchema, options: Mapping[str, str]) -> KiliBundleExporter:
    """Return a ``KiliBundleExporter``; ``include`` is comma-separated."""
    _known("kili-bundle", options, _KILI)
    given: dict[str, Any] = {name: options[name] for name in _KILI if name in options}
    return KiliBundleExporter(_out("kili-bundle", options), schema=schema, **_convert("kili-bundle", given))


def azure_bundle(schema: LabelSchema, options: Mapping[str, str]) -> AzureLanguageBundleExporter:
    """Return an ``AzureLanguageBundleExporter``; project and container default to ``llmlabel`` and ``documents``."""
    _known("azure-bundle", options, _AZURE)
    given = {"project": "llmlabel", "container": "documents", **{n: options[n] for n in _AZURE if n in options}}
    converted = _convert("azure-bundle", cast("dict[str, Any]", given))
    return AzureLanguageBundleExporter(_out("azure-bundle", options), schema=schema, **converted)


def _known(target: str, options: Mapping[str, str], known: Iterable[str]) -> None:
    unknown = sorted(set(options) - {"out", *known})
    if unknown:
        raise ConfigurationError(f"{target}: unknown option(s) {unknown}; it takes {sorted({'out', *known})}")


def _out(target: str, options: Mapping[str, str]) -> Path:
    if not options.get("out"):
        raise ConfigurationError(f"{target}: option 'out' is missing: the folder or file to write")
    return Path(options["out"])


def _convert(target: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options in the types that the exporters take."""
    converted = {}
    for name, value in given.items():
        try:
            converted[name] = _CONVERTERS.get(name, str)(value)
        except ValueError as error:
            raise ConfigurationError(f"{target}: option {name!r}: {error}") from None
    return converted


def _boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.strip().lower() not in words:
        raise ValueError(f"expected true or false, found {text!r}")
    return words[text.strip().lower()]


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_CONVERTERS: dict[str, Callable[[str], object]] = {
    "include": _names,
    "min_confidence": float,
    "test_share": float,
    "seed": int,
    "multilingual": _boolean,
    "only_reviewed": _boolean,
    "confidence": _names,
}
