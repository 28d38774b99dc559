"""A folder that Kili's own command line imports: texts, answers, ontology, manifest.

``kili project create ontology.json``, ``kili project import assets``, ``kili project label labels --prediction``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.checks import Intake, included, outcome_of
from llmlabel.exporters.kili_facts import Facts
from llmlabel.exporters.names import file_stems
from llmlabel.exporters.publish import MANIFEST, Workspace, dump, read_manifest
from llmlabel.exporters.trust import Trust
from llmlabel.newlines import Newlines, with_line_feeds
from llmlabel.offsets import OffsetUnit
from llmlabel.platforms.kili.answers import json_response, labeled_from_json_response
from llmlabel.platforms.kili.interface import interface_from_schema
from llmlabel.platforms.kili.ontology import Ontology, bind
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, ExportReport, LabeledDocument, Provenance

FORMAT = "llmlabel kili-bundle"


class KiliBundleExporter(Exporter):
    """Writes ``assets/<name>.txt``, ``labels/<name>.json``, ``ontology.json`` and ``manifest.json``.

    A document that was not labelled becomes an asset without a label file. Kili takes the file's name for the external
    id; an id that is not a safe file name gets a made one, and the manifest has both.

    Args:
        directory: The folder to write; an earlier, untouched bundle in it is replaced in one step.
        schema: What is labelled; labels outside of it are refused.
        offset_unit: What Kili counts offsets in. Its documents do not say; a browser counts UTF-16. The report tells
            how many spans depend on it.
        newlines: ``"lf"`` writes every line end as one character, and counts it so; see ``KiliExporter``.
        include: Further outcomes to publish: ``"partial"``, ``"truncated"``.
        only_reviewed: Whether labels that no person has made or reviewed stay out.
        confidence: Methods whose confidence is written besides calibrated ones (``"votes"``), or ``"all"``.
        model_name: Name under which Kili keeps the predictions; by default the model and the schema's fingerprint.
        job_names: Job keys by name of a classification, text or attribute, and for ``"entities"``, ``"relations"``.
        keys: Category keys by label name, instead of its upper snake case.

    Raises:
        ConfigurationError: Two names of the schema give one key, or an option has an unknown value.
    """

    target = "kili-bundle"

    def __init__(
        self,
        directory: str | Path,
        *,
        schema: LabelSchema,
        offset_unit: Literal["utf16", "codepoint"] = "utf16",
        newlines: Newlines = "keep",
        include: Iterable[str] = (),
        only_reviewed: bool = False,
        confidence: str | Iterable[str] = (),
        model_name: str | None = None,
        job_names: Mapping[str, str] = {},
        keys: Mapping[str, str] = {},
    ) -> None:
        if offset_unit not in ("utf16", "codepoint"):
            raise ConfigurationError(f"offset_unit: expected 'utf16' or 'codepoint', found {offset_unit!r}")
        if newlines not in ("keep", "lf"):
            raise ConfigurationError(f"newlines: expected 'keep' or 'lf', found {newlines!r}")
        self.directory = Path(directory)
        self.schema = schema
        self.offset_unit = offset_unit
        self.newlines = newlines
        self.include = tuple(include) if not isinstance(include, str) else (include,)
        self.trust = Trust.of(only_reviewed, confidence)
        self.model_name = model_name
        self.job_names = dict(job_names)
        self.keys = dict(keys)
        self._outcomes = included(self.include)
        self.ontology = bind(schema, interface_from_schema(schema, job_names=job_names, keys=keys))

    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        intake = Intake(self.target, self._outcomes, self.schema)
        with Workspace(self.directory, FORMAT) as space:
            space.write("ontology.json", dump(self.ontology.interface))
            facts = Facts()
            for labeled, publish in intake.read(predictions):
                self._spool(labeled, publish, intake, space, facts)
            intake.raise_problems()
            stems = file_stems(intake.ids)
            documents = [_settle(space, item, stems[item["id"]]) for item in facts.documents]
            model_name = self.model_name or facts.model_name(self.schema)
            space.publish(
                {
                    "offset_unit": self.offset_unit,
                    "model_name": model_name,
                    "ner_job": self.ontology.ner_job,
                    "schema": self.schema.model_dump(mode="json"),
                    "documents": documents,
                }
            )
        renamed = sum(item["id"] != stems[item["id"]] for item in documents)
        return ExportReport(
            target=self.target,
            written=facts.labels,
            held_back=tuple(intake.held_back),
            notes=(
                *facts.offset_notes(self.newlines),
                *_notes(renamed, model_name, intake.outcome_note()),
            ),
            location=str(self.directory),
        )

    def _spool(self, labeled: LabeledDocument, publish: bool, intake: Intake, space: Workspace, facts: Facts) -> None:
        """Write one document under a number; its final name is known when all ids are."""
        number, text = str(len(facts.documents)), labeled.document.text
        if publish and (reason := self.trust.withheld(labeled)):
            intake.hold(labeled.document.id, reason)
            publish = False
        if publish and not text:
            intake.problem(labeled.document.id, "the text is empty; Kili refuses an empty asset")
        item: dict[str, Any] = {"id": labeled.document.id, "outcome": outcome_of(labeled), "asset": None, "label": None}
        facts.documents.append(item)
        if not text or intake.problems:
            return
        if publish:
            facts.count(labeled)
        plain = with_line_feeds(labeled) if self.newlines == "lf" else labeled
        item["asset"] = number
        space.write(f"spool/{number}.txt", plain.document.text.encode())
        if publish:
            item["label"] = number
            answer = json_response(self.trust.scored(plain), self.ontology, self.offset_unit)
            space.write(f"spool/{number}.json", dump(answer, indent=None))


def _notes(renamed: int, model_name: str, outcomes: str | None) -> Iterator[str]:
    if renamed:
        yield f"{renamed} id(s) are not safe file names; Kili will know these by the names in {MANIFEST}"
    if outcomes:
        yield outcomes
    yield f"import: kili project import assets; kili project label labels --prediction --model-name {model_name}"


def _settle(space: Workspace, item: dict[str, Any], stem: str) -> dict[str, Any]:
    """Give a document's files their final names and return its line of the manifest."""
    places = {"asset": ("assets", "txt"), "label": ("labels", "json")}
    for kind, (folder, suffix) in places.items():
        if item[kind] is not None:
            space.rename(f"spool/{item[kind]}.{suffix}", f"{folder}/{stem}.{suffix}")
            item[kind] = f"{folder}/{stem}.{suffix}"
    return item


