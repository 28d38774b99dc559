"""The conformance suite of exporters: subclass it in your tests, write two hooks, run pytest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from llmlabel.errors import ExportError
from llmlabel.testing.batches import NASTY_IDS, TRICKY_TEXTS, BrokenOff, MostAlive, labeled
from llmlabel.testing.round_trip import RoundTripContract, labels_of
from llmlabel.types import Document, LabeledDocument, Outcome, Prediction

NOT_LABELED = tuple(outcome for outcome in get_args(Outcome) if outcome != "labeled")


class ExporterContract(RoundTripContract, suite=True):
    """What every exporter must do: bring labels back, hold back what was not labelled, publish all or nothing.

    Subclass it as ``class TestMyExporter(ExporterContract)`` and write ``make_exporter`` and ``read_back``; see
    ``RoundTripContract`` for these hooks and for the flags that say what the target can hold.
    """

    # -- what is held back --------------------------------------------------------------------------------------------

    def test_failure_is_never_published_as_empty(self, tmp_path: Path) -> None:
        """A document that was not labelled has no labels in the target: not even an empty list of them."""
        found = self._round_trip(tmp_path, self._every_outcome())

        assert dict.fromkeys(NOT_LABELED) == {name: found.get(name) for name in NOT_LABELED}

    def test_held_back_names_every_document_that_was_not_labelled(self, tmp_path: Path) -> None:
        """The report lists them; a target that records outcomes counts them in its notes."""
        report = self.make_exporter(tmp_path, self.schema()).export(self._every_outcome())

        if self.records_outcomes:
            assert [name for name in NOT_LABELED if f"1 {name}" not in " ".join(report.notes)] == []
        else:
            assert sorted(NOT_LABELED) == sorted(item.document_id for item in report.held_back)

    def test_nothing_is_held_back_without_a_reason(self, tmp_path: Path) -> None:
        """Documents that were labelled are all published."""
        report = self.make_exporter(tmp_path, self.schema()).export([labeled(n, t, s) for n, t, s in TRICKY_TEXTS])

        assert report.held_back == ()

    def test_written_counts_what_was_published(self, tmp_path: Path) -> None:
        """The number in the report is the number of documents with labels in the target (or with their outcome)."""
        documents = self._every_outcome()
        report = self.make_exporter(tmp_path, self.schema()).export(documents)

        published = [one for one in self.read_back(tmp_path, report).values() if one is not None]
        assert report.written == (len(documents) if self.records_outcomes else len(published))
        assert len(published) == 2

    def test_labels_without_a_prediction_count_as_labelled(self, tmp_path: Path) -> None:
        """A plain ``LabeledDocument`` (by a person, from a file) is published."""
        one = LabeledDocument(document=Document(id="gold", text="Ann"), entities=labeled("x", "Ann", ("Ann",)).entities)
        found = self._round_trip(tmp_path, [one])

        assert one.entities == labels_of(found, "gold").entities

    def test_empty_batch_is_no_error(self, tmp_path: Path) -> None:
        """A run without documents exports nothing."""
        report = self.make_exporter(tmp_path, self.schema()).export(iter(()))

        assert (report.written, report.held_back) == (0, ())

    # -- problems -----------------------------------------------------------------------------------------------------

    def test_repeated_ids_are_refused(self, tmp_path: Path) -> None:
        """Two documents with one id cannot both be told apart in the target."""
        problems = self._problems(tmp_path, [labeled("twin", "Ann", ()), labeled("twin", "Bob", ())])

        assert [name for name in ("twin",) if any(name in problem for problem in problems)] == ["twin"]

    def test_labels_outside_the_schema_are_refused(self, tmp_path: Path) -> None:
        """A label that the schema does not have never reaches the target."""
        if not self.closed_schema:
            return
        problems = self._problems(tmp_path, [labeled("stray", "Ann", ("Ann",), label="Nobody")])

        assert any("stray" in problem and "Nobody" in problem for problem in problems)

    def test_all_problems_are_reported_at_once(self, tmp_path: Path) -> None:
        """One error names each document that stands in the way, in first and last place too."""
        good = [labeled(f"good{n}", "Ann", ("Ann",)) for n in range(3)]
        bad = [labeled(f"bad{n}", "Ann", ("Ann",), label="Nobody") for n in range(3)]
        twins = [labeled(f"twin{n % 2}", "Ann", ()) for n in range(4)]
        batch = [bad[0], good[0], *twins, bad[1], good[1], bad[2]] if self.closed_schema else [*good, *twins]
        problems = " ".join(self._problems(tmp_path, batch))

        expected = ["twin0", "twin1", *(["bad0", "bad1", "bad2"] if self.closed_schema else [])]
        assert expected == [name for name in expected if name in problems]

    def test_refused_batch_publishes_nothing(self, tmp_path: Path) -> None:
        """After a refusal the target is as it was before."""
        before = self.snapshot(tmp_path)
        self._problems(tmp_path, [labeled("a1", "Ann", ()), labeled("twin", "Ann", ()), labeled("twin", "Bob", ())])

        assert before == self.snapshot(tmp_path)

    def test_errors_and_reports_hold_no_text_of_documents(self, tmp_path: Path) -> None:
        """What is logged and shown names documents, it does not quote them."""
        secret = labeled("s", "Secretive Ann", ("Secretive Ann",))
        failed = Prediction(document=Document(id="f", text="Secretive Bob"), outcome="failed")
        report = self.make_exporter(tmp_path, self.schema()).export([secret, failed])
        problems = self._problems(tmp_path, [secret, secret])

        assert [text for text in (report.model_dump_json(), *problems) if "Secretive" in text] == []

    # -- all or nothing -----------------------------------------------------------------------------------------------

    def test_batch_that_breaks_off_publishes_nothing(self, tmp_path: Path) -> None:
        """When reading the documents fails, the error passes through and the target is as it was before."""
        before = self.snapshot(tmp_path)
        self._break_off(tmp_path)

        assert before == self.snapshot(tmp_path)

    def test_batch_that_breaks_off_leaves_the_earlier_export(self, tmp_path: Path) -> None:
        """A failed second export does not touch the first."""
        self.make_exporter(tmp_path, self.schema()).export([labeled("a", "Ann", ("Ann",))])
        before = self.snapshot(tmp_path)
        self._break_off(tmp_path)

        assert before == self.snapshot(tmp_path)

    def test_same_batch_again_gives_the_same(self, tmp_path: Path) -> None:
        """A second export of the same documents leaves the target equal to the last byte."""
        batch = [labeled(name, text, surfaces) for name, text, surfaces in TRICKY_TEXTS]
        self.make_exporter(tmp_path, self.schema()).export(batch)
        before = self.snapshot(tmp_path)
        self.make_exporter(tmp_path, self.schema()).export(batch)

        assert before == self.snapshot(tmp_path)

    def test_documents_are_read_once_and_let_go(self, tmp_path: Path) -> None:
        """Predictions may come from a generator, and memory does not grow with them."""
        most = MostAlive()
        report = self.make_exporter(tmp_path, self.schema()).export(most.documents(60))

        assert report.written == 60
        assert most.alive <= 5, f"{most.alive} documents were kept in memory"

    # -- ids ----------------------------------------------------------------------------------------------------------

    def test_ids_come_back_unchanged(self, tmp_path: Path) -> None:
        """An id is data, never a path: whatever it is, its document comes back under it."""
        found = self._round_trip(tmp_path, [labeled(name, f"Ann {n}", ("Ann",)) for n, name in enumerate(NASTY_IDS)])

        assert {name: f"Ann {n}" for n, name in enumerate(NASTY_IDS)} == {
            name: one.document.text for name, one in found.items() if one is not None
        }

    def test_ids_do_not_lead_out_of_the_target(self, tmp_path: Path) -> None:
        """Nothing is written beside the target."""
        inside = tmp_path / "inside" / "deeper"
        inside.mkdir(parents=True)
        self.make_exporter(inside, self.schema()).export([labeled(n, "Ann", ("Ann",)) for n in NASTY_IDS])

        assert [str(p) for p in tmp_path.rglob("*") if p.is_file() and not p.is_relative_to(inside)] == []

    def test_file_names_differ_by_more_than_case(self, tmp_path: Path) -> None:
        """File systems that ignore case, or Unicode forms, lose no document."""
        self.make_exporter(tmp_path, self.schema()).export([labeled(n, "Ann", ("Ann",)) for n in NASTY_IDS])
        names = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]

        assert len(names) == len({name.lower() for name in names})
        assert [name for name in names if not name.isascii()] == []

    # -- helpers

    def _problems(self, tmp_path: Path, batch: Iterable[LabeledDocument]) -> tuple[str, ...]:
        try:
            self.make_exporter(tmp_path, self.schema()).export(iter(batch))
        except ExportError as error:
            return error.problems
        raise AssertionError("the batch was not refused with an ExportError")

    def _break_off(self, tmp_path: Path) -> None:
        def documents() -> Iterator[LabeledDocument]:
            yield from (labeled(f"d{n}", "Ann", ("Ann",)) for n in range(5))
            raise BrokenOff

        try:
            self.make_exporter(tmp_path, self.schema()).export(documents())
        except BrokenOff:
            return
        raise AssertionError("the error of the iterable did not pass through")

    def _every_outcome(self) -> list[LabeledDocument]:
        failed = [Prediction(document=Document(id=o, text=f"Ann {o}"), outcome=o) for o in NOT_LABELED]
        return [labeled("first", "Ann", ("Ann",)), *failed, labeled("last", "nobody", ())]
