"""What exporters get, when, and what happens when they refuse."""

from __future__ import annotations

import pytest

from llmlabel import Exporter, ExportError, ExportReport, LabelerError, Limits
from llmlabel.pipeline.pipeline import Pipeline
from tests.pipeline.conftest import Writer, entities


class Collecting(Exporter):
    """Keeps the ids it was given, and publishes them at the end."""

    def __init__(self) -> None:
        self.published: list[str] | None = None

    def export(self, predictions):
        ids = [p.document.id for p in predictions]
        self.published = ids
        return ExportReport(target="collecting", written=len(ids))


class Refusing(Exporter):
    """Refuses every batch."""

    def export(self, predictions):
        raise ExportError("refusing", [f"document {p.document.id!r}: no" for p in predictions])


def pipeline(exporters, answer=lambda prompt: entities(), **more):
    return Pipeline(Writer(answer), exporters=exporters, progress=False, **more)


def test_a_run_feeds_every_exporter_in_input_order():
    """
    Several exporters get the same predictions, and each gives its report.
    """
    one, two = Collecting(), Collecting()

    result = pipeline([one, two]).run(["a", "b", "c"])

    assert ["doc-000001", "doc-000002", "doc-000003"] == one.published == two.published
    assert [3, 3] == [report.written for report in result.exports]


def test_a_refused_export_loses_no_prediction():
    """
    The error carries the finished result, and the other exporters did their work.
    """
    other = Collecting()

    with pytest.raises(ExportError) as caught:
        pipeline([Refusing(), other]).run(["a", "b"])

    assert 2 == len(caught.value.problems) == len(caught.value.result.predictions)
    assert 2 == len(other.published)


def fatal_at_b(prompt):
    return LabelerError("no", fatal=True) if prompt.messages[-1].content.count("bbb") else entities()


@pytest.mark.parametrize(("asked", "published"), [(False, None), (True, 3)])
def test_a_run_that_stopped_publishes_nothing_unless_asked(asked, published):
    """
    Half a run does not look like a whole one.
    """
    exporter = Collecting()
    limits = Limits(max_concurrency=1)

    result = pipeline(exporter, fatal_at_b, limits=limits, publish_stopped=asked).run(["aaa", "bbb", "ccc"])

    assert 1 == result.outcomes["failed"]  # which of the others was asked before it is left open
    assert result.stopped
    assert published == (exporter.published and len(exporter.published))
    assert asked or "nothing was exported" in str(result)


async def test_a_stream_feeds_exporters_while_results_come():
    """
    An exporter of a stream publishes at the end, and its report stands in ``exports``.
    """
    exporter = Collecting()
    run = pipeline(exporter).astream(str(n) for n in range(200))
    count = 0
    async for _ in run:
        count += 1

    assert 200 == count == len(exporter.published) == run.exports[0].written


async def test_a_stream_left_early_publishes_nothing():
    """
    Closing a stream withdraws what was spooled.
    """
    exporter = Collecting()
    async with pipeline(exporter).astream(str(n) for n in range(50)) as run:
        await anext(run)

    assert exporter.published is None
    assert [] == run.exports


async def test_a_refused_stream_keeps_no_other_exporter_from_its_work():
    """
    Each exporter of a stream ends its work; the refusal is raised after that.
    """
    other = Collecting()

    with pytest.raises(ExportError, match="refusing"):
        async for _ in pipeline([Refusing(), other]).astream(["a", "b"]):
            pass

    assert 2 == len(other.published)
