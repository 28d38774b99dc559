"""JSON with line numbers: the same nodes that the YAML reader makes, so that one reader serves both."""

from __future__ import annotations

import json
import re

from yaml import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from llmlabel.errors import ConfigurationError

_TAG = "tag:yaml.org,2002:"
_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[^\s,\]}]+")
_STRINGS = json.JSONDecoder()
_ATOMS = {"true": "bool", "false": "bool", "null": "null"}


def compose_json(text: str, name: str, max_depth: int) -> Node:
    """Return the value in a JSON text as nodes with positions.

    Raises:
        ConfigurationError: The text is not JSON, or is nested deeper than ``max_depth``; names line and column.
    """
    _check_depth(text, name, max_depth)
    try:
        # Numbers stay text: their value is never used, and a 5,000-digit integer must not be an error of its own.
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{name}, line {error.lineno}: column {error.colno}: not JSON: {error.msg}", path=name, line=error.lineno
        ) from None
    return _Composer(text, name).node(0)[0]


def _check_depth(text: str, name: str, max_depth: int) -> None:
    depth = 0
    # An unclosed string runs to the end of the text, and is never tried again from its middle: linear time.
    for match in re.finditer(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', text, re.DOTALL):
        found = match.group()
        depth += 1 if found in "[{" else -1 if found in "]}" else 0
        if depth > max_depth:
            line = text.count("\n", 0, match.start()) + 1
            raise ConfigurationError(f"{name}, line {line}: nested more than {max_depth} deep", path=name, line=line)


class _Composer:
    """Walks a text that is known to be valid JSON."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self._line = 0
        self._seen = 0

    def node(self, at: int) -> tuple[Node, int]:
        at = self._skip(at)
        mark = self._mark(at)
        first = self.text[at]
        if first == "{":
            return self._mapping(at, mark)
        if first == "[":
            return self._sequence(at, mark)
        if first == '"':
            value, end = _STRINGS.raw_decode(self.text, at)
            return ScalarNode(f"{_TAG}str", value, mark, mark, style='"'), end
        match = _ATOM.match(self.text, at)
        assert match is not None  # the text is valid JSON
        atom = match.group()
        kind = _ATOMS.get(atom, "int" if atom.lstrip("-").isdigit() else "float")
        return ScalarNode(_TAG + kind, atom, mark, mark), match.end()

    def _mapping(self, at: int, mark: Mark) -> tuple[Node, int]:
        pairs: list[tuple[Node, Node]] = []
        at = self._skip(at + 1)
        while self.text[at] != "}":
            key, at = self.node(at)
            value, at = self.node(self._skip(at) + 1)
            pairs.append((key, value))
            at = self._next(at)
        return MappingNode(f"{_TAG}map", pairs, mark, mark), at + 1

    def _sequence(self, at: int, mark: Mark) -> tuple[Node, int]:
        items: list[Node] = []
        at = self._skip(at + 1)
        while self.text[at] != "]":
            item, at = self.node(at)
            items.append(item)
            at = self._next(at)
        return SequenceNode(f"{_TAG}seq", items, mark, mark), at + 1

    def _next(self, at: int) -> int:
        at = self._skip(at)
        return self._skip(at + 1) if self.text[at] == "," else at

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def _mark(self, at: int) -> Mark:
        """The position as a mark; called with growing positions, so that counting lines stays linear."""
        self._line += self.text.count("\n", self._seen, at)
        self._seen = at
        return Mark(self.name, at, self._line, 0, None, 0)
