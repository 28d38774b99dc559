"""What ``doctor`` finds out with one request."""

from __future__ import annotations

import asyncio

import pytest

from llmlabel import AzureOpenAILabeler, LLMLabeler, OpenAILabeler, ReplayLabeler
from llmlabel.labelers.doctor import Check, doctor
from llmlabel.testing.scripted import ScriptedLabeler
from tests.labelers.conftest import SCHEMA
from tests.servers.openai_server import OpenAIServer, Reply, chat_body, refusal, too_many


def checks(labeler: LLMLabeler) -> dict[str, Check]:
    return {check.name: check for check in doctor(labeler)}


def outcome(labeler: LLMLabeler) -> dict[str, bool | None]:
    return {name: check.ok for name, check in checks(labeler).items()}


def openai(server: OpenAIServer, **more: object) -> OpenAILabeler:
    return OpenAILabeler(SCHEMA, **{"model": "m", "base_url": server.base_url, **more})


def test_all_is_well(server: OpenAIServer):
    """
    One request, and five checks.
    """
    server.answer = lambda request: '{"here": true}'

    assert {"address": True, "endpoint": True, "key": True, "model": True, "structured output": True} == outcome(
        openai(server)
    )
    assert 1 == len(server.requests)
    assert "Are you there?" == server.requests[0].text


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (refusal(401), {"address": True, "endpoint": True, "key": False}),
        (refusal(404), {"address": True, "endpoint": True, "model": False}),
        (too_many(1.0), {"address": True, "endpoint": True, "key": True, "quota": False}),
        (refusal(500), {"address": True, "endpoint": True, "request": False}),
        (Reply(reset=True), {"address": True, "endpoint": False}),
    ],
)
def test_first_thing_that_fails_is_told(server: OpenAIServer, reply: Reply, expected: dict):
    """
    The kind of error says how far the request came.
    """
    server.queue.append(reply)

    assert expected == outcome(openai(server))


def test_endpoint_that_ignores_the_schema_is_told(server: OpenAIServer):
    """
    Some servers accept a schema and answer as they like.
    """
    server.answer = lambda request: "Sure!"

    assert False is outcome(openai(server))["structured output"]


def test_endpoint_that_refuses_the_schema_is_told(server: OpenAIServer):
    """
    The labeler then asks in words.
    """
    server.queue.append(refusal(400, "no response_format json_schema"))
    server.answer = lambda request: '{"here": true}'

    assert "answers come as json_object" in checks(openai(server))["structured output"].detail


def test_answer_that_was_cut_leaves_it_open(server: OpenAIServer):
    """
    A reasoning model may think past the limit.
    """
    server.queue.append(Reply(chat_body("", finish="length")))

    assert None is outcome(openai(server))["structured output"]


def test_model_behind_a_deployment_is_told(server: OpenAIServer):
    """
    The deployment's name says nothing.
    """
    server.queue.append(Reply(chat_body("{}", model="gpt-4o-2024-08-06")))
    azure = AzureOpenAILabeler(SCHEMA, deployment="mine", endpoint=server.url, api_key="k")

    assert "mine, which says it is gpt-4o-2024-08-06" == checks(azure)["model"].detail


def test_address_of_the_environment_is_told(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch):
    """
    A forgotten variable sends requests elsewhere.
    """
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    one = OpenAILabeler(SCHEMA, model="m")

    assert f"{server.base_url}, set by the environment variable OPENAI_BASE_URL" == checks(one)["address"].detail


def test_bug_in_a_labeler_is_told_and_not_raised():
    """
    Doctor never raises.
    """
    one = ScriptedLabeler(SCHEMA, [TypeError("bug")])

    assert {"labeler": False} == outcome(one)


def test_recording_is_counted_and_not_asked():
    """
    There is nobody to ask.
    """
    assert {"recording": False} == outcome(ReplayLabeler(SCHEMA, []))


async def test_works_inside_a_running_loop(server: OpenAIServer):
    """
    In a notebook, too.
    """
    found = await asyncio.to_thread(doctor, openai(server))
    directly = doctor(openai(server))

    assert [check.name for check in found] == [check.name for check in directly]
