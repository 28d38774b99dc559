"""``llmlabel prompt`` and ``llmlabel estimate``: what would be sent and what it would take, before it is paid."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, terminal
from llmlabel.errors import ConfigurationError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.labelers.endpoints import OPENAI_URL
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import LabelSchema
from llmlabel.types import Asking, Completion, Limits, Prompt


class _Unsent(LLMLabeler):
    """Stands where a provider would, so that prompts are made without a key; it never sends."""

    address = ""

    @property
    def endpoint(self) -> str:
        return self.address

    async def complete(self, prompt: Prompt) -> Completion:
        raise ConfigurationError("prompts are shown, not sent")


def prompt(
    input: arg.Input,
    schema: arg.SchemaFile,
    format: arg.Format = None,
    text_field: arg.TextField = None,
    id_field: arg.IdField = None,
    input_option: arg.InputOptions = [],
    limit: arg.Limit = 1,
    sample: arg.Sample = None,
    seed: arg.Seed = 0,
    max_document_tokens: arg.MaxTokens = None,
    overlap_tokens: arg.Overlap = 0,
    context_tokens: arg.Context = 0,
    as_json: arg.AsJson = False,
) -> None:
    """Show exactly what would be sent; nothing is sent.

    The first document only; --limit N shows more.
    """
    asking = arg.asking(1, max_document_tokens, overlap_tokens, context_tokens, 1)
    pipeline = _pipeline(schema, "none", format, asking)
    chosen = documents.read(input, text_field, id_field, input_option, limit=limit, sample=sample, seed=seed)
    prompts = [(document.id, made) for document in documents.valid(chosen) for made in pipeline.prompts(document)]
    if as_json:
        terminal.json_line([{"document": name, **made.model_dump(mode="json")} for name, made in prompts])
        return
    for name, made in prompts:
        _show(name, made)


def estimate(
    input: arg.Input,
    schema: arg.SchemaFile,
    model: arg.Model = "",
    base_url: arg.BaseUrl = "",
    format: arg.Format = None,
    text_field: arg.TextField = None,
    id_field: arg.IdField = None,
    input_option: arg.InputOptions = [],
    limit: arg.Limit = None,
    sample: arg.Sample = None,
    seed: arg.Seed = 0,
    documents_per_request: arg.PerRequest = 1,
    max_document_tokens: arg.MaxTokens = None,
    overlap_tokens: arg.Overlap = 0,
    context_tokens: arg.Context = 0,
    passes: arg.Passes = 1,
    max_concurrency: arg.Concurrency = None,
    requests_per_minute: arg.RequestPace = None,
    tokens_per_minute: arg.TokenPace = None,
    as_json: arg.AsJson = False,
) -> None:
    """Print what a run would take: requests, tokens, time, cost.

    Nothing is sent. The cost is given where the price of the model is known at the address (OpenAI's by default), for
    which the extra "prices" must be installed.
    """
    asking = arg.asking(documents_per_request, max_document_tokens, overlap_tokens, context_tokens, passes)
    limits = arg.limits(max_concurrency, requests_per_minute, tokens_per_minute)
    pipeline = _pipeline(schema, model, format, asking, limits, base_url or (OPENAI_URL if model else ""))
    plan = pipeline.estimate(
        documents.read(input, text_field, id_field, input_option, limit=limit, sample=sample, seed=seed)
    )
    if as_json:
        terminal.json_line(plan.model_dump(mode="json"))
    else:
        terminal.line(str(plan))
        if find_spec("genai_prices") is None:
            terminal.line('prices and exact counts of tokens need an extra: pip install "llmlabel[prices]"', error=True)


def _pipeline(
    schema: Path, model: str, format: str | None, asking: Asking, limits: Limits = Limits(), address: str = ""
) -> Pipeline:
    template = PromptTemplate(answer_format=format or "json")
    labeler = _Unsent(LabelSchema.from_file(schema), model=model or "none", prompt=template)
    labeler.address = address
    return Pipeline(labeler, asking=asking, limits=limits)


def _show(name: str, prompt: Prompt) -> None:
    terminal.line(f"══ {name}", style="bold")
    for message in prompt.messages:
        terminal.line(f"── {message.role}", style="bold")
        terminal.line(message.content)
    if prompt.answer_schema is not None:
        terminal.line("── JSON Schema of the answer", style="bold")
        terminal.json_line(dict(prompt.answer_schema))
