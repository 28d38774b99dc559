"""What ``OpenAILabeler`` sends and what it makes of the answers, over a real socket."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from llmlabel import (
    AuthenticationError,
    Completion,
    ConfigurationError,
    LabelerError,
    OpenAILabeler,
    RateLimitError,
    ServiceError,
    TokenLogprob,
)
from tests.labelers.conftest import ANSWER_SCHEMA, SCHEMA, prompt
from tests.servers.openai_server import OpenAIServer, Reply, chat_body, refusal, responses_body, too_many


def labeler(server: OpenAIServer, **more: object) -> OpenAILabeler:
    return OpenAILabeler(SCHEMA, **{"model": "gpt-4o", "base_url": server.base_url, **more})


async def ask(server: OpenAIServer, **more: object) -> Completion:
    one = labeler(server, **more)
    try:
        return await one.complete(prompt())
    finally:
        await one.aclose()


async def failure(server: OpenAIServer, reply: Reply, **more: object) -> LabelerError:
    server.queue.extend([reply] * 8)
    with pytest.raises(LabelerError) as caught:
        await ask(server, **more)
    return caught.value


# -- requests


async def test_chat_completion_is_asked_for_with_a_strict_schema(server: OpenAIServer):
    """
    The body holds model, messages, the answer's JSON Schema, and temperature 0.
    """
    await ask(server)
    body = server.requests[0].json

    assert "/v1/chat/completions" == server.requests[0].path
    assert {"model", "messages", "response_format", "temperature"} == body.keys()
    assert {"name": "labels", "strict": True, "schema": ANSWER_SCHEMA} == body["response_format"]["json_schema"]
    assert 0 == body["temperature"]


async def test_responses_api_is_asked_not_to_store(server: OpenAIServer):
    """
    By option the Responses API is used, with ``store`` off.
    """
    await ask(server, api="responses")
    body = server.requests[0].json

    assert "/v1/responses" == server.requests[0].path
    assert body["store"] is False
    assert {"type": "json_schema", "name": "labels", "strict": True, "schema": ANSWER_SCHEMA} == body["text"]["format"]


async def test_responses_api_stores_when_asked(server: OpenAIServer):
    """
    The user's own ``store`` goes first.
    """
    await ask(server, api="responses", parameters={"store": True, "text": {"verbosity": "low"}})

    assert server.requests[0].json["store"] is True
    assert "low" == server.requests[0].json["text"]["verbosity"]


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-mini", "openai/gpt-5.1"])
async def test_reasoning_models_get_no_temperature(server: OpenAIServer, model: str):
    """
    They refuse it, so it is not sent unless asked for.
    """
    await ask(server, model=model)

    assert "temperature" not in server.requests[0].json


async def test_reasoning_models_get_a_temperature_that_was_asked_for(server: OpenAIServer):
    """
    What the user says goes.
    """
    await ask(server, model="o1", temperature=1.0)

    assert 1.0 == server.requests[0].json["temperature"]


@pytest.mark.parametrize("model", ["gpt-5-chat-latest", "gpt-4o", "llama3", "foo1"])
async def test_other_models_get_temperature_zero(server: OpenAIServer, model: str):
    """
    Labels are to be the same each time.
    """
    await ask(server, model=model)

    assert 0 == server.requests[0].json["temperature"]


async def test_further_samples_are_drawn_at_the_models_own_temperature(server: OpenAIServer):
    """
    At temperature 0 all samples of a vote would be the same.
    """
    one = labeler(server)
    await one.complete(prompt(sample=1))
    await one.aclose()

    assert "temperature" not in server.requests[0].json


async def test_parameter_that_is_none_is_never_sent(server: OpenAIServer):
    """
    This is how to leave out what is sent by default.
    """
    await ask(server, parameters={"temperature": None, "top_p": 0.5})

    assert "temperature" not in server.requests[0].json
    assert 0.5 == server.requests[0].json["top_p"]


async def test_limit_of_the_prompt_goes_before_the_labelers(server: OpenAIServer):
    """
    A truncated answer is asked again with a greater limit.
    """
    one = labeler(server, max_output_tokens=10)
    await one.complete(prompt())
    await one.complete(prompt(max_output_tokens=20))
    await one.aclose()

    assert [10, 20] == [request.json["max_tokens"] for request in server.requests]


async def test_prompt_without_schema_asks_for_plain_text(server: OpenAIServer):
    """
    Inline answers are not JSON.
    """
    one = labeler(server)
    completion = await one.complete(prompt(answer_schema=None))
    await one.aclose()

    assert "response_format" not in server.requests[0].json
    assert {} == completion.details


# -- stepping down


def refuses(*modes: str, param: str | None = "response_format"):
    """A server that refuses these answer formats."""

    def answer(request):
        body = request.json
        given = body.get("response_format") or body.get("text", {}).get("format") or {"type": "text"}
        if given["type"] in modes:
            return refusal(400, f"Invalid parameter: 'response_format' of type '{given['type']}'", param=param)
        return "{}"

    return answer


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_endpoint_without_json_schema_is_asked_for_json(server: OpenAIServer, api: str):
    """
    One refusal, then JSON mode, which the completion tells.
    """
    server.answer = refuses("json_schema")
    completion = await ask(server, api=api)

    assert ("{}", 2, {"answer_mode": "json_object"}) == (completion.text, completion.usage.requests, completion.details)


async def test_endpoint_without_json_mode_is_asked_for_text(server: OpenAIServer):
    """
    Two refusals, then plain text.
    """
    server.answer = refuses("json_schema", "json_object", param=None)

    assert {"answer_mode": "text"} == (await ask(server)).details


async def test_step_down_is_remembered_and_told_once(server: OpenAIServer, caplog: pytest.LogCaptureFixture):
    """
    Later prompts start with what the endpoint takes.
    """
    server.answer = refuses("json_schema")
    one = labeler(server)
    before = one.fingerprint
    for _ in range(3):
        await one.complete(prompt())
    await one.aclose()

    assert 4 == len(server.requests)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    told = f"model 'gpt-4o' at {server.url} refuses answer format json_schema; asking for json_object"
    assert [told] == warned
    assert before == one.fingerprint


async def test_many_refusals_at_once_lower_the_mode_once(server: OpenAIServer):
    """
    Requests that were under way together step down together, by one.
    """
    server.answer = refuses("json_schema")
    one = labeler(server)
    answers = await asyncio.gather(*(one.complete(prompt(str(number))) for number in range(20)))
    await one.aclose()

    assert [{"answer_mode": "json_object"}] * 20 == [answer.details for answer in answers]


async def test_answer_mode_that_was_named_is_not_changed(server: OpenAIServer):
    """
    Who names a mode gets it, or the refusal.
    """
    server.answer = refuses("json_schema")
    with pytest.raises(ServiceError):
        await ask(server, answer_mode="json_schema")

    assert 1 == len(server.requests)


async def test_default_parameter_that_is_refused_is_dropped(server: OpenAIServer):
    """
    Temperature was our choice: it is left out from then on.
    """

    def answer(request):
        if "temperature" in request.json:
            return refusal(400, "Unsupported value", param="temperature", code="unsupported_value")
        return "{}"

    server.answer = answer
    one = labeler(server, model="deployed-o3")
    used = [(await one.complete(prompt())).usage.requests for _ in range(2)]
    await one.aclose()

    assert [2, 1] == used


async def test_name_of_the_output_limit_is_learnt(server: OpenAIServer):
    """
    Newer models refuse ``max_tokens``, older services ``max_completion_tokens``.
    """

    def answer(request):
        if "max_tokens" in request.json:
            return refusal(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return "{}"

    server.answer = answer
    await ask(server, max_output_tokens=7)

    assert 7 == server.requests[1].json["max_completion_tokens"]


async def test_parameter_that_was_asked_for_and_is_refused_ends_the_run(server: OpenAIServer):
    """
    No request can succeed, so the error is fatal and names the parameter.
    """
    reply = refusal(400, "no", param="temperature", code="unsupported_value")
    error = await failure(server, reply, temperature=0.3)

    assert error.fatal
    assert "'temperature'" in str(error)
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("http://localhost:11434/v1", "max_tokens"),
        ("https://openai.com.example/v1", "max_tokens"),
    ],
)
def test_output_limit_is_spelled_as_the_service_knows_it(url: str, name: str):
    """
    Local servers ignore the newer name, and would answer without end.
    """
    one = OpenAILabeler(SCHEMA, model="m", base_url=url)

    assert name == one._settings.limit_name


# -- answers


async def test_usage_is_read_in_full(server: OpenAIServer):
    """
    Cached and reasoning tokens are counted too; cost is not ours to know.
    """
    server.queue.append(Reply(chat_body("{}", usage=(10, 5))))
    usage = (await ask(server)).usage

    assert (10, 5, 4, 2, 1, None) == tuple(usage.model_dump().values())


@pytest.mark.parametrize(
    ("body", "text", "finish"),
    [
        (chat_body("a"), "a", "stop"),
        (chat_body(None), "", "stop"),
        (chat_body("a", finish="length"), "a", "length"),
        (chat_body(None, finish="length"), "", "length"),
        (chat_body("a", finish=None), "a", "stop"),
        (chat_body("a", finish="content_filter"), "a", "content_filter"),
        (chat_body(None, refusal="I cannot"), "I cannot", "refusal"),
        (chat_body([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab", "stop"),
        (chat_body([{"type": "refusal", "refusal": "no"}]), "no", "refusal"),
        (chat_body(None, tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]), "{}", "stop"),
        (chat_body(None, finish="tool_calls", tool_calls="?"), "", "stop"),
    ],
)
async def test_ends_of_a_chat_completion(server: OpenAIServer, body: dict, text: str, finish: str):
    """
    Refusal, filter, truncation and an empty answer are told apart.
    """
    server.queue.append(Reply(body))
    completion = await ask(server)

    assert (text, finish) == (completion.text, completion.finish)


@pytest.mark.parametrize(
    ("body", "text", "finish"),
    [
        (responses_body("a"), "a", "stop"),
        (responses_body("a", finish="length"), "a", "length"),
        (responses_body("", finish="content_filter"), "", "content_filter"),
        (responses_body("", output=[]), "", "stop"),
        (
            responses_body("", output=[{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]),
            "no",
            "refusal",
        ),
    ],
)
async def test_ends_of_a_response(server: OpenAIServer, body: dict, text: str, finish: str):
    """
    The Responses API tells the same in its own words; reasoning is not part of the answer.
    """
    server.queue.append(Reply(body))
    completion = await ask(server, api="responses")

    assert (text, finish, 4, 2) == (
        completion.text,
        completion.finish,
        completion.usage.cached_tokens,
        completion.usage.reasoning_tokens,
    )


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_log_probabilities_are_given_when_asked_for(server: OpenAIServer, api: str):
    """
    Each token of the answer with its log probability.
    """
    tokens = [{"token": "{", "logprob": -0.1, "bytes": [123]}, {"token": "}", "logprob": -0.2}]
    chat = chat_body("{}")
    chat["choices"][0]["logprobs"] = {"content": tokens}
    part = {"type": "output_text", "text": "{}", "logprobs": tokens}
    answers = {"chat": chat, "responses": responses_body("", output=[{"type": "message", "content": [part]}])}
    server.queue.append(Reply(answers[api]))
    completion = await ask(server, api=api, logprobs=True)

    assert (TokenLogprob(token="{", logprob=-0.1), TokenLogprob(token="}", logprob=-0.2)) == completion.token_logprobs
    assert server.requests[0].json.get("logprobs") or server.requests[0].json.get("include")


async def test_rate_limit_headers_come_with_the_answer(server: OpenAIServer):
    """
    The engine learns its pace from them.
    """
    server.queue.append(Reply(chat_body("{}"), headers={"x-ratelimit-limit-requests": "60"}))

    assert 60 == (await ask(server)).rate_limit.requests


# -- errors


@pytest.mark.parametrize(
    ("status", "error", "kind", "retryable", "fatal"),
    [
        (400, {}, ServiceError, False, False),
        (401, {}, AuthenticationError, False, True),
        (402, {}, ServiceError, False, True),
        (403, {}, AuthenticationError, False, True),
        (404, {"code": "model_not_found"}, ServiceError, False, True),
        (408, {}, ServiceError, True, False),
        (409, {}, ServiceError, True, False),
        (413, {}, ServiceError, False, False),
        (422, {}, ServiceError, False, False),
        (429, {"code": "rate_limit_exceeded"}, RateLimitError, True, False),
        (429, {"code": "insufficient_quota"}, RateLimitError, False, True),
        (429, {"type": "insufficient_quota"}, RateLimitError, False, True),
        (500, {}, ServiceError, True, False),
        (503, {}, ServiceError, True, False),
        (529, {}, ServiceError, True, False),
    ],
)
async def test_statuses_are_translated(server: OpenAIServer, status, error, kind, retryable, fatal):
    """
    Each status has one class, and flags that tell the engine what to do; the vendor's class is the cause.
    """
    found = await failure(server, refusal(status, **error))

    assert (kind, retryable, fatal, status) == (type(found), found.retryable, found.fatal, found.status_code)
    assert status == found.__cause__.status_code


@pytest.mark.parametrize(
    ("headers", "expected"), [({"retry-after-ms": "40"}, 0.04), ({"Retry-After": "3"}, 3.0), ({}, None)]
)
async def test_waiting_time_comes_with_the_error(server: OpenAIServer, headers: dict[str, str], expected: float | None):
    """
    The engine waits that long.
    """
    error = await failure(server, refusal(429, headers=headers))

    assert expected == error.retry_after


async def test_sdk_does_not_retry(server: OpenAIServer):
    """
    Retries are the engine's, in one place.
    """
    await failure(server, too_many(0.001))

    assert 1 == len(server.requests)


@pytest.mark.parametrize("status", [200, 400, 404, 500])
async def test_web_page_of_a_gateway_is_an_error_that_says_so(server: OpenAIServer, status: int):
    """
    HTML where JSON was expected never becomes a KeyError.
    """
    page = Reply(b"<!DOCTYPE html><html>Sign in</html>", status, {"content-type": "text/html; charset=utf-8"})
    error = await failure(server, page)

    assert isinstance(error, ServiceError)
    assert status != 200 or "web page" in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"choices": []}', b'{"choices": null}', b'{"choices": [null]}', b'{"cho', b"{}"]
)
async def test_answer_without_an_answer_may_be_tried_again(server: OpenAIServer, body: bytes):
    """
    A status of 200 over nothing usable is a failure of the service.
    """
    error = await failure(server, Reply(body))

    assert (ServiceError, True) == (type(error), error.retryable)


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"code": 429, "message": "slow down"}, RateLimitError, True),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, RateLimitError, True),
        ({"code": "server_error", "message": "oops"}, ServiceError, True),
        ({"code": 404, "message": "no such model"}, ServiceError, False),
    ],
)
async def test_error_inside_a_success_is_an_error(server: OpenAIServer, error: dict, kind: type, retryable: bool):
    """
    Gateways and failed responses come with status 200.
    """
    found = await failure(server, Reply({"error": error, "status": "failed", "output": []}), api="responses")

    assert (kind, retryable) == (type(found), found.retryable)


async def test_redirect_is_not_followed(server: OpenAIServer):
    """
    The key stays with the address that was configured.
    """
    error = await failure(server, Reply(b"", 307, {"location": "https://elsewhere.example/v1?key=1"}))

    assert "redirects to https://elsewhere.example (" in str(error)
    assert 1 == len(server.requests)


async def test_errors_do_not_repeat_what_the_service_says(server: OpenAIServer):
    """
    Services repeat documents in their messages.
    """
    error = await failure(server, refusal(422, "bad input: Ann met Bob.", param="Ann met Bob."))

    assert "Ann" not in str(error)


async def test_errors_repeat_what_the_service_says_when_asked(server: OpenAIServer):
    """
    For debugging, the words of the service are worth more than discretion.
    """
    error = await failure(server, refusal(422, "bad input: Ann met Bob."), debug_content=True)

    assert "Ann met Bob." in str(error)


async def test_missing_responses_api_is_suspected(server: OpenAIServer):
    """
    Many compatible servers have chat completions only.
    """
    assert "api='chat'" in str(await failure(server, refusal(404), api="responses"))


async def test_request_longer_than_the_context_is_told(server: OpenAIServer):
    """
    The most usual cause of a refusal has words of its own.
    """
    error = await failure(server, refusal(400, "x", code="context_length_exceeded"))

    assert "longer than the model's context" in str(error)


# -- arguments


def test_missing_key_is_told_before_any_request():
    """
    The message names the argument and the variable.
    """
    with pytest.raises(
        ConfigurationError, match="no key: give api_key=, or set the environment variable OPENAI_API_KEY"
    ):
        OpenAILabeler(SCHEMA, model="gpt-4o")


async def test_key_comes_from_the_environment(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch):
    """
    The usual variable is read when the labeler is made.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment\n")
    await ask(server)

    assert "Bearer sk-from-environment" == server.requests[0].headers["authorization"]


