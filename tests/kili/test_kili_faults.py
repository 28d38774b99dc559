"""Pushes through a server that fails: nothing is lost, nothing is doubled, and the report says what happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

import pytest

pytest.importorskip("kili")

from llmlabel.errors import ExportError
from llmlabel.exporters.jsonl import JsonlExporter
from llmlabel.exporters.kili_create import create_kili_project
from llmlabel.platforms.kili.sdk import watched
from llmlabel.testing.batches import labeled

MANY = [labeled(f"d{n:03}", f"Ann, number {n}", ("Ann",), label="Person") for n in range(250)]
POISON = {"message": "[somethingWrong] boom", "extensions": {"code": "X"}}


def once(kili, documents):
    """Assert that each document has one asset and one prediction."""
    ids = [one.document.id for one in documents]
    assets = [asset["externalId"] for asset in kili.stub.state.assets.values()]

    assert sorted(ids) == sorted(assets)
    assert dict.fromkeys(ids, 1) == {name: len(answers) for name, answers in kili.labels().items()}


LOST = {
    "502": {"status": 502},
    "504 after it was applied": {"status": 504, "apply": True},
    "no answer after it was applied": {"drop": True, "apply": True},
    "503": {"status": 503},
}


@pytest.mark.parametrize("rule", LOST.values(), ids=LOST)
@pytest.mark.parametrize("operation", ["appendManyLabels", "appendManyAssets"])
def test_unknown_outcome_is_read_back_and_only_the_rest_sent(kili, operation, rule):
    """When the answer to the second batch is lost, each document still ends up there exactly once."""
    kili.stub.fail(operation, after=1, **rule)
    report = kili.push(MANY)

    once(kili, MANY)
    assert {"assets created": 250, "labels sent": 250} == report.totals


def test_applied_predictions_are_not_sent_again(kili):
    """After a lost answer, reading back shows that nothing is missing."""
    kili.stub.fail("appendManyLabels", after=1, status=504, apply=True)
    kili.push(MANY)

    assert 3 == kili.mutations().count("appendManyLabels")


@pytest.mark.parametrize("error", [POISON, {"message": "boom"}], ids=["with extensions", "without extensions"])
def test_refused_batch_is_sent_in_halves(kili, error):
    """A GraphQL error for a whole batch costs no document."""
    kili.stub.fail("appendManyLabels", after=1, errors=[error])
    report = kili.push(MANY)

    once(kili, MANY)
    assert () == report.failed


def test_one_poisoned_document_is_alone_in_the_report(kili):
    """Of 250 documents one is refused by the server: it is named, and the others arrive."""
    state = kili.stub.state
    check = state.check_json_response
    poisoned = '"mid": "' + _mid(kili, MANY[137])

    def refuse(raw, project):
        if poisoned in raw:
            from graphql import GraphQLError

            raise GraphQLError("[poisoned] quoting the text: Ann, number 137")
        check(raw, project)

    state.check_json_response = refuse
    report = kili.push(MANY)

    assert ["d137"] == [one.id for one in report.failed]
    assert 249 == len(kili.labels()) == report.written
    assert "number 137" not in report.model_dump_json()


def _mid(kili, document):
    from llmlabel.platforms.kili.answers import json_response
    from llmlabel.platforms.kili.interface import interface_from_schema
    from llmlabel.platforms.kili.ontology import bind

    answer = json_response(document, bind(kili.schema, interface_from_schema(kili.schema)))
    return answer["NAMED_ENTITIES_RECOGNITION_JOB"]["annotations"][0]["mid"]


def test_server_that_refuses_everything_is_not_asked_forever(kili):
    """After some refusals in a row the push stops, and every document is in the report."""
    kili.stub.fail("appendManyLabels", times=100_000, errors=[POISON])
    report = kili.push(MANY)

    assert 250 == len(report.failed)
    assert kili.mutations().count("appendManyLabels") < 100
    assert "the push stopped" in " ".join(report.notes)


def test_too_many_requests_are_waited_out(kili):
    """429 is retried by the SDK, and nothing is lost."""
    kili.stub.fail("appendManyLabels", times=2, status=429, headers={"Retry-After": "0"})
    kili.push(MANY)

    once(kili, MANY)


def test_one_refused_key_midway_is_waited_out(kili):
    """The SDK sends a request again after a single 401; nothing is lost or doubled."""
    kili.stub.fail("appendManyLabels", after=1, status=401)
    kili.push(MANY)

    once(kili, MANY)


@pytest.mark.slow
def test_key_revoked_midway_stops_the_push(kili):
    """After the two minutes that the SDK tries on, the push stops: what arrived and what did not is in the report."""
    kili.stub.fail("appendManyLabels", after=1, times=1000, status=401)
    report = kili.push(MANY)

    assert {"assets created": 250, "labels sent": 100, "labels failed": 150} == report.totals
    assert "the API key is not accepted" in " ".join(report.notes)


def test_unreachable_server_says_so(kili):
    """Nothing was read: nothing is published, and the error names the host, not the key."""
    kili.stub.fail("countAssets", times=100, status=500)
    with pytest.raises(ExportError, match="Kili cannot be reached or does not answer"):
        kili.push(MANY)


@pytest.mark.parametrize("times", [1, 2])
def test_an_answer_that_is_not_downloaded_at_once_is_asked_for_again(kili, times):
    """Where answers lie behind links, the SDK gives up at the first failed download; we read again."""
    kili.stub.state.options["json_response_url"] = True
    kili.push(MANY[:20])
    texts = 20  # are downloaded first
    kili.stub.fail("GET", after=texts + 3, times=times, status=500)
    report = kili.push(MANY[:20])

    assert {"assets existing": 20, "labels unchanged": 20} == report.totals


def test_upload_of_a_text_that_fails_is_reported(kili):
    """A bucket that refuses one text costs that document only."""
    kili.stub.fail("PUT", times=3, status=403)
    report = kili.push(MANY[:40])

    once(kili, [one for one in MANY[:40] if one.document.id not in {item.id for item in report.failed}])


def test_long_waits_are_told():
    """A call that takes long is told about while it waits."""
    told = []
    import threading

    waited = threading.Event()

    def tell(line):
        told.append(line)
        waited.set()

    with watched("assets", tell, after=0.01):
        assert waited.wait(10)

    assert "assets: waiting for Kili" in told[0]


# -- killed -----------------------------------------------------------------------------------------------------------


def command(kili, folder):
    """Start ``llmlabel kili push --create`` as a process of its own."""
    push = [sys.executable, "-m", "llmlabel", "kili", "push", "predictions.jsonl", "-s", "schema.yaml"]
    return subprocess.Popen(
        [*push, "--create", "killed", "--model-name", "m", "--endpoint", kili.stub.endpoint],
        cwd=folder,
        env={**os.environ, "KILI_API_KEY": kili.stub.api_key},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def again(kili, documents):
    """Do what the command does, in this process."""
    access = {"schema": kili.schema, "api_key": kili.stub.api_key, "api_endpoint": kili.stub.endpoint}
    kili.project = create_kili_project("killed", **access)
    kili.push(documents)


def counted(kili):
    """How many requests came that a fault can hit."""
    return sum(entry["kind"] != "version" for entry in kili.stub.state.journal)


@pytest.mark.slow
@pytest.mark.parametrize("apply", [False, True], ids=["before", "after"])
def test_killed_at_any_request_and_run_again_each_stands_once(kili, tmp_path, apply):
    """Killed before or after a request, and run again: one project, each asset and each prediction exactly once."""
    pytest.importorskip("typer")
    documents = MANY[:130]
    kili.schema.to_file(tmp_path / "schema.yaml")
    JsonlExporter(tmp_path / "predictions.jsonl").export(documents)
    seen = counted(kili)
    assert 0 == command(kili, tmp_path).wait(120)
    new = [entry for entry in kili.stub.state.journal[-(counted(kili) - seen) :] if entry["kind"] != "version"]
    uploads = [number for number, entry in enumerate(new) if entry["kind"] == "bucket-put"]
    writes = [number for number, entry in enumerate(new) if entry["kind"] == "mutation"]
    reads = [number for number, entry in enumerate(new) if entry["kind"] == "query"]
    process: list[subprocess.Popen[bytes]] = []
    for number in sorted({*writes, *random.Random(7).sample(reads, 5), *random.Random(7).sample(uploads, 2)}):
        for stored in (kili.stub.state.projects, kili.stub.state.assets, kili.stub.state.labels):
            stored.clear()
        process.clear()
        kili.stub.fail("*", after=number, times=10**6, apply=apply, drop=True, then=lambda: process[0].kill())
        process.append(command(kili, tmp_path))
        assert -signal.SIGKILL == process[0].wait(120)
        kili.stub.state.faults.clear()
        again(kili, documents)
        once(kili, documents)
        assert ["killed"] == [one["title"] for one in kili.stub.state.projects.values()]
