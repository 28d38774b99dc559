"""Requests after the first one of a labeler, which are copies of it with another body, over a real socket."""

from __future__ import annotations

import gzip
import json

import pytest

from llmlabel import LabelerError, OpenAILabeler
from tests.labelers.conftest import SCHEMA, prompt
from tests.servers.openai_server import OpenAIServer, Reply, chat_body, refusal

OWN = {"content-length"}


def labeler(server: OpenAIServer, **more: object) -> OpenAILabeler:
    return OpenAILabeler(SCHEMA, **{"model": "m", "base_url": server.base_url, "api_key": "sk-one-123456", **more})


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_later_requests_differ_from_the_first_in_their_body_only(server: OpenAIServer, api: str):
    """
    Address and headers are those that the SDK sent; the body is the prompt's own, in any script.
    """
    one = labeler(server, api=api, organization="org-1")
    for text in ("Ann met Bob.", "Zoë trifft 李雷 😀 \u2028 </s>"):
        await one.complete(prompt(text))
    await one.aclose()
    first, later = server.requests

    assert first.target == later.target
    assert {k: v for k, v in first.headers.items() if k not in OWN} == {
        k: v for k, v in later.headers.items() if k not in OWN
    }
    assert ["Ann met Bob.", "Zoë trifft 李雷 😀 \u2028 </s>"] == [first.text, later.text]
    assert first.json.keys() == later.json.keys()


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (refusal(400), "BadRequestError"),
        (refusal(404), "NotFoundError"),
        (refusal(429), "RateLimitError"),
        (refusal(502), "InternalServerError"),
        (refusal(413), "APIStatusError"),
        (Reply(status=307, headers={"location": "http://127.0.0.1:1/"}), "APIStatusError"),
        (Reply(reset=True), "APITimeoutError"),  # so the aiohttp transport reports it
        (Reply(chat_body("{}"), cut_after=20), "APIConnectionError"),
        (Reply(chat_body("{}"), delay=5), "TimeoutError"),
    ],
)
async def test_a_later_request_fails_like_the_first(server: OpenAIServer, reply: Reply, cause: str):
    """
    Class, message, flags, status and the vendor's cause do not depend on which request failed.
    """
    found = []
    for before in (0, 1):
        one = labeler(server, timeout=0.3)
        for _ in range(before):
            await one.complete(prompt())
        server.queue.append(reply)
        with pytest.raises(LabelerError) as caught:
            await one.complete(prompt())
        await one.aclose()
        error = caught.value
        found.append((type(error), str(error), error.retryable, error.fatal, error.status_code, error.retry_after))
        assert cause == type(error.__cause__).__name__
        assert "sk-one" not in repr(vars(error.__cause__))

    assert found[0] == found[1]


async def test_a_compressed_answer_is_read(server: OpenAIServer):
    """
    The service may send gzip, to the first request and to later ones.
    """
    content = gzip.compress(json.dumps(chat_body("{}")).encode())
    server.queue.extend([Reply(content, headers={"content-encoding": "gzip"})] * 2)
    one = labeler(server)
    texts = [(await one.complete(prompt())).text for _ in range(2)]
    await one.aclose()

    assert ["{}", "{}"] == texts


async def test_cookies_of_a_service_are_not_sent_back_by_later_requests(server: OpenAIServer):
    """
    Nothing travels from an answer into the next request.
    """
    server.queue.append(Reply(chat_body("{}"), headers={"set-cookie": "who=you"}))
    one = labeler(server)
    for _ in range(2):
        await one.complete(prompt())
    await one.aclose()

    assert [None, None] == [request.headers.get("cookie") for request in server.requests]
