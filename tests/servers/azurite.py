"""Azurite, Microsoft's emulator of Azure Storage, in a process of its own; needs node and ``npm``.

``LLMLABEL_AZURITE`` names a folder with an installed ``azurite``; without it one is installed where tests keep theirs.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

VERSION = "3.35.0"
ACCOUNT = "devstoreaccount1"
# The emulator's well-known key, in its documentation.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def missing() -> str | None:
    """Return why Azurite cannot run here, or None."""
    if not shutil.which("node"):
        return "needs node for Azurite"
    if not installed(_home()) and not shutil.which("npm"):
        return "needs npm to install Azurite"
    return None


def installed(folder: Path) -> bool:
    """Return whether Azurite lies in a folder."""
    return _entry(folder).is_file()


def _home() -> Path:
    return Path(os.environ.get("LLMLABEL_AZURITE") or Path.home() / ".cache" / "llmlabel-tests" / f"azurite-{VERSION}")


def _entry(folder: Path) -> Path:
    return folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


class Azurite:
    """``with Azurite() as azurite:`` runs an empty blob service on a free port of this machine."""

    def __enter__(self) -> Self:
        home = _home()
        if not installed(home):
            home.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(home), f"azurite@{VERSION}"]
            subprocess.run(command, check=True, capture_output=True, timeout=600)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        flags = ("--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck")
        command = ["node", str(_entry(home)), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), *flags]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.05)  # waits for another program, not for a fixed time
            else:
                return

    @property
    def account_url(self) -> str:
        """Address of the account."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What a client needs, key included."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.account_url};"
        )
