"""OpenTelemetry: a span and two metrics for each request, by the semantic conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/ (1.44). Loaded only when it is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmlabel.errors import LabelerError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.types import Completion, Message, Prompt

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

Complete = Callable[[Prompt], Awaitable[Completion]]
_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
# Advised by the conventions: powers of four from 1, and of two from 0.01 s.
_TOKENS = [4**power for power in range(14)]
_SECONDS = [0.01 * 2**power for power in range(14)]


class Telemetry:
    """Reports each request to OpenTelemetry: ``Pipeline(labeler, telemetry=Telemetry())``.

    A span ``chat MODEL`` of kind client, inside whatever span is current where the pipeline was called, and the
    metrics ``gen_ai.client.token.usage`` and ``gen_ai.client.operation.duration``. They hold ids, names and counts;
    prompts and answers only with ``debug_content``.

    Args:
        tracer_provider: Where spans go; default: the global provider.
        meter_provider: Where metrics go; default: the global provider.
        debug_content: Whether spans hold the prompt and the answer, and so text of documents.

    Raises:
        ImportError: ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        debug_content: bool = False,
    ) -> None:
        try:
            import opentelemetry.metrics
            import opentelemetry.trace  # noqa: F401
        except ImportError as error:
            raise ImportError('telemetry needs opentelemetry-api: pip install "llmlabel[otel]"') from error
        self.tracer_provider = tracer_provider
        self.meter_provider = meter_provider
        self.debug_content = debug_content

    def watch(self, labeler: LLMLabeler) -> Complete:
        """Return the labeler's ``complete``, each call reported."""
        from opentelemetry import metrics, trace

        from llmlabel import __version__

        named = ("llmlabel", __version__)
        tracer = trace.get_tracer(*named, self.tracer_provider, _SCHEMA)
        meter = metrics.get_meter(*named, self.meter_provider, _SCHEMA)
        tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        common = _common(labeler)
        settings = {f"gen_ai.request.{name}": value for name, value in _settings(labeler).items()}

        async def complete(prompt: Prompt) -> Completion:
            asked = common | settings | self._asked(prompt)
            facts = dict(common)
            began = time.perf_counter()
            # What an exception says goes through _failed only: a recorded one would bring its traceback along.
            with tracer.start_as_current_span(
                f"chat {labeler.model}",
                kind=trace.SpanKind.CLIENT,
                attributes=asked,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    completion = await labeler.complete(prompt)
                except BaseException as error:
                    facts["error.type"] = _failed(span, error)
                    raise
                else:
                    facts |= self._answered(span, completion)
                finally:
                    duration.record(time.perf_counter() - began, facts)
            usage = completion.usage
            for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                if count:  # a server that reports no usage has used something all the same
                    tokens.record(count, {**facts, "gen_ai.token.type": kind})
            return completion

        return complete

    def _asked(self, prompt: Prompt) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "gen_ai.output.type": "json" if prompt.answer_schema is not None else "text",
            "llmlabel.document.ids": prompt.document_ids,
        }
        if prompt.max_output_tokens is not None:
            asked["gen_ai.request.max_tokens"] = prompt.max_output_tokens
        if self.debug_content:
            asked["gen_ai.input.messages"] = json.dumps([_message(message) for message in prompt.messages])
        return asked

    def _answered(self, span: Span, completion: Completion) -> dict[str, Any]:
        """Fill the span; return what the metrics are to know of the answer."""
        usage = completion.usage
        span.set_attribute("gen_ai.response.finish_reasons", [completion.finish])
        span.set_attribute("gen_ai.usage.input_tokens", usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens)
        span.set_attribute("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens)
        if self.debug_content:
            said = _message(Message(role="assistant", content=completion.text)) | {"finish_reason": completion.finish}
            span.set_attribute("gen_ai.output.messages", json.dumps([said]))
        if completion.model is None:
            return {}
        span.set_attribute("gen_ai.response.model", completion.model)
        return {"gen_ai.response.model": completion.model}


def _common(labeler: LLMLabeler) -> dict[str, Any]:
    common: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": labeler.provider,
        "gen_ai.request.model": labeler.model,
    }
    address = urlsplit(labeler.endpoint)
    if address.hostname:
        common["server.address"] = address.hostname
        common["server.port"] = address.port or (80 if address.scheme == "http" else 443)
    return common


def _settings(labeler: LLMLabeler) -> dict[str, Any]:
    """Return the settings of requests that the conventions have names for."""
    given = {**labeler.parameters}
    for name, own in (("temperature", "temperature"), ("max_tokens", "max_output_tokens")):
        value = getattr(labeler, own, None)
        given |= {} if value is None else {name: value}
    known = ("frequency_penalty", "max_tokens", "presence_penalty", "seed", "temperature", "top_k", "top_p")
    return {name: given[name] for name in known if isinstance(given.get(name), int | float)}


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [{"type": "text", "content": message.content}]}


def _failed(span: Span, error: BaseException) -> str:
    from opentelemetry.trace import Status, StatusCode

    status = getattr(error, "status_code", None)
    kind = type(error).__name__ if status is None else str(status)
    span.set_attribute("error.type", kind)
    # Messages of our own errors hold no text and no key; nobody knows what others hold.
    span.set_status(Status(StatusCode.ERROR, str(error) if isinstance(error, LabelerError) else None))
    return kind
