"""Killed at any request, to the service, the storage or the model, and run again: the end is the same."""

from __future__ import annotations

import copy
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmlabel import AzureLanguageExporter
from llmlabel.platforms.azure_language.blobs import BlobTexts
from llmlabel.platforms.azure_language.texts import FolderTexts, StoredText, TextStore
from tests.azure.conftest import SAMPLE, Clock
from tests.azure.test_auto_label import command, gold, model, run
from tests.azure.test_exporter import ANN, BATCH, SCHEMA
from tests.servers.azure_service import KEY, Answer, Asked, AzureService
from tests.servers.azurite import Azurite, account_url, connection_string
from tests.servers.openai_server import OpenAIServer, Request
from tests.servers.relay import Relay

__all__ = ["gold", "model"]


class Killed(BaseException):
    """The process is gone."""


class Life:
    """A process that dies at one of its requests, before or after that is carried out; then it does nothing more."""

    def __init__(self, number: int, before: bool) -> None:
        self.number, self.before, self.count = number, before, 0
        self._dead = False
        self._lock = threading.Lock()

    def request(self, act: Callable[[], Any]) -> Any:
        """Carry out one request, or die."""
        with self._lock:
            self.count += 1
            last = self.count == self.number
            if self._dead or (last and self.before):
                self._dead = True
                raise Killed
            answer = act()
            if last:
                self._dead = True
                raise Killed
            return answer


