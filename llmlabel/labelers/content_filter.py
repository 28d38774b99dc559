"""Azure OpenAI's content filter, in all the shapes in which it answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from llmlabel.labelers.wire import Reply
from llmlabel.types import Completion, Usage

Side = Literal["prompt", "completion"]
_CODES = {"content_filter", "ResponsibleAIPolicyViolation", "content_policy_violation", "invalid_prompt"}
_RESULTS = ("content_filter_results", "content_filter_result", "content_filter_raw")


def filtered_prompt(reply: Reply) -> Completion | None:
    """Return the completion that stands for a prompt refused by the filter (HTTP 400), or None for other errors.

    ``innererror`` with the categories may be missing.
    """
    error = reply.error()
    inner = error.get("innererror") or error.get("inner_error")
    inner = inner if isinstance(inner, dict) else {}
    if reply.status not in {400, 403} or not _CODES & {error.get("code"), inner.get("code")}:
        return None
    return Completion(
        text="",
        finish="content_filter",
        usage=Usage(requests=1),
        details=filter_details("prompt", error, inner, {"choices": error.get("content_filters")}),
    )


def filter_details(side: Side, *parts: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"side": …, "categories": {name: severity}}`` of every category that filtered."""
    categories: dict[str, str] = {}
    for part in parts:
        for name, result in _categories(part):
            if result.get("filtered") is True:
                categories[name] = str(result.get("severity") or ("detected" if result.get("detected") else "filtered"))
    return {"side": side, "categories": categories}


def filter_failed(body: dict[str, Any]) -> bool:
    """Return whether the filter itself did not run on an answer; the answer stands."""
    return any(name == "error" and result.get("code") == "content_filter_error" for name, result in _categories(body))


def prompt_filtered(body: dict[str, Any]) -> bool:
    """Return whether the annotations of a 200 say that the prompt, not the answer, was filtered."""
    annotations = body.get("prompt_filter_results") or body.get("prompt_annotations") or []
    blocked = [
        item.get("blocked") is True and item.get("source_type") == "prompt"
        for item in _dicts(body.get("content_filters"))
    ]
    return any(blocked) or any(
        result.get("filtered") is True for item in _dicts(annotations) for _, result in _categories(item)
    )


def _categories(part: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in _RESULTS:
        results = part.get(key)
        if isinstance(results, dict):
            yield from ((name, value) for name, value in results.items() if isinstance(value, dict))
    for key in ("choices", "prompt_filter_results", "prompt_annotations", "content_filters"):
        for item in _dicts(part.get(key)):
            yield from _categories(item)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
