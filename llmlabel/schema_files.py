"""Label schemas as YAML and JSON files; every error names file, line and field.

YAML is read as data only: no tags, no aliases, bounded depth and size. YAML 1.1 reads an unquoted ``No``, ``on``, ``1``
or ``2024-01-01`` as a boolean, a number or a date; where a name or a text belongs, that is an error, never ``False``.
"""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path
from typing import Any, Never

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from llmlabel.errors import ConfigurationError
from llmlabel.schema import LabelSchema
from llmlabel.schema_json import compose_json
from llmlabel.schema_parts import Location, render_location

MAX_BYTES = 1_000_000
MAX_DEPTH = 24
_TAG = "tag:yaml.org,2002:"
_KINDS = {"bool": "the boolean", "int": "the number", "float": "the number", "timestamp": "the date", "null": "null"}
_NOT_TEXT = {"multi_label", "head", "tail", "hint"}  # fields that are booleans or numbers
_SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


class _Reader:
    """Turns the nodes of one file into the arguments of ``LabelSchema``, and locations back into lines."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fail(self, message: str, node: Node | None = None, location: Location = ()) -> Never:
        line = node.start_mark.line + 1 if node else None
        where = f", line {line}" if line else ""
        field = render_location(location) or None
        lead = f"{field}: " if field else ""
        raise ConfigurationError(f"{self.name}{where}: {lead}{message}", path=self.name, line=line, field=field)

    def value(self, node: Node, location: Location = ()) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            self._tagged(node, "seq", location)
            return [self._entry(item, (*location, number)) for number, item in enumerate(node.value)]
        kind = self._kind(node, location)
        return str(node.value) if kind == "str" else None if kind == "null" else self.fail(_found(node), node, location)

    def _entry(self, node: Node, location: Location) -> Any:
        if isinstance(node, ScalarNode) and self._kind(node, location) == "null":
            self.fail(_found(node), node, location)
        return self.value(node, location)

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        self._tagged(node, "map", location)
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode):
                self.fail("expected a name before the colon, found a list or a mapping", key, location)
            if self._kind(key, location) != "str":
                self.fail(_found(key), key, location)
            name = str(key.value)
            if name in found:
                self.fail(f"the key {name!r} stands twice, first in line {lines[name]}", key, location)
            lines[name] = key.start_mark.line + 1
            where = (*location, name)
            plain = name in _NOT_TEXT and isinstance(item, ScalarNode) and self._kind(item, where) in {"bool", "int"}
            found[name] = self._plain(item, where) if plain else self.value(item, where)
        return found

    def _plain(self, node: ScalarNode, location: Location) -> bool | int:
        if node.tag == f"{_TAG}bool":
            return node.value.lower() in {"yes", "true", "on"}
        if not node.value.isascii() or not node.value.isdigit() or len(node.value) > 9:
            self.fail(f"expected a whole number from 0, found {node.value[:20]!r}", node, location)
        return int(node.value)

    def _tagged(self, node: Node, kind: str, location: Location) -> None:
        if node.tag != _TAG + kind:
            self.fail(f"the tag {node.tag!r} is not read; write plain lists, mappings and strings", node, location)

    def _kind(self, node: Node, location: Location) -> str:
        kind = node.tag.removeprefix(_TAG)
        if kind == "value":  # a lone "="
            return "str"
        if kind not in {"str", "bool", "int", "float", "timestamp", "null", "merge"}:
            self.fail(f"the tag {node.tag!r} is not read; write plain strings", node, location)
        return kind


def _found(node: Node) -> str:
    """Say what stands where a name belongs, and how to write it."""
    kind = node.tag.removeprefix(_TAG)
    if kind == "merge":
        return "merge keys are not read; write the entries out"
    if not node.value:
        return 'expected a name, found nothing; remove it, or put a name in quotes: ""'
    shown = str(node.value)[:40]
    value = str(shown.lower() in {"yes", "true", "on"}) if kind == "bool" else shown
    what = _KINDS[kind] if kind == "null" else f"{_KINDS[kind]} {value}"
    return f"expected a name, found {what}; put it in quotes: {json.dumps(shown, ensure_ascii=False)}"


def _resolve(root: Node, location: Location) -> Node:
    """The node that a location of the schema comes from; the nearest one around it if there is none."""
    node = root
    for part in location:
        if isinstance(node, MappingNode):
            pairs = {str(key.value): (key, item) for key, item in node.value}
            if isinstance(part, int) and part < len(node.value):
                key, item = node.value[part]
                # For {name: description} the name is the key; go inside only where there is an inside.
                node = item if isinstance(item, MappingNode | SequenceNode) else key
            elif part in pairs:
                key, item = pairs[str(part)]
                node = item if isinstance(item, MappingNode | SequenceNode) and item.value else key
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    return node


def _line_of(root: Node, location: Location) -> Node:
    """Like ``_resolve``, but an item of a mapping stands where its key does."""
    node = _resolve(root, location)
    if isinstance(node, MappingNode | SequenceNode) and location:
        around = _resolve(root, location[:-1])
        if isinstance(around, MappingNode):
            return next((key for key, item in around.value if item is node), node)
    return node


def _compose_yaml(text: str, name: str) -> Node | None:
    depth = 0
    documents = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _error(name, line, "anchors and aliases are not read; write the value out")
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _error(name, line, "expected one YAML document, found a second one")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise _error(name, line, f"nested more than {MAX_DEPTH} deep")
        node: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(name, line, f"the character U+{ord(text[error.position]):04X} is not allowed in YAML") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark if error.problem_mark is not None else error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        raise _error(name, line, f"column {column}: not YAML: {error.problem or error.context}") from None
    return node


def _error(name: str, line: int, message: str) -> ConfigurationError:
    return ConfigurationError(f"{name}, line {line}: {message}", path=name, line=line)


def parse_schema(text: str, suffix: str = ".yaml", *, name: str = "schema") -> LabelSchema:
    """Return the schema that a YAML (``.yaml``, ``.yml``) or JSON (``.json``) text describes.

    Args:
        text: The whole file.
        suffix: Which of the two languages it is.
        name: What to call it in errors.

    Raises:
        ConfigurationError: The text is not a schema; the message names line and field.
    """
    kind = _kind_of(suffix, name)
    if len(text) > MAX_BYTES:
        raise ConfigurationError(f"{name}: more than {MAX_BYTES:,} characters", path=name)
    if not text.strip():
        raise ConfigurationError(f"{name}: the file is empty; expected entities, classifications or texts", path=name)
    root = _compose_yaml(text, name) if kind == "yaml" else compose_json(text, name, MAX_DEPTH)
    reader = _Reader(name)
    if not isinstance(root, MappingNode):
        reader.fail("expected a mapping with entities, classifications or texts", root)
    try:
        return LabelSchema(**reader.value(root))
    except ConfigurationError as error:
        if not error.problems:
            raise
        _explain(error, root, name)


def _explain(error: ConfigurationError, root: Node, name: str) -> Never:
    lines = [(_line_of(root, where).start_mark.line + 1, where, what) for where, what in error.problems]
    told = [f"line {line}: {render_location(where)}: {what}".replace(": : ", ": ") for line, where, what in lines]
    message = f"{name}, {'; '.join(told)}"
    raise ConfigurationError(message, path=name, line=lines[0][0], field=error.field, problems=error.problems) from None


def _kind_of(suffix: str, name: str) -> str:
    if suffix.lower() not in _SUFFIXES:
        raise ConfigurationError(
            f"{name}: expected a file ending in {', '.join(_SUFFIXES)}, found {suffix!r}", path=name
        )
    return _SUFFIXES[suffix.lower()]


def read_schema(path: str | Path) -> LabelSchema:
    """Return the schema in a ``.yaml``, ``.yml`` or ``.json`` file (UTF-8, with or without a byte order mark).

    Raises:
        ConfigurationError: The file cannot be read or is not a schema; the message names the line.
    """
    path = Path(path)
    name = str(path)
    _kind_of(path.suffix, name)
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file" if not path.exists() else "not a file"
        raise ConfigurationError(f"{name}: expected a schema file; {what}", path=name)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read: {error.strerror}", path=name) from error
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(f"{name}: more than {MAX_BYTES:,} bytes", path=name)
    return parse_schema(_decode(raw, name), path.suffix, name=name)


def _decode(raw: bytes, name: str) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigurationError(f"{name}: the file is UTF-16; save it as UTF-8", path=name)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _error(
            name, line, f"byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from None


def write_schema(schema: LabelSchema, path: str | Path) -> None:
    """Write the schema as YAML or JSON, by the suffix; ``read_schema`` reads back an equal one.

    Raises:
        ConfigurationError: The suffix is neither YAML nor JSON, or the file cannot be written.
    """
    path = Path(path)
    kind = _kind_of(path.suffix, str(path))
    text = dump_schema(schema, kind)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}", path=str(path)) from error


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> ScalarNode:
    # PyYAML writes a lone next-line character (U+0085) bare and then does not read it back.
    return dumper.represent_scalar(f"{_TAG}str", text, style='"' if "\x85" in text else None)


_Dumper.add_representer(str, _text)


def dump_schema(schema: LabelSchema, kind: str = "yaml") -> str:
    """Return the schema as YAML or (``kind="json"``) JSON, with names that need quotes quoted."""
    data = _short(schema.model_dump(mode="json", exclude_defaults=True))
    if kind == "json":
        return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


def _short(data: dict[str, Any]) -> dict[str, Any]:
    """Write lists of named parts as ``{name: description}`` where that says all, as people would."""
    for field in ("entities", "relations", "texts"):
        if field in data:
            data[field] = {p["name"]: _described(p) for p in data[field]}
    return data


def _described(part: dict[str, Any]) -> str | dict[str, Any]:
    rest = {key: value for key, value in part.items() if key != "name"}
    return rest if rest.keys() - {"description"} else rest.get("description", "")
