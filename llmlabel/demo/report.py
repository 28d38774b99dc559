"""What the demo prints: where the answers come from, scores, what was lost and why, and where the files are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmlabel.evaluation import Evaluation
from llmlabel.html import terminal_safe
from llmlabel.pipeline.result import RunResult
from llmlabel.types import PLACED

NAMED = 3  # documents of one outcome that are named


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The demo's run, its scores against the author's labels, and the page; prints as one screen of plain text.

    Attributes:
        run: The result of the pipeline, with the reports of all exporters.
        evaluation: The scores.
        page: The review page.
        model: Which model was asked, or None for recorded answers.
        languages: In how many languages the documents are.
    """

    run: RunResult
    evaluation: Evaluation
    page: Path
    model: str | None
    languages: int

    def __str__(self) -> str:
        return "\n".join([*self._origin(), "", *self._scores(), "", *self._ledger(), "", *self._files()])

    def _origin(self) -> Iterator[str]:
        count = len(self.run.predictions)
        yield f"{count} documents in {self.languages} languages, written for this demo and labelled by their author."
        if self.model is None:
            yield "The answers are recorded, good and bad ones: no model was asked, nothing was sent anywhere."
        else:
            yield f"Answered live by {terminal_safe(self.model)}."

    def _scores(self) -> Iterator[str]:
        yield f"{'exact span and label':<22}{'precision':>10}{'recall':>10}{'F1':>10}{'gold':>10}"
        rows = [(label, self.evaluation.by_label[label]) for label in sorted(self.evaluation.by_label)]
        relations = self.evaluation.relations.items()
        for name, score in [*rows, ("all", self.evaluation.exact), *relations]:
            numbers = "".join(_cell(value) for value in (score.precision, score.recall, score.f1))
            yield f"  {terminal_safe(name):<20}{numbers}{score.support:>10}"
        for name, scores in self.evaluation.classes.items():
            yield f"  {terminal_safe(name):<20}{_cell(scores.accuracy)} accuracy"
        if interval := self.evaluation.intervals.get("f1"):
            yield f"  F1 of all labels: {interval.low:.2f} to {interval.high:.2f} (95 % bootstrap interval)"

    def _ledger(self) -> Iterator[str]:
        statuses = self.run.statuses
        placed = ", ".join(f"{count} {status}" for status, count in statuses.items() if status in PLACED)
        placed = f"; placed: {placed}. The rest:" if placed else "."
        yield f"Ledger: {sum(statuses.values())} mentions answered{placed}"
        for prediction in self.run.predictions:
            for p in prediction.placements:
                if not p.placed:
                    said = f"{p.mention.label} {terminal_safe(p.mention.text)!r}"
                    yield f"  {p.status:<14}{said:<34} in {prediction.document.id}"
            for item in prediction.discarded:
                said = f"{item.kind} {terminal_safe(item.value)!r}"
                yield f"  {'not taken':<14}{said:<34} in {prediction.document.id}: {item.reason}"
        yield f"Documents: {', '.join(f'{count} {outcome}' for outcome, count in self.run.outcomes.items())}"
        for outcome in self.run.outcomes:
            if outcome != "labeled":
                ids = [prediction.document.id for prediction in self.run.predictions if prediction.outcome == outcome]
                more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
                yield f"  {outcome:<14}{terminal_safe(', '.join(ids[:NAMED]))}{more}"
        suspicious = [prediction.document.id for prediction in self.run.predictions if prediction.suspicious]
        if suspicious:
            yield f"  {'suspicious':<14}{terminal_safe(', '.join(suspicious))}"

    def _files(self) -> Iterator[str]:
        yield "Written:"
        for report in self.run.exports:
            held = f", {len(report.held_back)} held back" if report.held_back else ""
            yield f"  {report.target:<14}{report.location} ({report.written} documents{held})"
        yield f"  {'review page':<14}{self.page} (open it in a browser)"


def _cell(value: float | None) -> str:
    return f"{'–' if value is None else f'{value:.2f}':>10}"
