"""Fixtures for every test."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

# Time per example says nothing on a loaded machine.
settings.register_profile("llmlabel", deadline=None, max_examples=50)
settings.load_profile("llmlabel")

# A shell ignores Ctrl-C for what it runs in the background, and children inherit that: these tests would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and contracts beside the checkout; absent for most users, who skip those tests."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data folder beside the checkout")
    return SHARED


def absent(what: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where ``LLMLABEL_REQUIRED`` (comma-separated, set by CI) says that it must not skip."""
    if what in os.environ.get("LLMLABEL_REQUIRED", "").split(","):
        pytest.fail(f"{what} is required here, but: {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
