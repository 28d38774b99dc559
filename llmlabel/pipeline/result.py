"""What a run came to: predictions in input order, what was lost and why, what it cost, what was published."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from llmlabel.errors import ConfigurationError, LabelerError, RunFailed, SourceError
from llmlabel.html import table_html
from llmlabel.types import ExportReport, Prediction, Rejected, Shown, Usage, explain

KIND = "llmlabel-run"
VERSION = 1


class RunResult(Shown):
    """The result of ``Pipeline.run``.

    Attributes:
        predictions: One per document that came in, in input order, whatever its outcome.
        rejected_inputs: The inputs that cannot be a document, with position and reason.
        exports: What each exporter did.
        seconds: Wall time.
        stopped: Why the run stopped before the end (a rejected key, a spent budget), or None.
        notes: Remarks worth reading, such as an export that was not published because the run stopped.
    """

    predictions: tuple[Prediction, ...] = ()
    rejected_inputs: tuple[Rejected, ...] = ()
    exports: tuple[ExportReport, ...] = ()
    seconds: float = 0.0
    stopped: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcomes(self) -> dict[str, int]:
        """How many documents ended with each outcome, most frequent first."""
        return dict(Counter(prediction.outcome for prediction in self.predictions).most_common())

    @property
    def statuses(self) -> dict[str, int]:
        """How many mentions were placed, or not, in each way."""
        return dict(Counter(p.status for prediction in self.predictions for p in prediction.placements).most_common())

    @property
    def usage(self) -> Usage:
        """Tokens, requests and cost of the whole run; ``cost`` is None where prices are unknown."""
        return sum((prediction.usage for prediction in self.predictions), Usage())

    def raise_for_failures(self) -> None:
        """Raise ``RunFailed`` with one error per document that was not labelled and per rejected input, if any."""
        errors: list[Exception] = []
        for prediction in self.predictions:
            if prediction.outcome != "labeled":
                detail = f": {prediction.error.message}" if prediction.error else ""
                errors.append(LabelerError(f"document {prediction.document.id!r}: {prediction.outcome}{detail}"))
        errors += [SourceError(f"input {item.index} (id {item.id!r}): {item.reason}") for item in self.rejected_inputs]
        if errors:
            raise RunFailed(
                f"{len(errors)} of {len(self.predictions) + len(self.rejected_inputs)} not labelled", errors
            )

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat dict per label, for a DataFrame.

        Keys: ``document_id, outcome, kind (entity | relation | class | text), label, text, start, end, match,
        confidence, suspicious, model``. A document without labels has one record whose ``kind`` is None.
        """
        return [record for prediction in self.predictions for record in _records(prediction)]

    def save(self, path: str | Path) -> None:
        """Write the result as JSON lines: a header, then one prediction a line; ``load`` reads back an equal one.

        Raises:
            ConfigurationError: The file cannot be written; one that was there before is unchanged.
        """
        path = Path(path)
        head = self.model_dump(mode="json", exclude={"predictions"})
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("w", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps({"kind": KIND, "version": VERSION, **head}, ensure_ascii=False) + "\n")
                file.writelines(prediction.model_dump_json() + "\n" for prediction in self.predictions)
            part.replace(path)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be written: {error.strerror}", path=str(path)) from error
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> RunResult:
        """Read a result that ``save`` wrote.

        Raises:
            SourceError: The file is not one, was written by a newer version, or a line is damaged.
        """
        with cls._open(path) as file:
            result = cls._header(file.readline(), str(path))
            return result.model_copy(update={"predictions": tuple(_predictions(file, str(path)))})

    @classmethod
    def read_predictions(cls, path: str | Path) -> Iterator[Prediction]:
        """Yield the predictions of a result that ``save`` wrote, one at a time.

        Raises:
            SourceError: As ``load`` does, when it comes to the line.
        """
        with cls._open(path) as file:
            cls._header(file.readline(), str(path))
            yield from _predictions(file, str(path))

    @staticmethod
    def _open(path: str | Path) -> BinaryIO:
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}", path=str(path)) from error

    @classmethod
    def _header(cls, line: bytes, name: str) -> RunResult:
        """Return the result without its predictions."""
        try:
            head = json.loads(line)
        except (ValueError, RecursionError):
            head = None
        if not isinstance(head, Mapping) or head.get("kind") != KIND:
            raise SourceError(f"{name}, line 1: expected the header of a saved run (kind {KIND!r})", path=name, line=1)
        if not isinstance(head.get("version"), int) or head["version"] > VERSION:
            message = f"{name}: written by a newer llmlabel (version {head.get('version')}, this one reads {VERSION})"
            raise SourceError(message, path=name, line=1)
        try:
            return cls.model_validate({key: value for key, value in head.items() if key not in {"kind", "version"}})
        except ValidationError as error:
            raise SourceError(f"{name}, line 1: {explain(error)}", path=name, line=1) from None

    def _facts(self) -> list[tuple[str, str]]:
        usage, labeled = self.usage, self.outcomes.get("labeled", 0)
        facts = [("documents", f"{len(self.predictions)}, {labeled} labeled")]
        facts += [(f"  {outcome}", str(count)) for outcome, count in self.outcomes.items() if outcome != "labeled"]
        if self.rejected_inputs:
            facts.append(("rejected inputs", str(len(self.rejected_inputs))))
        entities = sum(len(prediction.entities) for prediction in self.predictions)
        mentions = sum(self.statuses.values())
        facts.append(("entities", f"{entities} from {mentions} mentions"))
        facts += [(f"  {status}", str(count)) for status, count in self.statuses.items()]
        told = [item for prediction in self.predictions for item in prediction.discarded]
        discarded = Counter(item.reason for item in told if item.kind != "copy")
        facts += [("other items not taken", str(discarded.total()))] if discarded else []
        facts += [(f"  {reason}", str(count)) for reason, count in discarded.most_common(5)]
        if copies := sum(item.kind == "copy" for item in told):
            facts.append(("rewritten copies", str(copies)))
        if flagged := sum(prediction.suspicious for prediction in self.predictions):
            facts.append(("suspicious", str(flagged)))
        cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
        facts.append(("tokens", f"{usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out"))
        facts.append(("requests", f"{usage.requests:,}"))
        if usage.cost is not None:
            facts.append(("cost", f"{usage.cost:.4f}"))
        facts.append(("seconds", f"{self.seconds:.1f}"))
        for report in self.exports:
            held = f", {len(report.held_back)} held back" if report.held_back else ""
            facts.append((report.target, f"{report.written} written{held} → {report.location or ''}".rstrip(" →")))
        facts += [("stopped", self.stopped)] if self.stopped else []
        return facts + [("note", note) for note in self.notes]

    def __str__(self) -> str:
        facts = self._facts()
        width = max(len(name) for name, _ in facts)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in facts)

    def __repr__(self) -> str:
        return f"RunResult({len(self.predictions)} documents, {self.outcomes})"

    def _repr_html_(self) -> str:
        return table_html(("", ""), self._facts(), caption="llmlabel run")