@pytest.mark.parametrize("key", ["", "  ", "sk a", "sk-é", "sk-1\nX-Evil: 1"])
def test_malformed_key_is_refused_without_showing_it(key: str):
    """
    What cannot stand in a header is no key; the error does not repeat it.
    """
    with pytest.raises(ConfigurationError, match="api_key= is not a key") as caught:
        OpenAILabeler(SCHEMA, model="m", api_key=key)

    assert "Evil" not in str(caught.value)


def test_address_from_the_environment_is_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """
    Nobody should wonder where requests go.
    """
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1/")
    with caplog.at_level(logging.INFO):
        one = OpenAILabeler(SCHEMA, model="m")

    assert "OpenAILabeler(model='m', endpoint='http://127.0.0.1:11434/v1', from OPENAI_BASE_URL)" == repr(one)
    assert "OPENAI_BASE_URL is set: requests go to http://127.0.0.1:11434/v1" in caplog.text


@pytest.mark.parametrize(
    "url",
    ["localhost:1234", "ftp://host/v1", "https://", "https://u:p@host/v1", "https://host/v1?api-key=1", "http://["],
)
def test_malformed_address_is_refused(url: str):
    """
    An address is http(s) with a host, and holds no secrets.
    """
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        OpenAILabeler(SCHEMA, model="m", base_url=url)

    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("tail", ["", "/", "/chat/completions", "/responses"])
