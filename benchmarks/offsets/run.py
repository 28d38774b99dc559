"""Prints how right and how fast span resolvers are, all in one run::

    python benchmarks/offsets/run.py --data ../shared/data/offsets

``langextract`` is compared if it is installed. Times are of one process; compare the ratios, not the milliseconds.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from adapters import FACTORIES, Resolve
from scoring import Table, accuracy, load, new_table, score, speed_case, summary

SIZES = [(1_000, 10), (10_000, 100), (100_000, 500), (1_000_000, 5_000)]
SLOWEST = {"langextract": 10_000}
GOALS = {"macro": "≥ 98", "real_f1": "≥ 97.5", "changed": "≥ 97", "false": "≤ 0.5"}
TITLES = {
    "macro": "macro accuracy",
    "real_f1": "real answers F1",
    "changed": "changed found",
    "false": "invented placed",
}


def main() -> None:
    """Run what the command line asks for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the three .jsonl.xz files")
    parser.add_argument("--only", nargs="*", default=list(FACTORIES), choices=list(FACTORIES))
    parser.add_argument("--budget", type=float, default=120, help="seconds for the records of one resolver")
    parser.add_argument("--classes", action="store_true", help="print every class too")
    options = parser.parse_args()
    resolvers = installed(options.only)
    correctness(options, resolvers)
    speed(options, resolvers)


def installed(names: list[str]) -> dict[str, Resolve]:
    """Return the resolvers whose packages are there; say which are not."""
    found = {}
    for name in names:
        try:
            found[name] = FACTORIES[name]()
        except ImportError as error:
            print(f"{name}: left out, {error.name} is not installed", file=sys.stderr)
    return found


def correctness(options: argparse.Namespace, resolvers: dict[str, Resolve]) -> None:
    """Print the measures of every resolver over all records."""
    tables: dict[str, Table] = {}
    print("| resolver | " + " | ".join(f"{title} %" for title in TITLES.values()) + " | records | µs per mention |")
    print("|" + "---|" * (len(TITLES) + 3))
    print("| *goal* | " + " | ".join(GOALS.values()) + " | | |")
    for name, resolve in resolvers.items():
        table, shares, done, began = new_table(), [], 0, time.monotonic()
        records = [r for file in ("gold_corrupted", "llm_real") for r in load(options.data / f"{file}.jsonl.xz")]
        # Long documents last, so that a resolver that runs out of time has met all classes.
        for record in sorted(records, key=lambda record: len(record["text"])):
            if time.monotonic() - began > options.budget:
                break
            started = time.perf_counter()
            found = resolve(record["text"], record["mentions"])
            shares.append((time.perf_counter() - started) / max(1, len(found)))
            score(record, found, table)
            done += 1
        tables[name] = table
        measures = " | ".join(f"{100 * value:.1f}" for value in summary(table).values())
        print(f"| {name} | {measures} | {done}/{len(records)} | {1e6 * statistics.median(shares):.0f} |", flush=True)
    if options.classes:
        print("\n| class | n | " + " | ".join(tables) + " |\n|" + "---|" * (len(tables) + 2))
        for kind in sorted(next(iter(tables.values()))):
            cells = [f"{100 * accuracy(table[kind]):.0f}" if table[kind] else "-" for table in tables.values()]
            print(f"| {kind} | {max(t[kind]['n'] for t in tables.values())} | " + " | ".join(cells) + " |")


def best_of(call: Callable[[], object], times: int = 5, limit: float = 20.0) -> float:
    """Return the shortest of several runs, in milliseconds; fewer runs of what takes long."""
    taken: list[float] = []
    while len(taken) < times and sum(taken) < limit:
        gc.collect()
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return 1000 * min(taken)


def bare_pass(text: str, mentions: list[list[str]]) -> object:
    """Build one automaton over the mentions and search the text with it once: what any solution has to pay."""
    from ahocorasick_rs import AhoCorasick

    strings = list(dict.fromkeys(surface for _, surface in mentions))
    return AhoCorasick(strings).find_matches_as_indexes(text, overlapping=True)


def speed(options: argparse.Namespace, resolvers: dict[str, Resolve]) -> None:
    """Print milliseconds for each size, beside one bare pass, and the memory at the largest."""
    corpus = list(load(options.data / "speed_litbank.jsonl.xz"))
    for mixed in (False, True):
        print(f"\nms per document, {'mixed' if mixed else 'verbatim'} mentions\n")
        print("| characters x mentions | bare pass | " + " | ".join(resolvers) + " | llmlabel : bare |")
        print("|" + "---|" * (len(resolvers) + 3))
        for size, count in SIZES:
            text, mentions = speed_case(corpus, size, count, mixed=mixed)
            bare = best_of(lambda text=text, mentions=mentions: bare_pass(text, mentions))
            taken = {
                name: best_of(lambda resolve=resolve, text=text, mentions=mentions: resolve(text, mentions))
                for name, resolve in resolvers.items()
                if size <= SLOWEST.get(name, size)
            }
            cells = " | ".join(f"{taken[name]:.2f}" if name in taken else "-" for name in resolvers)
            ratio = f"{taken['llmlabel'] / bare:.1f}" if "llmlabel" in taken else "-"
            print(f"| {size:,} x {count:,} | {bare:.2f} | {cells} | {ratio} |", flush=True)
    if "llmlabel" in resolvers:
        text, mentions = speed_case(corpus, *SIZES[-1], mixed=True)
        tracemalloc.start()
        resolvers["llmlabel"](text, mentions)
        peak = tracemalloc.get_traced_memory()[1] / len(text)
        tracemalloc.stop()
        whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\nllmlabel, 1M characters: peak {peak:.1f} bytes per character (goal ≤ 40); process {whole:.0f} MiB")


if __name__ == "__main__":
    main()
