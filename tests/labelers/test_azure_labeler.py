"""What ``AzureOpenAILabeler`` sends, how it signs in, and the shapes of the content filter."""

from __future__ import annotations

import pytest

from llmlabel import AuthenticationError, AzureOpenAILabeler, ConfigurationError, OpenAILabeler, ServiceError
from tests.labelers.conftest import SCHEMA, prompt
from tests.servers.openai_server import OpenAIServer, Reply, chat_body, refusal, responses_body

SEVERE = {"violence": {"filtered": True, "severity": "medium"}, "hate": {"filtered": False, "severity": "safe"}}
JAILBREAK = {"jailbreak": {"filtered": True, "detected": True}}


def labeler(server: OpenAIServer, **more: object) -> AzureOpenAILabeler:
    given = {"deployment": "labels", "endpoint": server.url, "api_key": "az-key", **more}
    return AzureOpenAILabeler(SCHEMA, **given)


async def ask(server: OpenAIServer, **more: object):
    one = labeler(server, **more)
    try:
        return await one.complete(prompt())
    finally:
        await one.aclose()


# -- addresses


async def test_v1_endpoint_is_used_by_default(server: OpenAIServer):
    """
    The ordinary protocol, with the deployment as model.
    """
    server.queue.append(Reply(chat_body("{}", model="gpt-4o-2024-08-06")))
    completion = await ask(server)
    request = server.requests[0]

    assert ("/openai/v1/chat/completions", "labels") == (request.target, request.json["model"])
    assert "Bearer az-key" == request.headers["authorization"]
    assert "gpt-4o-2024-08-06" == completion.model


async def test_dated_form_is_used_when_a_version_is_given(server: OpenAIServer):
    """
    The older form has the deployment and the version in the address, and a header of its own for the key.
    """
    await ask(server, api_version="2024-10-21")
    request = server.requests[0]

    assert "/openai/deployments/labels/chat/completions?api-version=2024-10-21" == request.target
    assert "az-key" == request.headers["api-key"]


async def test_responses_api_of_the_v1_endpoint(server: OpenAIServer):
    """
    By option, as for OpenAI.
    """
    await ask(server, api="responses")

    assert "/openai/v1/responses" == server.requests[0].target


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "/",
        "/openai",
        "/openai/",
        "/openai/v1",
        "/openai/v1/",
        "/openai/deployments/x/chat/completions?api-version=1",
    ],
)
def test_endpoint_is_normalised(tail: str):
    """
    Whatever the portal shows may be pasted.
    """
    one = AzureOpenAILabeler(SCHEMA, deployment="d", endpoint=f"https://res.openai.azure.com{tail}", api_key="k")

    assert "https://res.openai.azure.com/openai/v1" == one.endpoint


def test_path_of_a_gateway_is_kept():
    """
    API Management puts a path before the service's own.
    """
    one = AzureOpenAILabeler(SCHEMA, deployment="d", endpoint="https://apim.azure-api.net/team/openai", api_key="k")

    assert "https://apim.azure-api.net/team/openai/v1" == one.endpoint


def test_plain_http_is_for_this_machine_only():
    """
    A key does not travel readable.
    """
    with pytest.raises(ConfigurationError, match="expected https"):
        AzureOpenAILabeler(SCHEMA, deployment="d", endpoint="http://res.openai.azure.com", api_key="k")


def test_quota_belongs_to_endpoint_and_deployment():
    """
    Azure meters deployments.
    """
    one = AzureOpenAILabeler(SCHEMA, deployment="d", endpoint="https://r.openai.azure.com", api_key="k", model="gpt-4o")

    assert "https://r.openai.azure.com/openai/v1|d" == one.quota_key


@pytest.mark.parametrize("change", [{"deployment": "e"}, {"model": "gpt-4o"}, {"api_version": "2024-06-01"}])
def test_fingerprint_changes_with_what_is_deployed(change: dict):
    """
    Another version of the interface can answer differently.
    """
    base = {"deployment": "d", "endpoint": "https://r.openai.azure.com", "api_key": "k", "api_version": "2024-10-21"}
    one, other = AzureOpenAILabeler(SCHEMA, **base), AzureOpenAILabeler(SCHEMA, **{**base, **change})

    assert one.fingerprint != other.fingerprint


# -- arguments


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"api_key": None}, "no key: give api_key=, or set the environment variable AZURE_OPENAI_API_KEY"),
        ({"endpoint": None}, "no endpoint: give endpoint=, or set the environment variable AZURE_OPENAI_ENDPOINT"),
        ({"token_provider": lambda: "t"}, "give api_key= or token_provider=, not both"),
        ({"deployment": " "}, "deployment: expected the name"),
        ({"base_url": "https://x"}, "base_url= is not an option of Azure OpenAI"),
    ],
)
def test_argument_that_is_missing_or_too_many_is_told(more: dict, words: str):
    """
    Before any request, naming argument and variable.
    """
    with pytest.raises(ConfigurationError, match=words):
        AzureOpenAILabeler(
            SCHEMA, **{"deployment": "d", "endpoint": "https://r.openai.azure.com", "api_key": "k", **more}
        )


