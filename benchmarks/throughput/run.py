"""Measures the run engine against a service on loopback and prints one table.

    python benchmarks/throughput/run.py [--only NAME …] [--quick]

Each row starts a fresh server process (on the last core, where the system allows pinning) and one process per client
(on the first core). ``sdk`` runs in the same row, so that ratios hold on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Row:
    """One measurement: server settings, clients, and the judgement as (what was reached, what must be, holds)."""

    name: str
    settings: dict[str, float]
    documents: int
    width: int
    clients: tuple[str, ...]
    judge: Callable[[dict[str, dict]], list[tuple[str, str, bool]]]


def pinned(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def one(row: Row, client: str, documents: int) -> dict:
    settings = [part for name, value in row.settings.items() for part in ("--set", f"{name}={value}")]
    last = (os.cpu_count() or 1) - 1
    server = subprocess.Popen(
        [*pinned(last), sys.executable, HERE / "server.py", *settings], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(server.stdout.readline())
        base = f"http://127.0.0.1:{port}"
        arguments = [client, f"{base}/v1", "--documents", str(documents), "--width", str(row.width)]
        done = subprocess.run(
            [*pinned(0), sys.executable, HERE / "clients.py", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{row.name}, {client}:\n{done.stderr}")
        with urllib.request.urlopen(f"{base}/stats") as reply:
            ledger = json.load(reply)
        return {**json.loads(done.stdout.splitlines()[-1]), "server": ledger}
    finally:
        server.kill()
        server.wait()


def within(reached: float, most: float, what: str) -> tuple[str, str, bool]:
    return f"{what} {reached:.2f}", f"<= {most:g}", reached <= most


def long_latency(seen: dict[str, dict]) -> list[tuple[str, str, bool]]:
    limit = seen["llmlabel"]["documents"] * 2.0 / 256
    return [
        within(seen["llmlabel"]["wall"] / limit, 1.25, "wall / limit"),
        within(seen["llmlabel"]["wall"] / seen["sdk"]["wall"], 1.0, "wall / sdk"),
    ]


def short_latency(seen: dict[str, dict]) -> list[tuple[str, str, bool]]:
    sdk = seen["sdk"]
    return [
        within(seen["llmlabel"]["wall"] / sdk["wall"], 1.0, "wall / sdk"),
        within(seen["llmlabel"]["cpu_per_1000"] / sdk["cpu_per_1000"], 1.1, "CPU / sdk, whole pipeline"),
        within(seen["engine"]["cpu_per_1000"] / sdk["cpu_per_1000"], 0.6, "CPU / sdk, engine alone"),
    ]


def rate_limited(seen: dict[str, dict]) -> list[tuple[str, str, bool]]:
    mine = seen["llmlabel"]
    floor = (mine["documents"] - 50) / 50
    refused = mine["server"]["status"].get("429", 0)
    return [
        within(mine["documents"] - mine["right"], 0, "documents lost"),
        within(refused, 30, "requests refused"),
        within(mine["wall"] / (floor + 0.2), 1.15, "wall / floor"),
    ]


def faults(seen: dict[str, dict]) -> list[tuple[str, str, bool]]:
    mine = seen["llmlabel"]
    return [
        within(mine["documents"] - mine["right"], 0, "documents lost"),
        within(mine["server"]["paid"] / mine["documents"], 1.03, "paid answers / document"),
    ]


def flat(seen: dict[str, dict]) -> list[tuple[str, str, bool]]:
    peaks = seen["llmlabel"]["peak_mb"]
    last = max(peaks, key=int)
    return [within(peaks[last] / peaks.get("5000", peaks[last]), 1.2, f"peak MB at {last} / at 5000")]


ROWS = (
    Row("2,560 sentences, 2 s, 256 in flight", {"latency": 2.0}, 2560, 256, ("sdk", "llmlabel"), long_latency),
    Row("2,000 sentences, 0.5 s, 256", {"latency": 0.5}, 2000, 256, ("sdk", "engine", "llmlabel"), short_latency),
    Row("2,000 sentences, 0.5 s, 64", {"latency": 0.5}, 2000, 64, ("sdk", "engine", "llmlabel"), short_latency),
    Row("2,000 sentences, 0.5 s, 1,024", {"latency": 0.5}, 2000, 1024, ("sdk", "engine", "llmlabel"), short_latency),
    Row(
        "3,000 requests a minute, 500 sentences, 128",
        {"latency": 0.1, "requests_per_minute": 3000},
        500,
        128,
        ("sdk", "llmlabel"),
        rate_limited,
    ),
    Row(
        "10 % 500, 5 % 429, 2 % reset, 2 % truncated",
        {"latency": 0.1, "failed": 0.10, "refused": 0.05, "reset": 0.02, "truncated": 0.02},
        600,
        128,
        ("sdk", "llmlabel"),
        faults,
    ),
    Row("memory, 100,000 sentences through stream", {}, 100_000, 64, ("llmlabel",), flat),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="rows whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="a tenth of the memory row")
    given = parser.parse_args()
    rows = [row for row in ROWS if not given.only or any(word in row.name for word in given.only)]
    missed = 0
    print("| run | client | right | wall s | CPU s / 1,000 | requests | 429 |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        documents = row.documents // 10 if given.quick and row.documents > 50_000 else row.documents
        seen = {client: one(row, client, documents) for client in row.clients}
        for client, r in seen.items():
            status = r["server"]["status"]
            print(
                f"| {row.name} | {client} | {r['right']}/{documents} | {r['wall']} | {r['cpu_per_1000']} | "
                f"{r['server']['requests']} | {status.get('429', 0)} |",
                flush=True,
            )
        for reached, bound, holds in row.judge(seen):
            missed += not holds
            print(f"| | | | | | {reached} | {bound} {'' if holds else 'MISSED'} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
