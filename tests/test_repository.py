"""What must hold for the files of the repository themselves."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 60

# Module → why it may be longer. Nothing else may.
LONG_MODULES: dict[str, str] = {}

# A slash and a folder of somebody's machine; addresses of hosts are looked for apart.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:work|farm|root|home|Users|tmp|mnt|opt)/[\w.-]+")
REGISTRY = re.compile("pypi" r"\.(?:org|python)|python" "hosted|npm" r"js|ana" r"conda\.org")
IGNORED_FOLDERS = {".git", ".hypothesis", ".venv", ".nox", "node_modules", "dist", "build", "_build", "llmlabel-demo"}


def tracked() -> list[Path]:
    """Return the files under version control, or all files where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(p in IGNORED_FOLDERS or p.endswith(("cache", "cache__")) for p in path.relative_to(ROOT).parts)
    ]


FILES = tracked()
MODULES = [path for path in FILES if path.suffix == ".py" and path.is_relative_to(ROOT / "llmlabel")]


def lines(pattern: re.Pattern[str], *, but: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield ``file:line`` for each tracked line that the pattern finds."""
    for path in FILES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(but) or b"\0" in (content := path.read_bytes()):
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                yield f"{name}:{number}"


def test_no_path_of_a_machine_in_any_file():
    """
    No file names a folder of the machine it was written on.
    """
    assert [] == list(lines(MACHINE_PATH, but=(".ci/", "tests/")))


def test_no_registry_address_in_any_file():
    """
    No file names a package registry: where packages come from is the machine's setting.
    """
    assert [] == list(lines(REGISTRY))


def test_modules_are_short():
    """
    No module is longer than 300 lines without a reason.
    """
    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in MODULES
        if (count := len(path.read_text("utf-8").splitlines())) > MAX_MODULE_LINES
    }

    assert {} == {name: count for name, count in long.items() if name not in LONG_MODULES}


def test_exceptions_are_still_needed():
    """
    A module that became short again leaves the list.
    """
    needed = [name for name in LONG_MODULES if len((ROOT / name).read_text("utf-8").splitlines()) > MAX_MODULE_LINES]

    assert list(LONG_MODULES) == needed


def test_functions_are_short():
    """
    No function is longer than 60 lines.
    """
    long = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]

    assert [] == long


def test_no_module_is_called_utils():
    """
    A module's name says what belongs in it.
    """
    assert [] == [path.name for path in MODULES if path.stem in {"utils", "util", "helpers", "misc", "common"}]


def test_actions_are_pinned_by_commit():
    """
    Every action of the workflows is named by a full commit hash, with its version beside it.
    """
    uses = [
        line.strip()
        for path in (ROOT / ".github").rglob("*.yml")
        for line in path.read_text("utf-8").splitlines()
        if "uses:" in line
    ]

    assert uses
    assert [] == [line for line in uses if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)]


def test_constraints_hold_every_direct_dependency():
    """
    The pins were written after the last change of the dependencies.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = {name: wanted for name, wanted in project["project"]["optional-dependencies"].items() if name != "kili"}
    wanted = [*project["project"]["dependencies"], *(item for items in extras.values() for item in items)]
    wanted += [item for items in project["dependency-groups"].values() for item in items if isinstance(item, str)]
    names = {re.split(r"[\[<>=!~; ]", item, maxsplit=1)[0].lower().replace("_", "-") for item in wanted}
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))

    assert set() == names - pinned


def test_ci_script_is_executable():
    """
    The CI script runs as it is checked out.
    """
    if not (ROOT / ".ci/run").exists():
        pytest.skip("not part of the source distribution")

    assert (ROOT / ".ci/run").stat().st_mode & 0o100
