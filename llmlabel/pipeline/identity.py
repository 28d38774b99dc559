"""What tells two runs apart."""

from __future__ import annotations

import hashlib
import json

from llmlabel.labelers.base import LLMLabeler
from llmlabel.resolvers.base import OffsetResolver
from llmlabel.settings import Asking


def fingerprint_of(labeler: LLMLabeler, asking: Asking, resolver: type[OffsetResolver]) -> str:
    """Return a hash of all that shapes the labels of a run: labeler, schema, prompt, examples, asking, resolver."""
    parts = [
        labeler.fingerprint,
        labeler.schema.fingerprint,
        labeler.prompt.fingerprint,
        [example.model_dump(mode="json") for example in labeler.examples],
        asking.model_dump(mode="json"),
        resolver.__qualname__,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
