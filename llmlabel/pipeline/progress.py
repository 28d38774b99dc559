"""Progress of a run: a bar in terminals and notebooks, a callback, or nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal

from llmlabel.engine import RunStats
from llmlabel.types import Outcome, Usage, Value


class Progress(Value):
    """Where a run stands: documents done, how they ended, requests, tokens and cost so far.

    Attributes:
        done: Documents that are finished.
        total: All of them; None where the input is read lazily and its length unknown.
        outcomes: How the finished ones ended.
        in_flight: Requests sent and not yet answered.
        rate_limited: Responses with status 429 so far.
        usage: Tokens, requests and cost of this run so far.
        seconds: Since the run began.
    """

    done: int
    total: int | None
    outcomes: dict[Outcome, int]
    in_flight: int
    rate_limited: int
    usage: Usage
    seconds: float = 0.0

    @property
    def documents_per_second(self) -> float:
        """The mean pace so far."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this pace; None where that cannot be told yet."""
        if self.total is None or not self.done:
            return None
        return (self.total - self.done) / self.documents_per_second if self.seconds else None


REFRESH = 1.0  # seconds
ProgressOption = Callable[[Progress], None] | Literal[False] | None


class Reporter:
    """Counts outcomes and shows them; the default shows a bar where a person looks, and nothing elsewhere."""

    def __init__(self, option: ProgressOption, total: int | None, stats: RunStats) -> None:
        self.total = total
        self.stats = stats
        self.outcomes: Counter[Outcome] = Counter()
        self._began = time.monotonic()
        self._callback = option if callable(option) else None
        self._bar = None if option is not None else _bar(total)

    def count(self, outcome: Outcome) -> None:
        """Note one finished document."""
        self.outcomes[outcome] += 1
        if self._callback is not None:
            self._callback(self.snapshot())
        if self._bar is not None:
            self._show(self._bar, refresh=False)
            self._bar.update()

    async def follow(self) -> None:
        """Keep the bar up to date while no document finishes: under a rate limit that can take minutes."""
        while self._bar is not None:
            await asyncio.sleep(REFRESH)
            if self._bar is not None:  # not closed meanwhile
                self._show(self._bar, refresh=True)

    def _show(self, bar: Any, *, refresh: bool) -> None:
        bar.set_postfix_str(self._facts(bar.format_sizeof), refresh=refresh)

    def _facts(self, short: Callable[[float], str]) -> str:
        """Return what stands behind the bar, short enough for a narrow terminal."""
        usage = self.stats.usage
        tokens = usage.input_tokens + usage.output_tokens
        lost = self.outcomes.total() - self.outcomes["labeled"]
        facts = [
            f"{self.stats.in_flight} in flight",
            f"{short(tokens)} tokens" if tokens else "",
            f"${usage.cost:.3g}" if usage.cost else "",
            f"{self.stats.rate_limited} × 429" if self.stats.rate_limited else "",
            f"{lost} lost" if lost else "",
        ]
        return ", ".join(filter(None, facts))

    def snapshot(self) -> Progress:
        """Return the counts of this moment."""
        return Progress(
            done=self.outcomes.total(),
            total=self.total,
            outcomes=dict(self.outcomes),
            in_flight=self.stats.in_flight,
            rate_limited=self.stats.rate_limited,
            usage=self.stats.usage,
            seconds=time.monotonic() - self._began,
        )

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bar(total: int | None) -> Any:
    """Return a tqdm bar: a widget in a notebook that has them, text in a terminal, None elsewhere."""
    if os.environ.get("LLMLABEL_PROGRESS") == "0":
        return None
    notebook = "ipykernel" in sys.modules
    if not notebook and not (sys.stderr and sys.stderr.isatty()):
        return None
    if notebook and find_spec("ipywidgets"):
        from tqdm.notebook import tqdm
    else:
        from tqdm.std import tqdm  # type: ignore[assignment]  # the widget's base class
    return tqdm(total=total, unit=" docs", dynamic_ncols=True)
