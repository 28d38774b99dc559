"""A labeler whose answers a test writes, and texts to label."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llmlabel import Classification, Completion, Label, LabelSchema, LLMLabeler, Prompt, RelationLabel, Usage

SCHEMA = LabelSchema(entities={"PER": "people", "ORG": "organisations"})
EVERY_TASK = LabelSchema(
    entities=[Label(name="PER", attributes=[Classification(name="role", labels=["boss", "staff"])]), "ORG"],
    relations=[RelationLabel(name="WORKS_FOR", head=("PER",), tail=("ORG",)), "KNOWS"],
    classifications=[
        Classification(name="topic", labels=["a", "b"]),
        Classification(name="tags", labels=["x", "y"], multi_label=True),
    ],
    texts=["note"],
)


class Writer(LLMLabeler):
    """Answers with what the test's function returns: text, a completion, or an exception to raise."""

    def __init__(self, answer: Callable[[Prompt], Any], schema: LabelSchema = SCHEMA, **more: Any) -> None:
        super().__init__(schema, model="written", **more)
        self.answer = answer
        self.prompts: list[Prompt] = []

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        answer = self.answer(prompt)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return Completion(text=text, usage=Usage(input_tokens=10, output_tokens=3, requests=1))


def entities(*pairs: tuple[str, str]) -> dict[str, Any]:
    """The json format's answer for mentions."""
    return {"entities": [{"text": text, "label": label} for text, label in pairs]}


@pytest.fixture
def writer() -> type[Writer]:
    """The labeler class."""
    return Writer
