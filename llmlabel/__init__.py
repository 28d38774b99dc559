"""llmlabel turns any LLM into a labeler whose labels provably stand in the text.

Every public name is imported when first used: ``import llmlabel`` loads neither pydantic nor a vendor SDK.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers know the name; importing typing for it would take longer than all the rest
if TYPE_CHECKING:
    from llmlabel.documents import ClassLabel, Document, Entity, LabeledDocument, Provenance, Relation
    from llmlabel.engine.stats import Event
    from llmlabel.errors import (
        AuthenticationError,
        CompletionError,
        ConfigurationError,
        ExportError,
        JournalError,
        LabelerError,
        LLMLabelError,
        RateLimitError,
        RunFailed,
        ServiceError,
        SourceError,
        TransportError,
    )
    from llmlabel.evaluation import Evaluation, evaluate
    from llmlabel.evaluation.corrections import Correction, Corrections, corrections
    from llmlabel.exchange import Completion, Message, Prompt, RateLimit, TokenLogprob, Usage
    from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter
    from llmlabel.exporters.azure_language import AzureLanguageExporter, AzureLanguageStudioExporter
    from llmlabel.exporters.base import Exporter
    from llmlabel.exporters.jsonl import JsonlExporter, read_jsonl
    from llmlabel.exporters.kili import KiliExporter
    from llmlabel.exporters.kili_bundle import KiliBundleExporter
    from llmlabel.exporters.kili_create import create_kili_project
    from llmlabel.exporters.kili_queue import prioritize_kili_assets
    from llmlabel.exporters.kili_report import KiliDocument, KiliReport
    from llmlabel.formats.base import AnswerFormat, Request
    from llmlabel.labelers.azure_openai import AzureOpenAILabeler
    from llmlabel.labelers.base import LLMLabeler
    from llmlabel.labelers.openai import OpenAILabeler
    from llmlabel.labelers.recording import RecordingLabeler
    from llmlabel.labelers.replay import ReplayLabeler
    from llmlabel.mentions import Mention, MentionRelation
    from llmlabel.pipeline.pipeline import Pipeline
    from llmlabel.pipeline.plan import RunPlan
    from llmlabel.pipeline.progress import Progress
    from llmlabel.pipeline.redaction import Redaction
    from llmlabel.pipeline.result import RunResult
    from llmlabel.pipeline.run import Run
    from llmlabel.pipeline.telemetry import Telemetry
    from llmlabel.prompts import PromptTemplate
    from llmlabel.resolvers.aligned import AlignedResolver
    from llmlabel.resolvers.base import OffsetResolver
    from llmlabel.resolvers.exact import ExactResolver
    from llmlabel.schema import LabelSchema
    from llmlabel.schema_example import Example
    from llmlabel.schema_parts import Classification, FreeText, Label, RelationLabel
    from llmlabel.settings import Asking, Limits
    from llmlabel.sources.kili import KiliSource
    from llmlabel.types import Discarded, ExportReport, Failure, HeldBack, ParsedAnswer, Placement, Prediction, Rejected

__version__ = "0.1.0"

__all__ = [
    "AlignedResolver",
    "AnswerFormat",
    "Asking",
    "AuthenticationError",
    "AzureLanguageBundleExporter",
    "AzureLanguageExporter",
    "AzureLanguageStudioExporter",
    "AzureOpenAILabeler",
    "ClassLabel",
    "Classification",
    "Completion",
    "CompletionError",
    "ConfigurationError",
    "Correction",
    "Corrections",
    "Discarded",
    "Document",
    "Entity",
    "Evaluation",
    "Event",
    "ExactResolver",
    "Example",
    "ExportError",
    "ExportReport",
    "Exporter",
    "Failure",
    "FreeText",
    "HeldBack",
    "JournalError",
    "JsonlExporter",
    "KiliBundleExporter",
    "KiliDocument",
    "KiliExporter",
    "KiliReport",
    "KiliSource",
    "LLMLabelError",
    "LLMLabeler",
    "Label",
    "LabelSchema",
    "LabeledDocument",
    "LabelerError",
    "Limits",
    "Mention",
    "MentionRelation",
    "Message",
    "OffsetResolver",
    "OpenAILabeler",
    "ParsedAnswer",
    "Pipeline",
    "Placement",
    "Prediction",
    "Progress",
    "Prompt",
    "PromptTemplate",
    "Provenance",
    "RateLimit",
    "RateLimitError",
    "RecordingLabeler",
    "Redaction",
    "Rejected",
    "Relation",
    "RelationLabel",
    "ReplayLabeler",
    "Request",
    "Run",
    "RunFailed",
    "RunPlan",
    "RunResult",
    "ServiceError",
    "SourceError",
    "Telemetry",
    "TokenLogprob",
    "TransportError",
    "Usage",
    "corrections",
    "create_kili_project",
    "evaluate",
    "prioritize_kili_assets",
    "read_jsonl",
]

# Where each public name lives; a test holds this equal to the imports above, which only type checkers run.
_HOMES = {
    "types": "Discarded ExportReport Failure HeldBack ParsedAnswer Placement Prediction Rejected",
    "documents": "ClassLabel Document Entity LabeledDocument Provenance Relation",
    "exchange": "Completion Message Prompt RateLimit TokenLogprob Usage",
    "mentions": "Mention MentionRelation",
    "settings": "Asking Limits",
    "schema": "LabelSchema",
    "errors": (
        "AuthenticationError CompletionError ConfigurationError ExportError JournalError LLMLabelError "
        "LabelerError RateLimitError RunFailed ServiceError SourceError TransportError"
    ),
    "prompts": "PromptTemplate",
    "formats.base": "AnswerFormat Request",
    "labelers.base": "LLMLabeler",
    "resolvers.base": "OffsetResolver",
    "exporters.base": "Exporter",
    "schema_parts": "Classification FreeText Label RelationLabel",
    "schema_example": "Example",
    "labelers.openai": "OpenAILabeler",
    "labelers.azure_openai": "AzureOpenAILabeler",
    "labelers.replay": "ReplayLabeler",
    "labelers.recording": "RecordingLabeler",
    "resolvers.exact": "ExactResolver",
    "resolvers.aligned": "AlignedResolver",
    "exporters.kili": "KiliExporter",
    "exporters.kili_create": "create_kili_project",
    "sources.kili": "KiliSource",
    "evaluation.corrections": "Correction Corrections corrections",
    "exporters.kili_bundle": "KiliBundleExporter",
    "exporters.kili_queue": "prioritize_kili_assets",
    "exporters.kili_report": "KiliDocument KiliReport",
    "exporters.azure_bundle": "AzureLanguageBundleExporter",
    "exporters.azure_language": "AzureLanguageExporter AzureLanguageStudioExporter",
    "exporters.jsonl": "JsonlExporter read_jsonl",
    "pipeline.pipeline": "Pipeline",
    "pipeline.result": "RunResult",
    "pipeline.plan": "RunPlan",
    "pipeline.run": "Run",
    "pipeline.telemetry": "Telemetry",
    "pipeline.progress": "Progress",
    "pipeline.redaction": "Redaction",
    "engine.stats": "Event",
    "evaluation": "Evaluation evaluate",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
