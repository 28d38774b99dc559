"""The embedded default: short documents in several languages, their author's labels, and recorded answers.

``cases.yaml`` is the source of all: documents with marked entities, and answers as a model might give them, good and
bad. ``tools/record_demo.py`` makes ``documents.jsonl``, ``gold.jsonl``, ``demo.conll`` and ``recording.jsonl`` of it,
by the real pipeline.
"""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path

from llmlabel.demo.report import DemoResult
from llmlabel.evaluation import evaluate
from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter
from llmlabel.exporters.jsonl import JsonlExporter, read_jsonl
from llmlabel.exporters.kili_bundle import KiliBundleExporter
from llmlabel.labelers.base import LLMLabeler
from llmlabel.labelers.replay import ReplayLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.review import review_page
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, LabeledDocument

__all__ = ["DemoResult", "demo_conll", "demo_documents", "demo_gold", "demo_labeler", "demo_schema", "run_demo"]


def demo_schema() -> LabelSchema:
    """Return what the demo labels: four entity types, one relation, one classification."""
    with as_file(files(__name__) / "schema.yaml") as path:
        return LabelSchema.from_file(path)


def demo_documents() -> list[Document]:
    """Return the demo's documents, in their order."""
    lines = (files(__name__) / "documents.jsonl").read_bytes().splitlines()
    return [Document.model_validate_json(line) for line in lines]


def demo_gold() -> list[LabeledDocument]:
    """Return the labels that the author of the documents gave them."""
    with as_file(files(__name__) / "gold.jsonl") as path:
        return list(read_jsonl(path))


def demo_conll() -> Path:
    """Return where the demo's documents of one line stand as a CoNLL file, with their author's entities."""
    return Path(__file__).with_name("demo.conll")


def demo_labeler() -> ReplayLabeler:
    """Return the labeler that gives the recorded answers: no key, no network."""
    lines = (files(__name__) / "recording.jsonl").read_bytes().splitlines()
    return ReplayLabeler(demo_schema(), [json.loads(line) for line in lines])


def run_demo(out: str | Path, labeler: LLMLabeler | None = None) -> DemoResult:
    """Label the demo's documents, write every output below ``out``, and return the scores and the paths.

    Args:
        out: Folder for ``kili/``, ``azure/``, ``predictions.jsonl`` and ``review.html``; files of an earlier demo are
            replaced.
        labeler: Asks a model live; made with ``demo_schema()``. By default the recorded answers are used.

    Raises:
        ExportError: ``out`` holds other files under these names, or a person's labels.
        LabelerError: The recording does not fit the prompts.
    """
    directory = Path(out)
    directory.mkdir(parents=True, exist_ok=True)
    asked = labeler if labeler is not None else demo_labeler()
    schema = asked.schema
    exporters = [
        KiliBundleExporter(directory / "kili", schema=schema),
        AzureLanguageBundleExporter(
            directory / "azure",
            schema=schema,
            project="llmlabel-demo",
            container="llmlabel-demo",
            project_kind="CustomEntityRecognition",
            overlap="keep_longest",
        ),
        JsonlExporter(directory / "predictions.jsonl"),
    ]
    with Pipeline(asked, exporters=exporters, progress=None if labeler else False) as pipeline:
        run = pipeline.run(demo_documents())
    page = directory / "review.html"
    title = f"llmlabel demo: {'answers of ' + asked.model if labeler else 'recorded answers'}"
    page.write_text(review_page(run.predictions, title=title, schema=schema), encoding="utf-8", newline="\n")
    languages = Counter(prediction.document.language for prediction in run.predictions)
    return DemoResult(
        run=run,
        evaluation=evaluate(demo_gold(), run.predictions),
        page=page,
        model=asked.model if labeler else None,
        languages=len(languages),
    )
