"""What llmlabel asks of Kili, through its own SDK: projects, assets and labels, read and written.

The SDK blocks and sends one request at a time per process: call this off the event loop.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError
from llmlabel.platforms.kili import sdk
from llmlabel.platforms.kili.faults import RequestFailed, as_fault
from llmlabel.platforms.kili.records import (
    ASSET_FIELDS,
    LABEL_FIELDS,
    PROJECT_FIELDS,
    Asset,
    Project,
    StoredLabel,
    asset_of,
    label_of,
)
from llmlabel.platforms.kili.texts import download

Json = dict[str, Any]
IDS_PER_QUERY = 1000
HUMAN_TYPES = ("DEFAULT", "REVIEW", "AUTOSAVE")


class KiliClient:
    """A Kili endpoint, reached through the unmodified SDK.

    Args:
        api_key: The key; by default the environment variable ``KILI_API_KEY``.
        api_endpoint: The GraphQL endpoint; by default Kili's own. ``KILI_API_ENDPOINT`` is not looked at.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        tell: Called with one line when a request takes long (``slow`` seconds).
        client: A connected ``kili.client.Kili`` to use instead of making one.

    Raises:
        ConfigurationError: There is no key, or the endpoint is no https URL.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        api_endpoint: str | None = None,
        *,
        verify: bool | str = True,
        tell: Callable[[str], None] | None = None,
        client: Any = None,
    ) -> None:
        self.api_endpoint = sdk.check_endpoint(api_endpoint or getattr(client, "api_endpoint", None))
        self.verify = verify
        self.tell = tell
        self.slow = sdk.SLOW
        self._key = None if client is not None else sdk.read_key(api_key)
        self._client = client
        self._stepwise: dict[str, bool] = {}  # project id → its assets have a status per workflow step

    @property
    def host(self) -> str:
        """Name of the endpoint's host."""
        return urlsplit(self.api_endpoint).hostname or ""

    def link(self, project_id: str) -> str:
        """Return the address at which people see a project."""
        parts = urlsplit(self.api_endpoint)
        return f"{parts.scheme}://{parts.netloc}/label/projects/{project_id}"

    # -- reads --------------------------------------------------------------------------------------------------------

    def project(self, project_id: str) -> Project:
        """Return a project with its ontology.

        Raises:
            ConfigurationError: There is no such project, or the key's user may not see it.
        """
        try:
            found = self._call("projects", project_id=project_id, fields=PROJECT_FIELDS)
        except RequestFailed as failed:
            if failed.code != "projectNotFound":
                raise
            found = []
        if not found:
            raise ConfigurationError(
                f"Kili at {self.host} has no project {project_id!r} that this key's user can see; copy the id from the "
                "project's address"
            )
        return self._as_project(found[0])

    def projects_titled(self, title: str) -> list[Project]:
        """Return the projects that have exactly this title, of those that the key's user can see."""
        escaped = title.replace("\\", "\\\\")  # the search is an ILIKE pattern; its wildcards match themselves too
        rows = self._call("projects", search_query=escaped, archived=False, fields=PROJECT_FIELDS, disable_tqdm=True)
        return [self._as_project(row) for row in rows if row["title"] == title]

    def _as_project(self, row: Mapping[str, Any]) -> Project:
        workflow = row.get("workflowVersion") or "V1"
        self._stepwise[row["id"]] = workflow != "V1"
        return Project(row["id"], row["title"], row["inputType"], row["jsonInterface"], workflow)

    def _asset_fields(self, project_id: str) -> tuple[str, ...]:
        if project_id not in self._stepwise:
            self.project(project_id)
        return (*ASSET_FIELDS, "currentStep.status" if self._stepwise[project_id] else "status")

    def assets(self, project_id: str, external_ids: Sequence[str]) -> list[Asset]:
        """Return the assets that have one of the external ids, exactly; two may share one."""
        found: list[Asset] = []
        fields = self._asset_fields(project_id) if external_ids else ()
        for start in range(0, len(external_ids), IDS_PER_QUERY):
            part = list(external_ids[start : start + IDS_PER_QUERY])
            rows = self._call(
                "assets", project_id=project_id, external_id_strictly_in=part, fields=fields, disable_tqdm=True
            )
            found += map(asset_of, rows)
        return found

    def all_assets(self, project_id: str, statuses: Sequence[str] | None = None) -> Iterator[Asset]:
        """Yield the assets of a project, a page at a time, those with one of the statuses if any are given."""
        skip, fields = 0, self._asset_fields(project_id)
        chosen = "step_status_in" if self._stepwise[project_id] else "status_in"
        while True:
            rows = self._call(
                "assets",
                project_id=project_id,
                fields=fields,
                first=IDS_PER_QUERY,
                skip=skip,
                disable_tqdm=True,
                **({chosen: list(statuses)} if statuses else {}),
            )
            yield from map(asset_of, rows)
            skip += len(rows)
            if len(rows) < IDS_PER_QUERY:
                return

    def labels(
        self, project_id: str, external_ids: Sequence[str], kinds: Sequence[str], *, answers: bool = True
    ) -> list[StoredLabel]:
        """Return the labels of some assets, those of the given types; without ``answers`` much quicker."""
        fields = (*LABEL_FIELDS, "jsonResponse") if answers else LABEL_FIELDS
        found: list[StoredLabel] = []
        for start in range(0, len(external_ids), IDS_PER_QUERY):
            part = list(external_ids[start : start + IDS_PER_QUERY])
            # assets(fields=["labels.jsonResponse"]) would turn a failed download into an empty answer.
            rows = self._read(
                "labels",
                project_id=project_id,
                asset_external_id_strictly_in=part,
                type_in=list(kinds),
                fields=fields,
                disable_tqdm=True,
            )
            found += map(label_of, rows)
        return found

    def may_upload(self) -> bool:
        """Return whether the organisation's licence allows to upload texts from here."""
        rows = self._call("organizations", fields=["license.uploadLocalData"], disable_tqdm=True)
        return all(row["license"]["uploadLocalData"] for row in rows)

    def texts(self, assets: Sequence[Asset]) -> Iterator[str | None]:
        """Yield the text of each asset, in order; None for one that is no plain UTF-8 text.

        Raises:
            TransportError: A text cannot be downloaded.
        """
        import httpx

        # No key goes along: the addresses are signed, and may be on another host.
        with (
            sdk.unsigned_logs(),
            httpx.Client(verify=self.verify, timeout=60, follow_redirects=True) as http,
            ThreadPoolExecutor(8) as pool,
        ):
            yield from pool.map(lambda asset: download(http, asset), assets)

    # -- writes -------------------------------------------------------------------------------------------------------

    def create_project(self, title: str, interface: Mapping[str, Any]) -> str:
        """Create a project of texts and return its id."""
        made = self._call("create_project", title=title, input_type="TEXT", json_interface=dict(interface))
        return str(made["id"])

    def create_assets(self, project_id: str, texts: Mapping[str, str], metadata: Mapping[str, Json] = {}) -> None:
        """Create one asset per external id; texts arrive byte for byte.

        Raises:
            RequestFailed: Not all were created; read back which.
        """
        with tempfile.TemporaryDirectory(prefix="llmlabel-kili-") as folder:
            # The SDK takes a text that is also a path, or starts with http, for something to fetch; a file it reads.
            paths = []
            for number, text in enumerate(texts.values()):
                path = Path(folder) / f"{number}.txt"
                path.write_bytes(text.encode())
                paths.append(str(path))
            self._call(
                "append_many_to_dataset",
                project_id=project_id,
                content_array=paths,
                external_id_array=list(texts),
                json_metadata_array=[metadata.get(name, {}) for name in texts],
                disable_tqdm=True,
            )

    def send_predictions(self, project_id: str, answers: Mapping[str, Json], model_name: str) -> None:
        """Give assets (by id) a prediction each, instead of those that the same model name gave them before.

        Raises:
            RequestFailed: It is not certain that all were stored; read back which.
        """
        self._call(
            "append_labels",
            project_id=project_id,
            asset_id_array=list(answers),
            json_response_array=list(answers.values()),
            label_type="PREDICTION",
            model_name=model_name,
            overwrite=True,
            disable_tqdm=True,
        )

    def delete_labels(self, label_ids: Sequence[str]) -> None:
        """Delete labels by id."""
        self._call("delete_labels", ids=list(label_ids), disable_tqdm=True)

    def set_priority(self, asset_ids: Sequence[str], priority: int) -> dict[str, str]:
        """Give assets a priority; return those that did not take it, with the reason."""
        done = self._call("set_assets_priority", priority=priority, asset_ids=list(asset_ids)) if asset_ids else {}
        declined = {
            row["assetId"]: "Kili declined: it is in progress, done or skipped" for row in done.get("declined", ())
        }
        return {**declined, **{row["assetId"]: "Kili could not set it" for row in done.get("failed", ())}}

    def set_metadata(self, metadata: Mapping[str, Json]) -> None:
        """Replace the metadata of assets (by id)."""
        # The SDK's add_metadata pairs metadata with assets in the server's order, not in the one that was asked for.
        if metadata:
            arrays = {"asset_ids": list(metadata), "json_metadatas": list(metadata.values())}
            self._call("update_properties_in_assets", **arrays)

    # -- the SDK ------------------------------------------------------------------------------------------------------

    def _read(self, method: str, **arguments: Any) -> Any:
        """Ask again what only reads: the SDK downloads each label's answer, and gives up at the first that fails."""
        for pause in (0.2, 1.0):
            try:
                return self._call(method, **arguments)
            except RequestFailed as failed:
                if failed.kind != "unreachable" or failed.code == "unauthorized":
                    raise
            time.sleep(pause)
        return self._call(method, **arguments)

    def _call(self, method: str, **arguments: Any) -> Any:
        if self._client is None:
            assert self._key is not None
            self._client = sdk.connect(self._key, self.api_endpoint, verify=self.verify)
        with sdk.quiet(), sdk.watched(method, self.tell, self.slow):
            try:
                return getattr(self._client, method)(**arguments)
            except Exception as error:  # the SDK raises some twenty types, AttributeError among them
                raise as_fault(method, error) from None

    def __repr__(self) -> str:
        return f"KiliClient({self.host!r})"
