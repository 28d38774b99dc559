"""The ``kili`` package, imported when first needed and kept from changing the program it runs in."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from llmlabel.errors import AuthenticationError, ConfigurationError, TransportError

DEFAULT_ENDPOINT = "https://cloud.kili-technology.com/api/label/v2/graphql"
OLDEST, NEWEST = (26, 2, 4), (27,)
SLOW = 10.0
_IGNORED = ("ignore", None, Warning, re.compile(r"(kili|llmlabel\.platforms\.kili)\b"), 0)
_SIGNED = re.compile(r"(?i)\b(sig|signature|x-[a-z]+-signature)=[^&\s\"']+")
_INSTALL = 'install it with: pip install "llmlabel[kili]"'


def require_sdk() -> str:
    """Return the version of the installed ``kili`` package.

    Raises:
        ImportError: It is missing, or not of the versions this library was tested with.
    """
    try:
        found = version("kili")
    except PackageNotFoundError:
        raise ImportError(f"the Kili exporter needs the package kili; {_INSTALL}") from None
    check_version(found)
    return found


def check_version(found: str) -> None:
    """Raise ``ImportError`` unless a version of kili is at least 26.2.4 and below 27."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
    if not OLDEST <= numbers < NEWEST:
        # Other packages' pins make pip choose versions of kili that are years old, without a word.
        raise ImportError(f"kili {found} is installed, expected 26.2.4 or newer, below 27; {_INSTALL}")


def read_key(api_key: str | SecretStr | None) -> SecretStr:
    """Return the given key, or the one in ``KILI_API_KEY``; nobody is asked for one.

    Raises:
        ConfigurationError: There is none.
    """
    given = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    key = (given if given is not None else os.environ.get("KILI_API_KEY", "")).strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigurationError("no key for Kili: give api_key=, or set the environment variable KILI_API_KEY")
    return SecretStr(key)


def check_endpoint(api_endpoint: str | None) -> str:
    """Return the endpoint to use; the environment and ``kili-sdk-config.json`` have no say in it.

    Raises:
        ConfigurationError: It is no URL, or would send the key unencrypted to another machine.
    """
    endpoint = api_endpoint or DEFAULT_ENDPOINT
    parts = urlsplit(endpoint)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ConfigurationError("api_endpoint: expected https://HOST/api/label/v2/graphql")
    return endpoint


def connect(api_key: SecretStr, api_endpoint: str, *, verify: bool | str = True) -> Any:
    """Return a connected ``kili.client.Kili`` with a schema cache of its own, removed with it.

    Raises:
        ImportError: The package is missing or of another version.
        AuthenticationError: The key is not accepted.
        TransportError: The endpoint cannot be reached.
    """
    require_sdk()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kili.client import Kili
        from kili.exceptions import AuthenticationFailed
        from requests import RequestException

    cache = tempfile.mkdtemp(prefix="llmlabel-kili-")
    host = urlsplit(api_endpoint).hostname
    try:
        with quiet():
            client = Kili(
                api_key=api_key.get_secret_value(),
                api_endpoint=api_endpoint,
                verify=verify,
                graphql_client_params={"graphql_schema_cache_dir": cache},
                disable_tqdm=True,
                disable_request_compression=False,
            )
    except BaseException as error:
        shutil.rmtree(cache, ignore_errors=True)
        if isinstance(error, AuthenticationFailed):
            # The SDK's message shows the end of the key.
            raise AuthenticationError(f"Kili at {host} does not accept the API key", fatal=True) from None
        if isinstance(error, RequestException):
            raise TransportError(f"Kili at {host} cannot be reached ({type(error).__name__})") from None
        raise
    weakref.finalize(client, shutil.rmtree, cache, ignore_errors=True)
    return client


class _HideSignatures(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        told = record.getMessage()
        if _SIGNED.search(told):
            record.msg, record.args = _SIGNED.sub(r"\1=[hidden]", told), ()
        return True


@contextmanager
def unsigned_logs() -> Iterator[None]:
    """Hide the signatures of addresses that the HTTP libraries log whole: texts can be had and replaced by them."""
    loggers, hide = [logging.getLogger(name) for name in ("urllib3.connectionpool", "httpx")], _HideSignatures()
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the SDK's warnings to itself, and its ``logging.basicConfig`` off the root logger."""
    root = logging.getLogger()
    stand_in = logging.lastResort if not root.handlers else None  # what prints anyway where nothing is set up
    if stand_in:
        root.addHandler(stand_in)
    # Not catch_warnings: a call takes seconds, and putting back the filters of its beginning would undo what another
    # thread, such as the host's own, has done to them since.
    filters: Any = warnings.filters
    filters.insert(0, _IGNORED)
    try:
        with unsigned_logs():
            yield
    finally:
        current: Any = warnings.filters
        for place in (filters,) if current is filters else (filters, current):
            with suppress(ValueError):
                place.remove(_IGNORED)
        if stand_in:
            root.removeHandler(stand_in)


def watched(what: str, tell: Callable[[str], None] | None, after: float = SLOW) -> Any:
    """Return a context that tells, every ``after`` seconds, that a call still waits.

    The SDK sleeps without a word when more than 500 requests were sent in a minute, and while it tries again.
    """
    return nullcontext() if tell is None else _watching(what, tell, after)


@contextmanager
def _watching(what: str, tell: Callable[[str], None], after: float) -> Iterator[None]:
    done, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not done.wait(after):
            waited = time.monotonic() - began
            tell(f"{what}: waiting for Kili for {waited:.0f} s (it is slow, or paces us: 500 requests a minute)")

    watcher = threading.Thread(target=watch, name="llmlabel-kili-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
