"""Does a labeler work? One tiny request tells; no document is sent."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

from llmlabel.errors import AuthenticationError, LabelerError, RateLimitError, ServiceError, TransportError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.types import Completion, Message, Prompt, Value

logger = logging.getLogger(__name__)

_SCHEMA = {
    "type": "object",
    "properties": {"here": {"type": "boolean"}},
    "required": ["here"],
    "additionalProperties": False,
}
TINY = Prompt(
    messages=(
        Message(role="system", content='Answer in JSON: {"here": true}'),
        Message(role="user", content="Are you there?"),
    ),
    answer_schema=_SCHEMA,
    max_output_tokens=400,  # room for a reasoning model to think
)


class Check(Value):
    """One thing that was looked at: ``ok`` is None where it could not be told; ``hint`` says what to do."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


def doctor(labeler: LLMLabeler) -> list[Check]:
    """Return what was found about endpoint, key, model and structured output, by one tiny request.

    Never raises, and works inside a running event loop too. What was opened for the request is closed again.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="llmlabel-doctor") as pool:
        return pool.submit(lambda: asyncio.run(adoctor(labeler))).result()


async def adoctor(labeler: LLMLabeler) -> list[Check]:
    """Return what ``doctor`` returns, on the running event loop."""
    try:
        from llmlabel.labelers.replay import ReplayLabeler

        if isinstance(labeler, ReplayLabeler):
            return [Check(name="recording", ok=len(labeler) > 0, detail=f"{len(labeler)} recorded answers; none sent")]
        return [*_address(labeler), *await _ask(labeler)]
    except Exception as error:
        logger.debug("doctor failed", exc_info=True)
        return [Check(name="labeler", ok=False, detail=f"it raised {type(error).__name__}", hint=_BUG)]


_BUG = "LLMLabeler.complete is to raise LabelerError only; anything else is a bug in the labeler"


def _address(labeler: LLMLabeler) -> list[Check]:
    source = getattr(labeler, "base_url_source", None)
    if source == "environment":
        variable = getattr(labeler, "base_url_variable", "")
        detail = f"{labeler.endpoint}, set by the environment variable {variable}"
        return [Check(name="address", ok=True, detail=detail, hint="unset it, or give an address, to go elsewhere")]
    return [Check(name="address", ok=True, detail=labeler.endpoint or "the labeler names none")]


async def _ask(labeler: LLMLabeler) -> list[Check]:
    try:
        completion = await labeler.complete(TINY)
    except LabelerError as error:
        return _failed(error)
    return [
        Check(name="endpoint", ok=True, detail="it answered"),
        Check(name="key", ok=True, detail="it is accepted"),
        Check(name="model", ok=True, detail=_model(labeler, completion)),
        _structure(completion),
    ]


def _failed(error: LabelerError) -> list[Check]:
    """Return the checks up to the one that failed: each kind of error says how far the request came."""
    answered = Check(name="endpoint", ok=True, detail="it answered")
    accepted = Check(name="key", ok=True, detail="it is accepted")
    detail = str(error)
    if isinstance(error, TransportError):
        return [Check(name="endpoint", ok=False, detail=detail)]
    if isinstance(error, AuthenticationError):
        return [answered, Check(name="key", ok=False, detail=detail)]
    if isinstance(error, RateLimitError):
        hint = "" if error.fatal else "the key works; try again in a minute"
        return [answered, accepted, Check(name="quota", ok=False, detail=detail, hint=hint)]
    if isinstance(error, ServiceError) and error.status_code == 404:
        return [answered, Check(name="model", ok=False, detail=detail)]
    return [answered, Check(name="request", ok=False, detail=detail)]


def _model(labeler: LLMLabeler, completion: Completion) -> str:
    if completion.model and completion.model != labeler.model:
        return f"{labeler.model}, which says it is {completion.model}"
    return labeler.model


def _structure(completion: Completion) -> Check:
    name, mode = "structured output", completion.details.get("answer_mode", "json_schema")
    if completion.finish != "stop":
        return Check(name=name, ok=None, detail=f"not seen: the answer ended with {completion.finish!r}")
    try:
        fits = isinstance(json.loads(completion.text).get("here"), bool)
    except (ValueError, AttributeError):
        fits = False
    if mode != "json_schema":
        hint = "labels are asked for in words, and checked after; a newer model or API version may do better"
        return Check(name=name, ok=fits, detail=f"the endpoint refuses JSON Schema; answers come as {mode}", hint=hint)
    hint = "" if fits else "the endpoint ignores the JSON Schema; expect answers that have to be asked for again"
    return Check(name=name, ok=fits, detail="as the schema says" if fits else "not as the schema says", hint=hint)