async def test_endpoint_and_key_come_from_the_environment(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch):
    """
    The usual variables are read, and the repr shows where the address came from.
    """
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "az-env")
    one = AzureOpenAILabeler(SCHEMA, deployment="d")
    await one.complete(prompt())
    await one.aclose()

    assert "Bearer az-env" == server.requests[0].headers["authorization"]
    assert repr(one).endswith("/openai/v1', from AZURE_OPENAI_ENDPOINT)")


async def test_model_that_is_given_decides_parameters(server: OpenAIServer):
    """
    A deployment of a reasoning model gets no temperature from the first request on.
    """
    await ask(server, model="gpt-5-mini")

    assert "temperature" not in server.requests[0].json
    assert "labels" == server.requests[0].json["model"]


async def test_model_that_the_service_names_decides_parameters(server: OpenAIServer):
    """
    Without ``model`` the first answer tells.
    """
    server.queue.append(Reply(chat_body("{}", model="o3-2025-04-16")))
    one = labeler(server)
    await one.complete(prompt())
    await one.complete(prompt())
    await one.aclose()

    assert [True, False] == ["temperature" in request.json for request in server.requests]


async def test_injected_client_is_used(server: OpenAIServer):
    """
    Its address and its key are its own.
    """
    import openai

    mine = openai.AsyncAzureOpenAI(azure_endpoint=server.url, api_version="2024-10-21", api_key="mine")
    async with mine as client:
        one = AzureOpenAILabeler(SCHEMA, deployment="labels", client=client)
        await one.complete(prompt())

    assert "/openai/deployments/labels/chat/completions?api-version=2024-10-21" == server.requests[0].target
    assert f"{server.url}/openai|labels" == one.quota_key


# -- tokens


@pytest.mark.parametrize("api_version", [None, "2024-10-21"])
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_token_provider_is_called_for_each_request(server: OpenAIServer, kind: str, api_version: str | None):
    """
    Tokens expire, so each request asks for one.
    """
    numbers = iter(range(1, 9))

    def at_once() -> str:
        return f"token-{next(numbers)}"

    async def later() -> str:
        return at_once()

    provider = at_once if kind == "sync" else later
    one = labeler(server, api_key=None, token_provider=provider, api_version=api_version)
    await one.complete(prompt())
    await one.complete(prompt())
    await one.aclose()

    assert ["Bearer token-1", "Bearer token-2"] == [r.headers["authorization"] for r in server.requests]


@pytest.mark.parametrize("api_version", [None, "2024-10-21"])
async def test_rejected_token_is_refreshed_once(server: OpenAIServer, api_version: str | None):
    """
    One 401 asks the provider again and repeats the request.
    """
    tokens = iter(["old", "new"])
    server.queue.append(refusal(401))
    completion = await ask(server, api_key=None, token_provider=lambda: next(tokens), api_version=api_version)

    assert "{}" == completion.text
    assert ["Bearer old", "Bearer new"] == [request.headers["authorization"] for request in server.requests]


async def test_token_that_is_rejected_twice_ends_the_run(server: OpenAIServer):
    """
    The second 401 is final.
    """
    server.queue.extend([refusal(401)] * 3)
    with pytest.raises(AuthenticationError, match="check the role") as caught:
        await ask(server, api_key=None, token_provider=lambda: "t")

    assert caught.value.fatal
    assert 2 == len(server.requests)


async def test_rejected_key_is_not_tried_again(server: OpenAIServer):
    """
    A key does not refresh.
    """
    server.queue.append(refusal(401))
    with pytest.raises(AuthenticationError):
        await ask(server)

    assert 1 == len(server.requests)


@pytest.mark.parametrize("api_version", [None, "2024-10-21"])
async def test_token_provider_that_fails_is_an_authentication_error(server: OpenAIServer, api_version: str | None):
    """
    Whatever it raises, without its words: they may hold credentials.
    """

    def broken() -> str:
        raise RuntimeError("client_secret=hush")

    with pytest.raises(AuthenticationError, match="it raised RuntimeError") as caught:
        await ask(server, api_key=None, token_provider=broken, api_version=api_version)

    assert (None, None, True) == (caught.value.__cause__, caught.value.__context__, caught.value.fatal)
    assert [] == server.requests


# -- errors


async def test_unknown_deployment_says_where_to_look(server: OpenAIServer):
    """
    No request of the run can succeed, so it is fatal.
    """
    server.queue.append(refusal(404, "The API deployment for this resource does not exist.", code="DeploymentNotFound"))
    with pytest.raises(ServiceError) as caught:
        await ask(server)

    assert caught.value.fatal
    assert "deployment 'labels' at http://127.0.0.1" in str(caught.value)
    assert "DeploymentNotFound" in str(caught.value)
    assert "under Deployments of this resource" in str(caught.value)


