"""HTTP clients of the openai package: one per event loop, on the aiohttp transport.

A client belongs to the loop that made it; used from another one it fails with "Event loop is closed".
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.request import getproxies

from llmlabel.errors import ConfigurationError
from llmlabel.labelers.channel import Channel
from llmlabel.labelers.endpoints import is_loopback
from llmlabel.labelers.secrets import Key

_Open = dict[asyncio.AbstractEventLoop, tuple[Channel, AsyncGenerator[None]]]
CONNECT = 15.0  # seconds for a connection: a host that says nothing at all is not waited for as long as an answer
_PATIENCE = 5.0  # seconds for another thread's loop to close its client


class LoopClients:
    """Makes one client per event loop when it is first needed, and closes it with the loop at the latest.

    Args:
        make: Makes a client; called on the loop that will use it.
    """

    def __init__(self, make: Callable[[], Channel]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._open: _Open = {}
        # A labeler that is dropped without being closed: aiohttp would complain of each connection. At the end of the
        # process the loops close what is theirs.
        weakref.finalize(self, _close_all, self._open).atexit = False

    async def get(self) -> Channel:
        """Return the running loop's client."""
        loop = asyncio.get_running_loop()
        found = self._open.get(loop)
        if found is not None:
            return found[0]
        client = self._make()
        keeper = _closing(client)
        with self._lock:
            for closed in [known for known in self._open if known.is_closed()]:
                del self._open[closed]
            self._open[loop] = client, keeper
        # Never suspends, so two tasks cannot make two clients.
        await anext(keeper)
        return client

    async def aclose(self) -> None:
        """Close every client; those of loops that run in other threads are closed there."""
        with self._lock:
            pairs = dict(self._open)
            self._open.clear()
        here = asyncio.get_running_loop()
        for loop, (_, keeper) in pairs.items():
            if loop is here:
                await keeper.aclose()
            elif loop.is_running():
                elsewhere = asyncio.run_coroutine_threadsafe(_finish(keeper), loop)
                await asyncio.wait([asyncio.wrap_future(elsewhere)], timeout=_PATIENCE)


def _close_all(open_: _Open) -> None:
    for loop, (_, keeper) in open_.items():
        with suppress(RuntimeError):  # the loop is closed, and its clients with it
            loop.call_soon_threadsafe(_begin_finish, loop, keeper)


def _begin_finish(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None]) -> None:
    loop.create_task(_finish(keeper))  # the connections that it closes hold it


async def _finish(keeper: AsyncGenerator[None]) -> None:
    await keeper.aclose()


async def _closing(client: Channel) -> AsyncGenerator[None]:
    # An open async generator is the one thing that a loop finishes when it ends (shutdown_asyncgens), so a client
    # whose labeler was never closed leaves no open connections behind.
    try:
        yield
    finally:
        await client.close()


def need_openai() -> None:
    """Load the openai package, which takes a second that no event loop should wait, or say how to install it.

    Raises:
        ImportError: It is missing, or its extra ``aiohttp`` is.
    """
    try:
        import aiohttp  # noqa: F401
        import httpcore2  # noqa: F401  # the SDK loads it with its first client
        import openai  # noqa: F401
    except ImportError as error:
        raise ImportError('the openai package is missing: pip install "openai[aiohttp]"') from error


def check_client(client: object) -> Any:
    """Return an injected client; ``ConfigurationError`` if it is not an asynchronous one of the openai package."""
    from openai import AsyncOpenAI

    if client is not None and not isinstance(client, AsyncOpenAI):
        raise ConfigurationError(f"client: expected an openai.AsyncOpenAI, found {type(client).__name__}")
    return client


def open_client(
    *,
    base_url: str,
    key: Key,
    token: Callable[[], Awaitable[str]] | None = None,
    timeout: float,
    max_connections: int,
    **options: Any,
) -> Channel:
    """Return a client for an OpenAI-compatible address; proxy and CA variables of the environment hold."""
    from openai import AsyncOpenAI

    http = _transport(base_url, timeout, max_connections)
    client = AsyncOpenAI(
        base_url=base_url,
        api_key=token or key.reveal(),
        http_client=http,
        max_retries=0,
        timeout=_timeouts(timeout),
        **options,
    )
    return Channel(client, None if token else http)


def open_azure_client(
    *,
    resource: str,
    api_version: str,
    key: Key,
    token: Callable[[], Awaitable[str]] | None,
    timeout: float,
    max_connections: int,
) -> Channel:
    """Return a client for the dated form of Azure OpenAI (``/openai/deployments/…?api-version=…``)."""
    from openai import AsyncAzureOpenAI

    http = _transport(resource, timeout, max_connections)
    client = AsyncAzureOpenAI(
        azure_endpoint=resource,
        api_version=api_version,
        api_key=None if token else key.reveal(),
        azure_ad_token_provider=token,
        http_client=http,
        max_retries=0,
        timeout=_timeouts(timeout),
    )
    return Channel(client, None if token else http)


def _transport(address: str, timeout: float, max_connections: int) -> Any:
    import httpx2
    from openai import DefaultAioHttpClient

    # Loading the certificate authorities takes 60 ms of the event loop; a plain server on this machine needs none.
    local = address.startswith("http://") and is_loopback(address) and not getproxies()
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if local else True

    # Redirects would carry the key and the documents to an address nobody configured.
    return DefaultAioHttpClient(
        limits=httpx2.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
        timeout=_timeouts(timeout),
        follow_redirects=False,
        verify=verify,
    )


def _timeouts(seconds: float) -> Any:
    import httpx2

    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT))
