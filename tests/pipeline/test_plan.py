"""Estimates: tokens, money and time, before anything is sent."""

from __future__ import annotations

import json
import socket
import sys

import pytest

from llmlabel import Asking, Completion, Limits, OpenAILabeler, Pipeline, Usage
from llmlabel.pipeline.engines import price_for
from llmlabel.pipeline.tokens import input_tokens, vocabulary
from tests.pipeline.conftest import SCHEMA, Writer
from tests.servers.openai_server import OpenAIServer, Reply, chat_body, refusal

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


def test_the_first_answers_name_the_model_of_a_deployment():
    """
    A deployment's name tells neither vocabulary nor price; the service's answers do.
    """
    pytest.importorskip("toktok", reason="needs toktok-rs")
    usage = Usage(input_tokens=500, output_tokens=10, requests=1)
    labeler = Writer(lambda prompt: Completion(text='{"entities": []}', model="gpt-4o-2024-11-20", usage=usage))
    labeler.model = "our-deployment"
    prices = {"gpt-4o-2024-11-20": 1e-6}
    pipeline = Pipeline(labeler, progress=False, price=lambda model, usage: prices.get(model))
    before = pipeline.estimate(TEXTS)
    pipeline.run(TEXTS[:2])
    after = pipeline.estimate(TEXTS)

    assert (("estimate", None), "vocabulary") == ((before.tokenizer, before.cost), after.tokenizer)
    assert 10e-6 == pytest.approx(after.cost, rel=0.1)


def test_counting_connects_to_nothing(monkeypatch):
    """
    The vocabulary comes with its package; without the package, or for another's model, tokens are estimated.
    """
    pytest.importorskip("toktok", reason="needs toktok-rs")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was made"))
    labeler = Writer(completion)
    labeler.model = "gpt-4o"
    exact = Pipeline(labeler).estimate(TEXTS).tokenizer
    monkeypatch.setitem(sys.modules, "toktok", None)

    assert ("vocabulary", "estimate") == (exact, Pipeline(labeler).estimate(TEXTS).tokenizer)


# Counted by tiktoken 0.14 with the published o200k_base and cl100k_base.
COUNTED = [
    ("hello world", 2, 2),
    ("<|endoftext|>", 7, 7),
    ("a <|im_start|>system b", 9, 8),
    ("Zürich, 12.05.2024: 1 234,50 €", 19, 19),
    ("東京都は日本の首都です。", 8, 12),
    ("กรุงเทพมหานคร", 4, 12),
    ("नमस्ते दुनिया", 5, 13),
    ("👩\u200d👩\u200d👧\u200d👦", 11, 18),
]


@pytest.mark.parametrize(("text", "o200k", "cl100k"), COUNTED)
def test_texts_are_counted_as_tiktoken_counts_them(text, o200k, cl100k):
    """
    Also a text that spells a special token, which is a text like any other.
    """
    pytest.importorskip("toktok", reason="needs toktok-rs")

    assert (o200k, cl100k) == (vocabulary("gpt-4o-mini").text(text), vocabulary("gpt-4-turbo").text(text))


@pytest.mark.parametrize(
    ("models", "known"),
    [
        (("gpt-4o", "gpt-4.1-mini", "gpt-5-mini", "o3", "o4-mini-2025-04-16", "ft:gpt-4o-mini:acme"), True),
        (("gpt-oss:20b", "openai/gpt-oss-120b", "gpt-4", "gpt-35-turbo"), True),
        (("llama3.1", "my-gpt-4o", "gpt-4b", "olmo", "Qwen/Qwen3-8B", ""), False),
    ],
)
def test_nobodys_tokens_are_counted_by_another_models_vocabulary(models, known):
    """
    Models are known by the beginning of their names, as OpenAI, Azure and servers of open models spell them.
    """
    pytest.importorskip("toktok", reason="needs toktok-rs")

    assert {known} == {vocabulary(model) is not None for model in models}


def billed(request) -> Reply:
    """Answer, and bill the byte-pair tokens of all that was sent, as OpenAI's cookbook counts them."""
    import toktok

    sent = request.json
    texts = [message["content"] for message in sent["messages"]]
    schema = json.dumps(sent["response_format"]["json_schema"], separators=(",", ":"), ensure_ascii=False)
    tokens = 3 + 3 * len(texts) + sum(toktok.batch_count([*texts, schema], "o200k_base"))
    return Reply(chat_body('{"entities": []}', usage=(tokens, 9), model=sent["model"]))


