"""Predictions into a Kili project: read everything, decide, send the differences, read back."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, ExportError, TransportError
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.checks import Intake, included
from llmlabel.exporters.kili_facts import Facts
from llmlabel.exporters.kili_journal import KiliJournal
from llmlabel.exporters.kili_plan import Item, Planner, Row, Spool
from llmlabel.exporters.kili_report import KiliReport
from llmlabel.exporters.kili_sender import Sender
from llmlabel.exporters.trust import Trust
from llmlabel.platforms.kili import sdk
from llmlabel.platforms.kili.answers import json_response
from llmlabel.platforms.kili.client import KiliClient
from llmlabel.platforms.kili.faults import RequestFailed
from llmlabel.platforms.kili.interface import interface_from_schema
from llmlabel.platforms.kili.ontology import Ontology, bind
from llmlabel.platforms.kili.records import Project
from llmlabel.schema import LabelSchema
from llmlabel.types import HeldBack, LabeledDocument

_log = logging.getLogger("llmlabel.kili")


class KiliExporter(Exporter):
    """Gives the assets of a Kili project predictions; a second run sends only what differs.

    Needs ``pip install "llmlabel[kili]"``. It blocks: a ``Pipeline`` runs it in a thread of its own.

    Args:
        project_id: The project, as its address shows it. ``create_kili_project`` makes one.
        schema: What is labelled; its names are matched to the project's jobs and categories.
        api_key: By default the environment variable ``KILI_API_KEY``.
        api_endpoint: By default Kili's own; neither ``KILI_API_ENDPOINT`` nor ``kili-sdk-config.json`` change it.
        model_name: Under which Kili keeps the predictions: a run replaces those of the same name. By default the model
            and a fingerprint of schema and prompt.
        missing: What to do with a document that is no asset yet: create it, skip it, or refuse the batch.
        labeled: Whether assets that a person has labelled or is labelling get a prediction.
        ner_job: The named-entity job, where the project has several.
        offset_unit: What Kili counts offsets in. Its documents do not say; a browser counts UTF-16.
        include: Further outcomes to publish: ``"partial"``, ``"truncated"``.
        only_reviewed: Whether labels that no person has made or reviewed stay out.
        confidence: Methods whose confidence is written besides calibrated ones (``"votes"``), or ``"all"``.
        dry_run: Read, plan and report; write nothing.
        retire_previous: Delete predictions of other model names on these assets, as far as ``journal`` says that we
            wrote them.
        journal: File that notes what was sent; only ``retire_previous`` needs it.
        check_texts: Whether existing assets' texts are downloaded and compared; a span on another text would lie.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        progress: Whether to show a progress bar; by default on a terminal.
        tell: Called with one line when Kili keeps us waiting; by default a warning is logged.
        pause: Seconds after which what seems lost is looked for once more.
        client: A connected ``kili.client.Kili``, used instead of ``api_key`` and ``api_endpoint``.

    Raises:
        ConfigurationError: An option has an unknown value, or there is no key.
    """

    target = "kili"

    def __init__(
        self,
        project_id: str,
        *,
        schema: LabelSchema,
        api_key: str | SecretStr | None = None,
        api_endpoint: str | None = None,
        model_name: str | None = None,
        missing: Literal["create", "skip", "error"] = "create",
        labeled: Literal["skip", "send"] = "skip",
        ner_job: str | None = None,
        offset_unit: Literal["utf16", "codepoint"] = "utf16",
        include: Iterable[str] = (),
        only_reviewed: bool = False,
        confidence: str | Iterable[str] = (),
        dry_run: bool = False,
        retire_previous: bool = False,
        journal: str | Path | None = None,
        check_texts: bool = True,
        verify: bool | str = True,
        progress: bool | None = None,
        tell: Callable[[str], None] | None = None,
        pause: float = 2.0,
        client: Any = None,
    ) -> None:
        _one_of("missing", missing, ("create", "skip", "error"))
        _one_of("labeled", labeled, ("skip", "send"))
        _one_of("offset_unit", offset_unit, ("utf16", "codepoint"))
        if retire_previous and journal is None:
            raise ConfigurationError(
                "retire_previous needs journal=: only predictions that it lists are ours to delete"
            )
        self.project_id = project_id
        self.schema = schema
        self.model_name = model_name
        self.missing = missing
        self.labeled = labeled
        self.ner_job = ner_job
        self.offset_unit = offset_unit
        self.include = (include,) if isinstance(include, str) else tuple(include)
        self.trust = Trust.of(only_reviewed, confidence)
        self.dry_run = dry_run
        self.retire_previous = retire_previous
        self.journal = journal
        self.check_texts = check_texts
        self.progress = progress
        self.pause = pause
        self._outcomes = included(self.include)
        self._client = KiliClient(api_key, api_endpoint, verify=verify, tell=tell or _log.warning, client=client)

    def export(self, predictions: Iterable[LabeledDocument]) -> KiliReport:
        """Push the labels; what could not be sent is in the report, each with its reason.

        Raises:
            ExportError: Something stands in the way of the whole batch; nothing was written.
            ConfigurationError: There is no such project, or its ontology lacks a name of the schema.
            ImportError: The ``kili`` package is missing or of another version.
        """
        version = sdk.require_sdk()
        project, ontology = self._project()
        journal = KiliJournal(self.journal)
        intake, facts = Intake(self.target, self._outcomes, self.schema), Facts()
        with tempfile.TemporaryDirectory(prefix="llmlabel-kili-") as folder:
            spool = Spool(Path(folder) / "spool.jsonl")
            try:
                self._spool(predictions, intake, spool, ontology, facts)
                model_name = self.model_name or facts.model_name(self.schema, by_prompt=True)
                planner = self._planner(project, ontology, model_name, journal)
                sender = Sender(planner, spool, dry_run=self.dry_run, progress=self._shows(), pause=self.pause)
                items = self._plan(sender, intake)
                sender.run(items)
            finally:
                spool.close()
        return self._report(items, sender, intake, facts, model_name, version)

    # -- steps --------------------------------------------------------------------------------------------------------

    def _project(self) -> tuple[Project, Ontology]:
        try:
            project = self._client.project(self.project_id)
        except RequestFailed as failed:
            raise ExportError(self.target, [str(failed)]) from None
        if project.input_type != "TEXT" and (self.schema.entities or self.missing == "create"):
            raise ExportError(
                self.target,
                [
                    f"the project holds {project.input_type}: spans in texts and new texts need a project of input "
                    "type TEXT; classifications and free texts can be sent with missing='skip' to assets that exist"
                ],
            )
        return project, bind(self.schema, project.interface, self.ner_job)

    def _spool(
        self, predictions: Iterable[LabeledDocument], intake: Intake, spool: Spool, ontology: Ontology, facts: Facts
    ) -> None:
        for labeled, publish in intake.read(predictions):
            if publish and (reason := self.trust.withheld(labeled)):
                intake.hold(labeled.document.id, reason)
                publish = False
            if publish and not labeled.document.text:
                intake.problem(labeled.document.id, "the text is empty; Kili refuses an empty asset")
            if intake.problems:
                continue
            answer = json_response(self.trust.scored(labeled), ontology, self.offset_unit) if publish else None
            spool.add(Row(labeled.document.id, labeled.document.text, answer))
            if publish:
                facts.count(labeled)
        intake.raise_problems()

    def _planner(self, project: Project, ontology: Ontology, model_name: str, journal: KiliJournal) -> Planner:
        return Planner(
            client=self._client,
            project=project,
            ontology=ontology,
            offset_unit=self.offset_unit,
            model_name=model_name,
            labeled=self.labeled,
            missing=self.missing,
            check_texts=self.check_texts,
            retire=self.retire_previous,
            journal=journal,
        )

    def _plan(self, sender: Sender, intake: Intake) -> list[Item]:
        try:
            items = sender.plan()
            absent = [item for item in items if item.asset == "missing"]
            if self.missing == "error":
                for item in absent:
                    intake.problem(item.id, "is not an asset of the project; create it, or pass missing='create'")
            elif self.missing == "create" and absent and not self._client.may_upload():
                raise ExportError(
                    self.target,
                    [
                        f"the organisation's licence does not allow to upload texts: {len(absent)} document(s) are no "
                        "assets yet; import them in Kili, then use missing='skip'"
                    ],
                )
        except (RequestFailed, TransportError) as failed:
            raise ExportError(self.target, [str(failed)]) from None
        intake.raise_problems()
        return items

    def _report(
        self, items: list[Item], sender: Sender, intake: Intake, facts: Facts, model_name: str, version: str
    ) -> KiliReport:
        lost = [
            HeldBack(document_id=one.id, reason=f"{one.label}: {one.reason}")
            for one in items
            if one.label in ("skipped", "failed")
        ]
        arrived = sum(item.label in ("sent", "replaced", "unchanged") for item in items)
        outcomes = intake.outcome_note()
        notes = [*facts.offset_notes(), *sender.notes, *([outcomes] if outcomes else [])]
        if sender.workflow != "V1":
            notes.append(
                f"the project has a workflow of steps ({sender.workflow}): see in Kili which step shows predictions"
            )
        return KiliReport(
            target=self.target,
            written=0 if self.dry_run else arrived,
            held_back=(*intake.held_back, *lost),
            notes=tuple(notes),
            location=self._client.link(self.project_id),
            project_id=self.project_id,
            host=self._client.host,
            sdk=version,
            model_name=model_name,
            dry_run=self.dry_run,
            documents=tuple(item.line() for item in items),
            retired=dict(sender.retired),
        )

    def _shows(self) -> bool:
        return sys.stderr.isatty() if self.progress is None else self.progress

    def __repr__(self) -> str:
        return f"KiliExporter({self.project_id!r}, host={self._client.host!r})"


def create_kili_project(
    title: str,
    *,
    schema: LabelSchema,
    api_key: str | SecretStr | None = None,
    api_endpoint: str | None = None,
    verify: bool | str = True,
    client: Any = None,
) -> str:
    """Return the id of a new project of texts whose ontology is the schema.

    Raises:
        ConfigurationError: Two names of the schema give one key, or there is no key for Kili.
        ExportError: Kili did not create it, or did not say whether it did.
    """
    interface = interface_from_schema(schema)
    try:
        return KiliClient(api_key, api_endpoint, verify=verify, client=client).create_project(title, interface)
    except RequestFailed as failed:
        raise ExportError("kili", [f"project {json.dumps(title)}: {failed}"]) from None


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name}: expected one of {list(known)}, found {value!r}")
