"""OpenTelemetry: what a run reports, seen by the real SDK."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest

from llmlabel import (
    AuthenticationError,
    AzureOpenAILabeler,
    Completion,
    ConfigurationError,
    Document,
    OpenAILabeler,
    Pipeline,
    Telemetry,
    Usage,
)
from tests.pipeline.conftest import SCHEMA, Writer
from tests.servers.openai_server import OpenAIServer, Reply, chat_body, refusal

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

SECRET = "sk-test-5Zr8w2"
TEXT = "Ann Okonkwo-Lind wrote this"
ANSWER = json.dumps({"entities": [{"text": "Ann Okonkwo-Lind", "label": "PER"}]})


class Collected:
    """A pipeline's telemetry, kept in memory."""

    def __init__(self, **more) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(tracer_provider=self.tracers, meter_provider=meters, **more)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def points(self, name):
        metrics = self.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    def everything(self) -> str:
        return "".join(span.to_json() for span in self.spans) + self.reader.get_metrics_data().to_json()


@pytest.fixture
def server():
    usage = (120, 30)
    with OpenAIServer(lambda request: Reply(chat_body(ANSWER, model="gpt-4o-2024-11-20", usage=usage))) as server:
        yield server


def run(server, collected, **more):
    labeler = OpenAILabeler(SCHEMA, model="gpt-4o", base_url=server.base_url, api_key=SECRET, **more)
    with Pipeline(labeler, telemetry=collected.telemetry, progress=False) as pipeline:
        return pipeline.run([Document(id="d7", text=TEXT)])


def test_a_request_is_a_span_by_the_conventions(server):
    """
    Name, kind and attributes are those of the semantic conventions for generative AI.
    """
    collected = Collected()
    run(server, collected, max_output_tokens=500, parameters={"top_p": 0.9})
    [span] = collected.spans

    assert ("chat gpt-4o", SpanKind.CLIENT, StatusCode.UNSET) == (span.name, span.kind, span.status.status_code)
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.max_tokens": 500,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.output.type": "json",
        "gen_ai.response.model": "gpt-4o-2024-11-20",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "llmlabel.document.ids": ("d7",),
    } == dict(span.attributes)


def test_names_are_those_of_the_published_registry(server):
    """
    Every ``gen_ai`` attribute and metric stands in the package that OpenTelemetry generates from its conventions.
    """
    from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes, server_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    collected = Collected(debug_content=True)
    run(server, collected)
    metrics = collected.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    modules = (error_attributes, gen_ai_attributes, server_attributes, gen_ai_metrics)
    registered = {value for module in modules for name, value in vars(module).items() if name.isupper()}
    used = {name for span in collected.spans for name in span.attributes} | {metric.name for metric in metrics}

    assert {"llmlabel.document.ids"} == used - registered


def test_tokens_and_durations_are_metrics(server):
    """
    One histogram of tokens, by type, and one of seconds; with the advised buckets.
    """
    collected = Collected()
    run(server, collected)
    tokens = {point.attributes["gen_ai.token.type"]: point for point in collected.points("gen_ai.client.token.usage")}
    [duration] = collected.points("gen_ai.client.operation.duration")

    assert {"input": 120, "output": 30} == {kind: point.sum for kind, point in tokens.items()}
    assert (1, 4, 16, 64, 256) == tokens["input"].explicit_bounds[:5]
    assert (0.01, 0.02, 0.04) == duration.explicit_bounds[:3]
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-11-20",
        "server.address": "127.0.0.1",
        "server.port": server.port,
    } == dict(duration.attributes)


def test_no_text_and_no_key_is_reported(server):
    """
    Neither a document nor an answer nor any part of the key is in what is exported.
    """
    collected = Collected()
    run(server, collected)

    assert [] == [word for word in ("Okonkwo", "wrote", "PER", SECRET[:7]) if word in collected.everything()]


def test_content_is_reported_on_request(server):
    """
    With ``debug_content`` the messages are attributes; the key never is.
    """
    collected = Collected(debug_content=True)
    run(server, collected)
    attributes = collected.spans[0].attributes
    asked = json.loads(attributes["gen_ai.input.messages"])
    [said] = json.loads(attributes["gen_ai.output.messages"])

    assert ["system", "user"] == [message["role"] for message in asked]
    assert TEXT in asked[-1]["parts"][0]["content"]
    assert {"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"} == said
    assert SECRET not in collected.everything()


def test_each_try_is_a_span_and_failed_ones_say_why(server):
    """
    A request that failed and one that was answered are two spans; the first has the status as its error.
    """
    server.queue.append(refusal(500, f"{TEXT} broke us", type="server_error"))
    collected = Collected()
    result = run(server, collected)
    failed, answered = collected.spans
    durations = collected.points("gen_ai.client.operation.duration")

    assert {"labeled": 1} == result.outcomes
    assert ("500", StatusCode.ERROR) == (failed.attributes["error.type"], failed.status.status_code)
    assert "error.type" not in answered.attributes
    assert {"500", None} == {point.attributes.get("error.type") for point in durations}
    assert ((), "Okonkwo" in collected.everything()) == (failed.events, False)


