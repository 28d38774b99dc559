"""Examples of the README and the documentation run as they stand there, and print what is shown.

A ``python`` block runs after the ones above it on its page; a ``text`` block right after it holds what it prints
(``…`` stands for anything). ``<!-- not run: why -->`` before a block leaves it out.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(?P<skip><!-- not run: .+? -->\n)?```python\n(?P<code>.*?)^```\n(?:\n?```text\n(?P<shown>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^python3 -m venv .*$", re.MULTILINE)


class Example(NamedTuple):
    """One block of a page: its first line's number, the code, and what it prints (None: nothing is shown)."""

    line: int
    code: str
    shown: str | None


def examples(page: Path) -> list[Example]:
    """Return the blocks of a page that run."""
    text = page.read_text("utf-8")
    return [
        Example(text.count("\n", 0, found.start("code")) + 1, found["code"], found["shown"])
        for found in BLOCK.finditer(text)
        if not found["skip"]
    ]


def agrees(shown: str, printed: str) -> bool:
    """Return whether the output is the one that is shown; ``…`` stands for anything within a line, or for lines."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda page: page.name)
def test_examples_print_what_the_page_shows(page: Path, tmp_path, monkeypatch):
    """
    Every example runs, in order, without a key or a network, and prints what stands below it.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "KILI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    namespace: dict[str, object] = {"__name__": "example"}
    for example in examples(page):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("\n" * (example.line - 1) + example.code, str(page), "exec"), namespace)

        if example.shown is not None:
            assert agrees(example.shown, printed.getvalue()), f"{page.name}:{example.line}\n{printed.getvalue()}"


def test_readme_holds_the_two_command_lines():
    """
    One line installs and runs the main job, one installs and runs the tests; CI runs both as they stand.
    """
    demo, tests = COMMAND.findall((ROOT / "README.md").read_text("utf-8"))

    assert demo.endswith("llmlabel demo")
    assert tests.endswith("pytest -q -n auto")


def test_demo_prints_what_the_readme_shows(tmp_path):
    """
    The output of the first command line is the one in the README.
    """
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"^## What the first command prints\n\n```text\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert shown
    done = subprocess.run(
        [sys.executable, "-m", "llmlabel", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert agrees(shown[1], done.stdout), done.stdout


def test_every_link_within_the_repository_leads_somewhere():
    """
    Relative links of the README, the guides and the documentation name files that exist.
    """
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert [] == broken
