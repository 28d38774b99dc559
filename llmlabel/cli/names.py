"""From the names and ``key=value`` options of a command line to labelers and exporters, by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from llmlabel.errors import ConfigurationError
from llmlabel.exporters.base import Exporter
from llmlabel.labelers.base import LLMLabeler
from llmlabel.schema import LabelSchema

LABELERS = "llmlabel.labelers"
EXPORTERS = "llmlabel.exporters"
Factory = Callable[[LabelSchema, Mapping[str, str]], object]


def known(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, sorted; nothing is imported. Our own names win."""
    ours_last = sorted(entry_points(group=group), key=lambda point: point.value.startswith("llmlabel."))
    return dict(sorted({point.name: point for point in ours_last}.items()))


def described(group: str) -> str:
    """Return the names of a group, each with the distribution that brings it, for a help text."""
    lines = [f"{name:<16} from {_origin(point)}" for name, point in known(group).items()]
    return "\n".join(lines) or f"no entry point in the group {group}: is llmlabel installed?"


def labeler(name: str, schema: LabelSchema, options: Mapping[str, str]) -> LLMLabeler:
    """Return the labeler that an entry point makes of the options.

    Raises:
        ConfigurationError: No such name, or the options do not fit.
    """
    made = _load(LABELERS, name, "--labeler")(schema, options)
    if not isinstance(made, LLMLabeler):
        raise ConfigurationError(f"--labeler {name}: its entry point made a {type(made).__name__}, not an LLMLabeler")
    return made


def exporters(names: Sequence[str], schema: LabelSchema, out: Path, options: Iterable[str]) -> list[Exporter]:
    """Return the named exporters, each writing below ``out``; options read ``name.key=value``.

    Raises:
        ConfigurationError: No such name, a name that stands twice, or options that do not fit.
    """
    if len(set(names)) < len(names):
        raise ConfigurationError(f"--to: a name stands twice in {','.join(names)}")
    by_name = _by_exporter(options, names)
    made = []
    for name in names:
        exporter = _load(EXPORTERS, name, "--to")(schema, {"out": str(out / name), **by_name.get(name, {})})
        if not isinstance(exporter, Exporter):
            raise ConfigurationError(f"--to {name}: its entry point made a {type(exporter).__name__}, not an Exporter")
        made.append(exporter)
    return made


def pairs(options: Iterable[str], flag: str) -> dict[str, str]:
    """Return ``key=value`` texts as a mapping.

    Raises:
        ConfigurationError: An option without ``=``, or a key that stands twice.
    """
    found: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise ConfigurationError(f"{flag}: expected key=value, found {option!r}")
        if key in found:
            raise ConfigurationError(f"{flag}: {key!r} stands twice")
        found[key] = value
    return found


def _by_exporter(options: Iterable[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    by_name: dict[str, dict[str, str]] = {}
    for option in options:
        name, dot, rest = option.partition(".")
        if not dot or name not in names:
            raise ConfigurationError(
                f"--export-option: expected NAME.key=value with NAME one of {', '.join(names)}; found {option!r}"
            )
        for key, value in pairs([rest], "--export-option").items():
            if key in by_name.setdefault(name, {}):
                raise ConfigurationError(f"--export-option: {name}.{key} stands twice")
            by_name[name][key] = value
    return by_name


def _load(group: str, name: str, flag: str) -> Factory:
    point = known(group).get(name)
    if point is None:
        raise ConfigurationError(f"{flag}: expected one of {', '.join(known(group))}; found {name!r}")
    return cast("Factory", point.load())


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