class Transport(httpx.HTTPTransport):
    """The requests to the service."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self.life = life

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        def act() -> httpx.Response:
            response = super(Transport, self).handle_request(request)
            response.read()
            response.close()
            return response

        return self.life.request(act)


class Texts(FolderTexts):
    """A folder whose every use counts as a request to a storage."""

    def __init__(self, folder: Path, life: Life) -> None:
        super().__init__(folder)
        self.life = life

    def exists(self) -> bool:
        return self.life.request(super().exists)

    def create(self) -> None:
        self.life.request(super().create)

    def texts(self) -> Any:
        found: list[StoredText] = self.life.request(lambda: list(super(Texts, self).texts()))
        return iter(found)

    def read(self, name: str) -> bytes:
        return self.life.request(lambda: super(Texts, self).read(name))

    def write(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        return self.life.request(lambda: super(Texts, self).write(name, data, overwrite=overwrite))


Open = Callable[[str, Life], TextStore]


def check_killed_anywhere(
    share: float, service: AzureService, clock: Clock, folder: Path, existing: str, opened: Open
) -> None:
    """Kill a run at a share of its requests, drawn by a seed, run again; project, manifest and texts end the same."""

    given: dict[str, Any] = {"schema": SCHEMA, "project": "p", "container": "texts", "api_key": KEY, "clock": clock}

    def export(place: str, life: Life) -> None:
        with Transport(life) as transport:
            AzureLanguageExporter(
                service.url,
                existing=existing,  # type: ignore[arg-type]  # one of the three
                storage=Named(opened(place, life)),
                create_container=True,
                directory=folder / place,
                transport=transport,
                **given,
            ).export(BATCH)

    if existing == "merge":
        people = [ANN.model_copy(update={"entities": ANN.entities[:1]})]
        AzureLanguageExporter(service.url, directory=folder / "people", **given).export(people)
    first = copy.deepcopy(service.projects)

    def end(number: int, before: bool) -> tuple[Any, str, dict[str, bytes], int]:
        service.projects = copy.deepcopy(first)
        place, life = f"kept-{number}-{before}".lower(), Life(number, before)
        try:
            export(place, life)
        except Killed:
            export(place, Life(0, True))
        store = opened(place, Life(0, True))
        texts = {item.name: store.read(item.name) for item in store.texts()}
        return service.projects, (folder / place / "imported-p.json").read_text(), texts, life.count

    *whole, requests = end(0, True)
    places = [(number, before) for number in range(1, requests + 1) for before in (True, False)]
    for number, before in random.Random(5).sample(places, max(1, round(share * len(places)))):
        *found, reached = end(number, before)
        assert (whole, True, number) == (found, reached >= number, number)
    assert requests > 15


class Named:
    """A store under the name that the exporter expects, whatever its container is called."""

    def __init__(self, store: TextStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "container":
            raise AttributeError(name)
        return getattr(self._store, name)


@pytest.mark.parametrize("existing", ["refuse", "merge"])
def test_killed_at_some_requests_and_run_again_ends_the_same(
    existing: str, service: AzureService, clock: Clock, tmp_path: Path
):
    """
    Whatever request a process dies at, to service or storage, the next run ends with the same project, manifest, texts.
    """
    check_killed_anywhere(
        0.1, service, clock, tmp_path, existing, lambda place, life: Texts(tmp_path / f"c-{place}", life)
    )


@pytest.mark.slow
@pytest.mark.parametrize("existing", ["refuse", "merge", "overwrite"])
def test_killed_at_every_request_and_run_again_ends_the_same(
    existing: str, service: AzureService, clock: Clock, tmp_path: Path, azurite: Azurite
):
    """
    The same at each and every HTTP request, blobs in the emulator among them.
    """
    transports = pytest.importorskip("azure.core.pipeline.transport", reason='needs the extra "azure"')

    class Blobs(transports.RequestsTransport):
        def __init__(self, life: Life) -> None:
            super().__init__()
            self.life = life

        def send(self, request: Any, **more: Any) -> Any:
            return self.life.request(lambda: super(Blobs, self).send(request, **more))

    def opened(place: str, life: Life) -> TextStore:
        name = f"{existing}-{place}"
        return BlobTexts(name, connection_string=azurite.connection_string, transport=Blobs(life))

    check_killed_anywhere(1.0, service, clock, tmp_path, existing, opened)


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_killed_command_continues_and_ends_the_same(
    before: bool, azurite: Azurite, service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path
):
    """
    The process is killed at every k-th request to storage, service or model, the first one seeded; the next finishes.
    """
    service.steps = ("succeeded",)
    answer_of_model = model.answer
    with Relay(azurite.port) as relay:

        def start(name: str) -> Any:
            arguments = command(service, model, shared, tmp_path)
            place = arguments.index("--texts")
            arguments[place : place + 4] = ["--out", str(tmp_path / name)]
            arguments[arguments.index("--container") + 1] = name
            return run(arguments, AZURE_STORAGE_CONNECTION_STRING=connection_string(account_url(relay.port)))

        def requests() -> int:
            return len(service.asked) + len(model.requests) + len(relay.seen)

        def ended(name: str) -> tuple[Any, dict[str, bytes]]:
            project = service.projects.pop("loans")
            assert name == project["metadata"].pop("storageInputContainerName")
            store = BlobTexts(name, connection_string=azurite.connection_string)
            return project, {item.name: store.read(item.name) for item in store.texts()}

        def kill_at(last: int, victim: Any) -> None:
            def kill(now: bool) -> None:
                if now and requests() >= last and victim.poll() is None:
                    victim.send_signal(signal.SIGKILL)
                    victim.wait()

            def fault(_: Asked) -> Answer | None:
                kill(before)
                return None

            def after(_: Asked, answer: Answer) -> Answer:
                kill(not before)
                return answer

            def answered(request: Request) -> Any:
                kill(True)
                return answer_of_model(request)

            service.fault, service.after, model.answer = fault, after, answered
            relay.before, relay.after = (lambda: kill(before)), (lambda: kill(not before))

        name = f"whole-{before}".lower()
        began = requests()
        start(name).communicate(timeout=120)
        count, ends = requests() - began, [ended(name)]
        assert len(relay.seen) > 40
        step = count // 4
        for number in range(random.Random(7).randint(1, step), count + 1, step):
            name, asked = f"killed-{number}-{before}".lower(), len(model.requests)
            victim = start(name)
            kill_at(requests() + number, victim)
            victim.communicate(timeout=120)
            service.fault, service.after, model.answer = (lambda _: None), (lambda _, answer: answer), answer_of_model
            relay.before = relay.after = lambda: None
            again = start(name)
            _, errors = again.communicate(timeout=120)
            assert (-signal.SIGKILL, 0) == (victim.returncode, again.returncode), errors
            assert len(model.requests) - asked <= 40
            ends.append(ended(name))

    assert [ends[0]] * len(ends) == ends
    assert len(list((shared / SAMPLE).glob("*.txt"))) == len(ends[0][1])
