"""The first answers of a pipeline, kept to mend its estimates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmlabel.exchange import Prompt, Usage


class Calibration:
    """Keeps the first answers of a pipeline, to tell later how far estimates are from what is billed."""

    KEPT = 32

    def __init__(self) -> None:
        self._answers: list[tuple[Prompt, Usage, float]] = []
        self.model: str | None = None  # as the service names it: a deployment says nothing of the model behind it

    def add(self, prompt: Prompt, usage: Usage, seconds: float, model: str | None = None) -> None:
        """Take note of an answer, while there are few."""
        self.model = model or self.model
        if len(self._answers) < self.KEPT and usage.input_tokens:
            self._answers.append((prompt, usage, seconds))

    def models(self, model: str) -> tuple[str, ...]:
        """Return the names under which a model may be known, as it was asked for first."""
        return (model,) if self.model is None else (model, self.model)

    @property
    def full(self) -> bool:
        """Whether no more answers are kept."""
        return len(self._answers) >= self.KEPT

    def __bool__(self) -> bool:
        return bool(self._answers)

    def input_ratio(self, count: Callable[[Prompt], int]) -> float:
        """Return billed by counted input tokens; 1 before the first answer."""
        counted = sum(count(prompt) for prompt, _, _ in self._answers)
        return sum(usage.input_tokens for _, usage, _ in self._answers) / counted if counted else 1.0

    def output_tokens(self) -> float:
        """Return the mean output tokens for one document or piece; 0 before the first answer."""
        asked = sum(max(1, len(prompt.document_ids)) for prompt, _, _ in self._answers)
        return sum(usage.output_tokens for _, usage, _ in self._answers) / asked if asked else 0.0

    def seconds(self) -> float | None:
        """Return the mean duration of a request, or None before the first answer."""
        return sum(seconds for _, _, seconds in self._answers) / len(self._answers) if self._answers else None
