"""The order in which people should look, and why, as Kili shows it: priorities and metadata of assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, ExportError
from llmlabel.platforms.kili.client import KiliClient
from llmlabel.platforms.kili.faults import RequestFailed
from llmlabel.platforms.kili.records import Asset

_CHUNK = 100


def prioritize_kili_assets(
    project_id: str,
    order: Sequence[str],
    *,
    reasons: Mapping[str, Mapping[str, str | int | float]] = {},
    levels: int = 10,
    api_key: str | SecretStr | None = None,
    api_endpoint: str | None = None,
    verify: bool | str = True,
    client: Any = None,
) -> dict[str, str]:
    """Return the documents that got no priority, each with the reason, after giving the others theirs.

    Args:
        project_id: The project.
        order: Document ids, the one to look at first in front (such as those of a review queue).
        reasons: Metadata to show beside a document; merged into what the asset has, other keys stay as they are.
        levels: Number of priorities: the first documents get ``levels``, the last 1. Kili's default is 0.
        api_key: By default the environment variable ``KILI_API_KEY``.
        api_endpoint: By default Kili's own.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        client: A connected ``kili.client.Kili``, used instead of ``api_key`` and ``api_endpoint``.

    Raises:
        ConfigurationError: An id stands twice, or ``levels`` is not positive.
        ExportError: Kili does not answer, or refuses; it can be run again.
    """
    if levels < 1 or len(set(order)) < len(order):
        raise ConfigurationError("expected levels from 1, and every id once in order")
    kili = KiliClient(api_key, api_endpoint, verify=verify, client=client)
    missed: dict[str, str] = {}
    try:
        for start in range(0, len(order), _CHUNK):
            ids = order[start : start + _CHUNK]
            found = _single(kili.assets(project_id, ids), missed)
            missed.update({name: "not in the project" for name in ids if name not in found and name not in missed})
            ranks = {
                found[name].id: levels - (start + n) * levels // len(order)
                for n, name in enumerate(ids)
                if name in found
            }
            _set(kili, ranks, {asset.id: name for name, asset in found.items()}, missed)
            merged = {
                asset.id: {**asset.metadata, **reasons[name]}
                for name, asset in found.items()
                if name in reasons and {**asset.metadata, **reasons[name]} != asset.metadata
            }
            kili.set_metadata(merged)
    except RequestFailed as failed:
        raise ExportError("kili", [str(failed)]) from None
    return missed


def _single(assets: Sequence[Asset], missed: dict[str, str]) -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for asset in assets:
        if asset.external_id in found:
            missed[asset.external_id] = "two assets of the project have this external id"
        found[asset.external_id] = asset
    return {name: asset for name, asset in found.items() if name not in missed}


def _set(kili: KiliClient, ranks: Mapping[str, int], names: Mapping[str, str], missed: dict[str, str]) -> None:
    for level in sorted(set(ranks.values()), reverse=True):
        done = kili.set_priority([asset_id for asset_id, rank in ranks.items() if rank == level], level)
        for asset_id, reason in done.items():
            missed[names[asset_id]] = reason