def _predictions(lines: Iterable[bytes], name: str) -> Iterator[Prediction]:
    for number, line in enumerate(lines, 2):
        try:
            yield Prediction.model_validate_json(line)
        except ValidationError as error:
            message = f"{name}, line {number}: expected a prediction; {explain(error)}"
            raise SourceError(message, path=name, line=number) from None


def _records(prediction: Prediction) -> list[dict[str, Any]]:
    common = {
        "document_id": prediction.document.id,
        "outcome": prediction.outcome,
        "suspicious": prediction.suspicious,
        "model": prediction.model,
    }
    blank = dict.fromkeys(("kind", "label", "text", "start", "end", "match", "confidence"))
    found: list[dict[str, Any]] = [
        {"kind": "entity", **entity.model_dump(include={"label", "text", "start", "end", "match", "confidence"})}
        for entity in prediction.entities
    ]
    for relation in prediction.relations:
        ends = f"{prediction.entities[relation.head].text} → {prediction.entities[relation.tail].text}"
        found.append({"kind": "relation", "label": relation.label, "text": ends, "confidence": relation.confidence})
    for name, chosen in prediction.classes.items():
        found += [{"kind": "class", "label": c.label, "text": name, "confidence": c.confidence} for c in chosen]
    found += [{"kind": "text", "label": name, "text": text} for name, text in prediction.texts.items()]
    return [{**common, **blank, **record} for record in found or [{}]]