def test_address_is_normalised(tail: str):
    """
    What a documentation page shows may be pasted.
    """
    assert "https://host/v1" == OpenAILabeler(SCHEMA, model="m", base_url=f"https://host/v1{tail}").endpoint


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"api": "assistants"}, "api: expected one of chat, responses, found 'assistants'"),
        ({"answer_mode": "xml"}, "answer_mode: expected one of .*, found 'xml'"),
        ({"parameters": {"stream": True}}, "parameters: 'stream' is set by the labeler"),
        ({"parameters": {"logprobs": True}}, "parameters: give logprobs=True"),
        ({"parameters": {"a": object()}}, "parameters: 'a' is a object; expected a plain JSON value"),
        ({"parameters": 5}, "parameters: expected a mapping by name, found int"),
        ({"client": object()}, "client: expected an openai.AsyncOpenAI, found object"),
        ({"timeout": 0}, "timeout: expected a number above 0, found 0"),
        ({"max_connections": 0}, "max_connections: expected a number above 0, found 0"),
        ({"temperature": "hot"}, "temperature: expected a number from 0, found 'hot'"),
        ({"temperature": -1}, "temperature: expected a number from 0, found -1"),
        ({"prompt": "Label this"}, "prompt: expected a PromptTemplate, found str"),
        ({"examples": ["Ann"]}, r"examples\[0\]: expected an Example or a LabeledDocument, found str"),
    ],
)
def test_option_that_cannot_work_is_refused(more: dict, told: str):
    """
    Before any request, as one of llmlabel's errors, which says what was expected and found.
    """
    with pytest.raises(ConfigurationError, match=told):
        OpenAILabeler(SCHEMA, **{"model": "m", "base_url": "http://127.0.0.1:1/v1", **more})


