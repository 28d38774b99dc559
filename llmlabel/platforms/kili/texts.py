"""The text of an asset, from where Kili keeps it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmlabel.errors import SourceError, TransportError
from llmlabel.platforms.kili.records import Asset

if TYPE_CHECKING:
    import httpx

MAX_TEXT_BYTES = 50_000_000


def download(http: httpx.Client, asset: Asset) -> str | None:
    """Return the text of an asset, or None if it is no plain UTF-8 text.

    Raises:
        TransportError: It cannot be downloaded.
        SourceError: It is too large.
    """
    import httpx

    if asset.rich:
        return None
    if not asset.content.startswith(("http://", "https://")):
        return asset.content
    for left in (2, 1, 0):
        try:
            answer = http.get(asset.content)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            if not left:
                raise TransportError(
                    f"the text of asset {asset.external_id!r} cannot be downloaded ({type(error).__name__})"
                ) from None
            time.sleep(0.2)
        else:
            break
    if len(answer.content) > MAX_TEXT_BYTES:
        raise SourceError(f"asset {asset.external_id!r} holds more than {MAX_TEXT_BYTES} bytes")
    try:
        return answer.content.decode()
    except UnicodeDecodeError:
        return None
