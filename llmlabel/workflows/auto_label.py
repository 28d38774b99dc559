"""Azure Language's "auto-label" as one call: documents of a container in, verified labels in a project out."""

from __future__ import annotations

import time
from collections.abc import Collection
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

from llmlabel.engine import run_sync
from llmlabel.errors import ConfigurationError, ExportError, LLMLabelError, SourceError
from llmlabel.exporters.azure_import import labelled_by_people
from llmlabel.exporters.azure_language import AzureLanguageExporter
from llmlabel.exporters.azure_split import projects_of
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.result import RunResult
from llmlabel.platforms.azure_language import TARGET
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.compare import documents_of, keys_of
from llmlabel.platforms.azure_language.imported import load_imported, manifest_path
from llmlabel.platforms.azure_language.labels_file import read_labels_file
from llmlabel.platforms.azure_language.texts import FolderTexts, TextStore, plan_upload, read_documents
from llmlabel.platforms.azure_language.texts import upload as upload_texts
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, ExportReport, Failure, Prediction, Rejected, Value

_ENOUGH = 10
JOURNAL, RUN = "journal.sqlite", "run.jsonl"


class AutoLabelled(Value):
    """What ``auto_label`` did: the run, and what was imported (None when the run stopped, or had nothing to do)."""

    result: RunResult
    export: ExportReport | None = None

    def __str__(self) -> str:
        if self.export is None:
            reason = (
                "the run stopped early; run again to go on" if self.result.stopped else "nothing was to be labelled"
            )
            return f"{self.result}\nnothing was imported: {reason}"
        notes = "".join(f"\n  {note}" for note in self.export.notes)
        return f"{self.result}\nimported: {self.export.written} document(s) into {self.export.location}{notes}"


def auto_label(
    labeler: LLMLabeler,
    exporter: AzureLanguageExporter,
    *,
    documents: str = "*",
    limit: int | None = None,
    only_unlabeled: bool = False,
    upload: str | Path | None = None,
    max_filtered_share: float | None = 0.5,
    **settings: Any,
) -> AutoLabelled:
    """Label the texts of a container and import the labels; run again after an interruption, it goes on.

    Every answer is kept in a journal in the exporter's directory before it is used, so nothing is asked twice. What
    cannot work (a wrong key, another project kind, no container) is found before anything is asked.

    Args:
        labeler: Asks the model; made with ``exporter.schema``.
        exporter: Where the labels go; its ``storage`` holds the texts, its ``existing`` is best ``"merge"``.
        documents: Which texts, by name, such as ``"contract-*.txt"``.
        limit: How many at most, in order of name.
        only_unlabeled: Whether to leave out documents that have labels in the project.
        upload: A folder of ``.txt`` files to upload to the container first; equal ones are skipped, another text of
            the same name is an error unless the exporter has ``overwrite_texts``.
        max_filtered_share: Stop when more than this share of (at least 10) documents meets the content filter: that
            points at the prompt, not at the documents. None never stops.
        **settings: As for ``Pipeline``: ``asking``, ``limits``, ``journal``, ``progress``, ``resolver``, …

    Raises:
        ConfigurationError: The exporter has no storage, or another schema than the labeler; a wrong setting.
        AuthenticationError: The service or the storage refuses the credential.
        SourceError: There is no such container, or no text in it that fits.
        ExportError: The labels cannot be imported; the ``result`` attribute holds the run, if it took place.
    """
    if exporter.storage is None:
        raise ConfigurationError("auto_label needs an exporter with storage=: that is where the texts are read")
    if labeler.schema.fingerprint != exporter.schema.fingerprint:
        raise ConfigurationError("labeler and exporter have different schemas; make the labeler with exporter.schema")
    if max_filtered_share is not None and not 0 <= max_filtered_share <= 1:
        raise ConfigurationError(f"max_filtered_share: expected a number from 0 to 1, found {max_filtered_share!r}")
    try:
        exporter.preflight()
        store = exporter.storage if upload is None else _stored(exporter, exporter.storage, Path(upload))
        done = _labelled(exporter) if only_unlabeled else frozenset()
        found = list(read_documents(store, documents, without=done, limit=limit))
        if not found and any(fnmatchcase(name, documents) for name in done):
            note = f"every text that fits {documents!r} has labels in project {exporter.project!r} already"
            return AutoLabelled(result=RunResult(notes=(note,)))
        if not found:
            raise SourceError(f"{store!r}: no .txt at its root fits {documents!r}")
        exporter.directory.mkdir(parents=True, exist_ok=True)
        settings.setdefault("journal", exporter.directory / JOURNAL)
        with Pipeline(labeler, **settings) as pipeline:
            result = run_sync(_run(pipeline, found, max_filtered_share))
        result.save(exporter.directory / RUN)
        if result.stopped and not pipeline.publish_stopped:
            return AutoLabelled(result=result)
        return _exported(exporter, result)
    finally:
        exporter.close()


def _labelled(exporter: AzureLanguageExporter) -> frozenset[str]:
    projects = projects_of(exporter.directory, exporter.project)
    return frozenset(chain.from_iterable(labelled_locations(exporter.client, name) for name in projects))


