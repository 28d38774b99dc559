"""Azurite, Microsoft's emulator of Azure Storage, in a process of its own; needs node and ``npm``.

``LLMLABEL_AZURITE`` names a folder with an installed ``azurite``; without it one is installed where tests keep theirs.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.servers.certificate import Certificate

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
    """``with Azurite() as azurite:`` runs an empty blob service on a free port of this machine.

    Args:
        certificate: Serve over https with it, and take Entra ID tokens (``token``) too.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.certificate = certificate

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
        if self.certificate is not None:
            paths = ("--cert", str(self.certificate.authority), "--key", str(self.certificate.key))
            command += ["--oauth", "basic", *paths]
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
        return account_url(self.port, "http" if self.certificate is None else "https")

    @property
    def connection_string(self) -> str:
        """What a client needs, key included."""
        return connection_string(self.account_url)


def account_url(port: int, scheme: str = "http") -> str:
    """Return the address of the emulator's account at a port of this machine."""
    return f"{scheme}://127.0.0.1:{port}/{ACCOUNT}"


def connection_string(url: str) -> str:
    """Return a connection string of the emulator's account at an address."""
    protocol = url.split(":", maxsplit=1)[0]
    return f"DefaultEndpointsProtocol={protocol};AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};BlobEndpoint={url};"


def token(audience: str = "https://storage.azure.com", seconds: int = 3600) -> str:
    """Return a token as Entra ID makes them; the emulator looks at audience, issuer and times, not at the signature."""
    now = int(time.time())
    claims = {"aud": audience, "iss": "https://sts.windows.net/tenant/", "iat": now - 60, "nbf": now - 60}
    parts = ({"alg": "none", "typ": "JWT"}, {**claims, "exp": now + seconds})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "signature"])
