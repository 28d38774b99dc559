"""Reading headers and bodies of replies."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import RateLimit
from llmlabel.labelers import chat, responses
from llmlabel.labelers.wire import Reply, identifier, rate_limit, retry_after, seconds

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("6m0s", 360.0), ("20ms", 0.02), ("1s", 1.0), ("1h2m3.5s", 3723.5), ("1d", 86400.0), ("2.5", 2.5), ("0", 0.0),
        ("", None), (None, None), ("soon", None), ("-1", None), ("nan", None), ("inf", None), ("1s!", None),
        ("2026-11-21T12:00:00Z", None),
    ],
)  # fmt: skip
def test_durations_are_read_in_all_forms(given: str | None, expected: float | None):
    """
    Headers write durations as numbers, or with units.
    """
    assert expected == seconds(given)


DAILY = {
    "x-ratelimit-limit-requests": "200",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "5h0m0s",
}


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25),
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "1.5"}, "", 1.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, "", 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, "", 0.0),
        ({"retry-after": "tomorrow"}, "", None),
        ({"retry-after": "-1"}, "", None),
        ({}, "Rate limit reached. Please try again in 6.5s.", 6.5),
        ({}, "Please try again in 1m12s. Visit …", 72.0),
        ({}, "Please retry after 6 seconds.", 6.0),
        ({}, "Please retry after 600 milliseconds.", 0.6),
        ({}, "no idea", None),
        ({"retry-after": str(NOW.timestamp() + 20)}, "", 20.0),
        ({"retry-after-ms": "-5", "retry-after": "2"}, "", 2.0),
        ({"retry-after": "1e400"}, "", None),
        ({"x-ratelimit-limit-requests": "200", "x-ratelimit-remaining-requests": "0"}, "", None),
        (DAILY, "", 18_000.0),
        (DAILY | {"x-ratelimit-remaining-requests": "5"}, "", None),
        (DAILY | {"x-ratelimit-reset-requests": "800ms"}, "", None),
        (DAILY | {"retry-after": "3"}, "", 3.0),
    ],
)
def test_waiting_time_is_read_in_all_forms(headers: dict[str, str], message: str, expected: float | None):
    """
    Milliseconds first, then seconds or a date, then the sentence.
    """
    assert expected == retry_after(headers, message, NOW)


def test_a_date_is_compared_with_the_clock_of_the_service():
    """
    A clock on this side that is years off changes nothing.
    """
    headers = {"retry-after": "Sat, 01 Jan 2000 12:00:30 GMT", "date": "Sat, 01 Jan 2000 12:00:00 GMT"}

    assert 30.0 == retry_after(headers)


WAITING = ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"]


@given(st.dictionaries(st.sampled_from(WAITING), st.text()), st.text())
def test_waiting_time_is_never_negative_and_never_raises(headers: dict[str, str], message: str):
    """
    Whatever a service sends, the wait is None or a number from 0.
    """
    wait = retry_after(headers, message, NOW)

    assert wait is None or wait >= 0


def test_rate_limit_is_read():
    """
    Limits, what is left, and when they refill.
    """
    headers = {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "999", "x-ratelimit-reset-tokens": "6m0s",
    }  # fmt: skip

    assert rate_limit(headers) == RateLimit(
        requests=60, requests_remaining=0, requests_reset=1.0, tokens=1000, tokens_remaining=999, tokens_reset=360.0
    )


@pytest.mark.parametrize("placeholder", ["-1", "0", "", "none"])
def test_placeholders_of_a_rate_limit_are_unknown(placeholder: str):
    """
    -1, 0 and nothing mean that the service does not say.
    """
    headers = {f"x-ratelimit-{what}-requests": placeholder for what in ("limit", "remaining")}

    assert rate_limit(headers) is None


@given(st.dictionaries(st.sampled_from(["x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"]), st.text()))
def test_rate_limit_never_raises(headers: dict[str, str]):
    """
    Headers of any content are read, or ignored.
    """
    rate_limit(headers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "text", "refusal", "output", "type", "usage", "finish_reason",
                 "logprobs", "tool_calls", "function", "error", "content_filter_results", "prompt_filter_results",
                 "incomplete_details", "reason", "prompt_tokens", "prompt_tokens_details", "cached_tokens", "model"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["choices", "output", "usage", "model", "error", "status"]), JSON))
def test_answers_of_any_shape_are_read_or_left(answer: dict[str, object]):
    """
    No JSON object makes the readers raise.
    """
    chat.read(answer)
    responses.read(answer)


@given(st.binary(max_size=200))
def test_bodies_of_any_content_are_read_or_left(content: bytes):
    """
    A body that is no JSON object has no JSON and no error in it.
    """
    reply = Reply(500, {}, content)

    assert reply.json() is None or isinstance(reply.json(), dict)
    assert isinstance(reply.error(), dict)


def test_lone_surrogates_become_the_replacement_character():
    """
    A model's half of an emoji does not make its answer unreadable.
    """
    content = b'{"choices": [{"message": {"content": "a\\ud83d"}, "finish_reason": "stop"}]}'

    assert "a?" == chat.read(Reply(200, {}, content).json()).text.replace("�", "?")


@pytest.mark.parametrize(
    "value", ["rate_limit_exceeded", "messages[0].content", "text.format", "DeploymentNotFound", "404"]
)
def test_error_codes_may_be_shown(value: str):
    """
    Short names are facts.
    """
    assert value == identifier(value)


@pytest.mark.parametrize("value", ["Ann met Bob", "x" * 65, None, 3, "é", "sk-proj-1a2b", "a-b", "", "1" * 7])
def test_anything_else_may_be_content_and_is_not_shown(value: object):
    """
    A gateway can put document text where a code belongs.
    """
    assert identifier(value) is None


def test_reply_does_not_show_its_content():
    """
    Error bodies repeat keys and documents.
    """
    assert "Reply(401)" == repr(Reply(401, {"a": "secret"}, json.dumps({"error": "secret"}).encode()))
