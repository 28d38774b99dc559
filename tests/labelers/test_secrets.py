"""A canary key goes through everything that can be printed, logged, pickled or raised."""

from __future__ import annotations

import asyncio
import copy
import io
import logging
import pickle
import traceback

import pytest
from pydantic import SecretStr

from llmlabel import (
    AzureOpenAILabeler,
    ConfigurationError,
    LabelerError,
    LLMLabeler,
    OpenAILabeler,
    RecordingLabeler,
)
from llmlabel.labelers.doctor import doctor
from llmlabel.labelers.secrets import Key
from llmlabel.testing.watching import chain
from tests.labelers.conftest import SCHEMA, prompt
from tests.servers.openai_server import OpenAIServer, Reply, refusal

KEY = "sk-proj-C4n4ryQ7w9Zx1Lm3Vb5N"
PIECES = (KEY, KEY[8:16], KEY[-8:])


def entra_token() -> str:
    return KEY


def makers(server: OpenAIServer) -> dict[str, LLMLabeler]:
    azure = {"deployment": "d", "endpoint": server.url}
    return {
        "openai": OpenAILabeler(SCHEMA, model="m", base_url=server.base_url, api_key=KEY),
        "openai secret": OpenAILabeler(SCHEMA, model="m", base_url=server.base_url, api_key=SecretStr(KEY)),
        "responses": OpenAILabeler(SCHEMA, model="m", base_url=server.base_url, api_key=KEY, api="responses"),
        "debug": OpenAILabeler(SCHEMA, model="m", base_url=server.base_url, api_key=KEY, debug_content=True),
        "azure": AzureOpenAILabeler(SCHEMA, api_key=KEY, **azure),
        "azure dated": AzureOpenAILabeler(SCHEMA, api_key=KEY, api_version="2024-10-21", **azure),
        "azure token": AzureOpenAILabeler(SCHEMA, token_provider=entra_token, **azure),
        "azure dated token": AzureOpenAILabeler(SCHEMA, token_provider=entra_token, api_version="2024-10-21", **azure),
    }


KINDS = ["openai", "openai secret", "responses", "debug", "azure", "azure dated", "azure token", "azure dated token"]
MASKED = f"Incorrect API key provided: {KEY[:10]}****{KEY[-8:]}. Headers: {KEY}"
REPLIES = {
    "401": refusal(401, MASKED, code="invalid_api_key", param=KEY),
    "403": refusal(403, MASKED),
    "404": refusal(404, f"not found for {KEY}"),
    "429": refusal(429, f"slow down {KEY}"),
    "400": refusal(400, f"bad {KEY}"),
    "500": Reply(f"<html>{KEY}</html>".encode(), 500, {"content-type": "text/html", "x-echo": KEY}),
    "reset": Reply(reset=True),
    "not json": Reply(KEY.encode()),
    "cut": Reply(KEY.encode() * 9, cut_after=30),
}


