"""Prints how right and how fast span resolvers are, all in one run, and what of the goals is met::

    python benchmarks/offsets/run.py --data ../shared/data/offsets

``langextract`` is compared if it is installed. Times are CPU time of one process, the resolvers taking turns; compare
the ratios, not the milliseconds.
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
TITLES = {
    "macro": "macro accuracy",
    "real_f1": "real answers F1",
    "changed": "changed found",
    "false": "invented placed",
}
# The measure, its goal (at least, or at most), and how it is named.
GOALS: list[tuple[str, str, float, str]] = [
    ("macro", "≥", 98, "macro accuracy over the corruption classes, %"),
    ("real_f1", "≥", 97.5, "real answers, exact F1, % (goal for one memoir; 99.2 for all)"),
    ("changed", "≥", 97, "real changed or wrapped mentions found, %"),
    ("false", "≤", 0.5, "invented mentions placed, %"),
    ("langextract", "≥", 50, "10k characters x 100 mixed mentions: times faster than langextract"),
    ("verbatim", "≤", 5, "1M x 5,000 verbatim mentions: times one bare pass"),
    ("mixed", "≤", 25, "1M x 5,000 mixed mentions: times one bare pass"),
    ("growth", "≤", 12, "1M x 5,000 mixed: times 100k x 500"),
    ("memory", "≤", 40, "peak memory at 1M characters, bytes per character"),
]
Figures = dict[str, float]


def main() -> None:
    """Run what the command line asks for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the three .jsonl.xz files")
    parser.add_argument("--only", nargs="*", default=list(FACTORIES), choices=list(FACTORIES))
    parser.add_argument("--budget", type=float, default=120, help="seconds for the records of one resolver")
    parser.add_argument("--classes", action="store_true", help="print every class too")
    options = parser.parse_args()
    resolvers = installed(options.only)
    figures = correctness(options, resolvers) | speed(options, resolvers)
    if "llmlabel" in resolvers:
        verdict(figures)


def installed(names: list[str]) -> dict[str, Resolve]:
    """Return the resolvers whose packages are there; say which are not."""
    found = {}
    for name in names:
        try:
            found[name] = FACTORIES[name]()
        except ImportError as error:
            print(f"{name}: left out, {error.name} is not installed", file=sys.stderr)
    return found


def correctness(options: argparse.Namespace, resolvers: dict[str, Resolve]) -> Figures:
    """Print the measures of every resolver over all records; return those of ``llmlabel``."""
    tables: dict[str, Table] = {}
    figures: Figures = {}
    print("| resolver | " + " | ".join(f"{title} %" for title in TITLES.values()) + " | records | µs per mention |")
    print("|" + "---|" * (len(TITLES) + 3))
    for name, resolve in resolvers.items():
        table, shares, done, began = new_table(), [], 0, time.monotonic()
        records = [r for file in ("gold_corrupted", "llm_real") for r in load(options.data / f"{file}.jsonl.xz")]
        # Long documents last, so that a resolver that runs out of time has met all classes.
        for record in sorted(records, key=lambda record: len(record["text"])):
            if time.monotonic() - began > options.budget:
                break
            started = time.process_time()
            found = resolve(record["text"], record["mentions"])
            shares.append((time.process_time() - started) / max(1, len(found)))
            score(record, found, table)
            done += 1
        tables[name] = table
        measures = {measure: 100 * value for measure, value in summary(table).items()}
        if name == "llmlabel":
            figures = measures
        cells = " | ".join(f"{value:.1f}" for value in measures.values())
        print(f"| {name} | {cells} | {done}/{len(records)} | {1e6 * statistics.median(shares):.0f} |", flush=True)
    if options.classes:
        print("\n| class | n | " + " | ".join(tables) + " |\n|" + "---|" * (len(tables) + 2))
        for kind in sorted(next(iter(tables.values()))):
            cells = " | ".join(f"{100 * accuracy(t[kind]):.0f}" if t[kind] else "-" for t in tables.values())
            print(f"| {kind} | {max(t[kind]['n'] for t in tables.values())} | {cells} |")
    return figures