def _exported(exporter: AzureLanguageExporter, result: RunResult) -> AutoLabelled:
    try:
        report = exporter.export(result.predictions)
    except LLMLabelError as error:
        error.result = result  # type: ignore[attr-defined]  # nothing that was paid for is lost
        raise
    return AutoLabelled(result=result.model_copy(update={"exports": (report,)}), export=report)


def _stored(exporter: AzureLanguageExporter, store: TextStore, folder: Path) -> TextStore:
    """Upload a folder and return where to read the texts: in a dry run the folder itself, for nothing is uploaded."""
    if exporter.dry_run:
        return FolderTexts(folder)
    kept = _labelled_by_people(exporter) if exporter.overwrite_texts else frozenset()
    _upload(store, folder, exporter.create_container, exporter.overwrite_texts, kept)
    return store


def upload_folder(store: TextStore, folder: str | Path, *, create: bool = False, overwrite: bool = False) -> int:
    """Upload the ``.txt`` files of a folder; return how many were not there yet.

    Raises:
        SourceError: The folder is not there, or holds no ``.txt``.
        ExportError: A stored text of the same name differs; nothing was uploaded.
    """
    return _upload(store, Path(folder), create, overwrite, frozenset())


def _upload(store: TextStore, folder: Path, create: bool, overwrite: bool, kept: Collection[str]) -> int:
    """Upload a folder; ``kept`` are the texts that may not be replaced, because people labelled them."""
    files = sorted(path for path in folder.glob("*.txt") if path.is_file())
    if not files:
        raise SourceError(f"{folder}: no .txt file to upload", path=str(folder))
    if create:
        store.create()
    plan = plan_upload(store, ((path.name, path.read_bytes()) for path in files), overwrite=overwrite)
    said = "people labelled the text that would be replaced, and their labels would stand elsewhere"
    problems = [*plan.problems, *(f"{name!r}: {said}; rename the file" for name in plan.different if name in kept)]
    if problems:
        raise ExportError(TARGET, problems)
    return upload_texts(store, ((path.name, path.read_bytes()) for path in files), plan)


def _labelled_by_people(exporter: AzureLanguageExporter) -> Collection[str]:
    client, project = exporter.client, exporter.project
    if exporter.existing == "overwrite" or client.project(project) is None:
        return frozenset()
    content = client.export_project(project)
    imported = load_imported(manifest_path(exporter.directory, project), client.endpoint, project)
    return labelled_by_people(content, imported.settled(content))


def project_schema(client: AzureLanguageClient, project: str, classification: str = "class") -> LabelSchema:
    """Return the labels that a project declares; only the preview versions of the API know descriptions.

    Raises:
        SourceError: There is no such project, or it declares no labels.
    """
    if client.project(project) is None:
        raise SourceError(f"there is no project {project!r} to read labels from; give a schema")
    content = client.export_project(project)
    assets = {**content["assets"], "documents": []}
    try:
        schema, _ = read_labels_file({**content, "assets": assets}, lambda _: "", classification)
    except ConfigurationError as error:
        raise SourceError(f"project {project!r}: {error}") from None
    return schema


def only_entities(schema: LabelSchema, names: Collection[str]) -> LabelSchema:
    """Return the schema with these entity labels only.

    Raises:
        ConfigurationError: A name is not in the schema.
    """
    unknown = sorted(set(names) - set(schema.entity_names))
    if unknown:
        raise ConfigurationError(f"entities: {unknown} not in the schema; it has {list(schema.entity_names)}")
    kept = tuple(label for label in schema.entities if label.name in names)
    return LabelSchema(entities=kept, guidelines=schema.guidelines)


def labelled_locations(client: AzureLanguageClient, project: str) -> frozenset[str]:
    """Return the names of the texts that have labels in a project; none if there is no such project."""
    if client.project(project) is None:
        return frozenset()
    return frozenset(name for name, entry in documents_of(client.export_project(project)).items() if keys_of(entry))


async def _run(pipeline: Pipeline, found: list[Document | Rejected], share: float | None) -> RunResult:
    """Run the pipeline, unless the content filter takes too much; documents that were not asked are ``not_run``."""
    began = time.monotonic()
    predictions: dict[str, Prediction] = {}
    filtered, stopped = 0, None
    async with pipeline.astream(found) as run:
        async for prediction in run:
            predictions[prediction.document.id] = prediction
            filtered += prediction.outcome == "filtered"
            if share is not None and len(predictions) >= _ENOUGH and filtered > share * len(predictions):
                stopped = (
                    f"the content filter took {filtered} of {len(predictions)} documents, more than "
                    f"max_filtered_share {share:g}: look at the prompt and the guidelines"
                )
                break
    rest = Failure(type="RunStopped", message=stopped or run.stopped or "the run stopped")
    documents = [item for item in found if isinstance(item, Document)]
    return RunResult(
        predictions=tuple(
            predictions.get(item.id) or Prediction(document=item, outcome="not_run", error=rest) for item in documents
        ),
        rejected_inputs=run.rejected_inputs,
        seconds=time.monotonic() - began,
        stopped=stopped or run.stopped,
    )
