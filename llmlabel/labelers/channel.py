"""Sending requests that differ in their body only, past the SDK's own work on each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI


@dataclass(slots=True, repr=False)
class Channel:
    """A client of the openai package and, if its requests may be copied, the HTTP client below it.

    The SDK builds each request from scratch: it merges headers, parses the address, and walks over the options, which
    takes more CPU than sending it. All requests of a labeler to one path differ in their body only. So the SDK makes
    and sends the first one, and those after it are copies of that one with another body. Where a header may change
    from one request to the next (the token of a token provider, a client that belongs to the user), all go through
    the SDK.
    """

    client: AsyncOpenAI
    http: httpx2.AsyncClient | None = None
    _copies: dict[str, _Copy] = field(default_factory=dict)

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """Return the response to a request; one with an error status may be returned, or raised as the SDK does."""
        import httpx2

        copy = self._copies.get(path)
        if copy is not None and self.http is not None:
            return await self.http.send(copy.with_body(body))
        response = await self.client.post(path, cast_to=httpx2.Response, body=body)
        if self.http is not None:
            self._copies[path] = _Copy(response.request)
        return response

    async def close(self) -> None:
        """Close the client and its connections."""
        await self.client.close()


class _Copy:
    """What the SDK sent once, to be sent again with another body."""

    __slots__ = ("extensions", "headers", "url")

    def __init__(self, request: httpx2.Request) -> None:
        self.url = request.url
        self.headers = request.headers.copy()
        # Whoever posts bounds the whole request: waiting times for its parts would set two more timers for each.
        self.extensions = {"timeout": {"connect": request.extensions.get("timeout", {}).get("connect")}}

    def with_body(self, body: Mapping[str, Any]) -> httpx2.Request:
        import httpx2
        from pydantic_core import to_json

        content = to_json(body, inf_nan_mode="constants")
        stream = httpx2.ByteStream(content)
        request = httpx2.Request("POST", self.url, headers=self.headers, stream=stream, extensions=self.extensions)
        request.headers["Content-Length"] = str(len(content))
        request.headers.encoding = "latin-1"
        request.read()
        return request
