"""Recording exchanges and playing them back."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llmlabel import (
    AuthenticationError,
    Completion,
    ConfigurationError,
    LabelerError,
    Message,
    Prompt,
    RateLimitError,
    RecordingLabeler,
    ReplayLabeler,
    ServiceError,
    Usage,
)
from llmlabel.labelers.recording import request_hash
from llmlabel.testing.scripted import ScriptedLabeler
from tests.labelers.conftest import SCHEMA, prompt

HEADER = {"llmlabel_recording": 1, "model": "m"}


def record(path: Path, prompts: list[Prompt], answers, **more: object) -> None:
    """Record the answers to the prompts."""
    recorder = RecordingLabeler(ScriptedLabeler(SCHEMA, answers, model="m"), path, **more)

    async def run() -> None:
        for one in prompts:
            try:
                await recorder.complete(one)
            except LabelerError:
                continue

    asyncio.run(run())


def replay(path: Path, prompts: list[Prompt]) -> list[str]:
    """The recorded texts."""
    labeler = ReplayLabeler(SCHEMA, path)

    async def run() -> list[str]:
        return [(await labeler.complete(one)).text for one in prompts]

    return asyncio.run(run())


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recording.jsonl"


def test_recorded_answers_are_played_back(path: Path):
    """
    Each request gets its own answer, malformed ones included.
    """
    prompts = [prompt("a"), prompt("b\u2028\u0085"), prompt("c", answer_schema=None)]
    record(path, prompts, ["{}", "not {json", "🜚"])

    assert ["🜚", "not {json", "{}"] == replay(path, prompts[::-1])


def test_whole_completion_is_played_back(path: Path):
    """
    End, usage, model and details too.
    """
    said = Completion(
        text="x",
        finish="content_filter",
        usage=Usage(input_tokens=3, requests=1),
        model="z",
        details={"side": "prompt"},
    )
    record(path, [prompt()], [said])

    assert said == asyncio.run(ReplayLabeler(SCHEMA, path).complete(prompt()))


def test_equal_requests_get_their_answers_in_turn_and_the_last_repeats(path: Path):
    """
    Asking the same again is a request of its own.
    """
    record(path, [prompt()] * 2, ["1", "2"])

    assert ["1", "2", "2"] == replay(path, [prompt()] * 3)


def test_samples_are_told_apart(path: Path):
    """
    A vote asks the same several times.
    """
    record(path, [prompt(sample=0), prompt(sample=1)], ["0", "1"])

    assert ["1", "0"] == replay(path, [prompt(sample=1), prompt(sample=0)])


def test_recording_is_appended_to(path: Path):
    """
    A second run adds to the first.
    """
    record(path, [prompt("a")], ["1"])
    record(path, [prompt("b")], ["2"])

    assert ["1", "2"] == replay(path, [prompt("a"), prompt("b")])


def test_recording_is_for_its_owner_only(path: Path):
    """
    It holds documents.
    """
    record(path, [prompt()], ["1"])

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_recording_that_was_cut_off_is_continued(path: Path):
    """
    Half a line at the end is left out, and what follows is whole.
    """
    record(path, [prompt("a")], ["1"])
    with path.open("ab") as file:
        file.write(b'{"request": "abc", "comp')
    assert ["1"] == replay(path, [prompt("a")])
    record(path, [prompt("b")], ["2"])
    whole = [line for line in path.read_text("utf-8").splitlines() if line.endswith("}")]

    assert 3 == len(whole)


def test_prompts_can_be_left_out(path: Path):
    """
    Then only hashes of the documents are kept.
    """
    record(path, [prompt("secret text")], ["1"], store_prompts=False)

    assert "secret" not in path.read_text("utf-8")
    assert ["1"] == replay(path, [prompt("secret text")])


def test_many_threads_write_whole_lines(path: Path):
    """
    Several loops may share one recorder.
    """
    recorder = RecordingLabeler(ScriptedLabeler(SCHEMA, lambda one: one.messages[-1].content * 500), path)

    def work(number: int) -> None:
        async def run() -> None:
            await asyncio.gather(*(recorder.complete(prompt(f"{number}-{n}")) for n in range(10)))

        asyncio.run(run())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert 81 == len(lines(path))


def test_final_errors_are_recorded_and_raised_again(path: Path):
    """
    With class and flags.
    """
    error = AuthenticationError("no", status_code=401, fatal=True)
    record(path, [prompt()], [error])
    labeler = ReplayLabeler(SCHEMA, path)
    found = []
    for _ in range(2):
        with pytest.raises(AuthenticationError) as caught:
            asyncio.run(labeler.complete(prompt()))
        found.append(caught.value)

    assert vars(error) == vars(found[0])
    assert found[0] is not found[1]


def test_errors_worth_another_try_are_not_recorded(path: Path):
    """
    The try that follows is.
    """
    record(path, [prompt(), prompt()], [RateLimitError("slow", retryable=True), "2"])

    assert ["2"] == replay(path, [prompt()])


def test_error_can_be_written_by_hand():
    """
    A demonstration may show a failure.
    """
    error = {"type": "ServiceError", "message": "down", "status_code": 503, "retryable": True}
    labeler = ReplayLabeler(SCHEMA, [HEADER, {"request": request_hash(prompt()), "error": error}])
    with pytest.raises(ServiceError, match="down") as caught:
        asyncio.run(labeler.complete(prompt()))

    assert caught.value.retryable


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"messages": (Message(role="system", content="Other."), *prompt().messages[1:])}, "instructions"),
        ({"messages": (prompt().messages[0], Message(role="user", content="Other."))}, "document or question"),
        ({"answer_schema": None}, "answer schema"),
        ({"max_output_tokens": 9}, "output limit"),
        ({"sample": 4}, "sample"),
        ({"messages": (*prompt().messages, *prompt().messages)}, "demonstrations or conversation"),
    ],
)
def test_changed_request_says_what_changed_and_how_to_record_again(path: Path, change: dict, part: str):
    """
    Loudly: the run ends, and nobody is told that there were no entities.
    """
    record(path, [prompt()], ["1"])
    with pytest.raises(LabelerError, match="Record again") as caught:
        asyncio.run(ReplayLabeler(SCHEMA, path).complete(prompt(**change)))

    assert caught.value.fatal
    assert "no answer for 'd': changed since it was recorded" in str(caught.value)
    assert part in str(caught.value)
    assert "Ann" not in str(caught.value)


def test_document_that_was_never_recorded_is_named(path: Path):
    """
    By its id.
    """
    record(path, [prompt()], ["1"])
    with pytest.raises(LabelerError, match="no answer for 'other': no request for these documents was recorded"):
        asyncio.run(ReplayLabeler(SCHEMA, path).complete(prompt("new", document_ids=("other",))))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 1}\n', "is not a recording"),
        ("hello\n", "expected a JSON object"),
        ('{"llmlabel_recording": 99}\n', "version 99; this llmlabel reads up to 1"),
        ('{"llmlabel_recording": 1}\n[]\n', "line 2: expected a JSON object"),
        ('{"llmlabel_recording": 1}\n{}\n', "line 2: expected 'request'"),
        ('{"llmlabel_recording": 1}\n\n{"request": "a"}\n', "line 3: neither a completion nor an error"),
        ('{"llmlabel_recording": 1}\n{"request": "a", "error": {"type": "x", "status_code": []}}\n', None),
    ],
)
def test_file_that_is_no_recording_is_refused(path: Path, content: str, words: str | None):
    """
    With the number of the line.
    """
    path.write_text(content, "utf-8")
    if words is None:
        assert 1 == len(ReplayLabeler(SCHEMA, path))
        return
    with pytest.raises(ConfigurationError, match=words):
        ReplayLabeler(SCHEMA, path)


def test_missing_recording_is_refused(path: Path):
    """
    The path is named.
    """
    with pytest.raises(ConfigurationError, match=r"recording\.jsonl: the recording cannot be read"):
        ReplayLabeler(SCHEMA, path)


def test_recording_of_another_model_is_not_appended_to(path: Path):
    """
    One file, one model.
    """
    record(path, [prompt()], ["1"])
    with pytest.raises(ConfigurationError, match="is a recording of model 'm', not of 'n'"):
        RecordingLabeler(ScriptedLabeler(SCHEMA, ["1"], model="n"), path)


def test_recording_that_cannot_be_begun_is_refused(tmp_path: Path):
    """
    Before anything is paid for.
    """
    with pytest.raises(ConfigurationError, match="the recording cannot be written"):
        RecordingLabeler(ScriptedLabeler(SCHEMA, ["1"]), tmp_path / "nowhere" / "recording.jsonl")


def test_recording_that_cannot_be_continued_stops_the_run(path: Path):
    """
    An answer that is not in the recording would be missing later.
    """
    recorder = RecordingLabeler(ScriptedLabeler(SCHEMA, ["1"]), path)
    path.unlink()
    path.mkdir()
    with pytest.raises(LabelerError, match="cannot be written") as caught:
        asyncio.run(recorder.complete(prompt()))

    assert caught.value.fatal


def test_recorder_is_the_labeler_inside(path: Path):
    """
    The journal and the gate see no difference.
    """
    inner = ScriptedLabeler(SCHEMA, ["1"])
    recorder = RecordingLabeler(inner, path)

    assert (inner.fingerprint, inner.quota_key, inner.schema) == (
        recorder.fingerprint,
        recorder.quota_key,
        recorder.schema,
    )


def test_replay_takes_the_model_from_the_recording(path: Path):
    """
    Nobody has to say it again.
    """
    record(path, [], [])

    assert "m" == ReplayLabeler(SCHEMA, str(path)).model


def test_replay_loads_no_vendor_package(path: Path):
    """
    It works without a key, a network, or the SDK.
    """
    record(path, [prompt()], ["1"])
    code = (
        "import sys\nfrom llmlabel import LabelSchema, ReplayLabeler\n"
        f"ReplayLabeler(LabelSchema(entities=['PER']), {str(path)!r})\n"
        "print({'openai', 'httpx', 'httpx2', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "set()" == done.stdout.strip()
