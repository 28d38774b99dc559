"""Counting tokens before anything is sent: with the model's own vocabulary, else by estimate. Nothing is downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from llmlabel.chunking import estimate_tokens
from llmlabel.types import Prompt

Count = Callable[[str], int]

# What OpenAI adds around each message and before each answer (its cookbook, "How to count tokens with tiktoken"), and
# around an answer schema (as its open models render one: https://github.com/openai/harmony, "Structured output").
MESSAGE_TOKENS = 3
REQUEST_TOKENS = 3
SCHEMA_TOKENS = 8
# What one document and each of its tokens cost in an answer: from recorded answers, not from any documentation.
ANSWER_SHARE = 0.35
ANSWER_BASE = 12

# estimate_tokens() serves for cutting and so errs upward, most where vocabularies differ most: South and East Asian
# scripts, by about so many tokens a character; and in JSON, whose brackets and quotes share tokens.
_WIDE = re.compile("[\u0900-\u1fff\u3000-\ud7a3]")
_WIDE_EXCESS = 0.2

_VOCABULARIES = (
    (re.compile(r"(?:chatgpt-4o|gpt-4o|gpt-4\.[15]|gpt-[5-9]|gpt-oss|o[1-9])(?![a-z0-9])"), "o200k_base"),
    (re.compile(r"gpt-(?:4|3\.5|35)(?![a-z0-9.])"), "cl100k_base"),
)


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts the tokens of texts; of an answer schema, ``schema_share`` of what is counted."""

    text: Count
    schema_share: float = 1.0


def estimated(text: str) -> int:
    """Return about how many tokens a text has, too many as often as too few."""
    return round(estimate_tokens(text) - _WIDE_EXCESS * len(_WIDE.findall(text)))


ESTIMATE = Counter(estimated, schema_share=0.6)


def vocabulary(model: str) -> Counter | None:
    """Return an exact counter for a model's texts, or None: unknown model, or ``toktok-rs`` is not installed.

    That package holds the vocabularies itself: nothing is downloaded.
    """
    name = model.rpartition("/")[2].lower().removeprefix("ft:")
    encoding = next((encoding for pattern, encoding in _VOCABULARIES if pattern.match(name)), None)
    if encoding is None:
        return None
    try:
        import toktok
    except ImportError:
        return None
    return Counter(partial(_counted, toktok.batch_count, encoding))


def _counted(batch_count: Callable[..., list[int]], encoding: str, text: str) -> int:
    # A special token that a document spells out is text: the API takes and bills it so.
    return batch_count([text], encoding, threads=1)[0]


def input_tokens(prompt: Prompt, counter: Counter = ESTIMATE) -> int:
    """Return the input tokens of one request, its answer schema included."""
    tokens = REQUEST_TOKENS + sum(counter.text(message.content) + MESSAGE_TOKENS for message in prompt.messages)
    if prompt.answer_schema:
        schema = json.dumps(prompt.answer_schema, separators=(",", ":"), ensure_ascii=False)
        tokens += SCHEMA_TOKENS + round(counter.schema_share * counter.text(schema))
    return tokens
