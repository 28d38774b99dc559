"""What the tests of Azure Language share: the service on loopback, a client of it, a clock that does not wait."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmlabel.platforms.azure_language.client import AzureLanguageClient
from tests.conftest import SHARED, absent
from tests.servers.azure_service import KEY, AzureService
from tests.servers.azurite import Azurite, missing

SAMPLE = "contracts/azure-language/samples/loanagreements"


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """A clock that does not wait."""
    return Clock()


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address of this machine where nobody listens, and nobody can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A running emulator of Azure Storage; skips where there is no node, unless it must be there."""
    if reason := missing():
        absent("azurite", reason)
    with Azurite() as running:
        yield running


@pytest.fixture
def service() -> Iterator[AzureService]:
    """The service on loopback; fails the test if a request or response was not as its description says.

    The description is shared data: a clone without it runs the tests against the unchecked service.
    """
    with AzureService(SHARED if SHARED.is_dir() else None) as running:
        yield running


@pytest.fixture
def client(service: AzureService, clock: Clock) -> Iterator[AzureLanguageClient]:
    """A client of the service."""
    with AzureLanguageClient(service.url, api_key=KEY, clock=clock) as made:
        yield made


@pytest.fixture
def sample(shared: Path) -> dict[str, Any]:
    """The official LoanAgreements project: 20 texts, 240 labels."""
    return json.loads((shared / SAMPLE / "loanAgreementsLabels.json").read_bytes())
