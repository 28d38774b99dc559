"""Labels straight into a project of Azure Language: check, upload, import, wait, verify.

API: "Language Text Analysis Authoring"; format as in ``AzureLanguageBundleExporter``, which makes the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, ExportError
from llmlabel.exporters.azure_bundle import FORMAT, LABELS, REVIEW, AzureLanguageBundleExporter
from llmlabel.exporters.azure_facts import Facts
from llmlabel.exporters.azure_import import Existing, ProjectImport, preflight
from llmlabel.exporters.azure_parts import Part, twice
from llmlabel.exporters.azure_split import Share, Shares
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.jsonl import header, read_jsonl
from llmlabel.exporters.publish import read_manifest
from llmlabel.platforms.azure_language import TARGET
from llmlabel.platforms.azure_language.access import TokenCredential
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.file_checks import labels_file_problems
from llmlabel.platforms.azure_language.imported import write_whole
from llmlabel.platforms.azure_language.labels_file import ProjectKind
from llmlabel.platforms.azure_language.limits import DOCUMENTS_MAX
from llmlabel.platforms.azure_language.texts import TextStore, UploadPlan, plan_upload, upload
from llmlabel.schema import LabelSchema
from llmlabel.types import ExportReport, LabeledDocument

_DESCRIBED_FROM = "2025-05-15"


class AzureLanguageExporter(Exporter):
    """Imports labels into a custom NER or text classification project, and proves that they stand there.

    An import counts every label as made by a person and replaces the whole project, so: what is below
    ``min_confidence``, unreviewed (``only_reviewed``) or held back goes to ``review.jsonl``; an existing project is
    refused, or merged into with every label of people kept. Killed at any moment and run again, it ends the same.

    Args:
        endpoint: Address of the Language resource, ``https://NAME.cognitiveservices.azure.com``.
        schema: What is labelled; labels outside of it are refused.
        project: Name of the project.
        container: Name of the blob container, in the storage account that is linked to the resource.
        api_key: Key of the resource; default: the environment variable ``AZURE_LANGUAGE_KEY``.
        credential: An Entra ID credential (``azure.identity``) instead.
        storage: Where the texts are uploaded to: ``BlobTexts``, ``FolderTexts``; None: they lie there already.
        project_kind: One of ``KINDS``; may be left out where the schema has only entities or one classification.
        existing: What to do with a project of this name: ``"refuse"``, ``"merge"``, ``"overwrite"`` (after a backup).
        directory: Where files, manifest and backups are kept; default ``llmlabel-azure-PROJECT``. Keep it: only the
            manifest tells our labels from those of people.
        overwrite_texts: Whether a stored text may be replaced by another one.
        create_container: Whether to make the container if it is absent.
        dry_run: Report what would change; upload and import nothing.
        documents_per_project: More documents are split over ``PROJECT``, ``PROJECT-2``, …
        client: A client of your own, with other settings; never closed here.
        **options: As for ``AzureLanguageBundleExporter`` (``language``, ``classification``, ``overlap``, ``include``,
            ``min_confidence``, ``only_reviewed``, ``multilingual``, ``test_share``, ``seed``, ``description``,
            ``settings``, ``unfit``) and ``AzureLanguageClient`` (``scope``, ``api_version``, ``timeout``,
            ``job_deadline``, ``on_progress``, …).

    Raises:
        ConfigurationError: A name or label that Azure does not accept, no credential, or plain http.
    """

    target = TARGET

    def __init__(
        self,
        endpoint: str,
        *,
        schema: LabelSchema,
        project: str,
        container: str,
        api_key: str | SecretStr | None = None,
        credential: TokenCredential | None = None,
        storage: TextStore | None = None,
        project_kind: ProjectKind | None = None,
        existing: Existing = "refuse",
        directory: str | Path | None = None,
        overwrite_texts: bool = False,
        create_container: bool = False,
        dry_run: bool = False,
        documents_per_project: int = DOCUMENTS_MAX,
        client: AzureLanguageClient | None = None,
        **options: Any,
    ) -> None:
        if existing not in ("refuse", "merge", "overwrite"):
            raise ConfigurationError(f"existing: expected refuse, merge or overwrite, found {existing!r}")
        if not 1 <= documents_per_project <= DOCUMENTS_MAX:
            raise ConfigurationError(f"documents_per_project: expected 1 to {DOCUMENTS_MAX}")
        if getattr(storage, "container", container) != container:
            raise ConfigurationError(f"storage is of another container than {container!r}")
        self.project = project
        self.container = container
        self.storage = storage
        self.existing: Existing = existing
        self.directory = Path(f"llmlabel-azure-{project}" if directory is None else directory)
        self.overwrite_texts = overwrite_texts
        self.create_container = create_container
        self.dry_run = dry_run
        self.documents_per_project = documents_per_project
        ours = {name: options.pop(name) for name in _BUNDLE_OPTIONS if name in options}
        self._bundle = {"schema": schema, "container": container, "project_kind": project_kind, **ours}
        checked = AzureLanguageBundleExporter(self.directory, project=project, **self._bundle)
        self.schema, self.project_kind = schema, checked.project_kind
        if client is not None and (options or api_key is not None or credential is not None):
            raise ConfigurationError("give client=, or its settings, not both")
        self.client = client or AzureLanguageClient(endpoint, api_key=api_key, credential=credential, **options)
        self._own_client = client is None

    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            parts = self._parts(predictions)
            plans = self._plan(parts)
            notes = [note for part in parts for note in part.report.notes]
            if self.dry_run:
                notes += ["dry run: nothing was uploaded or imported"]
            else:
                self._upload(parts, plans)
            for part, plan in zip(parts, plans, strict=True):
                notes += self._texts_note(plan)
                if not part.published:
                    notes.append(f"project {part.work.project!r}: no document with labels, nothing to import")
                    continue
                notes += [*part.work.described(), *self._changes(part)]
                notes += [] if self.dry_run else part.work.publish()
            return self._report(parts, notes)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections that it made; they are opened anew when needed."""
        if self._own_client:
            self.client.close()

    def preflight(self) -> None:
        """Look, before anything is paid for, whether credential, project and container will do.

        Raises:
            AuthenticationError: A credential is refused.
            ExportError: No label can be imported like this; all reasons.
        """
        wanted = {"projectKind": self.project_kind, "storageInputContainerName": self.container}
        try:
            problems = preflight(self.client, self.project, wanted, self.directory, self.existing)
        finally:
            self.close()
        if self.storage is not None and not self.create_container and not self.storage.exists():
            problems.append(self._no_container)
        if problems:
            raise ExportError(self.target, problems)

    @property
    def _no_container(self) -> str:
        return (
            f"container {self.container!r} is not there; create it in the storage account that is linked to the "
            "Language resource, or create_container=True"
        )

    # -- files ------------------------------------------------------------------------------------------------------

    def _parts(self, predictions: Iterable[LabeledDocument]) -> list[Part]:
        """Return one bundle per project, its documents checked.

        Raises:
            ExportError: Documents that cannot be imported, those of all projects.
        """
        anew = self.existing == "overwrite"
        shares = Shares(
            self.directory, self.project, self.documents_per_project, None if anew else self.client.endpoint
        )
        parts: list[Part] = []
        problems: list[str] = []
        with shares.spooled(predictions) as all_shares:
            for share in all_shares:
                exporter = _Bundle(share.folder, project=share.project, **self._bundle)
                try:
                    parts.append(self._part(share, exporter.export(read_jsonl(share.unfinished))))
                except ExportError as error:
                    problems += error.problems
            if problems:
                raise ExportError(self.target, problems)
        return parts

    def _part(self, share: Share, report: ExportReport) -> Part:
        folder = share.folder
        manifest = read_manifest(folder, FORMAT)
        files = {item["file"]: item["id"] for item in manifest["documents"] if item["file"]}
        names = {file: share.locations.get(identity, file) for file, identity in files.items()}
        content = json.loads((folder / LABELS).read_bytes())
        for entry in content["assets"]["documents"]:
            entry["location"] = names[entry["location"]]
        if self.client.api_version >= _DESCRIBED_FROM:
            for item in content["assets"].get("entities", ()):
                label = self.schema.entity(item["category"])
                item.update({"description": label.description} if label and label.description else {})
        ids = {names[file]: identity for file, identity in files.items()}
        reviewed = frozenset(name for name, identity in ids.items() if identity in share.reviewed)
        work = ProjectImport(self.client, share.project, content, ids, self.directory, self.existing, reviewed)
        return Part(folder, share.spool, report, names, work)

    # -- service ----------------------------------------------------------------------------------------------------

    def _plan(self, parts: list[Part]) -> list[UploadPlan]:
        """Return what is to be uploaded, everything checked that can be.

        Raises:
            ExportError: Something forbids the export; all such problems.
        """
        problems = [*twice(parts), *(line for part in parts for line in labels_file_problems(part.work.content))]
        if problems:
            raise ExportError(self.target, problems)  # nothing was asked yet
        plans = []
        there = self.storage is not None and self.storage.exists()
        if self.storage is not None and not there and not self.create_container:
            problems.append(self._no_container)
        for part in parts:
            plan = UploadPlan(new=tuple(part.names.values()))
            if self.storage is not None and there:
                plan = plan_upload(self.storage, part.texts(), overwrite=self.overwrite_texts)
            plans.append(plan)
            problems += [*plan.problems, *(part.work.prepare() if part.published else ())]
            kept = part.work.human() if part.published else set()
            problems += [
                f"{name!r}: people labelled the text that would be replaced, and their labels would stand elsewhere; "
                "give the document another id"
                for name in plan.different
                if name in kept and self.overwrite_texts
            ]
        if problems:
            raise ExportError(self.target, problems)
        return plans

    def _upload(self, parts: list[Part], plans: list[UploadPlan]) -> None:
        if self.storage is None:
            return
        if self.create_container:
            self.storage.create()
        for part, plan in zip(parts, plans, strict=True):
            upload(self.storage, part.texts(), plan)

    def _changes(self, part: Part) -> list[str]:
        """Write what changes label by label to a file, and return a note that names it."""
        lines = list(part.work.changed()) if part.work.changes else []
        if not lines:
            return []
        path = self.directory / f"changes-{part.work.project}.jsonl"
        write_whole(path, "".join(f"{line}\n" for line in lines).encode())
        return [f"label by label: {path}"]

    def _texts_note(self, plan: UploadPlan) -> list[str]:
        if self.storage is None:
            return ["texts were not uploaded (storage=None); the service finds them in the container or fails"]
        up, over = ("to upload", "to replace") if self.dry_run else ("uploaded", "replaced")
        return [f"texts: {len(plan.new)} {up}, {len(plan.equal)} there already, {len(plan.different)} {over}"]

    def _report(self, parts: list[Part], notes: list[str]) -> ExportReport:
        held = [item for part in parts for item in part.report.held_back]
        review = self.directory / REVIEW
        with review.open("wb") as file:
            file.write(header())
            for part in parts:
                file.writelines((part.folder / REVIEW).read_bytes().splitlines(keepends=True)[1:])
                held += part.write_held(file)
        return ExportReport(
            target=self.target,
            written=0 if self.dry_run else sum(part.report.written for part in parts),
            held_back=tuple(held),
            notes=tuple([*notes, f"held back: {len(held)}, in {review}"] if held else notes),
            location=f"{self.client.endpoint}, project {self.project!r}",
        )

    def __repr__(self) -> str:
        return f"AzureLanguageExporter({self.client.endpoint!r}, project={self.project!r}, existing={self.existing!r})"


AzureLanguageStudioExporter = AzureLanguageExporter


class _Bundle(AzureLanguageBundleExporter):
    """The files of one project; what training needs is told of the project as it will be, not of our part of it."""

    def _training_notes(self, facts: Facts) -> Iterable[str]:
        return () if facts.published else facts.training.notes()


_BUNDLE_OPTIONS = (
    "language", "classification", "overlap", "include", "min_confidence", "only_reviewed", "multilingual",
    "test_share", "seed", "description", "settings", "unfit",
)  # fmt: skip