def taking_turns(calls: dict[str, Callable[[], object]], times: int = 9, limit: float = 20.0) -> dict[str, float]:
    """Return the least CPU time of several runs of each call in milliseconds; fewer runs of what takes long.

    The calls alternate, so that a busy machine slows all of them alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            if sum(taken[name]) < limit:
                gc.collect()
                started = time.process_time()
                call()
                taken[name].append(time.process_time() - started)
    return {name: 1000 * min(runs) for name, runs in taken.items()}


def bare_pass(text: str, mentions: list[list[str]]) -> object:
    """Build one automaton over the mentions and search the text with it once: what any solution has to pay."""
    from ahocorasick_rs import AhoCorasick

    strings = list(dict.fromkeys(surface for _, surface in mentions))
    return AhoCorasick(strings).find_matches_as_indexes(text, overlapping=True)


def speed(options: argparse.Namespace, resolvers: dict[str, Resolve]) -> Figures:
    """Print milliseconds for each size, beside one bare pass, and the memory at the largest; return the ratios."""
    corpus = list(load(options.data / "speed_litbank.jsonl.xz"))
    figures: Figures = {}
    for mixed in (False, True):
        ours: dict[int, float] = {}
        print(f"\nms per document, {'mixed' if mixed else 'verbatim'} mentions\n")
        print("| characters x mentions | bare pass | " + " | ".join(resolvers) + " | llmlabel : bare |")
        print("|" + "---|" * (len(resolvers) + 3))
        for size, count in SIZES:
            text, mentions = speed_case(corpus, size, count, mixed=mixed)
            calls: dict[str, Callable[[], object]] = {"bare": lambda t=text, m=mentions: bare_pass(t, m)}
            for name, resolve in resolvers.items():
                if size <= SLOWEST.get(name, size):
                    calls[name] = lambda r=resolve, t=text, m=mentions: r(t, m)
            taken = taking_turns(calls)
            cells = " | ".join(f"{taken[name]:.2f}" if name in taken else "-" for name in resolvers)
            ratio = taken.get("llmlabel", float("nan")) / taken["bare"]
            print(f"| {size:,} x {count:,} | {taken['bare']:.2f} | {cells} | {ratio:.1f} |", flush=True)
            ours[size] = taken.get("llmlabel", float("nan"))
            if mixed and size == SLOWEST["langextract"] and "langextract" in taken:
                figures["langextract"] = taken["langextract"] / ours[size]
        figures["mixed" if mixed else "verbatim"] = ratio
        figures["growth"] = ours[1_000_000] / ours[100_000]
    if "llmlabel" in resolvers:
        figures["memory"] = memory(corpus, resolvers["llmlabel"])
    return figures


def memory(corpus: list[dict[str, object]], resolve: Resolve) -> float:
    """Return the peak of memory in bytes per character at the largest size."""
    text, mentions = speed_case(corpus, *SIZES[-1], mixed=True)
    tracemalloc.start()
    resolve(text, mentions)
    peak = tracemalloc.get_traced_memory()[1] / len(text)
    tracemalloc.stop()
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nllmlabel, 1M characters: peak {peak:.1f} bytes per character; process {whole:.0f} MiB")
    return peak


def verdict(figures: Figures) -> None:
    """Print every goal, the figure of this run, and whether it is met."""
    print("\n| measure | goal | this run | met |\n|---|---|---|---|")
    for name, sign, goal, title in GOALS:
        figure = figures.get(name)
        if figure is None:
            print(f"| {title} | {sign} {goal:g} | langextract is not installed | - |")
            continue
        met = figure >= goal if sign == "≥" else figure <= goal
        print(f"| {title} | {sign} {goal:g} | {figure:.1f} | {'yes' if met else '**no**'} |")


if __name__ == "__main__":
    main()
