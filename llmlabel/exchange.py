"""What goes to a model and comes back: prompts, completions, and what they used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from llmlabel.values import Cleaned, Value

Finish = Literal["stop", "length", "refusal", "content_filter"]


class Message(Value):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(Value):
    """Tokens, requests and cost, failed tries included; ``+`` adds. ``cost`` is None where any part is unknown."""

    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)
    requests: int = Field(default=0, ge=0)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    def __add__(self, other: Usage) -> Usage:
        if self == NO_USAGE:
            return other
        if other == NO_USAGE:
            return self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            requests=self.requests + other.requests,
            cost=None if self.cost is None or other.cost is None else self.cost + other.cost,
        )

    def __radd__(self, other: int) -> Usage:
        return self if other == 0 else NotImplemented  # lets sum() start from 0


NO_USAGE = Usage()


class TokenLogprob(Value):
    """One token of the answer and its natural-log probability."""

    token: Cleaned
    logprob: float


class RateLimit(Value):
    """What the response headers said of the limits; None where unknown (absent, 0 or -1)."""

    requests: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None


class Completion(Value):
    """A model's answer to one prompt: raw text (lone surrogates become U+FFFD), why it ended, what it cost."""

    text: Cleaned
    finish: Finish = "stop"
    usage: Usage = NO_USAGE
    model: str | None = None
    token_logprobs: tuple[TokenLogprob, ...] | None = None
    rate_limit: RateLimit | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Prompt(Value):
    """One request: messages (static part first, document last) and the JSON Schema of the answer, if any."""

    messages: tuple[Message, ...]
    answer_schema: Mapping[str, Any] | None = None
    max_output_tokens: int | None = None
    sample: int = 0
    document_ids: tuple[str, ...] = ()

    def reply(self, completion: Completion, problem: str) -> Prompt:
        """Return the same conversation, continued by the unusable answer and what is wrong with it."""
        again = f"Your answer cannot be used: {problem}\nAnswer again, completely, in the required format only."
        more = (Message(role="assistant", content=completion.text), Message(role="user", content=again))
        return self.model_copy(update={"messages": self.messages + more})
