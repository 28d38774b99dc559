"""Predictions into a Kili project: read everything, decide, send the differences, read back."""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, ExportError, TransportError
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.checks import Intake, included
from llmlabel.exporters.kili_facts import Facts
from llmlabel.exporters.kili_journal import KiliJournal
from llmlabel.exporters.kili_plan import Planner
from llmlabel.exporters.kili_report import KiliDocuments, KiliReport
from llmlabel.exporters.kili_sender import Sender
from llmlabel.exporters.kili_spool import Packed, Spool
from llmlabel.exporters.trust import Trust
from llmlabel.newlines import Newlines, with_line_feeds
from llmlabel.platforms.kili import sdk
from llmlabel.platforms.kili.answers import json_response
from llmlabel.platforms.kili.client import KiliClient
from llmlabel.platforms.kili.faults import RequestFailed
from llmlabel.platforms.kili.ontology import Ontology, bind
from llmlabel.platforms.kili.records import Project
from llmlabel.schema import LabelSchema
from llmlabel.types import HeldBack, LabeledDocument

T = TypeVar("T")
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
        newlines: ``"lf"`` makes every line end one character: in the texts that are uploaded, in those that are
            compared, and in the offsets. For a Kili that does so itself; by default texts are left as they are.
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
        newlines: Newlines = "keep",
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
        _one_of("newlines", newlines, ("keep", "lf"))
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
        self.newlines = newlines
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
        journal = KiliJournal(self.journal, self._client.host, self.project_id)
        intake, facts = Intake(self.target, self._outcomes, self.schema), Facts()
        with tempfile.TemporaryDirectory(prefix="llmlabel-kili-") as folder:
            spool = Spool(Path(folder) / "spool.jsonl")
            try:
                project, ontology = self._spool(predictions, intake, spool, facts)
                model_name = self.model_name or facts.model_name(self.schema, by_prompt=True)
                planner = self._planner(project, ontology, model_name, journal)
                answer = partial(json_response, ontology=ontology, offset_unit=self.offset_unit)
                sender = Sender(planner, partial(spool.blocks, answer), progress=self._shows(), pause=self.pause)
                plan = self._plan(sender, intake)
                done = sender.foresee(plan) if self.dry_run else sender.run(plan)
            finally:
                spool.close()
        return self._report(KiliDocuments(done), sender, intake, facts, model_name, version)

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
        self, predictions: Iterable[LabeledDocument], intake: Intake, spool: Spool, facts: Facts
    ) -> tuple[Project, Ontology]:
        """Take all documents in, and return the project, which is read meanwhile: a slow Kili keeps nobody waiting."""
        reading = _begun(self._project)
        for labeled, publish in intake.read(predictions):
            if reading.done():
                reading.result()  # a project that is not what it should be ends the batch at once
            self._take(labeled, publish, intake, spool, facts)
        found = reading.result()
        intake.raise_problems()
        return found

    def _take(self, labeled: LabeledDocument, publish: bool, intake: Intake, spool: Spool, facts: Facts) -> None:
        document_id = labeled.document.id
        if publish and (reason := self.trust.withheld(labeled)):
            intake.hold(document_id, reason)
            publish = False
        if publish and not labeled.document.text:
            intake.problem(document_id, "the text is empty; Kili refuses an empty asset")
        if intake.problems:
            return
        if publish:
            facts.count(labeled)
            labeled = self.trust.scored(labeled)
        spool.add(with_line_feeds(labeled) if self.newlines == "lf" else labeled, publish=publish)

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
            newlines=self.newlines,
            retire=self.retire_previous,
            journal=journal,
        )

    def _plan(self, sender: Sender, intake: Intake) -> Packed:
        try:
            plan = sender.plan()
            absent = [row[0] for row in plan if row[1] == "missing"]
            if self.missing == "error":
                for name in absent:
                    intake.problem(name, "is not an asset of the project; create it, or pass missing='create'")
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
        return plan

    def _report(
        self, done: KiliDocuments, sender: Sender, intake: Intake, facts: Facts, model_name: str, version: str
    ) -> KiliReport:
        lost = [
            HeldBack(document_id=one.id, reason=f"{one.label}: {one.reason}")
            for one in done
            if one.label in ("skipped", "failed")
        ]
        arrived = sum(one.label in ("sent", "replaced", "unchanged") for one in done)
        outcomes = intake.outcome_note()
        notes = [*facts.offset_notes(self.newlines), *sender.notes, *([outcomes] if outcomes else [])]
        if self.retire_previous and not sender.retired:
            notes.append(
                "nothing to retire: the journal lists no predictions of ours under other names on these assets"
            )
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
            documents=done,
            retired=dict(sender.retired),
        )

    def _shows(self) -> bool:
        return sys.stderr.isatty() if self.progress is None else self.progress

    def __repr__(self) -> str:
        return f"KiliExporter({self.project_id!r}, host={self._client.host!r})"


def _begun(call: Callable[[], T]) -> Future[T]:
    """Return what a call will give; it runs in a thread that an interrupted program need not wait for."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="llmlabel-kili-project", daemon=True).start()
    return future


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name}: expected one of {list(known)}, found {value!r}")
