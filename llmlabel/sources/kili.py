"""Texts out of a Kili project, and the labels that people (or models) gave them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, SourceError, TransportError
from llmlabel.newlines import Newlines, line_feeds
from llmlabel.platforms.kili.answers import labeled_from_json_response
from llmlabel.platforms.kili.client import KiliClient
from llmlabel.platforms.kili.faults import RequestFailed
from llmlabel.platforms.kili.interface import schema_from_interface
from llmlabel.platforms.kili.ontology import Ontology, bind
from llmlabel.platforms.kili.records import Asset, StoredLabel
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, LabeledDocument, Provenance, Rejected

STATUSES = ("TODO", "ONGOING", "LABELED", "TO_REVIEW", "REVIEWED")
STEP_STATUSES = ("TO_DO", "IN_PROGRESS", "PARTIALLY_DONE", "REWORK", "DONE", "SKIPPED")
Group = Literal["ordinary", "consensus", "honeypot"]
_KINDS = {"human": ("DEFAULT", "REVIEW"), "model": ("PREDICTION", "INFERENCE")}
_BLOCK = 200


class KiliSource:
    """A Kili project to read from: its schema, its texts, its labels.

    Needs ``pip install "llmlabel[kili]"``.

    Args:
        project_id: The project, as its address shows it.
        schema: Names to read labels by; by default the project's own ontology.
        api_key: By default the environment variable ``KILI_API_KEY``.
        api_endpoint: By default Kili's own.
        ner_job: The named-entity job, where the project has several.
        offset_unit: What Kili counts offsets in; see ``KiliExporter``.
        newlines: ``"lf"`` reads every line end as one character, in texts and offsets; see ``KiliExporter``.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        client: A connected ``kili.client.Kili``, used instead of ``api_key`` and ``api_endpoint``.

    Raises:
        ConfigurationError: There is no key.
    """

    def __init__(
        self,
        project_id: str,
        *,
        schema: LabelSchema | None = None,
        api_key: str | SecretStr | None = None,
        api_endpoint: str | None = None,
        ner_job: str | None = None,
        offset_unit: Literal["utf16", "codepoint"] = "utf16",
        newlines: Newlines = "keep",
        verify: bool | str = True,
        client: Any = None,
    ) -> None:
        self.project_id = project_id
        self.ner_job = ner_job
        self.offset_unit = offset_unit
        self.newlines = newlines
        self._given = schema
        self._client = KiliClient(api_key, api_endpoint, verify=verify, client=client)
        self._ontology: Ontology | None = None
        self._stepwise = False

    @property
    def schema(self) -> LabelSchema:
        """The schema that labels are read by: the given one, or the project's ontology."""
        return self.ontology.schema

    @property
    def ontology(self) -> Ontology:
        """How the schema's names map to the project's keys.

        Raises:
            ConfigurationError: There is no such project, or the schema does not fit it.
            SourceError: Kili does not answer.
        """
        if self._ontology is None:
            try:
                project = self._client.project(self.project_id)
            except RequestFailed as failed:
                raise SourceError(str(failed)) from None
            if project.input_type != "TEXT":
                raise SourceError(f"the project holds {project.input_type}: expected one of input type TEXT")
            self._stepwise = project.workflow != "V1"
            schema = self._given or schema_from_interface(project.interface, ner_job=self.ner_job)
            self._ontology = bind(schema, project.interface, self.ner_job)
        return self._ontology

    def documents(self, *, statuses: Sequence[str] | None = None) -> Iterator[Document | Rejected]:
        """Yield the project's texts under their external ids, lazily; metadata is the asset's.

        An asset that is no plain text, an empty one, or one whose external id came before, comes as ``Rejected``.

        Args:
            statuses: Only assets with one of these: ``TODO``, ``ONGOING``, ``LABELED``, ``TO_REVIEW``, ``REVIEWED``;
                in a project with workflow steps ``TO_DO``, ``IN_PROGRESS``, ``PARTIALLY_DONE``, ``REWORK``, ``DONE``,
                ``SKIPPED``.

        Raises:
            SourceError: Kili does not answer.
        """
        _ = self.ontology  # refuses other kinds of projects
        known = STEP_STATUSES if self._stepwise else STATUSES
        unknown = sorted(set(statuses or ()) - set(known))
        if unknown:
            raise ConfigurationError(f"statuses: expected some of {list(known)}, found {unknown}")
        seen: set[str] = set()
        index = 0
        for assets in self._blocks(statuses):
            for asset, text in zip(assets, self._texts(assets), strict=True):
                yield _document(asset, text, index, seen)
                index += 1

    def labels(
        self, by: Literal["human", "model"] = "human", *, latest: bool = True, group: Group | None = None
    ) -> Iterator[LabeledDocument | Rejected]:
        """Yield the labels that people gave, one ``LabeledDocument`` for each label, with author and time.

        ``document.metadata["kili"]`` tells the label's id, type, model name and group. Labels in the group
        ``"honeypot"`` are on assets that test labelers; those in ``"consensus"`` are by one of several people who each
        labelled the asset (a review of it is the last word, and ``"ordinary"`` like all others). Several labels of one
        asset are several documents with one id. A label that does not fit its text, or has a category that the schema
        lacks, comes as ``Rejected``.

        Args:
            by: ``"human"``: labels and reviews; ``"model"``: predictions and inferences.
            latest: Only the last label of each person on each asset.
            group: Only labels of this group.

        Raises:
            SourceError: Kili does not answer.
        """
        ontology, index = self.ontology, 0
        for assets in self._blocks(None):
            found = self._found([asset.external_id for asset in assets], by)
            chosen = [label for label in found if label.latest or not latest or by == "model"]
            wanted = {label.asset_id for label in chosen}
            known = {asset.id: asset for asset in assets if asset.id in wanted}
            groups = _groups(chosen, known)
            texts = dict(zip(known, self._texts(list(known.values())), strict=True))
            for label in chosen:
                if label.asset_id in known and group in (None, groups[label.id]):
                    asset = known[label.asset_id]
                    yield self._read(label, asset, texts[asset.id], ontology, groups[label.id], index)
                    index += 1

    def _texts(self, assets: Sequence[Asset]) -> Iterator[str | None]:
        try:
            for text in self._client.texts(assets):
                yield line_feeds(text) if text is not None and self.newlines == "lf" else text
        except TransportError as error:
            raise SourceError(str(error)) from None

    def _found(self, external_ids: list[str], by: str) -> list[StoredLabel]:
        try:
            return self._client.labels(self.project_id, external_ids, _KINDS[by])
        except RequestFailed as failed:
            raise SourceError(str(failed)) from None

    def _blocks(self, statuses: Sequence[str] | None) -> Iterator[list[Asset]]:
        assets = self._client.all_assets(self.project_id, statuses)
        try:
            while block := list(islice(assets, _BLOCK)):
                yield block
        except RequestFailed as failed:
            raise SourceError(str(failed)) from None

    def _read(
        self, label: StoredLabel, asset: Asset, text: str | None, ontology: Ontology, group: Group, index: int
    ) -> LabeledDocument | Rejected:
        if text is None:
            return Rejected(index=index, id=asset.external_id, reason="the asset is no plain UTF-8 text")
        try:
            return self._labeled(label, asset, text, ontology, group)
        except SourceError as error:
            return Rejected(index=index, id=asset.external_id, reason=f"label {label.id}: {error}")

    def _labeled(
        self, label: StoredLabel, asset: Asset, text: str, ontology: Ontology, group: Group
    ) -> LabeledDocument:
        facts = {"label": label.id, "type": label.kind, "model_name": label.model_name, "group": group}
        document = Document(id=asset.external_id, text=text, metadata={**asset.metadata, "kili": facts})
        human = label.kind in _KINDS["human"]
        made = Provenance(
            kind="human" if human else "model",
            author=label.author if human else label.model_name,
            created_at=_when(label.created_at),
            reviewed=label.kind == "REVIEW",
        )
        return labeled_from_json_response(label.response, document, ontology, self.offset_unit, made)

    def __repr__(self) -> str:
        return f"KiliSource({self.project_id!r}, host={self._client.host!r})"


