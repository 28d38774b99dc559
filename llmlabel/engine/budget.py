"""Stopping before the money or the tokens are spent, with what is in flight counted as spent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from llmlabel.engine.stats import OverBudget
from llmlabel.types import Prompt, Usage

__all__ = ["Budget", "Estimator", "Price", "Reservation"]

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
        expected, bound = self.tokens(prompt)
        if not self._characters:
            return expected + bound
        return self._tokens / self._characters * sum(len(message.content) for message in prompt.messages) + self._mean

    def learn(self, prompt: Prompt, usage: Usage) -> None:
        """Take an answer's real tokens into account."""
        if not usage.input_tokens:
            return
        self._characters += sum(len(message.content) for message in prompt.messages)
        self._tokens += usage.input_tokens
        self._largest = max(self._largest, usage.output_tokens)
        self._mean += (usage.output_tokens - self._mean) * (0.05 if self._mean else 1.0)


@dataclass(slots=True)
class Reservation:
    """Tokens and money set aside for one request."""

    tokens: int = 0
    cost: float = 0.0


NOTHING = Reservation()


class Budget:
    """Lets a request go only if it fits under the caps together with all that is in flight.

    A request that would fit if those in flight turned out cheaper waits for them; one that does not fit alone is
    refused.
    """

    def __init__(
        self, max_total_tokens: int | None, max_cost: float | None, price: Price, estimator: Estimator
    ) -> None:
        self.estimator = estimator
        self.max_total_tokens = max_total_tokens
        self.max_cost = max_cost
        self.price = price
        self.model: str | None = None
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
            wanted, priced = self._wanted(prompt)
            problem = self._problem(wanted)
            if problem is None and (priced or not self._open):
                self._open += 1
                self._reserved_tokens += wanted.tokens
                self._reserved_cost += wanted.cost
                return wanted
            if not self._open and problem is not None:
                raise OverBudget(problem)
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)

    def _wanted(self, prompt: Prompt) -> tuple[Reservation, bool]:
        """Return what the request may take, and whether that can be told: the first answer names the model."""
        expected, bound = self.estimator.tokens(prompt)
        if self.max_cost is None:
            return Reservation(expected + bound), True
        cost = self.price(self.model, Usage(input_tokens=expected, output_tokens=bound, requests=1))
        return Reservation(expected + bound, cost or 0.0), cost is not None

    def _problem(self, wanted: Reservation) -> str | None:
        if self.max_total_tokens is not None:
            total = self._tokens + self._reserved_tokens + wanted.tokens
            if total > self.max_total_tokens:
                return (
                    f"max_total_tokens={self.max_total_tokens}: {self._tokens} used, the next may take {wanted.tokens}"
                )
        if self.max_cost is not None:
            if self._unpriced:
                return f"max_cost={self.max_cost} cannot be kept: the price of model {self.model!r} is not known"
            if self._cost + self._reserved_cost + wanted.cost > self.max_cost or self._cost >= self.max_cost:
                return f"max_cost={self.max_cost}: {self._cost:.6g} spent, the next may cost {wanted.cost:.6g}"
        return None

    def settle(self, reserved: Reservation, usage: Usage | None, model: str | None = None) -> None:
        """Replace a reservation by what was paid (None: nothing, or not known)."""
        if reserved is NOTHING:
            return
        self._open -= 1
        self._reserved_tokens -= reserved.tokens
        self._reserved_cost -= reserved.cost
        if usage is not None:
            self.model = model or self.model
            self._tokens += usage.input_tokens + usage.output_tokens
            self._cost += usage.cost or 0.0
            self._unpriced = self._unpriced or usage.cost is None
        if self._settled is not None:
            self._settled.set_result(None)
            self._settled = None
