"""Runs as provider batch jobs: the real OpenAI SDK against the files and batches endpoints on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llmlabel import (
    Asking,
    AzureOpenAILabeler,
    ConfigurationError,
    Document,
    LabelerError,
    LabelSchema,
    Limits,
    OpenAILabeler,
    Pipeline,
)
from llmlabel.engine.batch import BatchLimits
from llmlabel.engine.batch_store import BatchStore
from llmlabel.engine.runs import purge_runs
from llmlabel.labelers.openai_batch import OpenAIBatch
from tests.pipeline.conftest import SCHEMA, Writer
from tests.servers.openai_batch_server import BatchServer, line_text
from tests.servers.openai_server import refusal

DOCUMENTS = [Document(id=f"../{n}", text=f"Ann{n} is here\u2028now") for n in range(6)]


def answer(line: dict[str, Any]) -> str:
    """Name every Ann of a line, packed or alone."""
    names = re.findall("Ann[0-9]", line_text(line))
    items = [{"entities": [{"text": name, "label": "PER"}]} for name in names]
    packed = {"documents": [{"id": str(k), **item} for k, item in enumerate(items, 1)]}
    return json.dumps(items[0] if len(items) == 1 else packed)


def online(request: Any) -> str:
    """The same for a single request, which may be the second round of a conversation."""
    return answer({"body": {"messages": request.json["messages"][:2]}})


def price(model: str | None, usage: Any) -> float:
    return usage.input_tokens / 100


class Made:
    """A server, a journal, and pipelines that share nothing else, as in processes of their own."""

    def __init__(self, server: BatchServer, journal: Any) -> None:
        self.server = server
        self.journal = journal

    def pipeline(self, schema: LabelSchema = SCHEMA, **more: Any) -> Pipeline:
        labeler = OpenAILabeler(schema, model="gpt-test", api_key="sk-test", base_url=self.server.url)
        return Pipeline(labeler, **{"journal": self.journal, "progress": False, "price": price, **more})

    def both(self, **more: Any) -> Any:
        """Submit with one pipeline, collect with another."""
        with self.pipeline(**more) as first:
            run = first.submit(DOCUMENTS)
        with self.pipeline(**more) as second:
            return second.collect(run, poll_seconds=0)


@pytest.fixture
def made(tmp_path):
    with BatchServer(answer, answer=online) as server:
        yield Made(server, tmp_path / "journal.sqlite")


@pytest.mark.parametrize("size", [1, 3, 4])
def test_another_pipeline_collects_what_one_submitted(made, size):
    """
    Every document is labelled from the job alone, at half the price, with its own answer, and nothing is left behind.
    """
    result = made.both(asking=Asking(documents_per_request=size))
    requests = -(-6 // size)

    assert [f"Ann{n}" for n in range(6)] == [p.entities[0].text for p in result.predictions]
    assert [d.id for d in DOCUMENTS] == [p.document.id for p in result.predictions]
    assert (requests, 100 * requests, 0) == (result.usage.requests, result.usage.input_tokens, made.server.asked_online)
    assert requests * 0.5 == pytest.approx(result.usage.cost)
    assert {} == made.server.files


def test_the_file_is_json_lines_as_the_service_wants_them(made):
    """
    ASCII without a byte order mark, one line per request, each with an id of its own, one model.
    """
    with made.pipeline() as pipeline:
        pipeline.submit(DOCUMENTS)
    (content,) = made.server.uploads
    lines = [json.loads(line) for line in content.decode("ascii").splitlines()]

    assert 6 == len(lines) == len({line["custom_id"] for line in lines})
    assert {("POST", "/v1/chat/completions")} == {(line["method"], line["url"]) for line in lines}
    assert {"gpt-test"} == {line["body"]["model"] for line in lines}
    assert DOCUMENTS[0].text in line_text(lines[0])


def test_identical_texts_are_submitted_once(made):
    """
    Two documents with one text are one line, and both get its answer.
    """
    with made.pipeline() as pipeline:
        run = pipeline.submit([Document(id=name, text="Ann1") for name in "ab"])
        result = pipeline.collect(run, poll_seconds=0)

    assert 1 == len(made.server.uploads[0].splitlines())
    assert {"labeled": 2} == result.outcomes


class SmallFiles(OpenAIBatch):
    """Jobs of at most four lines."""

    limits = BatchLimits(max_requests=4)


class SmallFilesLabeler(OpenAILabeler):
    """A labeler whose provider takes small files only."""

    kind = SmallFiles

    def batch_backend(self) -> OpenAIBatch:
        made = super().batch_backend()
        made.__class__ = self.kind
        return made


def test_a_run_is_split_into_as_many_files_as_the_limits_ask_for(made):
    """
    Six requests at four to a file are two jobs; the result is one.
    """
    labeler = SmallFilesLabeler(SCHEMA, model="gpt-test", api_key="sk-test", base_url=made.server.url)
    with Pipeline(labeler, journal=made.journal, progress=False) as pipeline:
        run = pipeline.submit(DOCUMENTS)
        result = pipeline.collect(run, poll_seconds=0)

    assert [4, 2] == [len(content.splitlines()) for content in made.server.uploads]
    assert ({"labeled": 6}, 0) == (result.outcomes, made.server.asked_online)


class SmallBytes(OpenAIBatch):
    """Jobs of at most five thousand bytes."""

    limits = BatchLimits(max_bytes=5_000)


def test_a_run_is_split_by_size_too(made):
    """
    No file is larger than the limit; a line that fits into none is asked online.
    """
    labeler = SmallFilesLabeler(SCHEMA, model="gpt-test", api_key="sk-test", base_url=made.server.url)
    labeler.kind = SmallBytes
    documents = [*DOCUMENTS, Document(id="long", text="Ann6 " + "is here, and has much to say. " * 200)]
    with Pipeline(labeler, journal=made.journal, progress=False) as pipeline:
        result = pipeline.collect(pipeline.submit(documents), poll_seconds=0)

    assert 1 < len(made.server.uploads)
    assert 5_000 >= max(map(len, made.server.uploads))
    assert ({"labeled": 7}, 1) == (result.outcomes, made.server.asked_online)


REFUSED = {"response": {"status_code": 500, "body": {"error": {"message": "failed"}}}, "error": None}
EXPIRED = {"response": None, "error": {"code": "batch_expired", "message": "too late"}}


@pytest.mark.parametrize("fault", [None, REFUSED, EXPIRED, "no JSON"], ids=["missing", "failed", "expired", "unusable"])
def test_what_a_job_leaves_is_asked_online(made, fault):
    """
    A line that is missing, failed, expired or unusable is asked once more, and only that one.
    """
    made.server.answer_line = lambda line: fault if "Ann2" in line_text(line) else answer(line)
    result = made.both()

    assert ({"labeled": 6}, 1) == (result.outcomes, made.server.asked_online)
    assert [f"Ann{n}" for n in range(6)] == [p.entities[0].text for p in result.predictions]


def test_a_filtered_line_is_an_outcome_not_a_reason_to_ask_again(made):
    """
    A content-filter refusal in the error file ends its document ``filtered``.
    """
    body = {"error": {"code": "content_filter", "message": "filtered"}}
    refused = {"response": {"status_code": 400, "body": body}, "error": None}
    made.server.answer_line = lambda line: refused if "Ann2" in line_text(line) else answer(line)
    result = made.both()

    assert ({"labeled": 5, "filtered": 1}, 0) == (result.outcomes, made.server.asked_online)


def test_without_online_what_is_left_is_not_run(made):
    """
    With online=False nothing beside the job is paid, and the summary says so.
    """
    made.server.answer_line = lambda line: EXPIRED if "Ann2" in line_text(line) else answer(line)
    with made.pipeline() as pipeline:
        result = pipeline.collect(pipeline.submit(DOCUMENTS), poll_seconds=0, online=False)

    assert ({"labeled": 5, "not_run": 1}, 0) == (result.outcomes, made.server.asked_online)
    assert "1 requests ended with an error in the batch job; they were left unanswered" in result.notes
    assert result.stopped is not None


@pytest.mark.parametrize("end", ["failed", "expired", "cancelled"])
def test_a_job_that_did_not_complete_is_finished_online(made, end):
    """
    What such a job answered is used, the rest asked online, and a note names the job's end.
    """
    made.server.end = end
    result = made.both()

    assert {"labeled": 6} == result.outcomes
    assert (6 if end == "failed" else 0) == made.server.asked_online
    assert any(end in note for note in result.notes)


def test_states_are_shown_and_cancel_works(made):
    """
    The jobs can be looked at, cancelled, and what they had answered collected.
    """
    made.server.looks = 3
    seen = []
    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
        before = [job.state for job in pipeline.batch_jobs(run)]
        after = [job.state for job in pipeline.batch_jobs(run, cancel=True)]
        result = pipeline.collect(run, poll_seconds=0, on_state=lambda job: seen.append(job.state))

    assert (["in_progress"], ["cancelling"], "cancelled") == (before, after, seen[-1])
    assert {"labeled": 6} == result.outcomes


def test_the_command_line_shows_the_jobs_of_a_run(made):
    """
    ``llmlabel runs show`` names each job with the state it was last seen in.
    """
    from typer.testing import CliRunner

    from llmlabel.cli.app import app

    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
        shown = [CliRunner().invoke(app, ["runs", "show", str(made.journal), str(run)]).stdout]
        pipeline.collect(run, poll_seconds=0)
        shown += [CliRunner().invoke(app, ["runs", "show", str(made.journal), str(run)]).stdout]
    [name] = made.server.jobs

    assert [True, True] == [
        f"{name}, last seen {state}, 6 requests" in text
        for text, state in zip(shown, ("validating", "collected"), strict=True)
    ]


def test_files_are_kept_on_demand_and_a_second_collect_asks_nobody(made):
    """
    keep_files leaves them; collecting again gives the same result from the journal.
    """
    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
        first = pipeline.collect(run, poll_seconds=0, keep_files=True)
        asked = len(made.server.requests)
        again = pipeline.collect(run, poll_seconds=0)

    assert 2 == len(made.server.files)
    assert asked == len(made.server.requests)
    assert first.predictions == again.predictions


@pytest.mark.parametrize("state", ["completed", "stored"])
def test_a_process_that_died_while_it_cleared_away_has_lost_nothing(made, state):
    """
    All answers are in the journal by then, and what is left of the files goes with the next collect.
    """
    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
        first = pipeline.collect(run, poll_seconds=0, keep_files=state == "completed")
    with BatchStore(made.journal) as store:
        (job,) = store.jobs(run)
        store.update(job.label, job.job, state)
    with made.pipeline() as pipeline:
        again = pipeline.collect(run, poll_seconds=0)

    assert first.predictions == again.predictions
    assert ({}, 0) == (dict(made.server.files), made.server.asked_online)


def test_a_job_whose_id_was_lost_is_found_by_its_label(made):
    """
    A process that died before it noted the id has not lost the job.
    """
    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
    with BatchStore(made.journal) as store:
        (job,) = store.jobs(run)
        store.update(job.label, None, "submitting")
    with made.pipeline() as pipeline:
        result = pipeline.collect(run, poll_seconds=0)

    assert ({"labeled": 6}, 1, 0) == (result.outcomes, len(made.server.jobs), made.server.asked_online)


def test_the_unanswered_rest_of_a_run_moves_to_a_batch(made):
    """
    What a run online has answered is not submitted again.
    """
    with made.pipeline() as pipeline:
        pipeline.run(DOCUMENTS[:4])
        result = pipeline.collect(pipeline.submit(DOCUMENTS), poll_seconds=0)

    assert (2, 4) == (len(made.server.uploads[0].splitlines()), made.server.asked_online)
    assert {"labeled": 6} == result.outcomes


def test_what_a_job_left_can_be_submitted_again(made):
    """
    After collect(online=False) a second batch holds the unanswered line alone.
    """
    made.server.answer_line = lambda line: EXPIRED if "Ann2" in line_text(line) else answer(line)
    with made.pipeline() as pipeline:
        pipeline.collect(pipeline.submit(DOCUMENTS), poll_seconds=0, online=False)
        made.server.answer_line = answer
        result = pipeline.collect(pipeline.submit(DOCUMENTS), poll_seconds=0, online=False)

    assert [6, 1] == [len(content.splitlines()) for content in made.server.uploads]
    assert ({"labeled": 6}, 0) == (result.outcomes, made.server.asked_online)


def test_what_stands_in_an_open_job_is_not_submitted_twice(made):
    """
    A program that is started again by mistake is told which run to collect, and pays nothing.
    """
    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
        with pytest.raises(ConfigurationError, match=rf"6 of these requests .* collect\({run}\) first"):
            pipeline.submit(DOCUMENTS)

    assert 1 == len(made.server.jobs)


def test_a_job_that_was_refused_can_be_submitted_again(made):
    """
    Nothing of it is open at the provider: the second try is not held up by the first.
    """
    made.server.queue.append(refusal(400, "no batch today"))
    with made.pipeline() as pipeline:
        with pytest.raises(LabelerError, match="refused the request"):
            pipeline.submit(DOCUMENTS)
        result = pipeline.collect(pipeline.submit(DOCUMENTS), poll_seconds=0)

    assert ({"labeled": 6}, 0) == (result.outcomes, made.server.asked_online)


def test_max_cost_holds_for_a_batch(made, caplog):
    """
    Only as much is submitted as fits under the cap; what then is left of it is used online, and the cap not passed.
    """
    documents = [Document(id=f"d{n}", text=f"Ann{n % 10} is here, {n}") for n in range(40)]
    with made.pipeline(limits=Limits(max_cost=9.0)) as pipeline:
        run = pipeline.submit(documents)
        result = pipeline.collect(run, poll_seconds=0)
    submitted = len(made.server.uploads[0].splitlines())

    assert f"{submitted} of 40 requests are submitted; max_cost=9.0" in caplog.text
    assert {"labeled", "over_budget"} == result.outcomes.keys()
    assert 0 < submitted <= result.outcomes["labeled"]
    assert 6.0 <= result.usage.cost <= 9.0


@pytest.mark.parametrize(
    ("limits", "price", "why"),
    [
        (Limits(max_cost=0.001), price, "nothing was submitted: max_cost=0.001"),
        (Limits(max_total_tokens=20), price, "nothing was submitted: max_total_tokens=20"),
        (Limits(max_cost=5), lambda model, usage: None, "the price of model 'gpt-test' is not known"),
    ],
)
def test_a_cap_that_cannot_be_kept_refuses_the_batch(made, limits, price, why):
    """
    Not one request fits, or the price is unknown: an error before anything is uploaded.
    """
    with made.pipeline(limits=limits, price=price) as pipeline, pytest.raises(ConfigurationError, match=why):
        pipeline.submit(DOCUMENTS)

    assert [] == made.server.uploads


def test_a_redacted_run_keeps_no_original_and_asks_for_the_documents_again(made):
    """
    Neither the file nor the journal holds what was redacted; the spans come back on the original.
    """
    redact = lambda text: re.sub("here", "****", text)  # noqa: E731
    positions: Callable[[str], Any] = lambda text: (redact(text), list(range(len(text) + 1)))  # noqa: E731
    with made.pipeline(redactor=positions) as pipeline:
        run = pipeline.submit(DOCUMENTS)
        with pytest.raises(ConfigurationError, match="documents="):
            pipeline.collect(run, poll_seconds=0)
        result = pipeline.collect(run, poll_seconds=0, documents=DOCUMENTS)
    stored = b"".join(path.read_bytes() for path in made.journal.parent.iterdir())

    assert DOCUMENTS == [prediction.document for prediction in result.predictions]
    assert b"is here" not in stored + made.server.uploads[0]


@pytest.mark.parametrize("call", [lambda p: p.submit(DOCUMENTS), lambda p: p.collect(1), lambda p: p.batch_jobs(1)])
def test_a_batch_needs_a_journal(made, call):
    """
    Without a journal nothing could be collected: an error before any request.
    """
    with made.pipeline(journal=None) as pipeline, pytest.raises(ConfigurationError, match="journal="):
        call(pipeline)


def test_a_labeler_without_batches_is_named(tmp_path):
    """
    Not every provider has batch jobs.
    """
    pipeline = Pipeline(Writer(lambda prompt: "{}"), journal=tmp_path / "journal.sqlite")
    with pytest.raises(ConfigurationError, match="Writer has no batch interface"):
        pipeline.submit(DOCUMENTS)


def test_a_run_that_was_no_batch_is_refused(made):
    """
    The error names the runs that are.
    """
    with made.pipeline() as pipeline:
        run = pipeline.submit(DOCUMENTS)
        with pytest.raises(ConfigurationError, match=rf"run 99 .*those are: {run}"):
            pipeline.collect(99)


@pytest.mark.parametrize(("version", "path"), [(None, "/openai/v1/batches"), ("2024-10-21", "/openai/batches")])
def test_azure_global_batch(made, version, path):
    """
    Both forms of Azure's API take the job; its lines name the deployment and Azure's spelling of the endpoint.
    """
    resource = made.server.url.removesuffix("/v1")
    labeler = AzureOpenAILabeler(
        SCHEMA, deployment="batch-4o", endpoint=resource, api_key="secret", api_version=version
    )
    with Pipeline(labeler, journal=made.journal, progress=False) as pipeline:
        result = pipeline.collect(pipeline.submit(DOCUMENTS), poll_seconds=0)
    line = json.loads(made.server.uploads[0].splitlines()[0])

    assert {"labeled": 6} == result.outcomes
    assert ("/chat/completions", "batch-4o") == (line["url"], line["body"]["model"])
    assert path in {request.path for request in made.server.requests}


def test_purging_a_journal_removes_the_documents_of_its_batches(made):
    """
    The documents that were kept to be collected go with their run.
    """
    with made.pipeline() as pipeline:
        pipeline.submit(DOCUMENTS)
    purge_runs(made.journal, before=datetime.now(UTC) + timedelta(days=1))
    stored = b"".join(path.read_bytes() for path in made.journal.parent.iterdir())

    assert b"is here" not in stored
