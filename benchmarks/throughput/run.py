"""Measures the run engine against a service on loopback and prints one table: goal, figure, met.

    python benchmarks/throughput/run.py [ROW …] [--quick] [--list]

Each row starts a fresh server process (on the last core, where the system allows pinning) and one process per client
(on the first core). ``sdk``, the yardstick, runs in the same row, so that ratios hold on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rows import ROWS, Row, Verdict, flat

HERE = Path(__file__).resolve().parent


def pinned(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


@contextmanager
def service(settings: Mapping[str, float]) -> Iterator[str]:
    """Run the server and give its address."""
    words = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    command = [*pinned((os.cpu_count() or 1) - 1), sys.executable, HERE / "server.py", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()


def one(row: Row, client: str, documents: int) -> dict:
    """Run one client against a fresh server."""
    with service(row.settings) as base:
        for seconds, settings in row.phases:
            body = json.dumps({"after": seconds, **settings}).encode()
            urllib.request.urlopen(urllib.request.Request(f"{base}/config", body)).close()
        script = "kills.py" if client == "killed" else "clients.py"
        words = [client, f"{base}/v1", "--documents", str(documents), "--width", str(row.width)]
        command = [*pinned(0), sys.executable, HERE / script, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{row.name}, {client}:\n{done.stderr}")
        with urllib.request.urlopen(f"{base}/stats") as reply:
            return {**json.loads(done.stdout.splitlines()[-1]), "server": json.load(reply)}


def measure(row: Row, documents: int) -> dict[str, dict]:
    """Run all clients of a row in turn; of repeats the least CPU and the least wall time count."""
    seen: dict[str, dict] = {}
    for _ in range(row.repeats):
        for client in row.clients:
            new, old = one(row, client, documents), seen.get(client)
            if old is not None:
                new |= {name: min(new[name], old[name]) for name in ("wall", "cpu_per_1000")}
            seen[client] = new
    return seen


def show(title: str, seen: Mapping[str, dict], verdicts: list[Verdict]) -> None:
    """Print what a row gave."""
    print(f"\n{title}")
    for client, r in seen.items():
        refused = r["server"]["status"].get("429", 0)
        print(
            f"  {client:9} {r['right']:>6} of {r['documents']:>6} right, {r['wall']:8.2f} s, "
            f"{r['cpu_per_1000']:6.3f} CPU s / 1,000, {r['server']['requests']:>6} requests, {refused} refused"
        )
    for v in verdicts:
        sign = ">=" if v.at_least else "<="
        print(f"  {'met   ' if v.met else 'MISSED'} {v.measure}: {v.figure:.2f} (goal {sign} {v.goal:g})", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="names of rows; all by default")
    parser.add_argument("--quick", action="store_true", help="a fifth of the memory row")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    given = parser.parse_args()
    if unknown := set(given.rows) - {row.name for row in ROWS}:
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ROWS)}")
    if given.list:
        print("\n".join(f"{row.name:9} {row.title}" for row in ROWS))
        return 0
    seen: dict[str, dict[str, dict]] = {}
    table: list[tuple[str, Verdict]] = []
    for row in ROWS:
        if given.rows and row.name not in given.rows:
            continue
        documents = row.documents // 5 if given.quick and row.documents > 50_000 else row.documents
        seen[row.name] = measure(row, documents)
        verdicts = row.judge(seen[row.name])
        show(row.title, seen[row.name], verdicts)
        table += [(row.title, verdict) for verdict in verdicts]
    table += [("CPU by requests in flight", verdict) for verdict in flat(seen)]
    print("\n| run | measure | goal | figure | met |\n|---|---|---|---|---|")
    for title, v in table:
        goal = f"{'>=' if v.at_least else '<='} {v.goal:g}"
        print(f"| {title} | {v.measure} | {goal} | {v.figure:.2f} | {'yes' if v.met else 'NO'} |")
    return 1 if any(not verdict.met for _, verdict in table) else 0


if __name__ == "__main__":
    sys.exit(main())
