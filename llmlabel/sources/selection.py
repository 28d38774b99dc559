"""Choosing documents: by length, the first so many, a sample that is the same on every machine."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator

from llmlabel.errors import ConfigurationError
from llmlabel.types import Document, LabeledDocument, Rejected

Record = Document | LabeledDocument | Rejected

# Scripts written without spaces count one per character: Thai, Lao, Khmer, Myanmar, kana, Han.
_TOKEN = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]|\w+")


def count_tokens(text: str) -> int:
    """Return how many words a text has; in scripts without spaces, how many characters. Punctuation does not count."""
    return sum(1 for _ in _TOKEN.finditer(text))


def select(
    documents: Iterable[Record],
    *,
    min_tokens: int = 0,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Iterator[Record]:
    """Yield the chosen documents in their order: those long enough, of these a sample, of this the first ``limit``.

    Rejected records always pass (before the documents, where a sample is drawn), so that none goes unseen. Reading
    stops with the last document needed; only a sample must read everything, and it keeps only what it chose.

    Args:
        documents: What a source gives.
        min_tokens: Words a text must have (``count_tokens``).
        limit: At most so many documents.
        sample: Choose so many at random, each with equal chance (reservoir sampling, Vitter's algorithm R).
        seed: Of the choice; the same seed and input give the same sample on every machine and Python version.

    Raises:
        ConfigurationError: A number is negative.
    """
    for name, value in (("min_tokens", min_tokens), ("limit", limit), ("sample", sample)):
        if value is not None and value < 0:
            raise ConfigurationError(f"{name}: expected a number from 0, found {value}", field=name)
    chosen: Iterator[Record] = (item for item in documents if _long_enough(item, min_tokens))
    if sample is not None:
        chosen = _sample(chosen, sample, seed)
    return chosen if limit is None else _first(chosen, limit)


def _long_enough(item: Record, min_tokens: int) -> bool:
    if isinstance(item, Rejected):
        return True
    document = item.document if isinstance(item, LabeledDocument) else item
    return min_tokens == 0 or count_tokens(document.text) >= min_tokens


def _sample(items: Iterable[Record], size: int, seed: int) -> Iterator[Record]:
    # Only Random.random is promised to stay the same between Python versions.
    draw = random.Random(seed).random  # noqa: S311
    kept: list[tuple[int, Record]] = []
    seen = 0
    for item in items:
        if isinstance(item, Rejected):
            yield item
            continue
        place = seen if seen < size else int(draw() * (seen + 1))
        if seen < size:
            kept.append((seen, item))
        elif place < size:
            kept[place] = (seen, item)
        seen += 1
    yield from (item for _, item in sorted(kept, key=lambda pair: pair[0]))


def _first(items: Iterable[Record], limit: int) -> Iterator[Record]:
    left = limit
    for item in items if limit else ():
        yield item
        left -= not isinstance(item, Rejected)
        if not left:
            return