def test_a_foreign_exception_keeps_its_words_to_itself():
    """
    Of an exception that is not ours only the class is reported: it may hold anything.
    """
    collected = Collected()
    labeler = Writer(lambda prompt: ValueError(TEXT))
    with (
        Pipeline(labeler, telemetry=collected.telemetry, progress=False) as pipeline,
        pytest.raises(ValueError, match="Okonkwo"),
    ):
        pipeline.run([TEXT])

    assert ["ValueError"] == [span.attributes["error.type"] for span in collected.spans]
    assert "Okonkwo" not in collected.everything()


def test_an_error_of_the_library_is_described():
    """
    The message of a ``LabelerError`` holds no text, and becomes the description of the span's status.
    """
    collected = Collected()
    labeler = Writer(lambda prompt: AuthenticationError("no such key", status_code=401, fatal=True))
    with Pipeline(labeler, telemetry=collected.telemetry, progress=False) as pipeline:
        pipeline.run(["Ann"])

    assert [("401", "no such key")] == [(s.attributes["error.type"], s.status.description) for s in collected.spans]


@pytest.mark.parametrize("call", ["run", "label", "stream"])
def test_spans_stand_below_the_callers_span(server, call):
    """
    Also a sync call, which works on another thread, continues the caller's trace.
    """
    collected = Collected()
    tracer = collected.tracers.get_tracer("test")
    labeler = OpenAILabeler(SCHEMA, model="gpt-4o", base_url=server.base_url)
    with (
        Pipeline(labeler, telemetry=collected.telemetry, progress=False) as pipeline,
        tracer.start_as_current_span("service") as service,
    ):
        list(getattr(pipeline, call)(TEXT if call == "label" else [TEXT]))
    request = next(span for span in collected.spans if span.name != "service")

    assert service.get_span_context().span_id == request.parent.span_id


def test_what_is_not_asked_is_not_reported(server, tmp_path):
    """
    An answer from the journal is no request: it is neither a span nor tokens.
    """
    first, second = Collected(), Collected()
    for collected in (first, second):
        labeler = OpenAILabeler(SCHEMA, model="gpt-4o", base_url=server.base_url)
        with Pipeline(labeler, telemetry=collected.telemetry, journal=tmp_path / "j", progress=False) as pipeline:
            pipeline.run([TEXT])

    assert (1, 0) == (len(first.spans), len(second.spans))


def test_azure_and_other_providers_are_named():
    """
    Azure OpenAI by its registered name, a provider of one's own by its class.
    """
    azure = AzureOpenAILabeler(SCHEMA, deployment="d", endpoint="https://r.openai.azure.com", api_key="k")
    answer = Completion(text='{"entities": []}', usage=Usage(input_tokens=1))
    collected = Collected()
    with Pipeline(Writer(lambda prompt: answer), telemetry=collected.telemetry, progress=False) as pipeline:
        pipeline.run(["Ann"])

    assert "azure.ai.openai" == azure.provider
    assert ["writer"] == [span.attributes["gen_ai.provider.name"] for span in collected.spans]
    assert ["input"] == [p.attributes["gen_ai.token.type"] for p in collected.points("gen_ai.client.token.usage")]


def test_something_else_is_refused():
    """
    A wrong argument is told at once, not after the first answer.
    """
    with pytest.raises(ConfigurationError, match="telemetry: expected Telemetry, found bool"):
        Pipeline(Writer(lambda prompt: ""), telemetry=True)


def test_a_pipeline_with_telemetry_travels():
    """
    With the global providers it pickles, as any pipeline does.
    """
    labeler = OpenAILabeler(SCHEMA, model="gpt-4o", api_key="k", base_url="http://127.0.0.1:9/v1")

    assert isinstance(pickle.loads(pickle.dumps(Pipeline(labeler, telemetry=Telemetry()))).telemetry, Telemetry)


def test_it_is_not_loaded_unless_asked_for():
    """
    A run without telemetry imports nothing of OpenTelemetry, though it is installed.
    """
    code = """
import sys
from llmlabel import Completion, LabelSchema, Pipeline
from llmlabel.testing import ScriptedLabeler
labeler = ScriptedLabeler(LabelSchema(entities=["PER"]), lambda prompt: '{"entities": []}')
print(Pipeline(labeler, progress=False).run(["Ann"]).outcomes, *(m for m in sys.modules if "opentelemetry" in m))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "{'labeled': 1}" == done.stdout.strip()


def test_without_the_package_the_extra_is_named(monkeypatch):
    """
    A missing package is told with the line that installs it.
    """
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)

    with pytest.raises(ImportError, match=r'pip install "llmlabel\[otel\]"'):
        Telemetry()
