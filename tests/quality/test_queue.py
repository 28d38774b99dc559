"""Which documents come first, what a budget gives, which stay blind."""

from __future__ import annotations

import pytest

from llmlabel import AzureLanguageBundleExporter, KiliBundleExporter, LabelSchema, Mention, Placement, Provenance
from llmlabel.errors import ConfigurationError
from llmlabel.evaluation.matching import answered
from llmlabel.exporters.azure_bundle import read_azure_bundle
from llmlabel.exporters.kili_bundle import read_kili_bundle
from llmlabel.quality import (
    BlindExporter,
    blind_split,
    expected_budget,
    in_blind_split,
    is_blind,
    measured_budget,
    review_queue,
)
from tests.quality.kit import gold, predicted

ANN, BOB = (0, 3, "PER"), (8, 11, "PER")


def test_doubtful_documents_come_first():
    """
    Low confidence, labels that others have, mentions without a place, failures: each is a reason to look.
    """
    lost = Placement(mention=Mention(text="Zed", label="PER"), status="not_found")
    runs = [
        predicted((*ANN, 0.99), id="sure"),
        predicted((*ANN, 0.1), (*BOB, 0.2), id="doubtful"),
        predicted((*ANN, 0.99), id="lost", placements=(lost,)),
        predicted(id="failed", outcome="failed"),
    ]
    queue = review_queue(runs)

    assert "sure" == queue[-1].document_id
    assert {"doubtful", "failed"} == {item.document_id for item in queue[:2]}
    assert 0.5 == next(item.missed for item in queue if item.document_id == "lost")


def test_what_others_have_may_be_missed():
    """
    Each label that the others have and the prediction lacks counts with their share.
    """
    queue = review_queue([predicted((*ANN, 1.0))], [[predicted(ANN, BOB)], [predicted(ANN)]])

    assert (1.0, 0.0, 0.5) == (queue[0].right, queue[0].wrong, queue[0].missed)


def test_reviewed_documents_have_nothing_to_gain():
    """
    A person's labels are not queued again.
    """
    done = predicted(ANN, id="done", provenance=Provenance(kind="model", reviewed=True))
    queue = review_queue([done, predicted(ANN, id="open")])

    assert [("open", True), ("done", False)] == [(item.document_id, item.gain > 0) for item in queue]


def test_expected_budget_by_hand():
    """
    T = 1.2, E = 0.8: F1 0.75 before, 1.0 after all.
    """
    queue = review_queue([predicted((*ANN, 1.0), id="a"), predicted((*ANN, 0.2), id="b")])
    table = expected_budget(queue, [0, 0.5, 1])

    assert pytest.approx([0.75, 1.0, 1.0]) == [row.f1 for row in table.rows]
    assert pytest.approx(2.4 / 2.8) == table.at(0.5).random
    assert None is table.at(0.5).oracle


def test_measured_budget_lies_between_random_and_oracle():
    """
    One of ten documents is wrong and the queue knows it: reviewing a tenth makes all right.
    """
    truth = [gold(ANN, id=str(n)) for n in range(10)]
    guesses = [predicted((*(ANN if n else BOB), 0.9 if n else 0.3), id=str(n)) for n in range(10)]
    table = measured_budget(truth, guesses, review_queue(guesses), [0, 0.1, 1])

    assert pytest.approx([0.9, 1.0, 1.0]) == [row.f1 for row in table.rows]
    assert 0.9 <= table.at(0.1).random < 1.0 == table.at(0.1).oracle
    assert table == measured_budget(truth, guesses, review_queue(guesses), [0, 0.1, 1])
    assert "measured against gold labels" in str(table)


def test_wrong_numbers_are_refused():
    """
    Shares and chances lie between 0 and 1, and the queue holds every gold document.
    """
    with pytest.raises(ConfigurationError, match="unknown"):
        review_queue([], unknown=2)
    with pytest.raises(ConfigurationError, match="shares"):
        expected_budget((), [1.5])
    with pytest.raises(ConfigurationError, match="not in it"):
        measured_budget([gold(ANN)], [predicted(ANN)], ())
    with pytest.raises(ConfigurationError, match="share"):
        in_blind_split("a", 7)


def test_the_blind_split_is_told_by_the_id():
    """
    The same documents whatever else is in the batch; about the share asked for; another seed, another split.
    """
    ids = [str(n) for n in range(2000)]
    chosen = {id for id in ids if in_blind_split(id, 0.1)}

    assert 150 < len(chosen) < 250
    assert chosen <= {id for id in ids if in_blind_split(id, 0.3)}
    assert chosen != {id for id in ids if in_blind_split(id, 0.1, seed=1)}


def test_no_prediction_of_a_blind_document_reaches_a_bundle(tmp_path):
    """
    Both platforms get its text and no label, and the report says why it was held back; a person's labels stay.
    """
    schema = LabelSchema(entities=["PER"])
    human = predicted(ANN, id="human", provenance=Provenance(kind="human"))
    split = blind_split([human, *(predicted(ANN, id=f"d{n}") for n in range(20))], 0.5)
    kili = KiliBundleExporter(tmp_path / "kili", schema=schema)
    azure = AzureLanguageBundleExporter(tmp_path / "azure", schema=schema, project="p", container="texts")
    reports = [exporter.export(split) for exporter in (kili, azure)]
    blind = {item.document.id for item in split if is_blind(item)}

    assert "human" not in blind
    assert 4 < len(blind) < 16
    for report, bundle in zip(reports, (read_kili_bundle, read_azure_bundle), strict=True):
        read = {document.id: labels for document, labels in bundle(report.location)}
        assert blind == {id for id, labels in read.items() if labels is None}
        assert blind == {item.document_id for item in report.held_back}
    assert b"Ann" not in b"".join(
        line for line in (tmp_path / "azure/review.jsonl").read_bytes().splitlines() if b'"entities":[{' in line
    )
    assert not any(answered(item) for item in split if is_blind(item))


def test_an_exporter_keeps_the_split_itself(tmp_path):
    """
    It publishes what blind_split would give, and says how many documents got no predictions.
    """
    schema, items = LabelSchema(entities=["PER"]), [predicted(ANN, id=f"d{n}") for n in range(20)]
    expected = {item.document.id for item in blind_split(items, 0.5) if is_blind(item)}
    report = BlindExporter(KiliBundleExporter(tmp_path / "kili", schema=schema), share=0.5).export(iter(items))

    assert expected == {document.id for document, labels in read_kili_bundle(report.location) if labels is None}
    assert expected == {item.document_id for item in report.held_back}
    assert f"{len(expected)} document(s) are in the blind split: exported without predictions" in report.notes
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        BlindExporter(KiliBundleExporter(tmp_path / "x", schema=schema), share=2)
