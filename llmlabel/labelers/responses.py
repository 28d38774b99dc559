"""The Responses API: the request body, and reading the answer. Pure.

Format: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmlabel.labelers.chat import logprobs, usage
from llmlabel.labelers.content_filter import filter_details, filter_failed, prompt_filtered
from llmlabel.types import Completion, Finish, Prompt, TokenLogprob

if TYPE_CHECKING:
    from llmlabel.labelers.request import AnswerMode, Settings


def body(settings: Settings, prompt: Prompt, mode: AnswerMode) -> dict[str, Any]:
    """Return the body of ``POST /responses`` without sampling parameters."""
    made: dict[str, Any] = {
        "model": settings.model,
        "input": [{"role": message.role, "content": message.content} for message in prompt.messages],
    }
    text = dict(settings.parameters.get("text") or {})
    if mode == "json_schema":
        text["format"] = {"type": "json_schema", "name": "labels", "strict": True, "schema": prompt.answer_schema}
    elif mode == "json_object":
        text["format"] = {"type": "json_object"}
    if text:
        made["text"] = text
    if settings.logprobs:
        made["include"] = ["message.output_text.logprobs"]
    return made


def read(answer: dict[str, Any]) -> Completion | None:
    """Return the completion in a decoded answer, or None if there is no output in it."""
    output = answer.get("output")
    if not isinstance(output, list):
        return None
    text, refusal = "", ""
    tokens: list[TokenLogprob] = []
    for part in _parts(output):
        text += part["text"] if isinstance(part.get("text"), str) else ""
        refusal += part["refusal"] if isinstance(part.get("refusal"), str) else ""
        tokens += logprobs(part.get("logprobs")) or ()
    finish = _finish(answer, text, refusal)
    details: dict[str, Any] = {}
    if finish == "content_filter":
        side = "prompt" if not text and prompt_filtered(answer) else "completion"
        details = filter_details(side, answer)  # type: ignore[arg-type]  # a literal, from a conditional
    elif filter_failed(answer):
        details = {"content_filter_error": True}
    return Completion(
        text=refusal if finish == "refusal" else text,
        finish=finish,
        usage=usage(answer.get("usage")),
        model=answer.get("model") if isinstance(answer.get("model"), str) else None,
        token_logprobs=tuple(tokens) or None,
        details=details,
    )


def _parts(output: list[Any]) -> Iterator[dict[str, Any]]:
    for item in output:
        if not isinstance(item, dict):
            continue
        if item.get("type") == "function_call" and isinstance(item.get("arguments"), str):
            yield {"text": item["arguments"]}
        # Reasoning items have content of their own, which is not the answer.
        if item.get("type", "message") == "message" and isinstance(item.get("content"), list):
            yield from (part for part in item["content"] if isinstance(part, dict))


def _finish(answer: dict[str, Any], text: str, refusal: str) -> Finish:
    incomplete = answer.get("incomplete_details")
    reason = incomplete.get("reason") if isinstance(incomplete, dict) else None
    if reason == "content_filter":
        return "content_filter"
    if refusal and not text:
        return "refusal"
    return "length" if answer.get("status") == "incomplete" else "stop"