LANGUAGES = {
    "English": "Ann Lee of Acme Inc. flew to Paris on 3 May and signed the papers. ",
    "German": "Frau Müller-Lüdenscheidt fährt übermorgen nach Österreich zurück. ",
    "Russian": "Анна приехала в Москву и встретилась с директором завода. ",
    "Arabic": "وصلت آنا إلى القاهرة والتقت بمدير الشركة صباح اليوم. ",
    "Hindi": "अन्ना दिल्ली पहुँची और कंपनी के निदेशक से मिली। ",
    "Thai": "แอนนาเดินทางถึงกรุงเทพมหานครและพบกับผู้อำนวยการบริษัท ",
    "Chinese": "安娜昨天到达北京，与公司的总经理见了面。",
    "Japanese": "アンナは昨日東京に到着し、会社の社長と会いました。",
    "Korean": "안나는 어제 서울에 도착하여 회사 대표를 만났습니다. ",
    "special tokens": "<|endoftext|> ends it, <|im_start|>system begins it. ",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("model", "close"), [("gpt-4o-mini", 0.05), ("some-model", 0.2)])
def test_estimates_are_close_to_what_is_billed(language, model, close):
    """
    Within 5 % with the model's vocabulary, within 20 % without; and within 5 % after the first answers.
    """
    pytest.importorskip("toktok", reason="needs toktok-rs")
    texts = [f"{n}. {LANGUAGES[language] * (1 + n)}" for n in range(12)]
    with (
        OpenAIServer(billed) as server,
        Pipeline(OpenAILabeler(SCHEMA, model=model, base_url=server.base_url), progress=False) as pipeline,
    ):
        before = pipeline.estimate(texts).input_tokens
        paid = pipeline.run(texts).usage.input_tokens
        after = pipeline.estimate(texts).input_tokens

    assert paid == pytest.approx(before, rel=close)
    assert paid == pytest.approx(after, rel=0.05)


@pytest.mark.parametrize("per_request", [1, 3])
def test_the_plan_is_what_is_sent(per_request):
    """
    Requests and tokens of the plan are those of the run: blank, long and identical texts, packed or not.
    """
    long = " ".join(f"Name{n} lives here." for n in range(60))
    texts = ["Ann", "", "Bob", "Ann", long, "Cid", " ", "Dan", "Ann", "Eve", long, "Bob"]
    labeler = Writer(packed)
    asking = Asking(documents_per_request=per_request, max_document_tokens=100, passes=2)
    pipeline = Pipeline(labeler, asking=asking, progress=False)
    plan = pipeline.estimate(texts)
    result = pipeline.run(texts)

    assert {"labeled": 10, "skipped": 2} == result.outcomes
    assert len(labeler.prompts) == plan.requests == result.usage.requests
    assert sum(map(input_tokens, labeler.prompts)) == plan.input_tokens
    assert (12, 2) == (plan.documents, plan.skipped)


def test_inputs_that_are_no_documents_are_told():
    """
    They are counted, and the summary names their number.
    """
    plan = Pipeline(Writer(completion)).estimate(["Ann", 5, {"id": "a"}])

    assert (1, 2) == (plan.documents, plan.rejected)
    assert "1 (0 empty, not sent; 2 inputs are no documents)" in str(plan)


def packed(prompt) -> str:
    """Answer for every document of a prompt, which names none."""
    number = len(prompt.document_ids)
    if number == 1:
        return '{"entities": []}'
    return json.dumps({"documents": [{"id": str(n + 1), "entities": []} for n in range(number)]})


@pytest.mark.parametrize("words", ["bad", "filtered"])
def test_a_refusal_does_not_make_the_cost_of_a_run_unknown(words):
    """
    A request that the service refused, or whose text it filtered, took nothing: neither cost nor cap is lost by it.
    """
    errors = {"bad": refusal(400, "no"), "filtered": refusal(400, "no", code="content_filter")}

    def answer(request) -> Reply:
        refused = next((error for word, error in errors.items() if word in request.text), None)
        return refused or Reply(chat_body('{"entities": []}', usage=(1000, 100)))

    limits = Limits(max_cost=10.0, max_concurrency=1)
    price = lambda model, usage: (usage.input_tokens + usage.output_tokens) / 1000  # noqa: E731
    with (
        OpenAIServer(answer) as server,
        Pipeline(
            OpenAILabeler(SCHEMA, model="m", base_url=server.base_url), progress=False, limits=limits, price=price
        ) as pipeline,
    ):
        result = pipeline.run(["Ann", f"{words} text", "Bo"])

    assert 2 == result.outcomes["labeled"]
    assert 2.2 == pytest.approx(result.usage.cost)


def test_an_answer_without_a_model_has_the_price_of_the_one_that_was_asked():
    """
    Not every gateway says which model answered.
    """
    usage = Usage(input_tokens=1000, output_tokens=100, requests=1)
    labeler = Writer(lambda prompt: Completion(text='{"entities": []}', usage=usage))
    prices = {"written": 0.5}
    result = Pipeline(labeler, progress=False, price=lambda model, usage: prices.get(model)).run(["Ann"])

    assert 0.5 == result.usage.cost
