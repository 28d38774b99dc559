"""What a labeler asks for, and what it has learnt an endpoint does not take. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from llmlabel.errors import ConfigurationError
from llmlabel.labelers import chat, responses
from llmlabel.labelers.wire import Reply
from llmlabel.types import Prompt

AnswerMode = Literal["json_schema", "json_object", "text"]
STEP_DOWN: Mapping[AnswerMode, AnswerMode] = {"json_schema": "json_object", "json_object": "text"}

_REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-5(?!.*-chat))", re.IGNORECASE)
_FORMAT = re.compile(
    r"response_format|json_schema|json_object|text\.format|structured.?outputs?|guided_json|word 'json'", re.IGNORECASE
)
_REFUSED = re.compile(
    r"unsupported|not.supported|does.not.support|unrecognized|unknown|unexpected|not permitted|not allowed|"
    r"only the default",
    re.IGNORECASE,
)
_OURS = frozenset({"model", "messages", "input", "response_format", "stream", "n", "api_key", "extra_headers"})
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_Choice = TypeVar("_Choice", bound=str)
_LIMIT_NAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that shapes a request beside the prompt.

    ``parameters`` holds what the user asked for by the provider's name; one that is None is never sent.
    ``limit_name`` is how chat completions spell the output limit at this endpoint.
    """

    model: str
    api: Literal["chat", "responses"]
    answer_mode: Literal["auto", "json_schema", "json_object", "text"]
    max_output_tokens: int | None
    logprobs: bool
    parameters: Mapping[str, Any]
    limit_name: str


def settings(
    *,
    temperature: object,
    max_output_tokens: int | None,
    parameters: Mapping[str, Any],
    limit_name: str,
    **more: Any,
) -> Settings:
    """Return settings, with temperature and output limit taken from wherever they were given.

    Raises:
        ConfigurationError: A temperature that cannot be one.
    """
    if temperature is not None and not (isinstance(temperature, int | float) and temperature >= 0):
        raise ConfigurationError(f"temperature: expected a number from 0, found {temperature!r}")
    asked = {**parameters} if temperature is None else {**parameters, "temperature": temperature}
    limits = {name: asked.pop(name) for name in _LIMITS if name in asked}
    limit = next(iter(limits.values()), None)
    return Settings(
        max_output_tokens=max_output_tokens or (limit if isinstance(limit, int) else None),
        parameters=asked,
        limit_name=next(iter(limits), limit_name),
        **more,
    )


@dataclass(slots=True)
class Learnt:
    """What one endpoint refused so far; kept per labeler, only ever lowered, never part of a fingerprint."""

    mode: AnswerMode | None = None
    refused: set[str] = field(default_factory=set)
    limit_name: str | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Ask:
    """One request body, and which parts of it were our choice rather than the user's."""

    body: dict[str, Any]
    mode: AnswerMode
    chosen: frozenset[str]

    def __repr__(self) -> str:
        return f"Ask(mode={self.mode!r})"


def is_reasoning(model: str | None) -> bool:
    """Return whether a model's name says that it reasons first and so takes no temperature and gives no logprobs."""
    return model is not None and _REASONING.search(model) is not None


def mode_for(settings: Settings, learnt: Learnt, prompt: Prompt) -> AnswerMode:
    """Return how to ask for the answer: as told, else the most that the endpoint is known to take."""
    if prompt.answer_schema is None:
        return "text"
    if settings.answer_mode != "auto":
        return settings.answer_mode
    return learnt.mode or "json_schema"


def temperature_for(settings: Settings, learnt: Learnt, prompt: Prompt) -> float | None:
    """Return the temperature that we choose: 0 for the first sample of a model that may take one, else none."""
    taken = not is_reasoning(learnt.family) and "temperature" not in learnt.refused
    return 0.0 if taken and prompt.sample == 0 and "temperature" not in settings.parameters else None


def build(settings: Settings, learnt: Learnt, prompt: Prompt) -> Ask:
    """Return the request for a prompt, with all that the endpoint is known to refuse left out."""
    mode = mode_for(settings, learnt, prompt)
    chosen: dict[str, Any] = {"temperature": temperature_for(settings, learnt, prompt)}
    limit = prompt.max_output_tokens or settings.max_output_tokens
    if settings.api == "responses":
        made = responses.body(settings, prompt, mode)
        chosen |= {"max_output_tokens": limit, "store": False}
    else:
        made = chat.body(settings, prompt, mode)
        chosen[learnt.limit_name or settings.limit_name] = limit
    chosen = {
        name: value
        for name, value in chosen.items()
        if value is not None and name not in learnt.refused and name not in settings.parameters
    }
    asked = {name: value for name, value in settings.parameters.items() if value is not None and name != "text"}
    return Ask(made | chosen | asked, mode, frozenset(chosen))


def lower(settings: Settings, learnt: Learnt, ask: Ask, reply: Reply) -> str | None:
    """Learn from a refusal (HTTP 400 or 422) of something that we chose; return what changed, or None if nothing did.

    Several requests may be refused at once for the same reason: each lowers only what it sent itself.
    """
    if reply.status not in {400, 404, 422}:
        return None
    error = reply.error()
    said = " ".join(str(error.get(part)) for part in ("param", "code", "message") if error.get(part))
    if reply.status != 404 and ask.mode != "text" and settings.answer_mode == "auto" and _FORMAT.search(said):
        return _lower_mode(learnt, ask.mode)
    if reply.status == 404 or not _REFUSED.search(said):
        return None
    param = error.get("param")
    names = [name for name in ask.chosen if name == param] or [
        name for name in ask.chosen if re.search(rf"\b{name}\b", said)
    ]
    return _drop(learnt, names[0]) if names else None


def _lower_mode(learnt: Learnt, used: AnswerMode) -> str:
    if (learnt.mode or "json_schema") == used:
        learnt.mode = STEP_DOWN[used]
    return f"answer format {used}; asking for {learnt.mode}"


def _drop(learnt: Learnt, name: str) -> str:
    learnt.refused.add(name)
    other = _LIMIT_NAMES.get(name)
    if other and other not in learnt.refused:
        learnt.limit_name = other
        return f"parameter {name}; sending {other}"
    return f"parameter {name}; leaving it out"


def one_of(name: str, value: _Choice, known: tuple[str, ...]) -> _Choice:
    """Return ``value`` if it is one of the known names, else raise ``ConfigurationError``."""
    if value not in known:
        raise ConfigurationError(f"{name}: expected one of {', '.join(known)}, found {value!r}")
    return value


def positive(name: str, value: float) -> None:
    """Raise ``ConfigurationError`` unless ``value`` is a number above 0."""
    if not value > 0:
        raise ConfigurationError(f"{name}: expected a number above 0, found {value!r}")


def check_parameters(parameters: Mapping[str, object]) -> None:
    """Raise ``ConfigurationError`` for a parameter that has an argument of its own."""
    for name in _OURS & parameters.keys():
        raise ConfigurationError(f"parameters: {name!r} is set by the labeler; see its arguments")
    if parameters.get("logprobs") is not None:
        raise ConfigurationError("parameters: give logprobs=True as an argument of the labeler")