@pytest.fixture
def logged():
    """All that any logger writes at DEBUG, as a handler of the host program would format it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    loggers = [
        logging.getLogger(name) for name in ("openai", "httpx2", "httpcore2", "aiohttp.client", "asyncio", "llmlabel")
    ]
    before = [(item, item.level) for item in [root, *loggers]]
    for item in [root, *loggers]:
        item.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for item, level in before:
        item.setLevel(level)


def shown(error: BaseException) -> str:
    """Everything that a report of an error can show, local variables of all frames included."""
    deep = traceback.TracebackException.from_exception(error, capture_locals=True)
    plain = "".join(traceback.format_exception(error))
    inside = "".join(f"{item!r} {vars(item)!r} {item.args!r}" for item in chain(error))
    responses = "".join(
        f"{item.response.headers!r} {item.request.headers!r} {item.response.content!r} {item.body!r}"
        for item in chain(error)
        if hasattr(item, "response")
    )
    return plain + "".join(deep.format()) + inside + responses


@pytest.mark.parametrize("failure", REPLIES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_error_shows_any_part_of_the_key(server: OpenAIServer, logged: io.StringIO, kind: str, failure: str):
    """
    Whatever comes back, the error, its causes, all local variables and every log line are clean.
    """
    server.queue.extend([REPLIES[failure]] * 8)
    labeler = makers(server)[kind]

    async def fail() -> LabelerError:
        with pytest.raises(LabelerError) as caught:
            await labeler.complete(prompt())
        await labeler.aclose()
        return caught.value

    error = asyncio.run(fail())
    text = shown(error) + shown(pickle.loads(pickle.dumps(error))) + logged.getvalue()

    assert any(KEY in value for value in server.requests[0].headers.values())
    assert "openai" in logged.getvalue()
    assert [] == [piece for piece in PIECES if piece in text]


@pytest.mark.parametrize("kind", KINDS)
def test_no_repr_pickle_recording_or_report_shows_the_key(
    server: OpenAIServer, logged: io.StringIO, tmp_path, kind: str
):
    """
    What is printed of a labeler that works.
    """
    labeler = makers(server)[kind]
    recorder = RecordingLabeler(labeler, tmp_path / "recording.jsonl")

    async def use() -> str:
        completion = await recorder.complete(prompt())
        texts = [repr(labeler), repr(vars(labeler)), labeler.fingerprint, labeler.quota_key, labeler.endpoint]
        await recorder.aclose()
        return " ".join([*texts, repr(completion), repr(recorder)])

    text = asyncio.run(use()) + repr(doctor(labeler)) + (tmp_path / "recording.jsonl").read_text("utf-8")
    text += pickle.dumps(labeler).decode("latin1") + pickle.dumps(recorder).decode("latin1") + logged.getvalue()

    assert [] == [piece for piece in PIECES if piece in text]


def test_doctor_does_not_show_a_rejected_key(server: OpenAIServer):
    """
    Its report is made to be pasted into an issue.
    """
    server.queue.append(REPLIES["401"])
    text = repr(doctor(makers(server)["openai"]))

    assert "key" in text
    assert [] == [piece for piece in PIECES if piece in text]


def test_handlers_of_the_host_program_are_not_touched(server: OpenAIServer):
    """
    No handler, level or filter is set on anybody's logger.
    """

    def state() -> list[object]:
        names = ("", "openai", "httpx2", "aiohttp.client", "asyncio", "llmlabel")
        return [
            (logging.getLogger(n).level, list(logging.getLogger(n).handlers), list(logging.getLogger(n).filters))
            for n in names
        ]

    import openai  # noqa: F401  # the package sets up its own logger when it is loaded

    before = state()
    asyncio.run(makers(server)["openai"].complete(prompt()))

    assert before == state()


def test_key_shows_itself_nowhere():
    """
    Neither its repr, nor a copy, nor a pickle.
    """
    key = Key(KEY, variables=("X_KEY",))

    assert KEY == key.reveal() == copy.deepcopy(key).reveal()
    assert KEY not in repr(key) + repr(vars(key)) + pickle.dumps(key).decode("latin1")


def test_first_variable_that_is_set_is_taken(monkeypatch: pytest.MonkeyPatch):
    """
    Blank variables count as not set.
    """
    monkeypatch.setenv("A_KEY", " ")
    monkeypatch.setenv("B_KEY", "b")

    assert "b" == Key(None, variables=("A_KEY", "B_KEY")).reveal()


def test_argument_goes_before_the_variables(monkeypatch: pytest.MonkeyPatch):
    """
    What the caller says goes.
    """
    monkeypatch.setenv("A_KEY", "a")

    assert "given" == Key("given", variables=("A_KEY",)).reveal()


def test_key_that_is_needed_and_missing_is_refused():
    """
    All variables are named.
    """
    with pytest.raises(ConfigurationError, match="A_KEY or B_KEY"):
        Key(None, variables=("A_KEY", "B_KEY"))
