"""What every ``LLMLabeler`` must do, as tests that a provider's author runs against their own class."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Coroutine, Mapping, Sequence
from typing import ClassVar, TypeVar

import pytest

from llmlabel.errors import LabelerError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.testing import watching
from llmlabel.testing.contract import Contract
from llmlabel.types import Completion, Message, Prompt

__all__ = ["LabelerContract"]

_Result = TypeVar("_Result")
_SCHEMA = {
    "type": "object",
    "properties": {"entities": {"type": "array", "items": {"type": "string"}}},
    "required": ["entities"],
    "additionalProperties": False,
}


class LabelerContract(Contract, suite=True):
    """Subclass it in your tests as ``class TestMyLabeler(LabelerContract)`` and write ``make_labeler``.

    The endpoint behind the labeler may be anything that answers (a server on loopback, a stub), if it answers equal
    prompts equally. The tests look at results from outside: at what comes back, what is logged, what is pickled.

    Attributes:
        key: The key that ``make_labeler`` uses; the tests look for it wherever it must not be. None: there is no key.
        patience: Seconds for which ``complete`` may hold up the event loop at a time.
        travels: Whether the labeler is meant to be pickled to worker processes.
    """

    key: ClassVar[str | None] = None
    patience: ClassVar[float] = 0.2
    travels: ClassVar[bool] = True

    # -- what you write

    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        """Return a new labeler for this model and these parameters, whose endpoint answers."""
        raise NotImplementedError(f"{type(self).__name__} is to write make_labeler")

    def make_failing_labeler(self) -> LLMLabeler | None:
        """Return a labeler whose endpoint always fails, or None to skip the test."""
        return None

    def prompts(self) -> Sequence[Prompt]:
        """Return requests to try, all different."""
        return [_prompt(f"Document {number}: Ann met Bob in Oslo.", number) for number in range(8)]

    # -- answers

    def test_answers_with_a_completion(self) -> None:
        """Complete returns a ``Completion`` that survives JSON."""
        completion = self._ask(self.prompts()[0])

        assert type(completion) is Completion, f"expected a Completion, found {type(completion).__name__}"
        assert completion == Completion.model_validate_json(completion.model_dump_json())

    def test_counts_its_request(self) -> None:
        """Usage tells of at least one request; the engine adds these up."""
        assert self._ask(self.prompts()[0]).usage.requests >= 1, "Usage(requests=1, …) is missing"

    def test_answers_without_an_answer_schema(self) -> None:
        """A prompt without a JSON Schema is answered too (inline answers have none)."""
        plain = self.prompts()[0].model_copy(update={"answer_schema": None})

        assert isinstance(self._ask(plain), Completion)

    def test_leaves_the_prompt_as_it_was(self) -> None:
        """The prompt, and the schema inside it, are not changed: the engine journals and reuses them."""
        prompt = self.prompts()[0]
        before = prompt.model_dump_json()
        self._ask(prompt)

        assert prompt.model_dump_json() == before, "complete() changed the prompt it was given"

    # -- concurrency

    def test_concurrent_prompts_get_their_own_answers(self) -> None:
        """Many prompts at once get the answers that they get one by one."""
        labeler, prompts = self.make_labeler(), self.prompts()

        async def both() -> tuple[list[str], list[str]]:
            alone = [(await labeler.complete(prompt)).text for prompt in prompts]
            together = await asyncio.gather(*(labeler.complete(prompt) for prompt in prompts))
            await labeler.aclose()
            return alone, [completion.text for completion in together]

        alone, together = _run(both())
        assert alone == together, "answers were mixed up between concurrent prompts"

    def test_does_not_block_the_event_loop(self) -> None:
        """While an answer is awaited, other tasks run; wrap blocking calls in ``asyncio.to_thread``."""
        labeler, prompt = self.make_labeler(), self.prompts()[0]

        async def longest_gap() -> float:
            await labeler.complete(prompt)
            gaps = [await watching.longest_gap(labeler, prompt) for _ in range(3)]
            await labeler.aclose()
            return min(gaps)

        gap = _run(longest_gap())
        assert gap <= self.patience, f"the event loop stood still for {gap:.2f} s during complete()"

    def test_can_be_cancelled(self) -> None:
        """Cancelling a request ends it with ``CancelledError``, and the labeler works on."""
        labeler, prompt = self.make_labeler(), self.prompts()[0]

        async def cancel() -> tuple[bool, Completion]:
            await labeler.complete(prompt)
            task = asyncio.ensure_future(labeler.complete(prompt))
            await asyncio.sleep(0)
            in_time = task.cancel()
            done, _ = await asyncio.wait([task], timeout=10)
            assert done, "a cancelled request did not end within 10 s"
            after = await labeler.complete(prompt)
            await labeler.aclose()
            return task.cancelled() or not in_time, after

        cancelled, after = _run(cancel())
        assert cancelled, "complete() swallowed the cancellation"
        assert isinstance(after, Completion)

    def test_works_in_two_event_loops_one_after_the_other(self) -> None:
        """A client made in one loop is not used in the next ("Event loop is closed")."""
        labeler, prompt = self.make_labeler(), self.prompts()[0]
        texts = [_run(_complete(labeler, prompt)).text for _ in range(2)]
        _run(labeler.aclose())

        assert texts[0] == texts[1]

    def test_can_be_closed_twice(self) -> None:
        """Closing is idempotent, before and after use."""
        labeler, prompt = self.make_labeler(), self.prompts()[0]

        async def close() -> None:
            await labeler.aclose()
            await labeler.complete(prompt)
            await labeler.aclose()
            await labeler.aclose()

        _run(close())

    # -- identity

    def test_fingerprint_is_stable(self) -> None:
        """Equal labelers have equal fingerprints, before and after use: the journal finds answers by it."""
        labeler = self.make_labeler()
        before = labeler.fingerprint
        _run(_complete(labeler, self.prompts()[0], close=True))

        assert isinstance(before, str)
        assert before
        assert [before, before] == [labeler.fingerprint, self.make_labeler().fingerprint]

    def test_fingerprint_changes_with_the_model(self) -> None:
        """Another model is another fingerprint: its answers are not this one's."""
        assert self.make_labeler().fingerprint != self.make_labeler(model="model-b").fingerprint

    def test_fingerprint_changes_with_the_parameters(self) -> None:
        """Other parameters are another fingerprint."""
        found = {self.make_labeler(parameters=p).fingerprint for p in ({}, {"top_p": 0.5}, {"top_p": 0.6})}

        assert len(found) == 3, "parameters that shape answers are not in the fingerprint"

    def test_quota_key_is_shared_by_equal_labelers(self) -> None:
        """Equal labelers draw on one rate limit."""
        one, other = self.make_labeler(), self.make_labeler()

        assert isinstance(one.quota_key, str)
        assert one.quota_key
        assert one.quota_key == other.quota_key

    def test_travels_to_other_processes(self) -> None:
        """A pickled labeler arrives with the same fingerprint."""
        if not self.travels:
            pytest.skip("travels = False")
        labeler = self.make_labeler()
        _run(_complete(labeler, self.prompts()[0], close=True))
        arrived = pickle.loads(pickle.dumps(labeler))  # noqa: S301  # made one line above

        assert labeler.fingerprint == arrived.fingerprint

    # -- errors and secrets

    def test_failing_endpoint_raises_a_labeler_error(self) -> None:
        """What goes wrong at the provider arrives as ``LabelerError``, whose flags the engine acts on."""
        error = self._failure()

        assert isinstance(error, LabelerError), f"expected a LabelerError, found {type(error).__name__}: {error}"
        assert isinstance(error.retryable, bool)
        assert str(error), "the error says nothing"

    def test_error_can_be_pickled(self) -> None:
        """An error comes back from a worker process with its flags."""
        error = self._failure()
        arrived = pickle.loads(pickle.dumps(error))  # noqa: S301  # made one line above

        assert (str(error), vars(error)) == (str(arrived), vars(arrived))

    def test_key_is_not_shown(self) -> None:
        """No repr, fingerprint, quota key, pickle or log line (vendors' at DEBUG too) holds the key."""
        key = self._key()
        labeler = self.make_labeler()
        with watching.logged() as lines:
            completion = _run(_complete(labeler, self.prompts()[0], close=True))
        shown = [
            repr(labeler),
            str(labeler),
            repr(vars(labeler)),
            labeler.fingerprint,
            labeler.quota_key,
            repr(completion),
        ]
        pickled = pickle.dumps(labeler) if self.travels else b""

        assert not [text for text in shown + lines if key in text], "the key is shown"
        assert key.encode() not in pickled, "the key is in the pickle"

    def test_key_is_not_in_errors(self) -> None:
        """Neither the error nor its causes show the key, local variables of all frames included."""
        key = self._key()
        with watching.logged() as lines:
            error = self._failure()
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        causes = [repr(vars(item)) for item in watching.chain(error)]
        report = ["".join(trace.format()), repr(error), *causes, *lines]

        assert not [text for text in report if key in text], "the key is in an error, its causes or a log"

    # -- how

    def _ask(self, prompt: Prompt) -> Completion:
        return _run(_complete(self.make_labeler(), prompt, close=True))

    def _key(self) -> str:
        if self.key is None:
            pytest.skip("no key to look for: set the attribute 'key'")
        return self.key

    def _failure(self) -> BaseException:
        labeler = self.make_failing_labeler()
        if labeler is None:
            pytest.skip("make_failing_labeler returns None")
        try:
            completion = _run(_complete(labeler, self.prompts()[0], close=True))
        except Exception as error:  # the test says which kind it must be
            return error
        raise AssertionError(f"the failing labeler answered with finish={completion.finish!r} instead of raising")


def _prompt(text: str, number: int) -> Prompt:
    messages = (Message(role="system", content="Answer in JSON."), Message(role="user", content=text))
    return Prompt(messages=messages, answer_schema=_SCHEMA, max_output_tokens=100, document_ids=(str(number),))


def _run(work: Coroutine[object, object, _Result]) -> _Result:
    return asyncio.run(work)


async def _complete(labeler: LLMLabeler, prompt: Prompt, *, close: bool = False) -> Completion:
    try:
        return await labeler.complete(prompt)
    finally:
        if close:
            await labeler.aclose()