async def test_injected_client_is_used_without_its_retries_and_not_closed(server: OpenAIServer):
    """
    It belongs to the user, but the engine retries.
    """
    import openai

    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="mine", max_retries=5) as client:
        one = OpenAILabeler(SCHEMA, model="m", client=client)
        server.queue.append(refusal(500))
        with pytest.raises(ServiceError):
            await one.complete(prompt())
        await one.aclose()
        await one.complete(prompt())

    assert ["Bearer mine"] * 2 == [request.headers["authorization"] for request in server.requests]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "b"}, {"base_url": "http://127.0.0.1:2/v1"}, {"api": "responses"}, {"temperature": 0.1},
        {"max_output_tokens": 5}, {"answer_mode": "text"}, {"logprobs": True}, {"parameters": {"seed": 1}},
    ],
)  # fmt: skip
def test_fingerprint_changes_with_all_that_shapes_an_answer(change: dict):
    """
    Another setting is another labeler in the journal.
    """
    base = {"model": "a", "base_url": "http://127.0.0.1:1/v1"}

    assert OpenAILabeler(SCHEMA, **base).fingerprint != OpenAILabeler(SCHEMA, **{**base, **change}).fingerprint


@pytest.mark.parametrize(
    "change", [{"timeout": 3.0}, {"max_connections": 5}, {"api_key": "k"}, {"debug_content": True}]
)
def test_fingerprint_stays_with_all_that_does_not(change: dict):
    """
    A new key or a longer time-out does not make old answers worthless.
    """
    base = {"model": "a", "base_url": "http://127.0.0.1:1/v1"}

    assert OpenAILabeler(SCHEMA, **base).fingerprint == OpenAILabeler(SCHEMA, **{**base, **change}).fingerprint


def test_recorded_exchanges_are_read(shared):
    """
    Real answers of several models are read with their text, end and tokens.
    """
    from llmlabel.labelers import chat

    paths = sorted((shared / "data/recorded").glob("*_chat_completions.jsonl"))
    lines = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    answers = [line["response"] for line in lines if line["status"] == 200 and line["response"].get("choices")]
    read = [chat.read(answer) for answer in answers]

    assert len(answers) > 70
    assert [a["usage"]["prompt_tokens"] for a in answers] == [c.usage.input_tokens for c in read]
    assert all(c.text for c in read)
    assert [a["choices"][0]["finish_reason"] == "length" for a in answers] == [c.finish == "length" for c in read]
