"""Making the engine of a run: prices from the offline tables, and the first answers kept for estimates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmlabel.engine import Complete, Engine, Event
from llmlabel.engine.budget import Price
from llmlabel.engine.prices import offline_prices
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.calibration import Calibration
from llmlabel.types import Completion, Limits, Prompt

if TYPE_CHECKING:
    from llmlabel.pipeline.telemetry import Telemetry

_HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})


def price_for(labeler: LLMLabeler, given: Price | None) -> Price | None:
    """Return what a labeler's usage costs: as given, else by the offline tables, if they are installed.

    A labeler without an address, or with one on this machine, has no known price.
    """
    known = given
    if given is None and (urlsplit(labeler.endpoint).hostname or "") not in _HERE:
        known = offline_prices(labeler.endpoint)
    # A service that does not say which model answered is taken to have used the one that was asked for.
    return known and (lambda model, usage: known(model or labeler.model, usage))


def open_engine(
    labeler: LLMLabeler,
    *,
    limits: Limits,
    journal: str | Path | None,
    on_event: Callable[[Event], None] | None,
    price: Price | None,
    calibration: Calibration | None,
    telemetry: Telemetry | None = None,
    complete: Complete | None = None,
    store_text: bool = True,
) -> Engine:
    """Return the engine that a labeler's requests go through; ``complete`` stands in for the labeler's."""
    ask: Complete = labeler.complete if telemetry is None else telemetry.watch(labeler)

    async def measured(prompt: Prompt) -> Completion:
        if calibration is None or calibration.full:
            return await ask(prompt)
        clock = asyncio.get_running_loop().time
        began = clock()
        completion = await ask(prompt)
        calibration.add(prompt, completion.usage, clock() - began, completion.model)
        return completion

    return Engine(
        complete or measured,
        fingerprint=labeler.fingerprint,
        quota_key=labeler.quota_key,
        limits=limits,
        journal=journal,
        on_event=on_event,
        price=price_for(labeler, price),
        store_text=store_text,
    )
