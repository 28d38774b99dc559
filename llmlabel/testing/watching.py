"""Looks at a labeler from outside: the event loop beside it, what is logged, what errors drag along."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from llmlabel.labelers.base import LLMLabeler
from llmlabel.types import Prompt


async def longest_gap(labeler: LLMLabeler, prompt: Prompt) -> float:
    """Return the longest time for which nothing else ran while a prompt was answered, in seconds."""
    loop, longest = asyncio.get_running_loop(), 0.0
    task, last = asyncio.ensure_future(labeler.complete(prompt)), loop.time()
    while not task.done():
        await asyncio.sleep(0.005)
        now = loop.time()
        longest, last = max(longest, now - last), now
    await task
    return longest


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect what every logger writes at DEBUG, and leave the loggers as they were."""
    lines: list[str] = []
    root, formatter = logging.getLogger(), logging.Formatter()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{formatter.format(record)} {vars(record)!r}")

    handler, level = Collect(), root.level
    # Reach loggers that set a level of their own, such as a vendor's.
    named = [item for item in logging.Logger.manager.loggerDict.values() if isinstance(item, logging.Logger)]
    levels = [(item, item.level) for item in named]
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for item, _ in levels:
        item.setLevel(logging.NOTSET)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for item, before in levels:
            item.setLevel(before)
