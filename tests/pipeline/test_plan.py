"""Estimates: tokens, money and time, before anything is sent."""

from __future__ import annotations

import hashlib
import socket

import pytest

from llmlabel import Asking, Completion, Limits, Pipeline, Usage
from llmlabel.chunking import estimate_tokens
from llmlabel.pipeline.engines import price_for
from llmlabel.pipeline.tokens import input_tokens, vocabulary
from tests.pipeline.conftest import Writer

TEXTS = [f"Ann{n} met Bob in Paris. <|endoftext|>" for n in range(10)]


class Somewhere(Writer):
    """A labeler with an address."""

    address = "https://api.openai.com/v1"

    @property
    def endpoint(self) -> str:
        return self.address


def completion(prompt) -> Completion:
    """An answer billed at one and a half times the estimate."""
    usage = Usage(input_tokens=int(1.5 * input_tokens(prompt)), output_tokens=100, requests=1)
    return Completion(text='{"entities": []}', usage=usage)


def test_the_first_answers_calibrate_the_estimate():
    """
    Once a pipeline has labelled something, its estimates are what is billed.
    """
    pipeline = Pipeline(Writer(completion), progress=False)
    before = pipeline.estimate(TEXTS)
    billed = pipeline.run(TEXTS).usage
    after = pipeline.estimate(TEXTS)

    assert ("estimate", "calibrated") == (before.tokenizer, after.tokenizer)
    assert billed.input_tokens == pytest.approx(after.input_tokens, rel=0.05)
    assert billed.output_tokens == pytest.approx(after.output_tokens, rel=0.05)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (Limits(max_concurrency=1), 20),
        (Limits(max_concurrency=5), 4),
        (Limits(requests_per_minute=5), 120),
    ],
)
def test_time_follows_concurrency_and_pace(limits, seconds):
    """
    Ten requests of two seconds, in turn, five at once, or at five a minute.
    """
    assert seconds == Pipeline(Writer(completion), limits=limits).estimate(TEXTS).seconds


def test_packing_takes_fewer_requests_and_tokens():
    """
    The plan is that of the grouping asked for.
    """
    alone = Pipeline(Writer(completion)).estimate(TEXTS)
    packed = Pipeline(Writer(completion), asking=Asking(documents_per_request=5)).estimate(TEXTS)

    assert (10, 2) == (alone.requests, packed.requests)
    assert packed.input_tokens < alone.input_tokens


def test_prices_are_those_of_the_endpoint():
    """
    The offline tables are used where the labeler has an address; a price of one's own goes first.
    """
    pytest.importorskip("genai_prices", reason="needs genai-prices")
    labeler = Somewhere(completion)
    labeler.model = "gpt-4o-mini"
    plan = Pipeline(labeler).estimate(TEXTS)
    own = Pipeline(labeler, price=lambda model, usage: 1.0).estimate(TEXTS)

    assert plan.input_tokens * 0.15e-6 + plan.output_tokens * 0.6e-6 == pytest.approx(plan.cost, rel=0.01)
    assert plan.cost / 2 == plan.batch_cost
    assert 10 == pytest.approx(own.cost, rel=0.1)


def test_a_run_at_a_known_price_has_a_cost():
    """
    Without price= the usage of a run is priced by the offline tables.
    """
    pytest.importorskip("genai_prices", reason="needs genai-prices")
    usage = Usage(input_tokens=1000, output_tokens=100, requests=1)
    answer = Completion(text='{"entities": []}', model="gpt-4o-mini", usage=usage)
    result = Pipeline(Somewhere(lambda prompt: answer), progress=False).run(["Ann"])

    assert 1000 * 0.15e-6 + 100 * 0.6e-6 == pytest.approx(result.usage.cost)


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:8000/v1", "http://localhost/v1"])
def test_a_server_of_ones_own_costs_nothing_known(address):
    """
    No price is looked up for a labeler without an address, or on this machine.
    """
    labeler = Somewhere(completion)
    labeler.address = address

    assert price_for(labeler, None) is None
    assert Pipeline(labeler).estimate(TEXTS).cost is None


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_no_vocabulary_is_ever_downloaded(tmp_path, monkeypatch, content):
    """
    Without the vocabulary in the cache, or with a damaged file, it is estimated: no connection is made.
    """
    pytest.importorskip("tiktoken", reason="needs tiktoken")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    address = b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    path = tmp_path / hashlib.sha1(address).hexdigest()
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was made"))
    labeler = Writer(completion)
    labeler.model = "gpt-4o"

    assert vocabulary("gpt-4o") is None
    assert "estimate" == Pipeline(labeler).estimate(TEXTS).tokenizer
    assert (content is not None) == path.exists()


def test_special_tokens_are_text():
    """
    A document that spells a special token is counted like any other, by the vocabulary where there is one.
    """
    pytest.importorskip("tiktoken", reason="needs tiktoken")
    count = vocabulary("gpt-4o")
    if count is None:
        pytest.skip("the vocabulary o200k_base is not in tiktoken's cache")

    assert 0 < count("<|endoftext|>") <= 2 * estimate_tokens("<|endoftext|>")


def test_an_unknown_model_has_no_vocabulary():
    """
    Nobody's tokens are counted by another model's vocabulary.
    """
    assert vocabulary("llama3.1") is None