# -- the six shapes of the content filter


def prompt_refused(**more: object) -> Reply:
    return refusal(
        400, "The response was filtered", param="prompt", code="content_filter", type=None, status=400, **more
    )


@pytest.mark.parametrize(
    ("reply", "categories"),
    [
        (
            prompt_refused(
                innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": SEVERE | JAILBREAK}
            ),
            {"violence": "medium", "jailbreak": "detected"},
        ),
        (prompt_refused(), {}),
        (
            refusal(
                400,
                "filtered",
                code=None,
                inner_error={"code": "ResponsibleAIPolicyViolation", "content_filter_results": SEVERE},
            ),
            {"violence": "medium"},
        ),
        (
            prompt_refused(
                content_filters=[{"blocked": True, "source_type": "prompt", "content_filter_results": SEVERE}]
            ),
            {"violence": "medium"},
        ),
    ],
    ids=["innererror", "no innererror", "inner_error", "content_filters"],
)
async def test_filtered_prompt_is_an_outcome_of_that_document(server: OpenAIServer, reply: Reply, categories: dict):
    """
    Shape 1: HTTP 400, with or without the categories.
    """
    server.queue.append(reply)
    completion = await ask(server)

    assert ("content_filter", {"side": "prompt", "categories": categories}) == (completion.finish, completion.details)
    assert 1 == len(server.requests)


@pytest.mark.parametrize("content", [None, "{"])
async def test_filtered_answer_is_an_outcome_of_that_document(server: OpenAIServer, content: str | None):
    """
    Shape 2: HTTP 200, the answer missing or cut.
    """
    body = chat_body(content, finish="content_filter")
    body["choices"][0]["content_filter_results"] = SEVERE
    server.queue.append(Reply(body))
    completion = await ask(server)

    assert {"side": "completion", "categories": {"violence": "medium"}} == completion.details
    assert ("content_filter", 10) == (completion.finish, completion.usage.input_tokens)


async def test_filtered_prompt_inside_a_success_is_told_apart(server: OpenAIServer):
    """
    Shape 2 again, where the annotations say that it was the prompt.
    """
    body = {**chat_body(None), "choices": [], "prompt_filter_results": [{"content_filter_results": SEVERE}]}
    server.queue.append(Reply(body))
    completion = await ask(server)

    assert ("content_filter", "prompt") == (completion.finish, completion.details["side"])


@pytest.mark.parametrize(
    ("body", "finish"),
    [(chat_body("{", finish="length"), "length"), (chat_body(None, refusal="no"), "refusal")],
)
async def test_cut_answer_and_refusal_are_no_filter(server: OpenAIServer, body: dict, finish: str):
    """
    Shape 3: these have ends of their own.
    """
    server.queue.append(Reply(body))

    assert finish == (await ask(server)).finish


async def test_filtered_response_is_an_outcome_of_that_document(server: OpenAIServer):
    """
    Shape 4: the Responses API calls it incomplete.
    """
    blocked = [{"blocked": True, "source_type": "completion", "content_filter_results": SEVERE}]
    server.queue.append(Reply(responses_body("", finish="content_filter", content_filters=blocked)))
    completion = await ask(server, api="responses")

    assert ("content_filter", {"side": "completion", "categories": {"violence": "medium"}}) == (
        completion.finish,
        completion.details,
    )


async def test_filter_that_did_not_run_keeps_the_answer(server: OpenAIServer):
    """
    Shape 5: the answer stands, with a note.
    """
    body = chat_body("{}")
    body["choices"][0]["content_filter_results"] = {"error": {"code": "content_filter_error", "message": "down"}}
    server.queue.append(Reply(body))
    completion = await ask(server)

    assert ("{}", "stop", {"content_filter_error": True}) == (completion.text, completion.finish, completion.details)


def test_filtered_line_of_a_batch_is_an_outcome_of_that_document():
    """
    Shape 6: in a batch file the same error stands under ``response.body``.
    """
    import json

    from llmlabel.labelers.content_filter import filtered_prompt

    line = {"custom_id": "a", "response": {"status_code": 400, "body": prompt_refused().body}, "error": None}
    content = json.dumps(line["response"]["body"]).encode()
    from llmlabel.labelers.wire import Reply as Wire

    assert "content_filter" == filtered_prompt(Wire(400, {}, content)).finish


async def test_prompt_flagged_by_openai_is_filtered(server: OpenAIServer):
    """
    OpenAI's own word for a refused prompt.
    """
    server.queue.append(refusal(400, "Invalid prompt: your prompt was flagged", code="invalid_prompt"))
    one = OpenAILabeler(SCHEMA, model="o3", base_url=server.base_url)
    completion = await one.complete(prompt())
    await one.aclose()

    assert "content_filter" == completion.finish
