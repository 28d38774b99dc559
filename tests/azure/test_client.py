"""The client of the authoring API, against a service that checks each request and response."""

from __future__ import annotations

import copy
import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from llmlabel import AuthenticationError, ConfigurationError, RateLimitError, ServiceError, TransportError
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.jobs import Job
from llmlabel.platforms.azure_language.limiter import MinuteLimiter
from llmlabel.platforms.azure_language.replies import STORAGE_HINT
from tests.azure.conftest import Clock
from tests.servers.azure_service import KEY, TOKEN, Answer, Asked, AzureService

KIND = "CustomEntityRecognition"


class Credential:
    """An Entra ID credential as azure-identity makes them."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.scopes: list[str] = []

    def get_token(self, *scopes: str) -> Credential:
        self.scopes += scopes
        return self


def test_official_project_goes_in_and_comes_out_equal(client: AzureLanguageClient, sample: dict[str, Any]):
    """
    What was imported is exported again to the last field.
    """
    client.import_project("LoanAgreement", sample)

    assert sample == client.export_project("LoanAgreement")


@pytest.mark.parametrize("name", ["webOfScience.single", "movieLabels.multi"])
def test_official_classifications_go_in_and_come_out_equal(name: str, client: AzureLanguageClient, shared: Path):
    """
    Microsoft's other sample projects, too; one spells its kind in two ways, which the API's description forbids.
    """
    content = json.loads((shared / "contracts/azure-language/samples" / f"{name}.json").read_bytes())
    content["assets"]["projectKind"] = content["metadata"]["projectKind"]
    client.import_project("p", content)
    content["metadata"]["projectName"] = "p"

    assert content == client.export_project("p")


def test_absent_project_is_none(client: AzureLanguageClient):
    """
    A project that is not there is no error.
    """
    assert client.project("nothing") is None


def test_projects_are_listed_over_all_pages(client: AzureLanguageClient, sample: dict[str, Any]):
    """
    The list follows nextLink to the end.
    """
    for name in ("a", "b", "c"):
        renamed = copy.deepcopy(sample)
        renamed["metadata"]["projectName"] = name
        client.import_project(name, renamed)

    assert ["a", "b", "c"] == [item["projectName"] for item in client.projects()]


def test_project_is_created_by_merge_patch_and_deleted(client: AzureLanguageClient, service: AzureService):
    """
    Creating needs the media type of a merge patch; deleting waits for its job.
    """
    facts = {"projectName": "p", "projectKind": KIND, "storageInputContainerName": "c", "language": "en-us"}
    made = client.create_project(facts)
    job = client.delete_project("p")

    assert ("p", "succeeded", {}) == (made["projectName"], job.status, service.projects)


def test_training_and_deployment_take_the_newest_configuration(client: AzureLanguageClient, sample: dict[str, Any]):
    """
    The training configuration is asked for, never assumed.
    """
    client.import_project("p", sample)
    job = client.train("p", "m", evaluation={"kind": "manual"})
    client.deploy("p", "live", "m")

    assert "2024-11-15" == job.state["result"]["trainingConfigVersion"]
    assert (["m"], ["live"]) == (
        [item["label"] for item in client.models("p")],
        [item["deploymentName"] for item in client.deployments("p")],
    )


def test_deployment_can_be_looked_at(client: AzureLanguageClient, sample: dict[str, Any]):
    """
    A deployment that is not waited for has a state, too.
    """
    client.import_project("p", sample)
    client.train("p", "m")
    job = client.deploy("p", "live", "m", wait=False)
    states = [job.status, *(client.deployment_job("p", "live", job.id).status for _ in range(2))]

    assert ["notStarted", "running", "succeeded"] == states


@pytest.mark.parametrize("status", [401, 403])
def test_right_to_write_is_asked_without_writing(
    status: int, client: AzureLanguageClient, service: AzureService, sample: dict[str, Any]
):
    """
    Whoever may only read is told apart by a request that cannot be carried out.
    """
    client.import_project("p", sample)
    before = copy.deepcopy(service.projects)
    assert client.may_write("p")
    assert client.may_write("absent")
    service.fault = lambda asked: (
        Answer(status, {"error": {"code": "x", "message": "no"}}) if asked.method != "GET" else None
    )

    assert (False, before) == (client.may_write("p"), service.projects)


def test_plain_http_goes_past_the_proxy(
    service: AzureService, clock: Clock, monkeypatch: pytest.MonkeyPatch, closed_port: str
):
    """
    A proxy of the environment would be shown the key of a service on this machine.
    """
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_port)
    with AzureLanguageClient(service.url, api_key=KEY, clock=clock) as client:
        assert client.project("p") is None


def test_training_can_be_looked_at_and_cancelled(client: AzureLanguageClient, sample: dict[str, Any]):
    """
    A training job that is not waited for has a state, and can be stopped.
    """
    client.import_project("p", sample)
    job = client.train("p", "m", wait=False)
    stopping = client.cancel_training("p", job.id)

    assert ("notStarted", "cancelling", "cancelled") == (
        job.status,
        stopping.status,
        client.training_job("p", job.id).status,
    )


def test_entra_token_signs_in(service: AzureService, clock: Clock):
    """
    A credential's token goes into the Authorization header, asked for with the configured scope.
    """
    credential = Credential()
    with AzureLanguageClient(service.url, credential=credential, scope="api://x/.default", clock=clock) as client:
        client.project("p")

    assert (["api://x/.default"], f"Bearer {TOKEN}") == (credential.scopes, service.asked[0].headers["authorization"])


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://example.org", "expected https"),
        ("https://user:secret@example.org", "without user name"),
        ("https://example.org?key=1", "without user name"),
        ("example.org", "expected an address"),
        ("https://[::1", "expected an address"),
    ],
)
def test_address_that_would_show_the_credential_is_refused(endpoint: str, said: str):
    """
    Plain http to another machine, and addresses with something to hide, are refused before any request.
    """
    with pytest.raises(ConfigurationError, match=said):
        AzureLanguageClient(endpoint, api_key=KEY)


def test_missing_credential_names_the_variable(monkeypatch: pytest.MonkeyPatch):
    """
    Without a credential the error says how to give one.
    """
    monkeypatch.delenv("AZURE_LANGUAGE_KEY", raising=False)

    with pytest.raises(ConfigurationError, match="AZURE_LANGUAGE_KEY"):
        AzureLanguageClient("https://example.org")


@pytest.mark.parametrize("place", ["Operation-Location", "resultUrl", "nextLink", "redirect"])
def test_address_elsewhere_is_refused(
    place: str, client: AzureLanguageClient, service: AzureService, sample: dict[str, Any]
):
    """
    The credential is never sent to another origin, whoever names it.
    """
    with AzureService(None) as thief:
        client.import_project("p", sample)
        client.import_project("q", sample)
        elsewhere = f"{thief.url}/x"

        def after(asked: Asked, answer: Answer) -> Answer:
            body = answer.body
            if place == "Operation-Location" and place in answer.headers:
                return Answer(202, None, {place: elsewhere})
            if place == "redirect":
                return Answer(307, None, {"Location": elsewhere})
            return (
                Answer(answer.status, {**body, place: elsewhere}, answer.headers) if body and place in body else answer
            )

        service.after = after
        with pytest.raises(ServiceError, match="redirects are not followed" if place == "redirect" else place):
            list(client.projects()) if place == "nextLink" else client.export_project("p")

        assert [] == thief.asked


def test_job_errors_are_shown_with_code_target_and_hint(
    client: AzureLanguageClient, service: AzureService, sample: dict[str, Any]
):
    """
    A failed job answers with HTTP 200; its errors become the message, with what to do.
    """
    service.steps = ("running", "failed")
    error = {"code": "Forbidden", "message": "Cannot read the blob container.", "target": "01.txt"}
    service.job_errors["import"] = [error]

    with pytest.raises(ServiceError) as caught:
        client.import_project("p", sample)

    assert f"error Forbidden (target 01.txt): Cannot read the blob container.; hint: {STORAGE_HINT}" in str(
        caught.value
    )


def test_kind_mismatch_has_its_hint(client: AzureLanguageClient, sample: dict[str, Any]):
    """
    The service's complaint about project kinds comes with the two fields to look at.
    """
    del sample["assets"]["documents"][:]
    sample["metadata"]["projectKind"] = "CustomSingleLabelClassification"

    with pytest.raises(ServiceError, match=r"must match the assets.*hint: metadata.projectKind and assets.projectKind"):
        client.import_project("p", sample, check=False)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_job_that_did_not_do_its_work_is_an_error(
    end: str, client: AzureLanguageClient, service: AzureService, sample: dict[str, Any]
):
    """
    A job that failed or was cancelled raises, also without a reason.
    """
    service.steps = ("notStarted", "cancelling", end)

    with pytest.raises(ServiceError, match=f"{end}; the service gave no reason"):
        client.import_project("p", sample)


def test_partial_end_is_told_with_its_warnings(
    client: AzureLanguageClient, service: AzureService, sample: dict[str, Any]
):
    """
    A job that ended half done says so and shows its warnings.
    """
    service.steps = ("running", "partiallyCompleted")
    service.job_warnings["import"] = [{"code": "Skipped", "message": "One file was skipped."}]

    assert [
        "the import job ended as partiallyCompleted",
        "import: Skipped: One file was skipped.",
    ] == client.import_project("p", sample).notes()


def test_unknown_state_is_polled_on_until_the_deadline(service: AzureService, clock: Clock, sample: dict[str, Any]):
    """
    Questions come after 2 s, then less often, at most every 15 s; at the deadline the job is left to itself.
    """
    states = ["unknown"]
    client = AzureLanguageClient(service.url, api_key=KEY, clock=clock, job_deadline=100)
    service.after = lambda asked, answer: (
        Answer(200, {**answer.body, "status": states[0]}) if "/jobs/" in asked.path else answer
    )
    with client, pytest.raises(ServiceError, match=r"still 'unknown' after 100 s.*job_deadline="):
        client.import_project("p", sample)

    assert [2, 3, 4.5, 6.75, 10.125, 15, 15, 15, 15, 13.625] == clock.slept


def test_progress_is_told(service: AzureService, clock: Clock, sample: dict[str, Any]):
    """
    Each state of a job that is waited for is handed to the caller.
    """
    seen: list[Job] = []
    with AzureLanguageClient(service.url, api_key=KEY, clock=clock, on_progress=seen.append) as client:
        client.import_project("p", sample)

    assert [("import", state) for state in service.steps] == [(job.kind, job.status) for job in seen]


def test_throttled_request_waits_as_told(client: AzureLanguageClient, service: AzureService, clock: Clock):
    """
    429 with Retry-After is obeyed, for changes too.
    """
    refusals = [Answer(429, {"error": {"code": "429", "message": "slow"}}, {"Retry-After": "7"})] * 2
    service.fault = lambda _: refusals.pop() if refusals else None
    facts = {"projectName": "p", "projectKind": KIND, "storageInputContainerName": "c", "language": "en-us"}
    client.create_project(facts)

    assert [7, 7] == clock.slept


def test_a_date_to_wait_for_is_waited_for(client: AzureLanguageClient, service: AzureService, clock: Clock):
    """
    Retry-After may be a moment, as HTTP has it.
    """
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    refusals = [Answer(429, None, {"Retry-After": moment})]
    service.fault = lambda _: refusals.pop() if refusals else None
    client.project("p")

    assert [pytest.approx(90, abs=20)] == clock.slept


def test_endless_throttling_is_an_error(client: AzureLanguageClient, service: AzureService, clock: Clock):
    """
    After some tries the refusal is the caller's.
    """
    service.fault = lambda _: Answer(429, None)

    with pytest.raises(RateLimitError, match="10 changes and 100 reads a minute"):
        client.project("p")
    assert [1, 2, 4, 8, 16] == clock.slept


def test_reads_are_repeated_and_changes_are_not(
    client: AzureLanguageClient, service: AzureService, clock: Clock, sample: dict[str, Any]
):
    """
    A read that failed is asked again; a change whose fate is unknown is not.
    """
    faults = [Answer(cut=True), Answer(503)]
    service.fault = lambda _: faults.pop() if faults else None
    assert client.project("p") is None

    faults = [Answer(cut=True)]
    with pytest.raises(TransportError):
        client.import_project("p", sample)
    assert 1 == service.calls["POST p/:import"]


def test_too_large_import_is_explained(client: AzureLanguageClient, service: AzureService, sample: dict[str, Any]):
    """
    413 says what to do about it.
    """
    service.fault = lambda asked: Answer(413) if asked.path.endswith(":import") else None

    with pytest.raises(ServiceError, match=r"split it over several projects with documents_per_project="):
        client.import_project("p", sample)


@pytest.mark.parametrize(("method", "allowed"), [("POST", 10), ("PUT", 10), ("GET", 100)])
def test_pace_is_kept(method: str, allowed: int):
    """
    No 60 seconds hold more requests than the service allows, and none waits that need not.
    """
    clock = Clock()
    limiter = MinuteLimiter(clock)
    times = []
    for _ in range(3 * allowed):
        limiter.wait(method)
        times.append(clock.now)

    assert [60.0 * (number // allowed) for number in range(3 * allowed)] == times


def test_credential_shows_itself_nowhere(
    service: AzureService, clock: Clock, caplog: pytest.LogCaptureFixture, closed_port: str
):
    """
    No key or token in a repr, a log, an error, its causes, or what an error says that the service echoed.
    """
    caplog.set_level(logging.DEBUG)
    service.fault = lambda asked: Answer(403, {"error": {"code": "403", "message": f"found {asked.headers}"}})
    shown = []
    for access in ({"api_key": KEY}, {"credential": Credential()}):
        client = AzureLanguageClient(service.url, clock=clock, **access)  # type: ignore[arg-type]
        with client, pytest.raises(AuthenticationError) as caught:
            client.project("p")
        shown += [repr(client), repr(vars(client)), *traceback.format_exception(caught.value)]
        assert (None, None) == (caught.value.__cause__, caught.value.__context__)
    unreachable = AzureLanguageClient(closed_port, api_key=KEY, clock=clock)
    with unreachable, pytest.raises(TransportError) as caught_other:
        unreachable.project("p")
    shown += traceback.format_exception(caught_other.value)

    assert (None, None) == (caught_other.value.__cause__, caught_other.value.__context__)
    assert not any(secret in text for text in (*shown, caplog.text) for secret in (KEY, TOKEN))


def test_failing_credential_is_an_authentication_error(service: AzureService, clock: Clock):
    """
    What a credential raises may hold secrets: its type is told, not its words.
    """

    class Failing:
        def get_token(self, *scopes: str) -> Credential:
            raise RuntimeError("secret words")

    client = AzureLanguageClient(service.url, credential=Failing(), clock=clock)
    with client, pytest.raises(AuthenticationError, match="it raised RuntimeError") as caught:
        client.project("p")

    assert "secret words" not in "".join(traceback.format_exception(caught.value))


def test_service_of_the_tests_refuses_what_is_wrong(shared: Path, clock: Clock):
    """
    The service itself is strict: a request that its description does not know is refused and noted.
    """
    with AzureService(shared) as service:
        with AzureLanguageClient(service.url, api_key=KEY, clock=clock) as client, pytest.raises(ServiceError):
            client.import_project("p", {"metadata": {"projectName": "p"}}, check=False)
        noted = list(service.violations)
        service.violations.clear()

    assert 1 == len(noted)
    assert json.dumps(noted)
