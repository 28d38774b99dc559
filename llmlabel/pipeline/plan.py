"""What a run would send, before anything is paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from llmlabel.chunking import estimate_tokens
from llmlabel.engine.budget import Price
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.document import Task, prepare, prompt_for
from llmlabel.pipeline.redaction import Redactor
from llmlabel.pipeline.tokens import ANSWER_BASE, ANSWER_SHARE, Calibration, Count, input_tokens, vocabulary
from llmlabel.types import Asking, Document, Limits, Prompt, Usage, Value

_BATCH_SHARE = 0.5  # of the online price, at OpenAI and for Azure's global batch
_BATCH_HOSTS = (".openai.com", ".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_SECONDS = 2.0  # of a request, before one was seen
_CONCURRENCY = 64  # what an automatic concurrency is taken to reach


class RunPlan(Value):
    """An estimate of a run: documents, pieces, requests, tokens, money, time; asking again comes on top.

    Attributes:
        documents: All that were read.
        skipped: Those without text, which are not sent.
        chunks: Texts asked about: one per document, more for one that is cut.
        requests: Requests of the first round.
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

    def __str__(self) -> str:
        cost = "unknown (no price for this model)" if self.cost is None else f"about {self.cost:.4f} US dollars"
        batch = "" if self.batch_cost is None else f"\nas a batch     about {self.batch_cost:.4f}, within 24 hours"
        return (
            f"documents      {self.documents:,} ({self.skipped:,} empty, not sent)\n"
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


@dataclass(slots=True)
class _Counts:
    """What was counted so far."""

    documents: int = 0
    skipped: int = 0
    chunks: int = 0
    requests: int = 0
    tokens: int = 0
    answers: float = 0.0


def prompts_of(labeler: LLMLabeler, asking: Asking, redactor: Redactor | None, document: Document) -> list[Prompt]:
    """Return every request that labelling this document alone would send first (re-asks come on top)."""
    if not document.text.strip():
        return []
    return _prompts(labeler, asking, prepare(document, asking, redactor))


def _prompts(labeler: LLMLabeler, asking: Asking, task: Task) -> list[Prompt]:
    rounds = range(asking.passes * asking.samples)
    return [task.prompt(labeler, chunk, number) for number in rounds for chunk in task.chunks]


def _counted(
    labeler: LLMLabeler, asking: Asking, redactor: Redactor | None, documents: Iterable[Document], count: Count
) -> _Counts:
    found, rounds = _Counts(), asking.passes * asking.samples
    group: list[Document] = []
    seen: set[int] = set()

    def flush(packed: Sequence[Document]) -> None:
        if packed:
            found.requests += rounds
            found.tokens += rounds * input_tokens(prompt_for(labeler, packed), count)

    for document in documents:
        found.documents += 1
        if not document.text.strip():
            found.skipped += 1
            continue
        task = prepare(document, asking, redactor)
        found.chunks += len(task.chunks)
        found.answers += rounds * (ANSWER_BASE * len(task.chunks) + ANSWER_SHARE * estimate_tokens(task.redaction.text))
        if len(task.chunks) == 1 and asking.documents_per_request > 1:
            group.append(task.sent)
            if len(group) == asking.documents_per_request:
                flush(group)
                group.clear()
            continue
        if (same := hash(task.redaction.text)) in seen:  # identical texts are asked once
            continue
        seen.add(same)
        for prompt in _prompts(labeler, asking, task):
            found.requests += 1
            found.tokens += input_tokens(prompt, count)
    flush(group)
    return found


def estimate(
    labeler: LLMLabeler,
    asking: Asking,
    redactor: Redactor | None,
    documents: Iterable[Document],
    *,
    limits: Limits = Limits(),
    calibration: Calibration | None = None,
    price: Price | None = None,
) -> RunPlan:
    """Return what labelling these documents would send; nothing is sent and nothing downloaded."""
    exact = vocabulary(labeler.model)
    count, known = exact or estimate_tokens, calibration or Calibration()
    found = _counted(labeler, asking, redactor, documents, count)
    tokens = round(found.tokens * (known.input_ratio(count) if known else 1.0))
    asked = found.chunks * asking.passes * asking.samples
    answers = round(known.output_tokens() * asked if known else found.answers)
    usage = Usage(input_tokens=tokens, output_tokens=answers, requests=found.requests)
    cost = _cost(price, labeler.model, usage)
    host = "." + (urlsplit(labeler.endpoint).hostname or "")
    batched = cost is not None and host.endswith(_BATCH_HOSTS)
    return RunPlan(
        documents=found.documents,
        skipped=found.skipped,
        chunks=found.chunks,
        requests=found.requests,
        input_tokens=tokens,
        output_tokens=answers,
        tokenizer="vocabulary" if exact else "calibrated" if known else "estimate",
        cost=cost,
        batch_cost=cost * _BATCH_SHARE if cost is not None and batched else None,
        seconds=_seconds(usage, limits, known.seconds() or _SECONDS),
    )


def _cost(price: Price | None, model: str, usage: Usage) -> float | None:
    """Return the price of many requests alike: a table may charge large ones more, so one is priced."""
    if price is None or not usage.requests:
        return None if price is None else 0.0
    number = usage.requests
    one = Usage(
        input_tokens=-(-usage.input_tokens // number), output_tokens=-(-usage.output_tokens // number), requests=1
    )
    priced = price(model, one)
    if priced is None:
        return None
    share = (usage.input_tokens + usage.output_tokens) / max(1, number * (one.input_tokens + one.output_tokens))
    return priced * number * share


def _seconds(usage: Usage, limits: Limits, each: float) -> float:
    width = _CONCURRENCY if limits.max_concurrency == "auto" else limits.max_concurrency
    waves = -(-usage.requests // width) * each
    paced = 60 * usage.requests / limits.requests_per_minute if limits.requests_per_minute else 0.0
    tokens = usage.input_tokens + usage.output_tokens
    filled = 60 * tokens / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
    return max(waves, paced, filled)
