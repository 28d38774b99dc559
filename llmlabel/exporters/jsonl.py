"""llmlabel's own format: lossless JSON Lines, a header line and one prediction a line.

``{"format": "llmlabel-jsonl", "version": 1}``, then ``{"type": "prediction" | "labeled", "value": {…}}``. Files may be
put together with ``cat``: a header may stand again before any line.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmlabel.errors import ExportError, SourceError
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.checks import Intake
from llmlabel.exporters.trust import Trust
from llmlabel.types import ExportReport, LabeledDocument, Prediction, explain

FORMAT = "llmlabel-jsonl"
VERSION = 1
_ALL = frozenset(
    ["labeled", "partial", "truncated", "filtered", "refused", "invalid", "failed", "skipped", "over_budget", "not_run"]
)


def header() -> bytes:
    """Return the first line of a file of this format."""
    return json.dumps({"format": FORMAT, "version": VERSION}).encode() + b"\n"


def to_line(labeled: LabeledDocument, **beside: object) -> bytes:
    """Return one line; ``beside`` is stored next to the value and ignored by ``read_jsonl``."""
    kind = b'{"type": "prediction", ' if isinstance(labeled, Prediction) else b'{"type": "labeled", '
    more = json.dumps(beside, ensure_ascii=False)[1:-1].encode()
    value = labeled.model_dump_json().encode()
    return kind + more + (b", " if more else b"") + b'"value": ' + value + b"}\n"


class JsonlExporter(Exporter):
    """Writes every prediction with its outcome, losslessly, to one file.

    Documents that were not labelled are written too: their outcome stands beside them, so failure is not mistaken
    for emptiness. The report counts them in its notes.

    Args:
        path: The file to write; its folder is made. An earlier file of this format is replaced in one step, unless it
            holds a person's labels.
        only_reviewed: Whether documents whose labels no person has made or reviewed stay out.
    """

    target = "jsonl"

    def __init__(self, path: str | Path, *, only_reviewed: bool = False) -> None:
        self.path = Path(path)
        self.trust = Trust(only_reviewed)

    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        problem = _occupied(self.path)
        if problem:
            raise ExportError(self.target, [f"{self.path.name}: {problem}"])
        intake = Intake(self.target, _ALL, None)
        unfinished = self.path.parent / f".{self.path.name}.{secrets.token_hex(6)}.partial"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.write(header())
                file.writelines(to_line(labeled) for labeled in self._chosen(intake, predictions))
            intake.raise_problems()
            unfinished.replace(self.path)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
        note = intake.outcome_note()
        return ExportReport(
            target=self.target,
            written=len(intake.ids) - len(intake.held_back),
            held_back=tuple(intake.held_back),
            notes=(note,) if note else (),
            location=str(self.path),
        )

    def _chosen(self, intake: Intake, predictions: Iterable[LabeledDocument]) -> Iterator[LabeledDocument]:
        for labeled, _ in intake.read(predictions):
            if reason := self.trust.withheld(labeled):
                intake.hold(labeled.document.id, reason)
            else:
                yield labeled


def read_jsonl(path: str | Path) -> Iterator[LabeledDocument | Prediction]:
    """Yield what ``JsonlExporter`` wrote, one value at a time, each equal to what was exported.

    Raises:
        SourceError: The file cannot be read, is not of this format or of a newer version, or a line is damaged; the
            message names the line.
    """
    place = Path(path)
    try:
        file = place.open("rb")
    except OSError as error:
        raise SourceError(f"{place}: cannot be read ({error.strerror})", path=str(place)) from error
    with file:
        started = False
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            item = _parse(line, place, number)
            if "format" in item:
                _check_header(item, place, number)
                started = True
            elif not started:
                raise _damaged(place, number, f"expected the header {header().decode().strip()}")
            else:
                yield _value(item, place, number)
        if not started:
            raise _damaged(place, 1, f"expected the header {header().decode().strip()}, found an empty file")


def _damaged(place: Path, line: int, what: str) -> SourceError:
    return SourceError(f"{place.name}, line {line}: {what}", path=str(place), line=line)


def _parse(line: bytes, place: Path, number: int) -> Mapping[str, Any]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        raise _damaged(place, number, "expected a JSON object, found a line that is not JSON (cut off?)") from None
    if not isinstance(item, dict):
        raise _damaged(place, number, f"expected a JSON object, found {type(item).__name__}")
    return item


def _check_header(item: Mapping[str, Any], place: Path, number: int) -> None:
    version = item.get("version")
    if item["format"] != FORMAT:
        raise _damaged(place, number, f"expected format {FORMAT!r}, found another one")
    if not isinstance(version, int) or version < 1:
        raise _damaged(place, number, f"expected a version number, found {version!r}")
    if version > VERSION:
        raise _damaged(
            place, number, f"version {version} is newer than this llmlabel reads ({VERSION}); upgrade llmlabel"
        )


def _value(item: Mapping[str, Any], place: Path, number: int) -> LabeledDocument | Prediction:
    kinds: dict[object, type[LabeledDocument]] = {"prediction": Prediction, "labeled": LabeledDocument}
    kind = kinds.get(item.get("type"))
    if kind is None:
        raise _damaged(place, number, f"expected type 'prediction' or 'labeled', found {item.get('type')!r}")
    try:
        return kind.model_validate_json(json.dumps(item.get("value")))
    except ValidationError as error:
        raise _damaged(place, number, explain(error)) from None


def _occupied(path: Path) -> str | None:
    """Return why the file may not be replaced, or None."""
    if not path.exists():
        return None
    if path.is_dir():
        return "is a folder; give the path of a file"
    if path.stat().st_size == 0:
        return None
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip() and _by_person(_parse(line, path, number), path, number):
                    return "exists and holds labels that a person made or reviewed; move it away or choose another name"
    except SourceError:
        return "exists and is not a file that this exporter wrote; choose another name"
    return None


def _by_person(item: Mapping[str, Any], path: Path, number: int) -> bool:
    """Whether a line holds a person's work; quicker than reading its value."""
    if number == 1:
        _check_header({"format": None, **item}, path, number)
    value = item.get("value")
    made = value.get("provenance") if isinstance(value, Mapping) else None
    return isinstance(made, Mapping) and (made.get("kind") == "human" or bool(made.get("reviewed")))
