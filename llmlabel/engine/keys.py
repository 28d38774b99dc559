"""What makes two requests the same request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from llmlabel.types import Prompt

__all__ = ["Keys"]

WIRE_VERSION = "1"  # changes when the same prompt would be sent as another request body


class Keys:
    """Hashes prompts for one labeler: fingerprint, wire version, messages, answer schema, output limit, sample number.

    ``document_ids`` is not part of the key: identical texts are the same request. Schema and first message are the
    same for all prompts of a run, so their part of the work is kept.
    """

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._schema: Mapping[str, object] | None = None
        self._schema_text = "null"
        self._static: str | None = None
        self._head = ""
        self._started = hashlib.sha256()

    def of(self, prompt: Prompt) -> bytes:
        """Return the 32-byte key of a prompt."""
        schema = prompt.answer_schema
        if schema is not self._schema and schema != self._schema:
            self._schema_text = json.dumps(schema, sort_keys=True, default=str)
        self._schema = schema
        head = f"{WIRE_VERSION}|{self._fingerprint}|{prompt.max_output_tokens}|{prompt.sample}|{self._schema_text}"
        first = prompt.messages[0]
        static = f"{first.role}:{first.content}"
        if head != self._head or static != self._static:
            self._head, self._static = head, static
            self._started = hashlib.sha256(_framed(head) + _framed(static))
        digest = self._started.copy()
        for message in prompt.messages[1:]:
            digest.update(_framed(f"{message.role}:{message.content}"))
        return digest.digest()


def _framed(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"%d:" % len(data) + data
