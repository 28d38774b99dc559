"""How long a push to Kili takes, how many requests it sends, and how much memory it uses.

A local server and the real SDK: ``PYTHONPATH=. python benchmarks/kili_push/run.py --documents 20000``. The SDK
paces itself at 500 requests a minute; ``--unpaced`` lifts that, to see our own share of the time. Each
push is a process of its own; memory is its peak over what it held when the SDK was loaded (Linux).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import time
from collections import Counter
from pathlib import Path

from llmlabel.exporters.kili import KiliExporter
from llmlabel.exporters.kili_create import create_kili_project
from llmlabel.schema import LabelSchema
from llmlabel.types import Document, Entity, Prediction
from tests.servers.kili_stub import KiliStub

SCHEMA = LabelSchema(entities=("Person", "Place"))
NASTY = (".", "/", "https://t.co Ann", "😀😀 Ann", "one\r\nAnn\r", "x" * 100_000 + " Ann", "data", "Ann \u2028 é")


def documents(count, changed=()):
    """Mixed texts; every hundredth is one on which uploads go wrong."""
    for number in range(count):
        text = NASTY[number // 100 % len(NASTY)] if number % 100 == 0 else f"Number {number}: " + "Ann met Bob. " * 20
        start = text.find("Ann")
        label = "Place" if number in changed else "Person"
        entities = (Entity(start=start, end=start + 3, label=label, text="Ann"),) if start >= 0 else ()
        yield Prediction(document=Document(id=f"d{number}", text=text), entities=entities, outcome="labeled")


def push(endpoint, key, project, count, changed, unpaced, answer):
    """Push in a process of its own and send back what it took."""
    if unpaced:
        from kili.core.graphql import graphql_client
        from pyrate_limiter import Duration, Rate
        from pyrate_limiter.limiter import Limiter

        graphql_client._limiter = Limiter(Rate(10_000_000, Duration.MINUTE))
    exporter = KiliExporter(project, schema=SCHEMA, api_key=key, api_endpoint=endpoint, model_name="m", progress=False)
    exporter._client.project(project)  # the SDK is loaded: its memory is not ours
    before, began, used = peak_kilobytes(), time.monotonic(), time.process_time()
    report = exporter.export(documents(count, changed))
    took = time.monotonic() - began, time.process_time() - used
    answer.send((*took, (peak_kilobytes() - before) / 1024, report.totals))


def peak_kilobytes():
    """Return the most memory this process has held; ru_maxrss would count that of the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def main():
    """Push, push again, push with one label changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--unpaced", action="store_true")
    parser.add_argument("--first-only", action="store_true")
    asked = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with KiliStub() as stub:
        project = create_kili_project("t", schema=SCHEMA, api_key=stub.api_key, api_endpoint=stub.endpoint)
        pushes = (("first", ()), ("again", ()), ("one label changed", (7,)))
        for name, changed in pushes[:1] if asked.first_only else pushes:
            seen = len(stub.state.journal)
            ours, theirs = spawn.Pipe()
            access = (stub.endpoint, stub.api_key, project, asked.documents, changed, asked.unpaced, theirs)
            process = spawn.Process(target=push, args=access)
            process.start()
            seconds, cpu, megabytes, totals = ours.recv()
            process.join()
            new = stub.state.journal[seen:]
            kinds = Counter(entry.get("operation", entry["kind"]) for entry in new)
            graphql = sum("operation" in entry for entry in new)
            requests = f"{len(new)} requests ({graphql} GraphQL)"
            print(f"{name}: {seconds:.0f} s ({cpu:.0f} s CPU), {requests}, peak memory +{megabytes:.0f} MB")
            print("   ", json.dumps(totals), json.dumps(kinds))
        texts = {asset["externalId"]: stub.state.text_of(asset) for asset in stub.state.assets.values()}
        labels = Counter(label["assetId"] for label in stub.state.labels.values())
        wrong = sum(texts.get(one.document.id) != one.document.text for one in documents(asked.documents))
        doubled = sum(number > 1 for number in labels.values())
        print(f"assets {len(stub.state.assets)}, wrong texts {wrong}, labels {len(labels)}, doubled {doubled}")


if __name__ == "__main__":
    main()
