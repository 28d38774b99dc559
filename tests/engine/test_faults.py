"""A whole pipeline against a service that fails in every way at once: nothing lost, nothing paid in vain."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter

import pytest

from llmlabel import LabelSchema, Limits, OpenAILabeler, Pipeline
from tests.servers.openai_server import OpenAIServer, Reply, Request, chat_body, refusal

SCHEMA = LabelSchema(entities=["PER"])
ANSWER = json.dumps({"entities": [{"text": "Ann", "label": "PER"}]})
GOOD = chat_body(ANSWER, usage=(50, 10))
PACKED = Reply(gzip.compress(json.dumps(GOOD).encode()), headers={"content-encoding": "gzip"})
PAGE = Reply(b"<!DOCTYPE html><html>Bad gateway</html>", 502, {"content-type": "text/html"})
INSIDE = {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}

UNPAID = {
    "429 without Retry-After": refusal(429, code="rate_limit_exceeded"),
    "429 with a fraction": refusal(429, headers={"retry-after": "0.05"}),
    "429 with milliseconds": refusal(429, headers={"retry-after-ms": "30", "retry-after": "9"}),
    "429 with nonsense": refusal(429, headers={"retry-after": "-1"}),
    "503 with Retry-After": refusal(503, headers={"retry-after": "0.05"}),
    "500": refusal(500),
    "502 and a web page": PAGE,
    "408": refusal(408),
    "409": refusal(409),
    "reset before the answer": Reply(reset=True),
    "200 with an error in it": Reply(INSIDE, headers={"retry-after-ms": "30"}),
    "200 with nothing in it": Reply(b""),
    "200 with a web page": Reply(b"<html>Sign in</html>", headers={"content-type": "text/html"}),
}
PAID = {
    "cut off in the middle": Reply(GOOD, cut_after=60),
    "no JSON": Reply(json.dumps(GOOD).encode()[:-9]),
    "later than the time limit": Reply(GOOD, delay=3.0),
}


class Troubled:
    """Fails some attempts, drawn from a hash of text and attempt; keeps a ledger by document."""

    def __init__(self, faults: dict[str, Reply], share: float) -> None:
        self.faults = list(faults.items())
        self.share = share
        self.attempts: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def __call__(self, request: Request) -> Reply:
        [name] = re.findall(r"no\. \d+", request.text)
        attempt, self.attempts[name] = self.attempts[name], self.attempts[name] + 1
        drawn = int.from_bytes(hashlib.blake2b(f"{name}|{attempt}".encode(), digest_size=8).digest()) / 2**64
        if attempt and drawn < self.share:
            kind, reply = self.faults[int(drawn / self.share * len(self.faults))]
            self.seen[kind] += 1
            return reply
        if not attempt and drawn < 2 * self.share:
            kind, reply = self.faults[int(drawn / self.share / 2 * len(self.faults))]
            self.seen[kind] += 1
            return reply
        self.good[name] += 1
        return PACKED if drawn > 0.9 else Reply(GOOD)


def label(service: Troubled, count: int, tmp_path, **limits: object):
    with OpenAIServer(service) as server:
        labeler = OpenAILabeler(SCHEMA, model="m", base_url=server.base_url, api_key="sk-none")
        texts = [f"Ann wrote letter no. {1000 + number}." for number in range(count)]
        settings = Limits(**{"max_concurrency": 48, "request_timeout": 1.0, **limits})
        with Pipeline(labeler, limits=settings, journal=tmp_path / "j", progress=False) as pipeline:
            return pipeline.run(texts), pipeline.run(texts)


def test_faults_that_cost_nothing_cost_nothing(tmp_path):
    """
    Thirteen kinds of failure, four of ten first requests: every document is answered, and paid once.
    """
    service = Troubled(UNPAID, 0.2)
    result, again = label(service, 160, tmp_path)

    assert ({"labeled": 160}, None) == (dict(result.outcomes), result.stopped)
    assert {1} == set(service.good.values())
    assert UNPAID.keys() == service.seen.keys()
    assert (sum(service.attempts.values()), 0) == (result.usage.requests, again.usage.requests)
    assert (160 * 50, 160 * 10) == (result.usage.input_tokens, result.usage.output_tokens)


def test_answers_that_break_on_the_way_are_asked_again(tmp_path):
    """
    Cut, garbled or late answers were paid in vain; each document ends with one that arrived.
    """
    service = Troubled(PAID, 0.05)
    result, again = label(service, 120, tmp_path)

    assert ({"labeled": 120}, {"labeled": 120}) == (dict(result.outcomes), dict(again.outcomes))
    assert {1} == set(service.good.values())
    assert PAID.keys() == service.seen.keys()
    assert 0 == again.usage.requests


@pytest.mark.parametrize("concurrency", ["auto", 1])
def test_a_burst_of_refusals_without_a_word_is_waited_out(tmp_path, concurrency):
    """
    Whoever sends 429 to everybody for a while, and does not say for how long, gets all documents answered later.
    """
    service = Troubled(UNPAID, 0.0)
    service.refused = 3

    def answer(request: Request) -> Reply:
        if len(service.attempts) >= 5 and service.refused:
            service.refused -= 1
            return refusal(429, code="rate_limit_exceeded")
        return service(request)

    with OpenAIServer(answer) as server:
        labeler = OpenAILabeler(SCHEMA, model="m", base_url=server.base_url, api_key="sk-none")
        with Pipeline(labeler, limits=Limits(max_concurrency=concurrency), progress=False) as pipeline:
            result = pipeline.run(f"Ann wrote letter no. {1000 + number}." for number in range(60))

    assert {"labeled": 60} == dict(result.outcomes)
    assert {1} == set(service.good.values())
