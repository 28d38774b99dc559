"""Recorded exchanges: written while a labeler works, to be played back by ``ReplayLabeler``.

Format, version 1: UTF-8 JSON Lines. The first line is the header::

    {"llmlabel_recording": 1, "model": "gpt-4o", "endpoint": "https://api.openai.com/v1"}

Each further line is one exchange: ``request`` (hash of the whole request), ``parts`` (hashes of its parts, to say what
changed), ``document_ids``, ``sample``, optionally ``prompt`` (the request itself), and either ``completion`` (a
``Completion``; its text may be malformed on purpose) or ``error`` (``type``, ``message``, ``status_code``,
``retryable``, ``retry_after``, ``fatal`` of a ``LabelerError``). No line holds a key.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmlabel.errors import ConfigurationError, LabelerError
from llmlabel.labelers.base import LLMLabeler

if TYPE_CHECKING:
    from llmlabel.exchange import Completion, Prompt

VERSION = 1
FLAGS = ("status_code", "retryable", "retry_after", "fatal")


def request_hash(prompt: Prompt) -> str:
    """Return the hash by which a recorded answer is found: messages, answer schema, output limit and sample."""
    messages = [[message.role, message.content] for message in prompt.messages]
    return hashed([messages, prompt.answer_schema, prompt.max_output_tokens, prompt.sample])


def request_parts(prompt: Prompt) -> dict[str, str]:
    """Return a hash of each part of a request, by what the part is called in messages."""
    messages = [(message.role, message.content) for message in prompt.messages]
    system = [content for role, content in messages if role == "system"]
    rest = [pair for pair in messages if pair[0] != "system"]
    return {
        "instructions": hashed(system),
        "demonstrations or conversation": hashed(rest[:-1]),
        "document or question": hashed(rest[-1:]),
        "answer schema": hashed(prompt.answer_schema),
        "output limit": hashed(prompt.max_output_tokens),
    }


def hashed(value: object) -> str:
    """Return a hash of plain JSON, the same in every process."""
    content = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:24]


class RecordingLabeler(LLMLabeler):
    """Passes prompts on to another labeler and appends each exchange to a file that only its owner can read.

    It is the other labeler in all else: schema, model, fingerprint and rate limit. Errors worth another try are not
    recorded, since the try that follows is. Batch jobs would pass by unrecorded, so it offers none.

    Args:
        labeler: Answers the prompts.
        path: The recording; made with mode 0600, appended to if it is there.
        store_prompts: Whether to write the request itself (documents included) beside its hash.

    Raises:
        ConfigurationError: The file is there and is not a recording of the same model, or it cannot be written.
    """

    def __init__(self, labeler: LLMLabeler, path: str | Path, *, store_prompts: bool = True) -> None:
        super().__init__(
            labeler.schema,
            model=labeler.model,
            prompt=labeler.prompt,
            examples=labeler.examples,
            parameters=labeler.parameters,
        )
        self.labeler = labeler
        self.path = Path(path)
        self.store_prompts = store_prompts
        self._lock = threading.Lock()
        try:
            self._begin()
        except OSError as error:
            raise ConfigurationError(
                f"{self.path}: the recording cannot be written ({type(error).__name__})"
            ) from error

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the other labeler's answer, after it has been written.

        Raises:
            LabelerError: What the other labeler raised; or, with ``fatal`` set, that the file cannot be written.
        """
        try:
            completion = await self.labeler.complete(prompt)
        except LabelerError as error:
            if not error.retryable:
                flags = {name: getattr(error, name) for name in FLAGS}
                self._append(prompt, {"error": {"type": type(error).__name__, "message": str(error), **flags}})
            raise
        self._append(prompt, {"completion": completion.model_dump(mode="json", exclude_defaults=True)})
        return completion

    def _begin(self) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        if content.strip():
            header = read_header(content.decode("utf-8", "replace").splitlines()[0], str(self.path))
            if header.get("model") != self.model:
                raise ConfigurationError(
                    f"{self.path} is a recording of model {header.get('model')!r}, not of {self.model!r}: "
                    "give another path"
                )
            # A crash can leave half a line; what follows starts on one of its own.
            self._write(b"" if content.endswith(b"\n") else b"\n")
        else:
            header = {"llmlabel_recording": VERSION, "model": self.model, "endpoint": self.labeler.endpoint}
            self._write(json.dumps(header).encode() + b"\n")

    def _append(self, prompt: Prompt, outcome: Mapping[str, object]) -> None:
        exchange: dict[str, object] = {
            "request": request_hash(prompt),
            "parts": request_parts(prompt),
            "document_ids": prompt.document_ids,
            "sample": prompt.sample,
        }
        if self.store_prompts:
            exchange["prompt"] = prompt.model_dump(mode="json", exclude_defaults=True)
        try:
            self._write(json.dumps({**exchange, **outcome}, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            raise LabelerError(f"{self.path} cannot be written ({type(error).__name__})", fatal=True) from error

    def _write(self, line: bytes) -> None:
        with self._lock:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if hasattr(os, "fchmod"):
                    os.fchmod(descriptor, 0o600)
                while line:
                    line = line[os.write(descriptor, line) :]
            finally:
                os.close(descriptor)

    @property
    def endpoint(self) -> str:
        """The other labeler's address."""
        return self.labeler.endpoint

    @property
    def provider(self) -> str:
        """The other labeler's."""
        return self.labeler.provider

    @property
    def fingerprint(self) -> str:
        """The other labeler's: recording shapes no answer."""
        return self.labeler.fingerprint

    @property
    def quota_key(self) -> str:
        """The other labeler's."""
        return self.labeler.quota_key

    async def aclose(self) -> None:
        """Close the other labeler."""
        await self.labeler.aclose()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RecordingLabeler({self.labeler!r}, {str(self.path)!r})"


def read_header(line: str | Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a recording's first line; ``ConfigurationError`` if this is no recording, or a newer one."""
    header = decoded(line, name)
    version = header.get("llmlabel_recording")
    if not isinstance(version, int):
        raise ConfigurationError(f"{name} is not a recording: its first line has no 'llmlabel_recording'")
    if version > VERSION:
        raise ConfigurationError(f"{name} is a recording of version {version}; this llmlabel reads up to {VERSION}")
    return header


def decoded(line: str | Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return one line as an object; ``ConfigurationError`` with its number if it is none."""
    if isinstance(line, Mapping):
        return line
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where}: expected a JSON object")
    return value