def _groups(labels: Iterable[StoredLabel], assets: Mapping[str, Asset]) -> dict[str, Group]:
    """Tell apart, by label id, what says something about labelers from what is said about texts."""
    people: dict[str, set[str | None]] = {}
    for label in labels:
        if label.kind == "DEFAULT":
            people.setdefault(label.asset_id, set()).add(label.author)
    found: dict[str, Group] = {}
    for label in labels:
        alone = label.kind != "DEFAULT" or len(people[label.asset_id]) == 1
        tests = label.asset_id in assets and assets[label.asset_id].honeypot
        found[label.id] = "honeypot" if tests else "ordinary" if alone else "consensus"
    return found


def _document(asset: Asset, text: str | None, index: int, seen: set[str]) -> Document | Rejected:
    reason = None
    if text is None:
        reason = "the asset is no plain UTF-8 text (rich text is not supported)"
    elif not text:
        reason = "the text is empty"
    elif asset.external_id in seen:
        reason = "another asset has the same external id"
    seen.add(asset.external_id)
    if reason or text is None:
        return Rejected(index=index, id=asset.external_id, reason=reason or "")
    return Document(id=asset.external_id, text=text, metadata=dict(asset.metadata))


def changed_texts(source: KiliSource, documents: Iterable[Document]) -> list[str]:
    """Return the ids of documents whose text in Kili is another one now, or that are gone: offsets would lie."""
    current = {one.id: _digest(one.text) for one in source.documents() if isinstance(one, Document)}
    plain = line_feeds if source.newlines == "lf" else str
    return [one.id for one in documents if current.get(one.id) != _digest(plain(one.text))]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _when(stamp: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp) if stamp else None
    except ValueError:
        return None
