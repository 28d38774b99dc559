"""Counting tokens before anything is sent: with the model's own vocabulary, else by estimate. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from llmlabel.chunking import estimate_tokens
from llmlabel.types import Prompt, Usage

Count = Callable[[str], int]

# What chat endpoints add around a message, and what one label costs in an answer: documented estimates, not billing.
MESSAGE_TOKENS = 4
ANSWER_SHARE = 0.35
ANSWER_BASE = 12

# Checked here because tiktoken itself fetches a file anew whose SHA-256 is not the one of its vocabulary.
_VOCABULARIES = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def vocabulary(model: str) -> Count | None:
    """Return an exact counter for a model's texts, or None.

    It needs ``tiktoken`` and the model's vocabulary in tiktoken's cache (``TIKTOKEN_CACHE_DIR``, or
    ``data-gym-cache`` in the folder for temporary files), complete: it is never downloaded here.
    """
    try:
        import tiktoken

        name = tiktoken.encoding_name_for_model(model)
    except (ImportError, KeyError):
        return None
    name = {"o200k_harmony": "o200k_base"}.get(name, name)
    if name not in _VOCABULARIES or not _cached(name):
        return None
    encoding = tiktoken.get_encoding(name)
    # encode() would refuse a document that spells a special token.
    return lambda text: len(encoding.encode_ordinary(text))


def _cached(name: str) -> bool:
    found = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if found == "":
        return False
    folder = Path(tempfile.gettempdir()) / "data-gym-cache" if found is None else Path(found)
    path = folder / hashlib.sha1(_ADDRESS.format(name).encode(), usedforsecurity=False).hexdigest()
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == _VOCABULARIES[name]
    except OSError:
        return False


def input_tokens(prompt: Prompt, count: Count = estimate_tokens) -> int:
    """Return the input tokens of one request, its answer schema included."""
    schema = count(json.dumps(prompt.answer_schema)) if prompt.answer_schema else 0
    return schema + sum(count(message.content) + MESSAGE_TOKENS for message in prompt.messages)


class Calibration:
    """Keeps the first answers of a pipeline, to tell later how far estimates are from what is billed."""

    KEPT = 32

    def __init__(self) -> None:
        self._answers: list[tuple[Prompt, Usage, float]] = []

    def add(self, prompt: Prompt, usage: Usage, seconds: float) -> None:
        """Take note of an answer, while there are few."""
        if len(self._answers) < self.KEPT and usage.input_tokens:
            self._answers.append((prompt, usage, seconds))

    @property
    def full(self) -> bool:
        """Whether no more answers are kept."""
        return len(self._answers) >= self.KEPT

    def __bool__(self) -> bool:
        return bool(self._answers)

    def input_ratio(self, count: Count) -> float:
        """Return billed by counted input tokens; 1 before the first answer."""
        counted = sum(input_tokens(prompt, count) for prompt, _, _ in self._answers)
        return sum(usage.input_tokens for _, usage, _ in self._answers) / counted if counted else 1.0

    def output_tokens(self) -> float:
        """Return the mean output tokens for one document or piece; 0 before the first answer."""
        asked = sum(max(1, len(prompt.document_ids)) for prompt, _, _ in self._answers)
        return sum(usage.output_tokens for _, usage, _ in self._answers) / asked if asked else 0.0

    def seconds(self) -> float | None:
        """Return the mean duration of a request, or None before the first answer."""
        return sum(seconds for _, _, seconds in self._answers) / len(self._answers) if self._answers else None
