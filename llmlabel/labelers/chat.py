"""Chat completions: the request body, and reading the answer. Pure.

Format: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmlabel.labelers.content_filter import filter_details, filter_failed, prompt_filtered
from llmlabel.types import Completion, Finish, Prompt, TokenLogprob, Usage

if TYPE_CHECKING:
    from llmlabel.labelers.request import AnswerMode, Settings

_LENGTH = {"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"}


def body(settings: Settings, prompt: Prompt, mode: AnswerMode) -> dict[str, Any]:
    """Return the body of ``POST /chat/completions`` without sampling parameters."""
    made: dict[str, Any] = {
        "model": settings.model,
        "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
    }
    if mode == "json_schema":
        schema = {"name": "labels", "strict": True, "schema": prompt.answer_schema}
        made["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif mode == "json_object":
        made["response_format"] = {"type": "json_object"}
    if settings.logprobs:
        made["logprobs"] = True
    return made


def read(answer: dict[str, Any]) -> Completion | None:
    """Return the completion in a decoded answer, or None if there is no choice in it."""
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return _prompt_filtered(answer)
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    text, refusal = _texts(message)
    finish = _finish(choice.get("finish_reason"), text, refusal)
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
        token_logprobs=logprobs(choice.get("logprobs")),
        details=details,
    )


def _prompt_filtered(answer: dict[str, Any]) -> Completion | None:
    if not prompt_filtered(answer):
        return None
    details = filter_details("prompt", answer)
    return Completion(text="", finish="content_filter", usage=usage(answer.get("usage")), details=details)


def _finish(reason: object, text: str, refusal: str) -> Finish:
    if reason == "content_filter":
        return "content_filter"
    if refusal and not text:
        return "refusal"
    return "length" if reason in _LENGTH else "stop"


def _texts(message: dict[str, Any]) -> tuple[str, str]:
    """Return what was said and what was refused; content may be a string, null, or a list of parts."""
    content, refusal = message.get("content"), message.get("refusal")
    said = content if isinstance(content, str) else ""
    refused = refusal if isinstance(refusal, str) else ""
    for part in content if isinstance(content, list) else []:
        if isinstance(part, str):
            said += part
        elif isinstance(part, dict):
            said += part["text"] if isinstance(part.get("text"), str) else ""
            refused += part["refusal"] if isinstance(part.get("refusal"), str) else ""
    return said or _tool_arguments(message.get("tool_calls")), refused


def _tool_arguments(calls: object) -> str:
    # Some gateways turn a JSON Schema into a forced function call.
    if isinstance(calls, list) and len(calls) == 1 and isinstance(calls[0], dict):
        function = calls[0].get("function")
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            return str(function["arguments"])
    return ""


def usage(counts: object) -> Usage:
    """Return the token counts of either API; whatever is missing or null counts 0."""
    given = counts if isinstance(counts, dict) else {}
    asked = given.get("prompt_tokens_details") or given.get("input_tokens_details")
    answered = given.get("completion_tokens_details") or given.get("output_tokens_details")
    return Usage(
        input_tokens=_count(given, "prompt_tokens", "input_tokens"),
        output_tokens=_count(given, "completion_tokens", "output_tokens"),
        cached_tokens=_count(asked, "cached_tokens"),
        reasoning_tokens=_count(answered, "reasoning_tokens"),
        requests=1,
    )


def _count(holder: object, *names: str) -> int:
    """Return the first number above 0 under one of the names."""
    given = holder if isinstance(holder, dict) else {}
    for name in names:
        value = given.get(name)
        if isinstance(value, int | float) and value > 0:
            return int(value)
    return 0


def logprobs(given: object) -> tuple[TokenLogprob, ...] | None:
    """Return the tokens of an answer with their log probabilities, or None if they were not given."""
    items = given.get("content") if isinstance(given, dict) else given
    if not isinstance(items, list) or not items:
        return None
    return tuple(
        TokenLogprob(token=item["token"], logprob=item["logprob"])
        for item in items
        if isinstance(item, dict)
        and isinstance(item.get("token"), str)
        and isinstance(item.get("logprob"), int | float)
    )
