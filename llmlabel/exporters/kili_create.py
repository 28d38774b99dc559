"""Making a Kili project for a schema, once: the same call again finds the one it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, ExportError
from llmlabel.platforms.kili.client import KiliClient
from llmlabel.platforms.kili.faults import RequestFailed
from llmlabel.platforms.kili.interface import interface_from_schema
from llmlabel.platforms.kili.jobs import asks
from llmlabel.schema import LabelSchema


def create_kili_project(
    title: str,
    *,
    schema: LabelSchema,
    reuse: bool = True,
    api_key: str | SecretStr | None = None,
    api_endpoint: str | None = None,
    verify: bool | str = True,
    client: Any = None,
) -> str:
    """Return the id of a project of texts with this title whose ontology is the schema, made if there is none.

    Args:
        title: The project's title.
        schema: What is labelled.
        reuse: Whether a project that has this very title and this very ontology is taken; else another one is made.
        api_key: By default the environment variable ``KILI_API_KEY``.
        api_endpoint: By default Kili's own.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        client: A connected ``kili.client.Kili``, used instead of ``api_key`` and ``api_endpoint``.

    Raises:
        ConfigurationError: Two names of the schema give one key, several projects have this title and this ontology,
            or there is no key for Kili.
        ExportError: Kili did not create it, or did not say whether it did.
    """
    interface = interface_from_schema(schema)
    kili = KiliClient(api_key, api_endpoint, verify=verify, client=client)
    try:
        found = _find(kili, title, interface) if reuse else None
        return found or _create(kili, title, interface, again=reuse)
    except RequestFailed as failed:
        raise ExportError("kili", [f"project {json.dumps(title)}: {failed}"]) from None


def _create(kili: KiliClient, title: str, interface: Mapping[str, Any], *, again: bool) -> str:
    try:
        return kili.create_project(title, interface)
    except RequestFailed as failed:
        if failed.kind != "unknown" or not again:
            raise
        made = _find(kili, title, interface)  # the answer was lost, maybe not the project
        if made is None:
            raise
        return made


def _find(kili: KiliClient, title: str, interface: Mapping[str, Any]) -> str | None:
    same = [
        project.id
        for project in kili.projects_titled(title)
        if project.input_type == "TEXT" and asks(project.interface) == asks(interface)
    ]
    if len(same) > 1:
        raise ConfigurationError(
            f"{len(same)} projects are titled {title!r} and have this ontology: {', '.join(sorted(same))}; say which "
            "by its id, or choose another title"
        )
    return same[0] if same else None
