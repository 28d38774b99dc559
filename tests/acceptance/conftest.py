"""Real gold documents, and a server that answers with them, mistakes included."""

from __future__ import annotations

import json
from collections import Counter

from tests.acceptance.noise import NoisyAnnotator, Script
from tests.servers.openai_server import Reply, Request


class AnsweringServer:
    """Turns a request into the annotator's answer for the document that stands in it."""

    def __init__(self, annotator: NoisyAnnotator) -> None:
        self.annotator = annotator
        self.texts = sorted(annotator.scripts, key=len, reverse=True)
        self.asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> str | Reply:
        messages = request.json["messages"]
        sent = next(m["content"] for m in messages if m["role"] == "user")
        text = next(text for text in self.texts if text in sent)
        script: Script = self.annotator.scripts[text]
        self.asked[text] += 1
        if script.fate == "refused":
            return refusal()
        if script.fate == "failed":
            return Reply({"error": {"message": "this document cannot be served", "code": "bad_request"}}, status=400)
        if script.fate == "invalid" or (script.fate == "reasked" and self.asked[text] == 1):
            return "I had a look, and it reads well."
        return script.answer


def refusal() -> Reply:
    """A chat completion whose message is a refusal."""
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "mock-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }
    return Reply(json.loads(json.dumps(body)))
