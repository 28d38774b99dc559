"""``kill -9`` at 20 seeded moments of a run, then a last life to the end, against the server's ledger.

Prints one line of JSON. A life is this script with ``--life``: it streams all documents through a pipeline with a
journal and notes, past the library, what ``complete`` has returned and what ``stream`` has yielded. ``complete`` counts
as returned when the step of the event loop in which it returned is over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from clients import labeler
from corpus import REFERENCE, entities, sentence

KILLS = 20
SEED = 20


def life(base: str, count: int, width: int, folder: Path) -> None:
    """Label all documents, noting what comes back; the parent ends this process when it likes."""
    from llmlabel import Document, Limits, OpenAILabeler, Pipeline

    notes = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(kind: str, number: int) -> None:
        os.write(notes, f"{kind} {number}\n".encode())

    class Noting(OpenAILabeler):
        async def complete(self, prompt):
            completion = await super().complete(prompt)
            number = int(REFERENCE.search(prompt.messages[-1].content)[0][2:])
            asyncio.get_running_loop().call_soon(note, "returned", number)
            return completion

    known = labeler(base)
    noting = Noting(known.schema, model="mock", api_key="sk-none", base_url=base)
    documents = (Document(id=str(number), text=sentence(number)) for number in range(count))
    right = 0
    with Pipeline(noting, limits=Limits(max_concurrency=width), journal=folder / "journal.sqlite") as pipeline:
        for prediction in pipeline.stream(documents):
            note("yielded", int(prediction.document.id))
            found = [(entity.text, entity.label) for entity in prediction.entities]
            right += found == entities(prediction.document.text)
    note("right", right)


def attempts(base: str) -> dict[str, int]:
    """What the server was asked so far, by sentence."""
    with urllib.request.urlopen(base.removesuffix("/v1") + "/ledger") as reply:
        return json.load(reply)["attempts"]


def noted(folder: Path) -> dict[str, set[int]]:
    """What the lives so far have seen."""
    seen: dict[str, set[int]] = {"returned": set(), "yielded": set(), "right": set()}
    path = folder / "notes"
    for line in path.read_text().splitlines() if path.exists() else ():
        kind, number = line.split()
        seen[kind].add(int(number))
    return seen


def live(words: list[str], seconds: float | None, folder: Path) -> None:
    """Start one life; kill it so long after its first sign of work, or let it end."""
    notes = folder / "notes"
    notes.touch()
    begun = notes.stat().st_size
    child = subprocess.Popen(words)
    if seconds is None:
        if child.wait():
            raise SystemExit("the last life failed")
        return
    while child.poll() is None and notes.stat().st_size == begun:
        time.sleep(0.005)
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("client")
    parser.add_argument("base")
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--life", type=Path)
    given = parser.parse_args()
    if given.life is not None:
        life(given.base, given.documents, given.width, given.life)
        return
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(ordeal(given, Path(name))))


def ordeal(given: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Kill and resume, and return what was paid again."""
    from llmlabel.engine.runs import list_runs

    draw = random.Random(SEED)
    moments: list[float | None] = [draw.uniform(0.05, 1.2) for _ in range(KILLS)]
    sizes = ["--documents", str(given.documents), "--width", str(given.width)]
    words = [sys.executable, __file__, "killed", given.base, *sizes, "--life", str(folder)]
    began, before = time.perf_counter(), dict[str, int]()
    again, of_bound, bad_returned, bad_yielded, bound = [0], [0.0], 0, 0, 0
    for seconds in [*moments, None]:
        known = noted(folder)
        live(words, seconds, folder)
        now = attempts(given.base)
        asked = {int(key[2:]) for key, times in now.items() if times > before.get(key, 0)}
        repeated = sum(times - max(before.get(key, 0), 1) for key, times in now.items() if times > before.get(key, 0))
        bad_returned += len(asked & known["returned"])
        bad_yielded += len(asked & known["yielded"])
        again.append(repeated)
        of_bound.append(repeated / bound if bound else float(repeated > 0))
        before, bound = now, sum(run.unanswered for run in list_runs(folder / "journal.sqlite"))
    [right] = noted(folder)["right"]
    return {
        "client": "killed",
        "documents": given.documents,
        "right": right,
        "wall": round(time.perf_counter() - began, 3),
        "cpu_per_1000": 0.0,
        "width": given.width,
        "returned_again": bad_returned,
        "yielded_again": bad_yielded,
        "most_again": max(again),
        "most_of_bound": max(of_bound),
    }


if __name__ == "__main__":
    main()
