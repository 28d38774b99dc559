"""Progress of a run: a bar in terminals and notebooks, a callback, or nothing."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal

from llmlabel.engine import RunStats
from llmlabel.types import Outcome, Usage, Value


class Progress(Value):
    """Where a run stands: documents done, how they ended, requests and tokens so far.

    ``total`` is None while the input is read lazily and its length unknown.
    """

    done: int
    total: int | None
    outcomes: dict[Outcome, int]
    in_flight: int
    rate_limited: int
    usage: Usage


ProgressOption = Callable[[Progress], None] | Literal[False] | None


class Reporter:
    """Counts outcomes and shows them; the default shows a bar where a person looks, and nothing elsewhere."""

    def __init__(self, option: ProgressOption, total: int | None, stats: RunStats) -> None:
        self.total = total
        self.stats = stats
        self.outcomes: Counter[Outcome] = Counter()
        self._callback = option if callable(option) else None
        self._bar = None if option is not None else _bar(total)

    def count(self, outcome: Outcome) -> None:
        """Note one finished document."""
        self.outcomes[outcome] += 1
        if self._callback is not None:
            self._callback(self.snapshot())
        if self._bar is not None:
            lost = self.outcomes.total() - self.outcomes["labeled"]
            usage = self.stats.usage
            self._bar.set_postfix(
                {"lost": lost, "in flight": self.stats.in_flight, "429": self.stats.rate_limited}
                | {"tokens": usage.input_tokens + usage.output_tokens}
                | ({"cost": f"{usage.cost:.4f}"} if usage.cost else {}),
                refresh=False,
            )
            self._bar.update()

    def snapshot(self) -> Progress:
        """Return the counts of this moment."""
        return Progress(
            done=self.outcomes.total(),
            total=self.total,
            outcomes=dict(self.outcomes),
            in_flight=self.stats.in_flight,
            rate_limited=self.stats.rate_limited,
            usage=self.stats.usage,
        )

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._bar is not None:
            self._bar.close()


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
    return tqdm(total=total, unit=" documents", desc="labelling", dynamic_ncols=True)
