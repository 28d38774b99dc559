"""The rows of the table: what is run, and what must be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

CPU = "cpu_per_1000"


class Verdict(NamedTuple):
    """One bound: what is measured, the figure, the bound, and whether it holds."""

    measure: str
    figure: float
    goal: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal


Seen = Mapping[str, dict]


@dataclass(frozen=True)
class Row:
    """One measurement: server settings, clients, and the judgement of what they reached."""

    name: str
    title: str
    documents: int
    width: int
    clients: tuple[str, ...]
    judge: Callable[[Seen], list[Verdict]]
    settings: Mapping[str, float] = field(default_factory=dict)
    repeats: int = 1  # the best of so many, clients in turn
    phases: tuple[tuple[float, Mapping[str, float]], ...] = ()  # (seconds since the start, settings from then on)


def long_latency(seen: Seen) -> list[Verdict]:
    limit = seen["llmlabel"]["documents"] * 2.0 / 256
    return [
        Verdict("wall / theoretical limit", seen["llmlabel"]["wall"] / limit, 1.25),
        Verdict("wall / bare SDK loop", seen["llmlabel"]["wall"] / seen["sdk"]["wall"], 1.0),
    ]


def short_latency(seen: Seen) -> list[Verdict]:
    return [Verdict("wall / bare SDK loop", seen["llmlabel"]["wall"] / seen["sdk"]["wall"], 1.0), *cpu(seen)]


def cpu(seen: Seen) -> list[Verdict]:
    sdk = seen["sdk"][CPU]
    return [
        Verdict("CPU / bare SDK loop, whole pipeline", seen["llmlabel"][CPU] / sdk, 1.1),
        Verdict("CPU / bare SDK loop, engine alone", seen["engine"][CPU] / sdk, 0.6),
    ]


def flat(earlier: Mapping[str, Seen]) -> list[Verdict]:
    """Judge the rows of different widths together, once there are two of them."""
    verdicts = []
    for client in ("llmlabel", "engine"):
        spent = [earlier[name][client][CPU] for name in ("cpu-64", "cpu-256", "cpu-1024") if name in earlier]
        if len(spent) > 1:
            name = "whole pipeline" if client == "llmlabel" else "engine alone"
            verdicts.append(
                Verdict(f"most CPU / least CPU from 64 to 1,024 in flight, {name}", max(spent) / min(spent), 1.25)
            )
    return verdicts


def rate_limited(seen: Seen) -> list[Verdict]:
    mine = seen["llmlabel"]
    floor = (mine["documents"] - 50) / 50
    return [
        Verdict("documents lost", mine["documents"] - mine["right"], 0),
        Verdict("requests refused", mine["server"]["status"].get("429", 0), 30),
        Verdict("wall / ((n - burst) / rate + 2 latencies)", mine["wall"] / (floor + 0.2), 1.15),
    ]


def faults(seen: Seen) -> list[Verdict]:
    mine = seen["llmlabel"]
    return [
        Verdict("documents lost", mine["documents"] - mine["right"], 0),
        Verdict("paid answers / document", mine["server"]["paid"] / mine["documents"], 1.03),
    ]


def killed(seen: Seen) -> list[Verdict]:
    mine = seen["killed"]
    return [
        Verdict("documents lost", mine["documents"] - mine["right"], 0),
        Verdict("answers paid again that complete had returned", mine["returned_again"], 0),
        Verdict("answers paid again that stream had yielded", mine["yielded_again"], 0),
        Verdict("most paid again for one kill / requests in flight", mine["most_again"] / mine["width"], 1.0),
        Verdict("most paid again / the bound that `llmlabel runs` prints", mine["most_of_bound"], 1.0),
    ]


def memory(seen: Seen) -> list[Verdict]:
    peaks = seen["llmlabel"]["peak_mb"]
    last = max(peaks, key=int)
    return [Verdict(f"peak memory at {int(last):,} / at 5,000", peaks[last] / peaks["5000"], 1.2)]


def adaptive(seen: Seen) -> list[Verdict]:
    """Answers from 20 s after each change on, against the better one of two fixed settings in the same seconds."""
    verdicts, constant = [], 1.0
    for number, name in enumerate(("at first", "after capacity halved", "after it came back")):
        given = {client: _between(seen[client]["server"], 28 * number + 20, 28 * number + 28) for client in seen}
        best = max(given["fixed-32"], given["fixed-64"])
        constant = min(constant, given["fixed-32"] / best)
        verdicts.append(Verdict(f"share of the best fixed setting, {name}", given["auto"] / best, 0.8, at_least=True))
    return [*verdicts, Verdict("worst share of a constant 32, which must fail", constant, 0.79)]


def _between(server: Mapping[str, list[float]], start: float, end: float) -> int:
    return sum(start <= moment - server["first"] < end for moment in server["finished"])


FAULTS = {"latency": 0.1, "failed": 0.10, "refused": 0.05, "reset": 0.02, "truncated": 0.02}
ALL = ("sdk", "engine", "llmlabel")
ROWS = (
    Row("long", "2,560 sentences, 2,000 ms, 256 in flight", 2560, 256, ("raw", "sdk", "llmlabel"), long_latency,
        {"latency": 2.0}),
    Row("short", "2,000 sentences, 500 ms, 256 in flight", 2000, 256, ("raw", *ALL), short_latency,
        {"latency": 0.5}, 3),
    Row("cpu-64", "CPU, 64 in flight", 2000, 64, ALL, cpu, {"latency": 0.1}, 3),
    Row("cpu-256", "CPU, 256 in flight", 2000, 256, ALL, cpu, {"latency": 0.4}, 3),
    Row("cpu-1024", "CPU, 1,024 in flight", 4000, 1024, ALL, cpu, {"latency": 1.6}, 2),
    Row("rpm", "3,000 requests a minute, 500 sentences, ceiling 128", 500, 128, ("sdk", "llmlabel"), rate_limited,
        {"latency": 0.1, "requests_per_minute": 3000}),
    Row("faults", "10 % 500, 5 % 429, 2 % reset, 2 % truncated", 600, 128, ("sdk", "llmlabel"), faults, FAULTS),
    Row("kill", "kill -9 at 20 seeded moments, then resume", 3000, 64, ("killed",), killed, {"latency": 0.2}),
    Row("auto", "capacity 64, then 32, then 64, 28 s each", 30_000, 64, ("auto", "fixed-32", "fixed-64"), adaptive,
        {"latency": 0.5, "capacity": 64}, phases=((28.0, {"capacity": 32}), (56.0, {"capacity": 64}))),
    Row("memory", "100,000 sentences through stream", 100_000, 64, ("llmlabel",), memory),
)  # fmt: skip
