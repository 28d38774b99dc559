"""A folder for Azure Language: texts for the blob container, a labels file to import, and what was held back.

``*.txt`` at the root, byte for byte the labelled texts; ``labels.json``; ``review.jsonl``; ``manifest.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from llmlabel.errors import SourceError
from llmlabel.exporters.azure_facts import Facts
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.checks import Intake, included, outcome_of
from llmlabel.exporters.jsonl import header, to_line
from llmlabel.exporters.names import file_stems
from llmlabel.exporters.publish import Workspace, dump, read_manifest
from llmlabel.platforms.azure_language.labels_file import Project, ProjectKind, project_file, read_labels_file
from llmlabel.platforms.azure_language.limits import DOCUMENTS_MAX, check_names, text_problem
from llmlabel.platforms.azure_language.overlaps import OverlapPolicy
from llmlabel.platforms.azure_language.selection import Selected, Selection, Unfit, choose_kind
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, ExportReport, LabeledDocument

FORMAT = "llmlabel azure-bundle"
LABELS, REVIEW = "labels.json", "review.jsonl"
_ENTRIES, _HELD = "spool/entries", "spool/held"


class AzureLanguageBundleExporter(Exporter):
    """Writes the texts and the labels file of a custom NER or text classification project.

    The file cannot say "suggested": what is in it counts as labelled by a person. So a document with a label below
    ``min_confidence`` stays out of it as a whole (half of its labels would teach that the rest are none); its text is
    written, and its labels go to ``review.jsonl``, as do those of every document that was not labelled.

    Args:
        directory: The folder to write; an earlier, untouched bundle in it is replaced in one step.
        schema: What is labelled; labels outside of it are refused.
        project: Name of the project.
        container: Name of the blob container that the texts will be uploaded to.
        language: Azure's code of the project's language, and of documents that have none.
        project_kind: One of ``KINDS``; may be left out where the schema has only entities or one classification.
        classification: Which classification of the schema to export, where it has several.
        overlap: ``"refuse"``, or which of overlapping entities stay: ``"keep_longest"``, ``"keep_first"`` in the text.
        include: Further outcomes to publish: ``"partial"``, ``"truncated"``.
        min_confidence: Least confidence of a model's labels, in [0, 1]; unknown confidence is below any.
        only_reviewed: Whether documents that no person has reviewed stay out, like those below ``min_confidence``.
        multilingual: Whether the project is; by default, whether its documents have several languages.
        test_share: Share of documents for the ``Test`` data set, chosen by id; None leaves ``dataset`` out, but for
            documents with ``metadata["dataset"]``.
        seed: Changes which documents are for testing.
        description: Description of the project.
        settings: Settings of the project (``confidenceThreshold``); None leaves the field out.
        unfit: What to do about labelled documents that Azure does not take (a text or an entity too long, an
            overlap): ``"refuse"`` the batch and name them all, or ``"hold_back"`` them.

    Raises:
        ConfigurationError: A name, a label or the language is not accepted by Azure Language, or the kind is not
            clear from the schema.
    """

    target = "azure-bundle"

    def __init__(
        self,
        directory: str | Path,
        *,
        schema: LabelSchema,
        project: str,
        container: str,
        language: str = "en-us",
        project_kind: ProjectKind | None = None,
        classification: str | None = None,
        overlap: OverlapPolicy = "refuse",
        include: Iterable[str] = (),
        min_confidence: float | None = None,
        only_reviewed: bool = False,
        multilingual: bool | None = None,
        test_share: float | None = None,
        seed: int = 0,
        description: str = "",
        settings: Mapping[str, float] | None = {},
        unfit: Unfit = "refuse",
    ) -> None:
        self.directory = Path(directory)
        self.schema = schema
        self.project = project
        self.container = container
        self.language = language
        self.project_kind, self.classification = choose_kind(schema, project_kind, classification)
        self.include = (include,) if isinstance(include, str) else tuple(include)
        self.overlap = overlap
        self.min_confidence = min_confidence
        self.only_reviewed = only_reviewed
        self.multilingual = multilingual
        self.test_share = test_share
        self.seed = seed
        self.description = description
        self.settings = settings
        self.unfit = unfit
        self.selection = Selection(
            project_kind=self.project_kind,
            classification=self.classification,
            language=language,
            overlap=overlap,
            min_confidence=min_confidence,
            only_reviewed=only_reviewed,
            test_share=test_share,
            seed=seed,
            unfit=unfit,
        )
        self._outcomes = included(self.include)
        check_names(project, container, language, self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the project declares."""
        if self.classification is None:
            return self.schema.entity_names
        part = self.schema.classification(self.classification)
        return part.label_names if part else ()

    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        intake = Intake(self.target, self._outcomes, self.schema)
        facts = Facts(self.labels)
        with Workspace(self.directory, FORMAT) as space:
            with space.path(_ENTRIES).open("wb") as entries, space.path(_HELD).open("wb") as held:
                batch = _Batch(intake, facts, space, entries, held)
                for labeled, publish in intake.read(predictions):
                    self._spool(labeled, self.selection.select(labeled) if publish else None, batch)
            if facts.published > DOCUMENTS_MAX:
                intake.problems.append(
                    f"{facts.published} documents, Azure Language takes {DOCUMENTS_MAX} in a project"
                )
            intake.raise_problems()
            self._publish(space, intake, facts)
        return ExportReport(
            target=self.target,
            written=facts.published,
            held_back=tuple(intake.held_back),
            notes=(*facts.notes(intake.outcome_note(), self.multilingual), *self._training_notes(facts)),
            location=str(self.directory),
        )

    def _training_notes(self, facts: Facts) -> Iterable[str]:
        return facts.training.notes()

    def _spool(self, labeled: LabeledDocument, selected: Selected | None, batch: _Batch) -> None:
        """Write one document: its text under a number, its labels and what was held back to files of their own."""
        document, facts = labeled.document, batch.facts
        held = _held(labeled, selected)
        if selected:
            for item in held:
                batch.intake.hold(document.id, item["reason"], item.get("label"))
            for problem in selected.problems:
                batch.intake.problem(document.id, problem)
        if batch.intake.problems:
            return
        entry = selected.entry if selected else None
        if selected and entry is not None:
            facts.count(selected.kept, self.classification, entry["language"], entry.get("dataset"))
            batch.entries.write(json.dumps([document.id, entry], ensure_ascii=False).encode() + b"\n")
        if held:
            batch.held.write(to_line(labeled, held_back=held))
        number, fits = len(facts.documents), text_problem(document.text) is None
        facts.documents.append(
            {"id": document.id, "outcome": outcome_of(labeled), "file": None, "labels": entry is not None}
        )
        facts.unfit += not fits
        if fits:
            batch.space.write(f"spool/{number}", document.text.encode())

    def _publish(self, space: Workspace, intake: Intake, facts: Facts) -> None:
        stems = file_stems(intake.ids)
        for number, item in enumerate(facts.documents):
            if f"spool/{number}" in space.hashes:
                item["file"] = f"{stems[item['id']]}.txt"
                space.rename(f"spool/{number}", item["file"])
        facts.renamed = sum(name != stem for name, stem in stems.items())
        facts.odd_names = sum(not stem.isalnum() for stem in stems.values())
        space.write_parts(LABELS, self._labels_file(space.path(_ENTRIES), stems, facts))
        space.write_parts(REVIEW, _review(space.path(_HELD)))
        space.discard(_ENTRIES)
        space.discard(_HELD)
        space.publish(
            {
                "project": self.project,
                "container": self.container,
                "project_kind": self.project_kind,
                "classification": self.classification,
                "schema": self.schema.model_dump(mode="json"),
                "documents": facts.documents,
            }
        )

    def _labels_file(self, entries: Path, stems: Mapping[str, str], facts: Facts) -> Iterator[bytes]:
        """Yield the labels file in pieces: one document is in memory at a time."""
        project = Project(
            project=self.project,
            container=self.container,
            project_kind=self.project_kind,
            language=self.language,
            multilingual=facts.multilingual if self.multilingual is None else self.multilingual,
            description=self.description,
            settings=self.settings,
        )
        whole = dump(project_file(project, self.labels, [])).decode()
        head, tail = whole.rsplit("[]", 1)
        yield f"{head}[".encode()
        comma = ""
        with entries.open("rb") as lines:
            for line in lines:
                document_id, entry = json.loads(line)
                located = json.dumps({"location": f"{stems[document_id]}.txt", **entry}, ensure_ascii=False)
                yield f"{comma}\n   {located}".encode()
                comma = ","
        yield f"]{tail}".encode()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Where the pieces of a batch go while it is read."""

    intake: Intake
    facts: Facts
    space: Workspace
    entries: BinaryIO
    held: BinaryIO


def _held(labeled: LabeledDocument, selected: Selected | None) -> list[dict[str, Any]]:
    """What is not published of a document: one item for the whole, or one for each entity."""
    if selected is None:
        return [{"reason": f"not labelled: {outcome_of(labeled)}"}]
    if selected.withheld:
        return [{"reason": selected.withheld}]
    return [
        {"entity": number, "label": labeled.entities[number].label, "reason": reason}
        for number, reason in selected.held.items()
    ]


def _review(spool: Path) -> Iterator[bytes]:
    yield header()
    with spool.open("rb") as lines:
        yield from lines


def read_azure_bundle(directory: str | Path) -> Iterator[tuple[Document, LabeledDocument | None]]:
    """Yield each document of a bundle under its own id with its labels, or None if it is not in the labels file.

    Raises:
        SourceError: The folder is not a bundle, a file is missing, or a label does not fit its text.
    """
    place = Path(directory)
    try:
        manifest = read_manifest(place, FORMAT)
        documents = manifest["documents"]
    except (ValueError, KeyError) as error:
        raise SourceError(f"{place}: not an Azure Language bundle: {error}", path=str(place)) from None
    _, found = read_labels_file(place / LABELS, place, manifest.get("classification") or "class")
    by_file = {f"{labeled.document.id}.txt": labeled for labeled in found}
    for item in documents:
        labeled = by_file.get(item["file"])
        text = (place / item["file"]).read_bytes().decode() if item["file"] else ""
        document = Document(id=item["id"], text=text, language=labeled.document.language if labeled else None)
        yield document, labeled.model_copy(update={"document": document}) if labeled else None
