"""The run engine: pace, concurrency, retries, journal, budget, batch jobs; knows no vendor."""

from __future__ import annotations

from llmlabel.engine.bridge import iterate_sync, run_sync
from llmlabel.engine.engine import Answer, Complete, Engine
from llmlabel.engine.sender import PACKED
from llmlabel.engine.stats import Event, OverBudget, RunStats, RunStopped

__all__ = [
    "PACKED",
    "Answer",
    "Complete",
    "Engine",
    "Event",
    "OverBudget",
    "RunStats",
    "RunStopped",
    "iterate_sync",
    "run_sync",
]
