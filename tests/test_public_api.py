"""The public names: listed, sorted, importable, documented."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import llmlabel

NAMES = llmlabel.__all__


def imported_for_type_checkers() -> dict[str, str]:
    """Return name → module of the imports that only type checkers run."""
    tree = ast.parse(Path(llmlabel.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def test_all_is_sorted():
    """
    Public names stand in order, each once.
    """
    assert sorted(set(NAMES)) == NAMES


def test_all_lists_what_can_be_imported():
    """
    Every name with a home is public, and every public name has a home.
    """
    assert NAMES == sorted(llmlabel._HOME)


def test_type_checkers_see_the_same_names_from_the_same_modules():
    """
    The imports under TYPE_CHECKING agree with the lazy ones.
    """
    assert {name: f"llmlabel.{home}" for name, home in llmlabel._HOME.items()} == imported_for_type_checkers()


@pytest.mark.parametrize("name", NAMES)
def test_public_name_has_a_docstring(name: str):
    """
    A public name comes with a docstring of its own, whose first line is a sentence.
    """
    value = getattr(llmlabel, name)
    own = value.__dict__.get("__doc__") if isinstance(value, type) else inspect.getdoc(value)

    assert own, f"{name} has no docstring"
    assert own.strip().splitlines()[0].rstrip()[-1] in ".:,;", f"{name}: {own.strip().splitlines()[0]}"


def test_dir_lists_the_public_names():
    """
    Completion in a notebook offers names that are not imported yet.
    """
    assert set(NAMES) <= set(dir(llmlabel))


def test_star_import_gives_every_public_name():
    """
    ``from llmlabel import *`` works with lazy names.
    """
    namespace: dict[str, object] = {}
    exec("from llmlabel import *", namespace)

    assert set(NAMES) <= set(namespace)


def test_unknown_name_is_an_attribute_error():
    """
    A name that does not exist fails as in any module.
    """
    with pytest.raises(AttributeError, match="module 'llmlabel' has no attribute 'nothing'"):
        llmlabel.nothing  # noqa: B018


def test_every_public_name_is_in_the_reference():
    """
    ``docs/api.md`` documents each public name once, and nothing else.
    """
    page = Path(llmlabel.__file__).parents[1] / "docs" / "api.md"
    if not page.exists():
        pytest.skip("the documentation is not part of an installed package")
    found = re.findall(r"^\.\. auto\w+:: llmlabel\.(\w+)$", page.read_text("utf-8"), re.MULTILINE)

    assert sorted(found) == NAMES
