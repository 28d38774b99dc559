"""The labeler suite: every built-in passes it, and each of a dozen wrong labelers fails the test made for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, ClassVar

import pytest

from llmlabel import (
    AzureOpenAILabeler,
    Completion,
    LabelSchema,
    LLMLabeler,
    OpenAILabeler,
    Prompt,
    RecordingLabeler,
    ReplayLabeler,
    ServiceError,
    Usage,
)
from llmlabel.testing.contract import deviates
from llmlabel.testing.labeler import LabelerContract
from llmlabel.testing.scripted import ScriptedLabeler
from tests.servers.openai_server import OpenAIServer, Reply, Request, refusal

KEY = "sk-canary-Zx91qLm4TtY7"
SCHEMA = LabelSchema(entities=["PER"])


def echo(prompt: Prompt) -> str:
    """An answer that differs from prompt to prompt."""
    return f'{{"entities": ["{prompt.messages[-1].content}"]}}'


async def served(request: Request) -> str | Reply:
    """The same over the wire, or, for the model ``failing``, an error that repeats the key."""
    if request.json["model"] == "failing" or "/failing/" in request.path:
        given = request.headers.get("api-key") or request.headers.get("authorization")
        return refusal(401, f"Incorrect API key provided: {given}")
    await asyncio.sleep(0.02)
    return f'{{"entities": ["{request.text}"]}}'


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(served) as running:
        yield running


class Served(LabelerContract):
    key = KEY

    @pytest.fixture(autouse=True)
    def _serve(self, server: OpenAIServer) -> None:
        self.server = server

    def make_failing_labeler(self) -> LLMLabeler:
        return self.make_labeler(model="failing")


class TestOpenAILabeler(Served):
    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return OpenAILabeler(SCHEMA, model=model, api_key=KEY, base_url=self.server.base_url, parameters=parameters)


class TestOpenAILabelerWithResponses(Served):
    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return OpenAILabeler(
            SCHEMA, model=model, api_key=KEY, base_url=self.server.base_url, parameters=parameters, api="responses"
        )


class TestAzureOpenAILabeler(Served):
    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return AzureOpenAILabeler(
            SCHEMA, deployment=model, endpoint=self.server.url, api_key=KEY, parameters=parameters
        )


class TestAzureOpenAILabelerDated(Served):
    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return AzureOpenAILabeler(
            SCHEMA,
            deployment=model,
            endpoint=self.server.url,
            api_key=KEY,
            parameters=parameters,
            api_version="2024-10-21",
        )


def entra_token() -> str:
    return KEY


class TestAzureOpenAILabelerWithTokens(Served):
    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return AzureOpenAILabeler(
            SCHEMA, deployment=model, endpoint=self.server.url, token_provider=entra_token, parameters=parameters
        )


class TestRecordingLabeler(Served):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path) -> None:
        self.paths = (tmp_path / f"{number}.jsonl" for number in count())

    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        inner = OpenAILabeler(SCHEMA, model=model, api_key=KEY, base_url=self.server.base_url, parameters=parameters)
        return RecordingLabeler(inner, next(self.paths))


class TestScriptedLabeler(LabelerContract):
    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return ScriptedLabeler(SCHEMA, echo, model=model, parameters=parameters)

    def make_failing_labeler(self) -> LLMLabeler:
        return ScriptedLabeler(SCHEMA, [ServiceError("down", retryable=True, status_code=503)])


class TestReplayLabeler(LabelerContract):
    @pytest.fixture(autouse=True)
    def _record(self, tmp_path) -> None:
        self.folder = tmp_path

    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        path = self.folder / f"{model}.jsonl"
        if not path.exists():
            recorder = RecordingLabeler(ScriptedLabeler(SCHEMA, echo, model=model), path)

            async def record() -> None:
                for prompt in self.prompts():
                    await recorder.complete(prompt)
                    await recorder.complete(prompt.model_copy(update={"answer_schema": None}))

            asyncio.run(record())
        return ReplayLabeler(SCHEMA, path)

    def make_failing_labeler(self) -> LLMLabeler:
        return ReplayLabeler(SCHEMA, [{"llmlabel_recording": 1, "model": "m"}])

    @deviates(reason="a recording has no parameters: its answers are its identity")
    def test_fingerprint_changes_with_the_parameters(self) -> None:
        """
        A recording with other answers is another labeler.
        """
        other = ReplayLabeler(SCHEMA, [{"llmlabel_recording": 1, "model": "model-a"}])

        assert self.make_labeler().fingerprint != other.fingerprint


# -- deliberately wrong labelers, each beside the test that catches it


class Right(LLMLabeler):
    """Passes; the wrong ones below differ from it in one thing."""

    def __init__(self, *, model: str = "m", parameters: Mapping[str, object] = {}, key: str = KEY) -> None:
        super().__init__(SCHEMA, model=model, parameters=parameters)
        self._failing = model == "failing"

    async def complete(self, prompt: Prompt) -> Completion:
        await asyncio.sleep(0.001)
        if self._failing:
            raise ServiceError("down")
        return Completion(text=echo(prompt), usage=Usage(requests=1))


class ReturnsText(Right):
    async def complete(self, prompt: Prompt) -> Any:
        return (await super().complete(prompt)).text


class CountsNothing(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        return Completion(text=echo(prompt))


class NeedsASchema(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        assert prompt.answer_schema is not None
        prompt.answer_schema["properties"]
        return await super().complete(prompt)


class ChangesTheSchema(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        (prompt.answer_schema or {})["additionalProperties"] = True  # type: ignore[index]
        return await super().complete(prompt)


class Blocks(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        time.sleep(0.25)
        return await super().complete(prompt)


class MixesUp(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        self.current = prompt
        await asyncio.sleep(0.001)
        return await super().complete(self.current)


class SwallowsCancellation(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        try:
            return await super().complete(prompt)
        except asyncio.CancelledError:
            return Completion(text="", usage=Usage(requests=1))


class KeepsItsFirstLoop(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        self.loop = getattr(self, "loop", None) or asyncio.get_running_loop()
        turn = self.loop.create_future()
        self.loop.call_soon(turn.set_result, None)
        await turn
        return await super().complete(prompt)


class ClosesOnce(Right):
    closed = False

    async def aclose(self) -> None:
        assert not self.closed
        self.closed = True


class CountsInItsFingerprint(Right):
    numbers = count()

    @property
    def fingerprint(self) -> str:
        return f"{super().fingerprint}{next(self.numbers)}"


class ForgetsTheModel(Right):
    @property
    def fingerprint(self) -> str:
        return f"{self.parameters}"


class ForgetsTheParameters(Right):
    @property
    def fingerprint(self) -> str:
        return self.model


class QuotaPerObject(Right):
    @property
    def quota_key(self) -> str:
        return f"{id(self)}"


class HoldsAFunction(Right):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.make = lambda: None


class RaisesVendorErrors(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        if self._failing:
            raise ConnectionError("vendor")
        return await super().complete(prompt)


class HidesFailure(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        return Completion(text="{}", usage=Usage(requests=1))


class OddError(ServiceError):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"{status}: {why}", status_code=status)


class RaisesWhatCannotTravel(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        raise OddError(500, "down")


class ShowsTheKey(Right):
    def __init__(self, *, key: str = KEY, **more: Any) -> None:
        super().__init__(**more)
        self.key = key


class LogsTheKey(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        import logging

        logging.getLogger("vendor").debug("sending %s", {"authorization": KEY})
        return await super().complete(prompt)


class DragsTheKeyAlong(Right):
    async def complete(self, prompt: Prompt) -> Completion:
        try:
            raise ConnectionError(f"POST with {KEY}")
        except ConnectionError as error:
            raise ServiceError("down") from error


CAUGHT_BY = {
    ReturnsText: "test_answers_with_a_completion",
    CountsNothing: "test_counts_its_request",
    NeedsASchema: "test_answers_without_an_answer_schema",
    ChangesTheSchema: "test_leaves_the_prompt_as_it_was",
    MixesUp: "test_concurrent_prompts_get_their_own_answers",
    Blocks: "test_does_not_block_the_event_loop",
    SwallowsCancellation: "test_can_be_cancelled",
    KeepsItsFirstLoop: "test_works_in_two_event_loops_one_after_the_other",
    ClosesOnce: "test_can_be_closed_twice",
    CountsInItsFingerprint: "test_fingerprint_is_stable",
    ForgetsTheModel: "test_fingerprint_changes_with_the_model",
    ForgetsTheParameters: "test_fingerprint_changes_with_the_parameters",
    QuotaPerObject: "test_quota_key_is_shared_by_equal_labelers",
    HoldsAFunction: "test_travels_to_other_processes",
    RaisesVendorErrors: "test_failing_endpoint_raises_a_labeler_error",
    HidesFailure: "test_failing_endpoint_raises_a_labeler_error",
    RaisesWhatCannotTravel: "test_error_can_be_pickled",
    ShowsTheKey: "test_key_is_not_shown",
    LogsTheKey: "test_key_is_not_shown",
    DragsTheKeyAlong: "test_key_is_not_in_errors",
}


def suite(labeler: type[Right]) -> LabelerContract:
    """The suite, made up for one class."""

    class Suite(LabelerContract):
        key: ClassVar[str | None] = KEY

        def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
            return labeler(model=model, parameters=parameters)

        def make_failing_labeler(self) -> LLMLabeler:
            return labeler(model="failing")

    return Suite()


class TestRight(LabelerContract):
    key = KEY

    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return Right(model=model, parameters=parameters)

    def make_failing_labeler(self) -> LLMLabeler:
        return Right(model="failing")


@pytest.mark.parametrize(("wrong", "test"), CAUGHT_BY.items(), ids=[wrong.__name__ for wrong in CAUGHT_BY])
def test_wrong_labeler_fails_the_test_made_for_it(wrong: type[Right], test: str):
    """
    The named test of the suite fails for the wrong labeler.
    """
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        getattr(suite(wrong), test)()

    assert not isinstance(caught.value, pytest.skip.Exception)


def test_every_test_of_the_suite_catches_something():
    """
    No test of the suite is there for show.
    """
    assert set(LabelerContract.standard_tests) == set(CAUGHT_BY.values())


def test_weakened_suite_is_refused():
    """
    A subclass cannot replace a standard test without saying why.
    """
    with pytest.raises(TypeError, match="replaces the standard test test_can_be_cancelled"):
        type("TestWeak", (LabelerContract,), {"test_can_be_cancelled": lambda self: None})
