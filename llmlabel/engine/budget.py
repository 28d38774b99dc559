"""Stopping before the money or the tokens are spent, with what is in flight counted as spent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from llmlabel.chunking import estimate_tokens
from llmlabel.engine.stats import OverBudget
from llmlabel.types import Prompt, Usage

__all__ = ["Bound", "Budget", "Estimator", "Price", "Reservation"]

UNCOUNTED = 3  # answers without a count of tokens (a content filter's, for one) before others go side by side
Price = Callable[[str | None, Usage], float | None]


class Estimator:
    """How many tokens a request will take, learnt from the answers so far.

    Before the first answer it takes three characters for a token, and 256 tokens for an answer without a limit. The
    input is estimated by its mean, the output from above: by the largest seen and half as much again.
    """

    def __init__(self) -> None:
        self._characters = 0
        self._tokens = 0
        self._largest = 0
        self._mean = 0.0

    def tokens(self, prompt: Prompt) -> tuple[int, int]:
        """Return the expected input tokens and a bound on the output tokens."""
        size = sum(len(message.content) for message in prompt.messages)
        ratio = self._tokens / self._characters if self._characters else 1 / 3
        bound = int(1.5 * self._largest) + 16 if self._largest else 256
        if prompt.max_output_tokens is not None:
            bound = min(bound, prompt.max_output_tokens) if self._largest else prompt.max_output_tokens
        return int(size * ratio * 1.05) + 8, bound

    def pace(self, prompt: Prompt) -> float:
        """Return the tokens to book at the gate: means, put right once the real number is known."""
        if not self._characters:
            return sum(self.tokens(prompt))
        return self._tokens / self._characters * sum(len(message.content) for message in prompt.messages) + self._mean

    def learn(self, prompt: Prompt, usage: Usage) -> None:
        """Take an answer's real tokens into account."""
        if not usage.input_tokens:
            return
        self._characters += sum(len(message.content) for message in prompt.messages)
        self._tokens += usage.input_tokens
        self._largest = max(self._largest, usage.output_tokens)
        self._mean += (usage.output_tokens - self._mean) * (0.05 if self._mean else 1.0)


class Bound:
    """The most that a request is likely to take, learnt from the answers so far; for budgets, which may not be passed.

    Texts are weighed by script: a Chinese character takes as many tokens as an English word. The input is bounded by
    the dearest weight that was seen; the output by the longest answer and half as much again, and by what answers of
    its length have taken per weight of the question.
    """

    def __init__(self) -> None:
        self._weigh = lru_cache(maxsize=32)(estimate_tokens)  # all prompts begin alike
        self._share = 0.0  # input tokens per weight, the highest seen
        self._longest = 0
        self._output = self._asked = self._uncounted = 0

    @property
    def learnt(self) -> bool:
        """Whether there was an answer with a count of tokens; a service that never counts is not waited for."""
        return self._share > 0 or self._uncounted >= UNCOUNTED

    def of(self, prompt: Prompt) -> Reservation:
        """Return the input and output tokens to set aside."""
        weight = sum(self._weigh(message.content) for message in prompt.messages)
        asked = self._weigh(prompt.messages[-1].content)
        limit = prompt.max_output_tokens
        if not self._share:
            # Weights err upward, most of all in JSON.
            schema = 0.6 * self._weigh(json.dumps(prompt.answer_schema)) if prompt.answer_schema else 0.0
            return Reservation(int(1.1 * (weight + schema)) + 8, limit or 256, weight, asked)
        output = int(1.5 * max(self._longest, self._output / max(1, self._asked) * asked)) + 16
        return Reservation(int(1.05 * weight * self._share) + 8, min(output, limit or output), weight, asked)

    def learn(self, reserved: Reservation, usage: Usage) -> None:
        """Take an answer's real tokens into account."""
        if not usage.input_tokens:
            self._uncounted += 1
        else:
            self._share = max(self._share, usage.input_tokens / max(1, reserved.weight))
            self._longest = max(self._longest, usage.output_tokens)
            self._output += usage.output_tokens
            self._asked += reserved.asked


@dataclass(slots=True)
class Reservation:
    """Tokens and money set aside for one request; ``weight`` of its texts, and of the last, the question, alone."""

    input_tokens: int = 0
    output_tokens: int = 0
    weight: int = 0
    asked: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


NOTHING = Reservation()


