"""The exporter suite passes for every built-in and fails for wrong exporters, each by a named test."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest

from llmlabel.errors import ExportError, SourceError
from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter, read_azure_bundle
from llmlabel.exporters.base import Exporter
from llmlabel.exporters.jsonl import JsonlExporter, read_jsonl
from llmlabel.exporters.kili_bundle import KiliBundleExporter, read_kili_bundle
from llmlabel.testing.contract import deviates
from llmlabel.testing.exporter import ExporterContract
from llmlabel.types import Document, Prediction


class TestJsonl(ExporterContract):
    closed_schema = False
    records_outcomes = True

    def make_exporter(self, tmp_path, schema):
        return JsonlExporter(tmp_path / "out.jsonl")

    def read_back(self, tmp_path, report):
        return {
            one.document.id: one if not isinstance(one, Prediction) or one.outcome == "labeled" else None
            for one in read_jsonl(tmp_path / "out.jsonl")
        }


class TestKiliBundle(ExporterContract):
    def make_exporter(self, tmp_path, schema):
        return KiliBundleExporter(tmp_path / "bundle", schema=schema)

    def read_back(self, tmp_path, report):
        return {document.id: one for document, one in read_kili_bundle(tmp_path / "bundle")}


class TestKiliBundleInCodePoints(TestKiliBundle):
    def make_exporter(self, tmp_path, schema):
        return KiliBundleExporter(tmp_path / "bundle", schema=schema, offset_unit="codepoint")


class TestAzureBundle(ExporterContract):
    holds_relations = holds_attributes = holds_overlaps = holds_classes = holds_texts = False

    def make_exporter(self, tmp_path, schema):
        return AzureLanguageBundleExporter(
            tmp_path / "bundle",
            schema=schema,
            project="p",
            container="ccc",
            project_kind="CustomEntityRecognition",
        )

    def read_back(self, tmp_path, report):
        return {document.id: one for document, one in read_azure_bundle(tmp_path / "bundle")}


# -- wrong exporters, each caught by a named test ---------------------------------------------------------------------


class Around(Exporter):
    """A Kili bundle with something wrong around it."""

    def __init__(self, directory, schema):
        self.inner = KiliBundleExporter(directory, schema=schema)
        self.directory = directory

    def export(self, predictions):
        return self.inner.export(predictions)


class CountsCodePoints(Around):
    def export(self, predictions):
        self.inner.offset_unit = "codepoint"
        report = self.inner.export(predictions)
        manifest = self.directory / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"codepoint"', '"utf16"'))
        return report


class NormalizesNewlines(Around):
    def export(self, predictions):
        return self.inner.export(one.model_copy(update={"document": self.plain(one.document)}) for one in predictions)

    def plain(self, document):
        return Document(id=document.id, text=document.text.replace("\r\n", "\n"))


class PublishesFailureAsEmpty(Around):
    def export(self, predictions):
        return self.inner.export(one.model_copy(update={"outcome": "labeled"}) for one in predictions)


class DropsFailuresSilently(Around):
    def export(self, predictions):
        return self.inner.export(one for one in predictions if getattr(one, "outcome", "labeled") == "labeled")


class DropsEmptyDocuments(Around):
    def export(self, predictions):
        return self.inner.export(one for one in predictions if one.entities)


class DropsPlainLabels(Around):
    def export(self, predictions):
        return self.inner.export(one for one in predictions if isinstance(one, Prediction))


class TellsTheFirstProblem(Around):
    def export(self, predictions):
        try:
            return self.inner.export(predictions)
        except ExportError as error:
            raise ExportError(error.target, error.problems[:1]) from None


class KeepsTheFirstOfTwins(Around):
    def export(self, predictions):
        seen = {}
        return self.inner.export(seen.setdefault(p.document.id, p) for p in predictions if p.document.id not in seen)


class LeavesItsSpool(Around):
    def export(self, predictions):
        self.directory.parent.joinpath("half-done.tmp").write_text("x")
        report = self.inner.export(predictions)
        self.directory.parent.joinpath("half-done.tmp").unlink()
        return report


class SwallowsErrors(Around):
    def export(self, predictions):
        def until_it_breaks():
            try:
                yield from predictions
            except Exception:
                return

        return self.inner.export(until_it_breaks())


class DeletesFirst(Around):
    def export(self, predictions):
        shutil.rmtree(self.directory, ignore_errors=True)
        return self.inner.export(predictions)


class MakesRandomIds(Around):
    def export(self, predictions):
        report = self.inner.export(predictions)
        for path in (self.directory / "labels").glob("*.json"):
            answer = json.loads(path.read_text())
            for annotation in answer["NAMED_ENTITIES_RECOGNITION_JOB"]["annotations"]:
                annotation["mid"] = uuid.uuid4().hex
            path.write_text(json.dumps(answer))
        shutil.rmtree(self.directory.with_suffix(".kept"), ignore_errors=True)
        self.directory.rename(self.directory.with_suffix(".kept"))
        return report


class ReadsEverythingFirst(Around):
    def export(self, predictions):
        return self.inner.export(list(predictions))


class CutsIds(Around):
    def export(self, predictions):
        return self.inner.export(
            one.model_copy(update={"document": Document(id=one.document.id[:100], text=one.document.text)})
            for one in predictions
        )


class UsesIdsAsPaths(Around):
    def export(self, predictions):
        return self.inner.export(self.beside(one) for one in predictions)

    def beside(self, one):
        name = one.document.id.replace("\x00", "")[:100]
        if ".." in name:
            (self.directory.parent / name).with_suffix(".txt").write_text(one.document.text)
        return one


class NamesFilesById(Around):
    def export(self, predictions):
        return self.inner.export(self.named(one) for one in predictions)

    def named(self, one):
        if one.document.id.isalnum() and len(one.document.id) < 9:
            (self.directory.parent / one.document.id).write_text("x")
        return one


class CountsWhatItRead(Around):
    def export(self, predictions):
        batch = list(predictions)
        return self.inner.export(batch).model_copy(update={"written": len(batch)})


class LosesRelations(Around):
    def export(self, predictions):
        return self.inner.export(one.model_copy(update={"relations": ()}) for one in predictions)


class LosesAttributes(Around):
    def export(self, predictions):
        return self.inner.export(self.bare(one) for one in predictions)

    def bare(self, one):
        entities = tuple(entity.model_copy(update={"attributes": {}}) for entity in one.entities)
        return one.model_copy(update={"entities": entities})


class KeepsLongestOnly(Around):
    def export(self, predictions):
        return self.inner.export(
            one.keep(lambda e, es=one.entities: not any(o.start <= e.start < e.end < o.end for o in es))
            for one in predictions
        )


class LosesClasses(Around):
    def export(self, predictions):
        return self.inner.export(one.model_copy(update={"classes": {}}) for one in predictions)


class StripsTexts(Around):
    def export(self, predictions):
        return self.inner.export(
            one.model_copy(update={"texts": {name: text.strip("/") for name, text in one.texts.items()}})
            for one in predictions
        )


class AcceptsAnyLabel(Around):
    def export(self, predictions):
        known = self.inner.schema.entity_names
        return self.inner.export(one.keep(lambda entity: entity.label in known) for one in predictions)


class QuotesTexts(Around):
    def export(self, predictions):
        batch = list(predictions)
        report = self.inner.export(batch)
        return report.model_copy(update={"notes": tuple(one.document.text for one in batch)})


class HoldsBackLongTexts(Around):
    def export(self, predictions):
        return self.inner.export(
            one.model_copy(update={"outcome": "skipped"}) if len(one.document.text) > 15 else one for one in predictions
        )


class RefusesNothing(Around):
    def export(self, predictions):
        batch = list(predictions)
        if not batch:
            raise ExportError("wrong", ["nothing to export"])
        return self.inner.export(batch)


WRONG = {
    CountsCodePoints: "test_spans_come_back_exactly",
    NormalizesNewlines: "test_texts_come_back_unchanged",
    DropsEmptyDocuments: "test_document_without_entities_is_published_as_empty",
    LosesRelations: "test_relations_come_back",
    LosesAttributes: "test_attributes_come_back",
    KeepsLongestOnly: "test_overlapping_entities_come_back",
    LosesClasses: "test_classes_come_back",
    StripsTexts: "test_free_texts_come_back",
    PublishesFailureAsEmpty: "test_failure_is_never_published_as_empty",
    DropsFailuresSilently: "test_held_back_names_every_document_that_was_not_labelled",
    HoldsBackLongTexts: "test_nothing_is_held_back_without_a_reason",
    CountsWhatItRead: "test_written_counts_what_was_published",
    DropsPlainLabels: "test_labels_without_a_prediction_count_as_labelled",
    RefusesNothing: "test_empty_batch_is_no_error",
    KeepsTheFirstOfTwins: "test_repeated_ids_are_refused",
    AcceptsAnyLabel: "test_labels_outside_the_schema_are_refused",
    TellsTheFirstProblem: "test_all_problems_are_reported_at_once",
    LeavesItsSpool: "test_refused_batch_publishes_nothing",
    QuotesTexts: "test_errors_and_reports_hold_no_text_of_documents",
    SwallowsErrors: "test_batch_that_breaks_off_publishes_nothing",
    DeletesFirst: "test_batch_that_breaks_off_leaves_the_earlier_export",
    MakesRandomIds: "test_same_batch_again_gives_the_same",
    ReadsEverythingFirst: "test_documents_are_read_once_and_let_go",
    CutsIds: "test_ids_come_back_unchanged",
    UsesIdsAsPaths: "test_ids_do_not_lead_out_of_the_target",
    NamesFilesById: "test_file_names_differ_by_more_than_case",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_exporter_is_caught(tmp_path: Path, wrong):
    """The named test fails for the wrong exporter, and passes for the right one (see ``TestKiliBundle``)."""

    class Suite(TestKiliBundle):
        def make_exporter(self, tmp_path, schema):
            return wrong(tmp_path / "bundle", schema)

    with pytest.raises((AssertionError, ExportError, SourceError, KeyError)):
        getattr(Suite(), WRONG[wrong])(tmp_path)


def test_every_standard_test_catches_a_wrong_exporter():
    """No test of the suite is there for show."""

    assert set(ExporterContract.standard_tests) == set(WRONG.values())


def test_weakened_suite_is_refused():
    """A subclass that replaces a standard test without saying why cannot be defined."""
    with pytest.raises(TypeError, match="test_ids_come_back_unchanged"):

        class Weak(TestKiliBundle):
            def test_ids_come_back_unchanged(self, tmp_path):
                pass


def test_suite_weakened_by_a_mixin_is_refused():
    """A mixin that hides a standard test is found too."""

    class Mixin:
        test_relations_come_back = None

    with pytest.raises(TypeError, match="test_relations_come_back"):

        class Weak(Mixin, TestKiliBundle):
            pass


def test_suite_that_is_switched_off_is_refused():
    """A subclass that pytest would not collect cannot pass for a run of the suite."""
    with pytest.raises(TypeError, match="__test__"):

        class Weak(TestKiliBundle):
            __test__ = False


def test_deviation_with_a_reason_is_accepted():
    """A standard test may be replaced when the class says why."""

    class Honest(TestKiliBundle):
        @deviates(reason="the target renames documents")
        def test_ids_come_back_unchanged(self, tmp_path):
            pass

    assert "the target renames documents" == Honest.test_ids_come_back_unchanged.__deviates__


def test_deviation_needs_a_reason():
    """An empty reason is no reason."""
    with pytest.raises(TypeError, match="reason"):
        deviates(reason=" ")
