"""A labeler whose answers are written down: for tests of pipelines, exporters and everything behind them."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from llmlabel.labelers.base import LLMLabeler
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import Example, LabelSchema
from llmlabel.types import Completion, LabeledDocument, Prompt, Usage

__all__ = ["ScriptedLabeler"]

Answer = str | Completion | Exception
Script = Sequence[Answer] | Mapping[str, Answer | Sequence[Answer]] | Callable[[Prompt], "Answer | Awaitable[Answer]"]


class ScriptedLabeler(LLMLabeler):
    """Gives the answers it was made with, and remembers each prompt in ``prompts``.

    Args:
        schema: What to label.
        answers: In turn, whatever the prompt; or by document id (one answer, or several in turn of which the last
            one repeats); or a function of the prompt, which may be asynchronous. An answer is the text, a whole
            ``Completion``, or an exception to raise. A packed prompt is found by its ids joined with ``,``.
        model: The model's name.
        prompt: How to ask.
        examples: Labelled texts shown to the model.
        parameters: Part of the fingerprint, as for any labeler.

    Raises:
        AssertionError: While labelling: there is no answer for the prompt. Not one of llmlabel's errors, so that no
            pipeline takes it for a failed document.
    """

    def __init__(
        self,
        schema: LabelSchema,
        answers: Script,
        *,
        model: str = "scripted",
        prompt: PromptTemplate | None = None,
        examples: Iterable[Example | LabeledDocument] = (),
        parameters: Mapping[str, object] = {},
    ) -> None:
        super().__init__(schema, model=model, prompt=prompt, examples=examples, parameters=parameters)
        self.answers = answers
        self.prompts: list[Prompt] = []
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()

    async def complete(self, prompt: Prompt) -> Completion:
        """Return, or raise, what the script says."""
        with self._lock:
            self.prompts.append(prompt)
            answer = self._next(prompt)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Completion):
            return answer
        asked = sum(len(message.content) for message in prompt.messages)
        usage = Usage(input_tokens=-(-asked // 4), output_tokens=-(-len(answer) // 4), requests=1)
        return Completion(text=answer, usage=usage, model=self.model)

    def _next(self, prompt: Prompt) -> Any:
        if callable(self.answers):
            return self.answers(prompt)
        if isinstance(self.answers, Mapping):
            key = ",".join(prompt.document_ids)
            if key not in self.answers:
                raise AssertionError(f"ScriptedLabeler: no answer is written down for the document ids {key!r}")
            found = self.answers[key]
            several = isinstance(found, Sequence) and not isinstance(found, str)
            return found[min(self._turn(key), len(found) - 1)] if several else found  # type: ignore[index,arg-type]
        turn = self._turn("")
        if turn >= len(self.answers):
            raise AssertionError(
                f"ScriptedLabeler: {len(self.answers)} answers were written down, this is one prompt more"
            )
        return self.answers[turn]

    def _turn(self, key: str) -> int:
        turn = self._turns.get(key, 0)
        self._turns[key] = turn + 1
        return turn

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()
