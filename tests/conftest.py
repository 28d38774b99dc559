"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Time per example says nothing on a loaded machine.
settings.register_profile("llmlabel", deadline=None, max_examples=50)
settings.load_profile("llmlabel")

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and contracts beside the checkout; absent for most users, who skip those tests."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data folder beside the checkout")
    return SHARED
