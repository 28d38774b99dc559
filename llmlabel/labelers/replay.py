"""Answers from a recording: no key, no network, no vendor package."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from llmlabel import errors
from llmlabel.errors import ConfigurationError, LabelerError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.labelers.recording import FLAGS, decoded, hashed, read_header, request_hash, request_parts
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import Example, LabelSchema
from llmlabel.values import explain

if TYPE_CHECKING:
    from llmlabel.documents import LabeledDocument
    from llmlabel.exchange import Completion, Prompt


class ReplayLabeler(LLMLabeler):
    """Answers from a recording: no key, no network, no vendor package.

    A request must be exactly the recorded one. Equal requests get the recorded answers in their order; the last one
    repeats.

    Args:
        schema: What to label.
        recording: A path, or the recording's lines (strings, or objects already decoded).
        prompt: How to ask; as when it was recorded.
        examples: As when it was recorded.

    Raises:
        ConfigurationError: Not a recording, a newer one, or a broken line (named by its number). An empty file is an
            empty recording.
    """

    def __init__(
        self,
        schema: LabelSchema,
        recording: str | Path | Iterable[str | Mapping[str, Any]],
        *,
        prompt: PromptTemplate | None = None,
        examples: Iterable[Example | LabeledDocument] = (),
    ) -> None:
        self.recording = str(recording) if isinstance(recording, str | Path) else "the recording"
        header, exchanges = _read(recording, self.recording)
        super().__init__(schema, model=str(header.get("model") or "recorded"), prompt=prompt, examples=examples)
        self._answers: dict[str, list[Completion | LabelerError]] = {}
        self._parts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for number, exchange in exchanges:
            answer = _answer(exchange, f"{self.recording}, line {number}")
            self._answers.setdefault(str(exchange["request"]), []).append(answer)
            known = self._parts.setdefault(tuple(exchange.get("document_ids", ())), [])
            known.append({**exchange.get("parts", {}), "sample": exchange.get("sample", 0)})
        self._digest = hashed([[request, [repr(a) for a in found]] for request, found in self._answers.items()])
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the recorded answer, or raise the recorded error.

        Raises:
            LabelerError: What was recorded; or, with ``fatal`` set, that this request was never recorded.
        """
        key = request_hash(prompt)
        answers = self._answers.get(key)
        if answers is None:
            raise self._unknown(prompt)
        with self._lock:
            turn = self._given.get(key, 0)
            self._given[key] = turn + 1
        answer = answers[min(turn, len(answers) - 1)]
        if isinstance(answer, LabelerError):
            raise _copied(answer)
        return answer

    def _unknown(self, prompt: Prompt) -> LabelerError:
        ids = ", ".join(map(repr, prompt.document_ids)) or "a prompt without document ids"
        recorded = self._parts.get(prompt.document_ids, [])
        asked = {**request_parts(prompt), "sample": prompt.sample}
        changes = [[name for name, value in asked.items() if known.get(name, value) != value] for known in recorded]
        if not recorded:
            why = "no request for these documents was recorded"
        else:
            nearest = min(changes, key=len)
            why = f"changed since it was recorded: {', '.join(nearest) or 'the request as a whole'}"
        return LabelerError(
            f"{self.recording} has no answer for {ids}: {why}. Record again: run the same pipeline once with "
            "RecordingLabeler(labeler, path) around the live labeler, then replay the new file",
            fatal=True,
        )

    @property
    def fingerprint(self) -> str:
        """A hash of the model and of all recorded answers."""
        return hashed([type(self).__qualname__, self.model, self._digest])[:16]

    def __len__(self) -> int:
        return sum(map(len, self._answers.values()))

    def __bool__(self) -> bool:
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


def _read(
    recording: str | Path | Iterable[str | Mapping[str, Any]], name: str
) -> tuple[Mapping[str, Any], Iterator[tuple[int, Mapping[str, Any]]]]:
    lines: list[str | Mapping[str, Any]]
    if isinstance(recording, str | Path):
        try:
            text = Path(recording).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name}: the recording cannot be read ({type(error).__name__})") from error
        # The last line of a recording that was cut off by a crash has no end; str.splitlines would also cut at U+2028.
        lines = list(text.split("\n")[:-1])
    else:
        lines = list(recording)
    if not lines:
        return {}, iter(())
    header = read_header(lines[0], name)
    rest = (
        (number, line) for number, line in enumerate(lines[1:], start=2) if not isinstance(line, str) or line.strip()
    )
    return header, ((number, decoded(line, f"{name}, line {number}")) for number, line in rest)


def _answer(exchange: Mapping[str, Any], where: str) -> Completion | LabelerError:
    from llmlabel.exchange import Completion

    if not isinstance(exchange.get("request"), str):
        raise ConfigurationError(f"{where}: expected 'request', the hash of a request")
    error = exchange.get("error")
    if isinstance(error, Mapping):
        kind = getattr(errors, str(error.get("type")), LabelerError)
        kind = kind if isinstance(kind, type) and issubclass(kind, LabelerError) else LabelerError
        return kind(str(error.get("message", "")), **{name: error[name] for name in FLAGS if name in error})
    try:
        return Completion.model_validate(exchange.get("completion"))
    except ValidationError as problem:
        raise ConfigurationError(f"{where}: neither a completion nor an error: {explain(problem)}") from None


def _copied(error: LabelerError) -> LabelerError:
    # A new one each time: raising the same exception twice would grow its traceback.
    return type(error)(str(error), **{name: getattr(error, name) for name in FLAGS})
