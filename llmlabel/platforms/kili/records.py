"""What Kili tells of projects, assets and labels, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROJECT_FIELDS = ("id", "title", "inputType", "jsonInterface", "workflowVersion")
ASSET_FIELDS = ("id", "externalId", "content", "jsonContent", "jsonMetadata", "isHoneypot")
LABEL_FIELDS = (
    "id",
    "assetId",
    "labelType",
    "modelName",
    "createdAt",
    "author.email",
    "isLatestLabelForUser",
    "labelOf.externalId",
)


@dataclass(frozen=True, slots=True)
class Project:
    """A Kili project, as far as it matters for labels; from workflow ``V2`` on, assets have a status per step."""

    id: str
    title: str
    input_type: str
    interface: Mapping[str, Any]
    workflow: str = "V1"


@dataclass(frozen=True, slots=True)
class Asset:
    """A text in a project; ``content`` is where to download it, ``rich`` that it is no plain text."""

    id: str
    external_id: str
    content: str
    status: str
    rich: bool
    metadata: Mapping[str, Any]
    honeypot: bool = False


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A label in a project; ``kind`` is Kili's label type, ``response`` its answer (empty if it was not asked for)."""

    id: str
    asset_id: str
    external_id: str
    kind: str
    model_name: str | None
    author: str | None
    created_at: str | None
    latest: bool
    response: Mapping[str, Any]


def asset_of(row: Mapping[str, Any]) -> Asset:
    """Return an asset as the SDK reads it."""
    metadata = row.get("jsonMetadata")
    if isinstance(metadata, str):
        metadata = json.loads(metadata or "{}")
    return Asset(
        id=row["id"],
        external_id=row["externalId"],
        content=row.get("content") or "",
        status=_status(row),
        rich=bool(row.get("jsonContent")),
        metadata=metadata if isinstance(metadata, Mapping) else {},
        honeypot=bool(row.get("isHoneypot")),
    )


def _status(row: Mapping[str, Any]) -> str:
    step = row.get("currentStep")
    status = row.get("status") or (step.get("status") if isinstance(step, Mapping) else None)
    return "TODO" if status in (None, "TO_DO") else str(status)


def label_of(row: Mapping[str, Any]) -> StoredLabel:
    """Return a label as the SDK reads it."""
    response = row.get("jsonResponse") or {}
    author = row.get("author")
    return StoredLabel(
        id=row["id"],
        asset_id=row["assetId"],
        external_id=row["labelOf"]["externalId"],
        kind=row["labelType"],
        model_name=row.get("modelName"),
        author=author.get("email") if isinstance(author, Mapping) else None,
        created_at=row.get("createdAt"),
        latest=bool(row.get("isLatestLabelForUser", True)),
        response=json.loads(response) if isinstance(response, str) else response,
    )
