"""Fixtures for the tests of exporters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest


@pytest.fixture(scope="session")
def strict(shared: Path) -> Callable[[object], list[str]]:
    """What the strict schema of Azure's labels files says against a file: nothing, if it is valid."""
    rules = shared / "contracts/azure-language/labels-file.strict.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(rules.read_bytes()))
    return lambda content: [error.message for error in validator.iter_errors(content)]
