"""A slow Kili: labelling does not wait for it, people are told, and many documents need little memory."""

from __future__ import annotations

import json
import threading
import tracemalloc

import pytest

pytest.importorskip("kili")

from llmlabel.exporters.kili_report import KiliDocument, KiliDocuments, KiliReport
from llmlabel.exporters.kili_spool import Packed, Spool
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.testing.batches import labeled
from llmlabel.testing.scripted import ScriptedLabeler
from llmlabel.types import Document

ANN = [labeled(f"d{n}", f"Ann met Bob, time {n}", ("Ann", "Bob"), label="Person") for n in range(5)]


def test_labelling_does_not_wait_for_kili(kili):
    """While Kili has not even told what the project is, all documents are labelled."""
    documents = [Document(id=f"d{n}", text=f"Ann {n}") for n in range(150)]
    answers = {one.id: json.dumps({"entities": [{"text": "Ann", "label": "Person"}]}) for one in documents}
    labelled = threading.Event()
    slow = kili.stub.fail("countProjects", hold=labelled)
    labeler = ScriptedLabeler(kili.schema, answers, model="m")
    with Pipeline(labeler, exporters=kili.exporter(), progress=False) as pipeline:
        for number, _ in enumerate(pipeline.stream(documents), start=1):
            if number == len(documents):
                labelled.set()

    assert slow.held
    assert 150 == len(kili.labels())


def test_silent_waits_of_the_sdk_are_told(kili):
    """The SDK sleeps when too many requests were sent in a minute; we say so."""
    from kili.core.graphql import graphql_client
    from pyrate_limiter import Rate
    from pyrate_limiter.limiter import Limiter

    told = []
    exporter = kili.exporter(tell=told.append)
    exporter._client.slow = 0.2
    usual, graphql_client._limiter = graphql_client._limiter, Limiter(Rate(10, 1500), max_delay=10_000)
    try:
        exporter.export(ANN)
    finally:
        graphql_client._limiter = usual

    assert 5 == len(kili.labels())
    assert "waiting for Kili" in told[0]


def test_progress_is_shown_if_asked(kili, capsys):
    """Two bars of ours: reading, sending."""
    kili.push(ANN, progress=True)
    shown = capsys.readouterr().err

    assert [True, True] == [f"Kili: {what}" in shown for what in ("reading", "sending")]


def test_lines_of_a_report_are_packed():
    """Twenty thousand lines take less than a hundred bytes each, and are all there."""
    tracemalloc.start()
    rows = Packed()
    for start in range(0, 20_000, 1000):
        rows.add([[f"document {n}", "existing", "sent", f"asset-{n:020}", None, n] for n in range(start, start + 1000)])
    report = KiliReport(
        target="kili", written=0, project_id="p", host="h", sdk="s", model_name="m", documents=KiliDocuments(rows)
    )
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used < 2_000_000
    assert (20_000, "document 19999", 19_998) == (
        len(report.documents),
        report.documents[-1].id,
        report.documents[19_998].spans,
    )
    assert {"assets existing": 20_000, "labels sent": 20_000} == report.totals


def test_report_goes_through_json(kili):
    """A report with its lines is read back equal, and its lines are documents."""
    report = kili.push(ANN)
    again = KiliReport.model_validate_json(report.model_dump_json())

    assert report == again
    assert (
        KiliDocument(id="d1", asset="created", label="sent", asset_id=again.documents[1].asset_id, spans=2)
        == (again.documents[1])
    )
    assert ("d0", "d1") == tuple(one.id for one in again.documents[:2])


def test_documents_are_read_from_disk_block_by_block(tmp_path):
    """Blocks are bounded by characters too, and the same each time."""
    spool = Spool(tmp_path / "spool")
    for number in range(4):
        spool.add(labeled(f"d{number}", "x" * 1_500_000, ()), publish=number != 3)
    sizes = [[len(block) for block in spool.blocks(lambda one: {"id": one.document.id})] for _ in range(2)]
    answers = [row.answer for block in spool.blocks(lambda one: {"id": one.document.id}) for row in block]
    spool.close()

    assert [[2, 2], [2, 2]] == sizes
    assert [{"id": "d0"}, {"id": "d1"}, {"id": "d2"}, None] == answers
