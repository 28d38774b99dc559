"""A schema, prompts, and a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmlabel import LabelSchema, Message, Prompt
from tests.servers.openai_server import OpenAIServer

SCHEMA = LabelSchema(entities=["PER"])
ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"entities": {"type": "array", "items": {"type": "string"}}},
    "required": ["entities"],
    "additionalProperties": False,
}


def prompt(text: str = "Ann met Bob.", **more: object) -> Prompt:
    """A request with a system message and a document."""
    messages = (Message(role="system", content="Answer in JSON."), Message(role="user", content=text))
    return Prompt(**{"messages": messages, "answer_schema": ANSWER_SCHEMA, "document_ids": ("d",), **more})


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A server that answers ``{}`` unless it is told otherwise."""
    with OpenAIServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION",
        "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
