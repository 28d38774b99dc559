"""The labeler whose answers are written down."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from llmlabel import Completion, ServiceError
from llmlabel.testing.scripted import ScriptedLabeler
from tests.labelers.conftest import SCHEMA, prompt


async def texts(labeler: ScriptedLabeler, *prompts) -> list[str]:
    return [(await labeler.complete(one)).text for one in prompts]


async def test_answers_come_in_turn():
    """
    Whatever the prompt.
    """
    assert ["a", "b"] == await texts(ScriptedLabeler(SCHEMA, ["a", Completion(text="b")]), prompt(), prompt("x"))


async def test_answers_come_by_document():
    """
    One, or several in turn of which the last repeats; packed documents by their joined ids.
    """
    labeler = ScriptedLabeler(SCHEMA, {"a": "1", "b": ["2", "3"], "a,b": "4"})
    a, b, both = (prompt(document_ids=ids) for ids in (("a",), ("b",), ("a", "b")))

    assert ["1", "1", "2", "3", "3", "4"] == await texts(labeler, a, a, b, b, b, both)


async def test_answers_come_from_a_function():
    """
    Synchronous or not.
    """

    async def later(one) -> str:
        await asyncio.sleep(0)
        return one.messages[-1].content

    assert ["x"] == await texts(ScriptedLabeler(SCHEMA, later), prompt("x"))
    assert ["x"] == await texts(ScriptedLabeler(SCHEMA, lambda one: one.messages[-1].content), prompt("x"))


async def test_exceptions_are_raised():
    """
    To test what comes after a failure.
    """
    with pytest.raises(ServiceError, match="down"):
        await ScriptedLabeler(SCHEMA, [ServiceError("down")]).complete(prompt())


async def test_prompts_are_remembered():
    """
    A test looks at what was asked.
    """
    labeler = ScriptedLabeler(SCHEMA, lambda one: "{}")
    await texts(labeler, prompt("a"), prompt("b"))

    assert [prompt("a"), prompt("b")] == labeler.prompts


@pytest.mark.parametrize("answers", [[], {"other": "x"}])
async def test_prompt_without_an_answer_is_a_bug_of_the_test(answers):
    """
    Not an error that a pipeline would take for a failed document.
    """
    with pytest.raises(AssertionError, match="ScriptedLabeler"):
        await ScriptedLabeler(SCHEMA, answers).complete(prompt())


async def test_usage_is_estimated():
    """
    Four characters a token, so that sums can be tested.
    """
    usage = (await ScriptedLabeler(SCHEMA, ["12345"]).complete(prompt("x"))).usage

    assert (4, 2, 1) == (usage.input_tokens, usage.output_tokens, usage.requests)


def test_travels_to_other_processes():
    """
    As every labeler.
    """
    assert ["a"] == pickle.loads(pickle.dumps(ScriptedLabeler(SCHEMA, ["a"]))).answers
