"""Everything CI runs. ``nox -l`` lists the sessions; ``nox -s lint types`` runs two of them."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_missing_interpreters = "CI" in os.environ

PYPROJECT = nox.project.load_toml()
PYTHONS = nox.project.python_versions(PYPROJECT)
OLDEST = PYTHONS[0]
CONSTRAINTS = "constraints.txt"
# Their quick tests need packages that only the session for slow ones installs.
NEED_MORE = (
    "tests/azure/test_azurite.py",
    "tests/cli/test_compare.py",
    "tests/cli/test_evaluate.py",
    "tests/evaluation",
    "tests/pipeline/test_reasons.py",
    "tests/quality",
    "tests/test_chunking.py",
)
# kili pins older releases of shared libraries, so it resolves on its own and stays out of the common file.
PINNED_EXTRAS = sorted(set(PYPROJECT["project"]["optional-dependencies"]) - {"kili"})


def install(session: nox.Session, *groups: str) -> None:
    """Install the package, editable, and the groups: pinned and hash-checked unless LLMLABEL_UNPINNED is set."""
    if os.environ.get("LLMLABEL_UNPINNED"):
        session.install("-e", ".[cli]", *(part for group in groups for part in ("--group", group)))
    else:
        session.install("--require-hashes", "-r", CONSTRAINTS)
        session.install("--no-deps", "-e", ".")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the default tests; arguments after ``--`` go to pytest."""
    install(session, "test")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(python=OLDEST)
def slow(session: nox.Session) -> None:
    """Run the tests that need minutes or other programs: scorers, datasets, a browser, a notebook, Azurite."""
    install(session, "test", "oracles", "hub", "browser")
    if os.environ.get("LLMLABEL_UNPINNED"):  # the pins hold these extras already
        session.install("-e", ".[azure,cli,plots,prices]")
    # What CI installs may not be skipped there for want of it.
    required = os.environ.get("LLMLABEL_REQUIRED", "azurite,azure-sdk" if "CI" in os.environ else "")
    session.run("pytest", "-m", "slow", *session.posargs, env={"LLMLABEL_REQUIRED": required})
    if not session.posargs:
        session.run("pytest", "-n", "auto", *NEED_MORE)


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest release of each direct dependency that pyproject.toml allows (needs uv)."""
    session.install("--resolution", "lowest-direct", "-e", ".[cli]")
    session.install("--group", "test")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check style, format and the direction of imports."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Check types: mypy strict on the package, mypy and pyright on code as a user writes it."""
    install(session, "types", "test")
    session.run("mypy")
    session.run("mypy", "tests/typing")
    session.run("pyright", "tests/typing")


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Build the documentation; warnings are errors."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session(python=OLDEST)
def kili(session: nox.Session) -> None:
    """Run the Kili tests against the kili package, in an environment where its pins hold.

    The engine's tests run too: here with tenacity 8, which kili wants, in all other sessions with 9.
    """
    session.install(".[kili,cli]")
    check(session)
    session.install("--group", "test", "ipykernel", "nbclient")
    check(session)
    session.run("llmlabel", "--version")
    session.run("python", "-c", "from importlib.metadata import version; print('tenacity', version('tenacity'))")
    session.run("pytest", "tests/kili", "-m", "slow or not slow", *session.posargs)
    session.run("pytest", "tests/engine")


@nox.session(python=OLDEST)
def extras(session: nox.Session) -> None:
    """Resolve every extra alone, and the pairs that the documentation names; installs nothing."""
    session.install("uv")
    names = [*PYPROJECT["project"]["optional-dependencies"], "kili,cli", "azure,cli", "kili,azure,cli"]
    for name in names:
        session.run("uv", "pip", "install", "--quiet", "--dry-run", f".[{name}]")


@nox.session(python=OLDEST)
def package(session: nox.Session) -> None:
    """Build wheel and sdist into dist/, then run the demo from the wheel alone."""
    session.install("build", "twine")
    out = Path(session.create_tmp())
    dist = Path("dist").resolve()
    for old in dist.glob("llmlabel-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(dist))
    built = sorted(str(path) for path in dist.glob("llmlabel-*"))
    session.run("twine", "check", "--strict", *built)
    wheel = next(path for path in built if path.endswith(".whl"))
    session.install("--reinstall" if session.venv_backend == "uv" else "--force-reinstall", f"llmlabel[cli] @ {wheel}")
    session.chdir(out)
    session.run("llmlabel", "demo", "--out", "demo")


@nox.session(python=OLDEST, venv_backend="uv")
def constraints(session: nox.Session) -> None:
    """Write constraints.txt anew from pyproject.toml; pins are kept unless ``-- --upgrade`` is given."""
    session.install("uv")
    chosen = [part for name in PINNED_EXTRAS for part in ("--extra", name)]
    session.run(
        *("uv", "pip", "compile", "pyproject.toml", "--group", "dev", *chosen),
        *("--universal", "--python-version", OLDEST, "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
        *("--custom-compile-command", "nox -s constraints", "--quiet", "--output-file", CONSTRAINTS),
        *session.posargs,
    )


def check(session: nox.Session) -> None:
    """Fail if installed packages contradict each other."""
    session.run("uv", "pip", "check", external=True) if session.venv_backend == "uv" else session.run("pip", "check")