class Budget:
    """Lets a request go only if it fits under the caps together with all that is in flight.

    A request that would fit if those in flight turned out cheaper waits for them; one that does not fit alone is
    refused. The first one goes alone: what it takes tells what to set aside for the others.
    """

    def __init__(self, max_total_tokens: int | None, max_cost: float | None, price: Price) -> None:
        self.max_total_tokens = max_total_tokens
        self.max_cost = max_cost
        self.price = price
        self.model: str | None = None
        self._bound = Bound()
        self._tokens = self._reserved_tokens = 0
        self._cost = self._reserved_cost = 0.0
        self._open = 0
        self._unpriced = False
        self._settled: asyncio.Future[None] | None = None

    @property
    def unlimited(self) -> bool:
        """Whether there is nothing to watch."""
        return self.max_total_tokens is None and self.max_cost is None

    async def reserve(self, prompt: Prompt) -> Reservation:
        """Set aside what the request may take.

        Raises:
            OverBudget: It does not fit, even after all in flight are paid.
        """
        if self.unlimited:
            return NOTHING
        while True:
            wanted, known = self._wanted(prompt)
            problem = self._problem(wanted)
            if problem is None and (known or not self._open):
                self._hold(wanted)
                return wanted
            if not self._open and problem is not None:
                raise OverBudget(problem)
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)

    def take(self, usage: Usage) -> str | None:
        """Set aside what a request of a batch job may take; say why not if that does not fit."""
        wanted = Reservation(usage.input_tokens, usage.output_tokens, cost=usage.cost or 0.0)
        problem = self._problem(wanted)
        if problem is None:
            self._hold(wanted)
        return problem

    def _wanted(self, prompt: Prompt) -> tuple[Reservation, bool]:
        """Return what the request may take, and whether that can be told: the first answer names model and tokens."""
        wanted, known = self._bound.of(prompt), self._bound.learnt
        if self.max_cost is not None:
            usage = Usage(input_tokens=wanted.input_tokens, output_tokens=wanted.output_tokens, requests=1)
            cost = self.price(self.model, usage)
            if cost is None and self._cost:  # a labeler that tells the cost of each answer itself
                cost = 1.5 * wanted.tokens * self._cost / max(1, self._tokens)
            wanted.cost, known = cost or 0.0, known and cost is not None
        return wanted, known

    def _problem(self, wanted: Reservation) -> str | None:
        """Return why a request does not fit now, or None."""
        if self.max_total_tokens is not None:
            total = self._tokens + self._reserved_tokens + wanted.tokens
            if total > self.max_total_tokens:
                return (
                    f"max_total_tokens={self.max_total_tokens}: {self._tokens} used, the next may take {wanted.tokens}"
                )
        if self.max_cost is not None:
            if self._unpriced:
                return (
                    f"max_cost={self.max_cost} cannot be kept: the price of model {self.model!r} is not known; give "
                    "Pipeline(price=...) or max_total_tokens, or install llmlabel[prices] if the tables are missing"
                )
            if self._cost + self._reserved_cost + wanted.cost > self.max_cost or self._cost >= self.max_cost:
                return f"max_cost={self.max_cost}: {self._cost:.6g} spent, the next may cost {wanted.cost:.6g}"
        return None

    def _hold(self, wanted: Reservation) -> None:
        self._open += 1
        self._reserved_tokens += wanted.tokens
        self._reserved_cost += wanted.cost

    def settle(
        self, reserved: Reservation, usage: Usage | None, model: str | None = None, *, lost: bool = False
    ) -> None:
        """Replace a reservation by what was paid; None: nothing.

        ``lost``: no response came, though the service may have answered and billed it. It is counted as paid, once an
        answer has shown that the service can be reached at all.
        """
        if reserved is NOTHING:
            return
        self._open -= 1
        self._reserved_tokens -= reserved.tokens
        self._reserved_cost -= reserved.cost
        if usage is not None:
            self._bound.learn(reserved, usage)
            self.charge(usage, model)
        elif lost and self._bound.learnt:
            self._tokens += reserved.tokens
            self._cost += reserved.cost
        if self._settled is not None:
            self._settled.set_result(None)
            self._settled = None

    def charge(self, usage: Usage, model: str | None = None) -> None:
        """Count what was paid, also for an answer that came in a batch job."""
        self.model = model or self.model
        self._tokens += usage.input_tokens + usage.output_tokens
        self._cost += usage.cost or 0.0
        self._unpriced = self._unpriced or usage.cost is None