def read_kili_bundle(
    directory: str | Path, provenance: Provenance | None = None
) -> Iterator[tuple[Document, LabeledDocument | None]]:
    """Yield each document of a bundle under its own id with its labels, or None if it has no label file.

    Raises:
        SourceError: The folder is not a bundle, a file is missing, or an answer does not fit its text.
    """
    place = Path(directory)
    try:
        manifest = read_manifest(place, FORMAT)
        schema = LabelSchema.model_validate(manifest["schema"])
        interface = json.loads((place / "ontology.json").read_bytes())
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"{place}: not a Kili bundle: {error}", path=str(place)) from None
    ontology = bind(schema, interface, manifest.get("ner_job"))
    for item in manifest["documents"]:
        try:
            yield _read_item(place, item, ontology, manifest["offset_unit"], provenance)
        except (OSError, ValueError, KeyError) as error:
            what = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise SourceError(
                f"{place}: document {item.get('id')!r} cannot be read: {what}", path=str(place)
            ) from error


def _read_item(
    place: Path,
    item: Mapping[str, Any],
    ontology: Ontology,
    unit: OffsetUnit,
    made: Provenance | None,
) -> tuple[Document, LabeledDocument | None]:
    text = (place / item["asset"]).read_bytes().decode() if item["asset"] else ""
    document = Document(id=item["id"], text=text)
    if item["label"] is None:
        return document, None
    response = json.loads((place / item["label"]).read_bytes())
    return document, labeled_from_json_response(response, document, ontology, unit, made)
