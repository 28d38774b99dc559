"""What a run would send, before anything is paid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmlabel.engine.budget import Price
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.calibration import Calibration
from llmlabel.pipeline.engines import price_for
from llmlabel.pipeline.first import first_requests
from llmlabel.pipeline.inputs import Inputs
from llmlabel.pipeline.redaction import Redactor
from llmlabel.pipeline.tokens import (
    ANSWER_BASE,
    ANSWER_SHARE,
    ESTIMATE,
    Counter,
    estimated,
    input_tokens,
    vocabulary,
)
from llmlabel.types import Asking, Document, Limits, Prompt, Usage, Value

if TYPE_CHECKING:
    from llmlabel.pipeline.pipeline import Pipeline

BATCH_SHARE = 0.5  # of the online price, at OpenAI and for Azure's global batch
_BATCH_HOSTS = (".openai.com", ".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_SECONDS = 2.0  # of a request, before one was seen
_CONCURRENCY = 64  # what an automatic concurrency is taken to reach


class RunPlan(Value):
    """An estimate of a run: documents, pieces, requests, tokens, money, time; asking again comes on top.

    Attributes:
        documents: All that were read.
        skipped: Those without text, which are not sent.
        rejected: Inputs that cannot be a document, not counted as one.
        chunks: Texts asked about: one per document, more for one that is cut.
        requests: Requests of the first round; identical texts are asked once.
        input_tokens: Within about 5 % of what is billed if ``tokenizer`` is ``"vocabulary"``; within about 20 % if it
            is ``"estimate"``, nearer once the pipeline had its first answers (``"calibrated"``). The answer schema is
            counted as it is sent; how a provider bills it is not documented.
        output_tokens: A rough guess from the length of the texts, until the first answers are there.
        tokenizer: How tokens were counted.
        cost: At the online price; None where the price is unknown. Cached tokens are counted in full.
        batch_cost: As a provider batch job; None where there is none, or its price is unknown.
        seconds: Wall time, from pace, concurrency and the duration of the first requests (2 s until there are any). A
            provider batch job has no such estimate: it takes up to 24 hours.
    """

    documents: int
    skipped: int
    chunks: int
    requests: int
    input_tokens: int
    output_tokens: int
    tokenizer: str = "estimate"
    cost: float | None = None
    batch_cost: float | None = None
    seconds: float = 0.0
    rejected: int = 0

    def __str__(self) -> str:
        cost = "unknown (no price for this model)" if self.cost is None else f"about {self.cost:.4f} US dollars"
        rejected = f"; {self.rejected:,} inputs are no documents" if self.rejected else ""
        batch = "" if self.batch_cost is None else f"\nas a batch     about {self.batch_cost:.4f}, within 24 hours"
        return (
            f"documents      {self.documents:,} ({self.skipped:,} empty, not sent{rejected})\n"
            f"chunks         {self.chunks:,}\nrequests       {self.requests:,}\n"
            f"input tokens   about {self.input_tokens:,} ({_ACCURACY[self.tokenizer]})\n"
            f"output tokens  about {self.output_tokens:,}\n"
            f"time           about {_duration(self.seconds)}\n"
            f"cost           {cost}{batch}"
        )


_ACCURACY = {
    "vocabulary": "counted, ± 5 %",
    "estimate": "estimated, ± 20 %",
    "calibrated": "estimated from the first answers",
}


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds + 0.5), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"


def prompts_of(labeler: LLMLabeler, asking: Asking, redactor: Redactor | None, document: Document) -> list[Prompt]:
    """Return every request that labelling this document alone would send first (re-asks come on top)."""
    alone = asking.model_copy(update={"documents_per_request": 1})
    return [first.prompt for first in first_requests(labeler, [document], alone, redactor)]


Expect = Callable[[Prompt, Sequence[Document]], Usage]


def expectation(counter: Counter, known: Calibration) -> Expect:
    """Return a function that tells what a request about some texts is expected to take."""
    ratio = known.input_ratio(partial(input_tokens, counter=counter)) if known else 1.0
    # What all prompts have in common is counted once.
    kept = replace(counter, text=lru_cache(maxsize=64)(counter.text))
    mean = known.output_tokens()

    def expect(prompt: Prompt, asked: Sequence[Document]) -> Usage:
        answers = mean * len(asked) or sum(ANSWER_BASE + ANSWER_SHARE * estimated(one.text) for one in asked)
        return Usage(input_tokens=round(ratio * input_tokens(prompt, kept)), output_tokens=round(answers), requests=1)

    return expect


def counter_for(model: str, known: Calibration) -> Counter:
    """Return what counts a model's tokens: its vocabulary, or an estimate."""
    return next(filter(None, map(vocabulary, known.models(model))), ESTIMATE)


def dearest(expected: Usage) -> Usage:
    """Return what a request of many may take at most, on average: the input is known well, the answer is guessed."""
    return expected.model_copy(
        update={"input_tokens": int(1.1 * expected.input_tokens), "output_tokens": int(1.5 * expected.output_tokens)}
    )


def estimate(pipeline: Pipeline, documents: Iterable[object]) -> RunPlan:
    """Return what labelling these documents would send; nothing is sent and nothing downloaded."""
    labeler, known, limits = pipeline.labeler, pipeline._calibration, pipeline.limits
    inputs, pieces = Inputs(), list[int]()
    counter, usage = counter_for(labeler.model, known), Usage()
    expect = expectation(counter, known)
    found = (document for _, document in inputs.read_plain(documents))
    for prompt, asked, _ in first_requests(labeler, found, pipeline.asking, pipeline.redactor, pieces.append):
        usage = usage + expect(prompt, asked)
    cost = _cost(price_for(labeler, pipeline.price), known.models(labeler.model), usage)
    host = "." + (urlsplit(labeler.endpoint).hostname or "")
    batched = cost is not None and host.endswith(_BATCH_HOSTS)
    return RunPlan(
        documents=len(pieces),
        skipped=pieces.count(0),
        rejected=len(inputs.rejected),
        chunks=sum(pieces),
        requests=usage.requests,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        tokenizer="vocabulary" if counter is not ESTIMATE else "calibrated" if known else "estimate",
        cost=cost,
        batch_cost=cost * BATCH_SHARE if cost is not None and batched else None,
        seconds=_seconds(usage, limits, known.seconds() or _SECONDS),
    )


def priced(price: Price | None, models: Iterable[str], usage: Usage) -> float | None:
    """Return the price of one request, by the first name under which the model has one."""
    costs = (price(model, usage) for model in models) if price is not None else ()
    return next((cost for cost in costs if cost is not None), None)


def _cost(price: Price | None, models: Iterable[str], usage: Usage) -> float | None:
    """Return the price of many requests alike: a table may charge large ones more, so one is priced."""
    if price is None or not usage.requests:
        return None if price is None else 0.0
    number = usage.requests
    one = Usage(
        input_tokens=-(-usage.input_tokens // number), output_tokens=-(-usage.output_tokens // number), requests=1
    )
    cost = priced(price, models, one)
    if cost is None:
        return None
    share = (usage.input_tokens + usage.output_tokens) / max(1, number * (one.input_tokens + one.output_tokens))
    return cost * number * share


def _seconds(usage: Usage, limits: Limits, each: float) -> float:
    width = _CONCURRENCY if limits.max_concurrency == "auto" else limits.max_concurrency
    waves = -(-usage.requests // width) * each
    paced = 60 * usage.requests / limits.requests_per_minute if limits.requests_per_minute else 0.0
    tokens = usage.input_tokens + usage.output_tokens
    filled = 60 * tokens / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
    return max(waves, paced, filled)
