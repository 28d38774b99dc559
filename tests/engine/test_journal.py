"""The journal: stored before used, found again, private, never foreign."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llmlabel.engine import Engine, RunStopped, journal_file
from llmlabel.engine.journal import Journal
from llmlabel.engine.journal_file import file_system, owner_lives
from llmlabel.engine.runs import export_run, list_runs, purge_runs, raw_answers, show_run
from llmlabel.errors import JournalError, TransportError
from llmlabel.types import Completion, Limits, Prompt
from tests.engine.engine_kit import completion, prompt

numbers = itertools.count()


class Echo:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, request: Prompt) -> Completion:
        self.asked.append(request.messages[-1].content)
        await asyncio.sleep(0)
        return completion(request.messages[-1].content.upper())


def engine_on(path: Path | None, complete=None, fingerprint: str = "f", **more: object) -> Engine:
    key = f"journal-test-{next(numbers)}"
    return Engine(complete or Echo(), fingerprint=fingerprint, quota_key=key, journal=path, **more)


def ask(path: Path | None, texts: list[str], **more: object) -> list[tuple[str, bool]]:
    async def main() -> list[tuple[str, bool]]:
        engine = engine_on(path, **more)
        answers = await asyncio.gather(*(engine.ask(prompt(text)) for text in texts))
        await engine.aclose()
        return [(answer.completion.text, answer.reused) for answer in answers]

    return asyncio.run(main())


def test_a_second_run_asks_nothing_that_was_answered(tmp_path):
    """
    Answers come back from the file, equal and marked as reused.
    """
    first = ask(tmp_path / "j", ["a", "b"])
    second = ask(tmp_path / "j", ["a", "b", "c"])

    assert first == [("A", False), ("B", False)]
    assert second == [("A", True), ("B", True), ("C", False)]


def test_another_fingerprint_asks_anew(tmp_path):
    """
    What another model or setting answered is not taken.
    """
    ask(tmp_path / "j", ["a"])

    assert ask(tmp_path / "j", ["a"], fingerprint="g") == [("A", False)]


@pytest.mark.parametrize(
    "change",
    [
        {"max_output_tokens": 7},
        {"sample": 1},
        {"answer_schema": {"type": "object"}},
        {"messages": prompt("b").messages},
        {"messages": prompt("a").messages[1:]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_the_answer_changes_the_key(change):
    """
    Output limit, sample, schema and messages make another request; the document's id does not.
    """
    from llmlabel.engine.keys import Keys

    keys = Keys("f")
    same = prompt("a").model_copy(update={"document_ids": ("other",)})

    assert keys.of(prompt("a")) == keys.of(same) == Keys("f").of(prompt("a"))
    assert keys.of(prompt("a")) != keys.of(prompt("a").model_copy(update=change))
    assert keys.of(prompt("a")) != Keys("g").of(prompt("a"))


def test_without_a_path_answers_last_as_long_as_the_engine():
    """
    The same code runs on a temporary file that nobody sees.
    """
    assert ask(None, ["a", "a"]) == [("A", False), ("A", True)]
    assert ask(None, ["a"]) == [("A", False)]


def test_a_packed_answer_is_found_by_each_of_its_documents(tmp_path):
    """
    An answer about two documents is stored once, and found under the key that each has alone.
    """

    async def main() -> tuple[str | None, str | None, str | None]:
        engine = engine_on(tmp_path / "j")
        parts = {"a": engine.key(prompt("a")), "b": engine.key(prompt("b"))}
        await engine.ask(prompt("a and b"), parts=parts)
        await engine.aclose()
        later = engine_on(tmp_path / "j")
        found = [await later.stored(prompt(text)) for text in ("a", "b", "c")]
        await later.aclose()
        return tuple(answer and answer.text for answer in found)

    assert asyncio.run(main()) == ("A AND B", "A AND B", None)
    assert len(list(raw_answers(tmp_path / "j"))) == 1


def test_the_answer_is_on_the_disk_before_it_is_returned(tmp_path):
    """
    Another connection sees the answer when ``ask`` returns.
    """

    async def main() -> int:
        engine = engine_on(tmp_path / "j")
        await engine.ask(prompt("a"))
        with sqlite3.connect(tmp_path / "j") as other:
            count = other.execute("SELECT count(*) FROM answers").fetchone()[0]
        other.close()
        await engine.aclose()
        return count

    assert asyncio.run(main()) == 1


def test_the_file_is_private(tmp_path):
    """
    Mode 0600, also for a file that was readable before.
    """
    path = tmp_path / "j"
    path.touch(mode=0o644)
    ask(path, ["a"])

    assert path.stat().st_mode & 0o777 == 0o600


def test_closing_leaves_one_file(tmp_path):
    """
    The log is folded in: the file alone can be copied.
    """
    ask(tmp_path / "j", ["a", "b"])

    assert ["j"] == [file.name for file in tmp_path.iterdir()]


def sqlite_file(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_text("precious notes"), "not a journal"),
        (lambda p: sqlite_file(p, "CREATE TABLE mine (x)"), "not a journal"),
        (lambda p: sqlite_file(p, "PRAGMA application_id=1819045228", "PRAGMA user_version=99"), "format 99"),
    ],
    ids=["text", "foreign database", "newer"],
)
def test_a_file_that_is_not_ours_is_refused_and_left_untouched(tmp_path, make, message):
    """
    The error says so, and not a byte has changed.
    """
    path = tmp_path / "j"
    make(path)
    before = path.read_bytes()

    with pytest.raises(JournalError, match=message):
        Journal(path)

    assert before == path.read_bytes()
    assert ["j"] == [file.name for file in tmp_path.iterdir()]


def test_a_folder_or_a_missing_folder_is_refused(tmp_path):
    """
    The error names what is wrong with the path.
    """
    with pytest.raises(JournalError, match="is a folder"):
        Journal(tmp_path)
    with pytest.raises(JournalError, match="there is no folder"):
        Journal(tmp_path / "none" / "j")


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="needs Linux")
def test_the_file_system_of_a_folder_is_known(tmp_path):
    """
    The mount table is read well enough to tell /proc from the rest.
    """
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(tmp_path) not in (None, "proc")


def test_where_memory_may_not_be_shared_the_journal_has_no_log(tmp_path, monkeypatch):
    """
    On such a file system answers are kept all the same, without a write-ahead log, and found again.
    """
    monkeypatch.setattr(journal_file, "NO_LOG", (file_system(tmp_path) or "none",))
    first = ask(tmp_path / "j", ["a", "b"])
    with closing(sqlite3.connect(tmp_path / "j")) as database:
        mode = database.execute("PRAGMA journal_mode").fetchone()[0]

    assert ([("A", False), ("B", False)], "delete") == (first, mode)
    assert [("A", True), ("B", True)] == ask(tmp_path / "j", ["a", "b"])


def test_store_text_false_keeps_hashes_and_answers_only(tmp_path):
    """
    Neither the question nor the document's id is in the file.
    """
    ask(tmp_path / "kept", ["very secret"])
    ask(tmp_path / "not", ["very secret"], store_text=False)

    assert b"very secret" in (tmp_path / "kept").read_bytes()
    assert b"very secret" not in (tmp_path / "not").read_bytes()
    assert b"VERY SECRET" in (tmp_path / "not").read_bytes()


def test_nothing_in_the_file_is_pickled(tmp_path):
    """
    Answers are JSON text.
    """
    ask(tmp_path / "j", ["a"])
    [(_, answer)] = raw_answers(tmp_path / "j")

    assert json.loads(answer)["text"] == "A"


def test_two_processes_share_a_journal_without_asking_twice(tmp_path):
    """
    Both get all answers, each text was asked by one of them, and the file is sound.
    """
    script = textwrap.dedent(
        """
        import asyncio, sys
        from llmlabel.engine import Engine
        from llmlabel.types import Completion, Limits, Message, Prompt, Usage
        async def complete(request):
            print(request.messages[0].content)
            await asyncio.sleep(0.02)
            return Completion(text="ok", usage=Usage(requests=1))
        async def main():
            limits = Limits(max_concurrency=8)
            engine = Engine(complete, fingerprint="f", quota_key="q", journal=sys.argv[1], limits=limits)
            async def work(number):
                await engine.ask(Prompt(messages=(Message(role="user", content=str(number)),)))
            async for _ in engine.map(work, range(150)):
                pass
            assert engine.stats.answered + engine.stats.reused == 150
            await engine.aclose()
        asyncio.run(main())
        """
    )
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path / "j")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    asked = [line for process in running for line in process.communicate(timeout=60)[0].split()]

    assert [0, 0] == [process.returncode for process in running]
    assert 150 == len(set(asked))
    assert 150 == len(asked)
    database = sqlite3.connect(tmp_path / "j")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_request_that_another_live_process_has_sent_is_waited_for(tmp_path):
    """
    The second asker gets the first one's answer instead of paying again.
    """
    gate = asyncio.Event()

    async def slow(request: Prompt) -> Completion:
        await gate.wait()
        return completion("slow")

    echo = Echo()

    async def main() -> tuple[str, bool]:
        one, two = engine_on(tmp_path / "j", slow), engine_on(tmp_path / "j", echo)
        first = asyncio.ensure_future(one.ask(prompt("a")))
        while not list_runs(tmp_path / "j")[0].unanswered:
            await asyncio.sleep(0)
        second = asyncio.ensure_future(two.ask(prompt("a")))
        gate.set()
        answer = await second
        await first
        await one.aclose()
        await two.aclose()
        return answer.completion.text, answer.reused

    assert asyncio.run(main()) == ("slow", True)
    assert echo.asked == []


def test_a_request_that_was_given_up_may_be_asked_by_others(tmp_path):
    """
    An engine that is still open holds nothing that it has failed or been cancelled on.
    """

    async def broken(request: Prompt) -> Completion:
        if request.messages[-1].content == "b":
            await asyncio.sleep(60)
        raise TransportError("reset", status_code=None)

    async def main() -> tuple[str, str, int]:
        one, two = engine_on(tmp_path / "j", broken), engine_on(tmp_path / "j")
        with pytest.raises(TransportError):
            await one.ask(prompt("a"))
        cancelled = asyncio.ensure_future(one.ask(prompt("b")))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        await asyncio.sleep(0.05)
        unanswered = list_runs(tmp_path / "j")[0].unanswered
        answers = [(await two.ask(prompt(text))).completion.text for text in "ab"]
        await one.aclose()
        await two.aclose()
        return (*answers, unanswered)

    assert asyncio.run(main()) == ("A", "B", 2)


def test_the_lease_of_a_dead_process_is_void():
    """
    A process that is gone, or another one with its number, does not hold requests.
    """
    import socket

    host = socket.gethostname()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert not owner_lives(f"{host}|{child.pid}|123", time.time(), time.time())
    assert not owner_lives(f"{host}|{os.getpid()}|1", time.time(), time.time())
    assert owner_lives("elsewhere|1|1", 1000.0, 1010.0)
    assert not owner_lives("elsewhere|1|1", 1000.0, 1100.0)


def test_what_a_killed_run_had_sent_stays_in_the_bound_of_the_next_one(tmp_path):
    """
    A second run that is killed before it has sent it again does not hide that it may have been paid.
    """
    path = tmp_path / "j"

    async def one_life(send: bool) -> None:
        journal = Journal(path)
        await journal.find(b"key", lease=True)
        if send:
            journal.sent(b"key")
        await asyncio.sleep(0)
        with sqlite3.connect(path) as database:
            database.execute("UPDATE runs SET owner='nowhere|1|1', seen=0")  # as if the process were gone

    for send in (True, False):
        asyncio.run(one_life(send))

    assert 1 == sum(run.unanswered for run in list_runs(path))


def test_a_full_disk_stops_intake_and_returns_what_is_finished(tmp_path):
    """
    What was stored is returned, the rest is not asked, and the journal is still readable.
    """
    path = tmp_path / "j"
    script = textwrap.dedent(
        """
        import asyncio, json, resource, signal, sys
        from llmlabel.engine import Engine, RunStopped, journal_file
        from llmlabel.types import Completion, Limits, Message, Prompt, Usage
        asked = 0
        async def complete(request):
            global asked
            asked += 1
            return Completion(text=request.messages[0].content + "x" * 5000, usage=Usage(requests=1))
        async def main():
            limits = Limits(max_concurrency=4)
            engine = Engine(complete, fingerprint="f", quota_key="q", journal=sys.argv[1], limits=limits)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
            async def work(number):
                try:
                    return (await engine.ask(Prompt(messages=(Message(role="user", content=str(number)),)))) and number
                except RunStopped:
                    return None
            results = [n async for n in engine.map(work, range(500))]
            try:
                await engine.aclose()
            except Exception as error:
                print(type(error).__name__, file=sys.stderr)
            print(json.dumps([asked, [n for n in results if n is not None], len(results)]))
        asyncio.run(main())
        """
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    asked, finished, total = json.loads(done.stdout)

    assert total == 500
    assert 0 < len(finished) <= asked < 500
    stored = {json.loads(answer)["text"].rstrip("x") for _, answer in raw_answers(path)}
    assert {str(number) for number in finished} <= stored


def test_a_journal_that_cannot_store_stops_the_run(tmp_path):
    """
    The answer that was not stored is not returned, and nothing more is asked.
    """
    echo = Echo()

    async def main() -> list[object]:
        engine = engine_on(tmp_path / "j", echo, limits=Limits(max_concurrency=1))
        await engine.ask(prompt("a"))
        breaker = sqlite3.connect(tmp_path / "j")
        breaker.execute("DROP TABLE answers")
        breaker.close()
        answers = await asyncio.gather(*(engine.ask(prompt(t)) for t in "bc"), return_exceptions=True)
        await engine.aclose()
        return answers

    answers = asyncio.run(main())

    assert [True, True] == [isinstance(answer, RunStopped | JournalError) for answer in answers]
    assert len(echo.asked) <= 2


def fill(path: Path, count: int, size: int = 900) -> None:
    Journal(path)._database.close()
    database = sqlite3.connect(path)
    text = completion("x" * size).model_dump_json()
    rows = ((number.to_bytes(32), 1, 0.0, text) for number in range(count))
    database.executemany("INSERT INTO answers(key, run, at, answer) VALUES (?, ?, ?, ?)", rows)
    database.commit()
    database.close()


@pytest.mark.slow
async def test_whoever_waits_for_a_lease_hears_that_the_journal_broke(tmp_path):
    """
    All that asked in the same step get the error; one that was cancelled meanwhile takes nothing.
    """
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    keys = [bytes([number]) * 32 for number in range(3)]
    waiting = [asyncio.ensure_future(journal.find(key, lease=True)) for key in keys]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    leased = journal._database.execute("SELECT key FROM sent ORDER BY id").fetchall()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE sent")
    failed = await asyncio.gather(*(journal.find(key, lease=True) for key in keys), return_exceptions=True)
    await journal.aclose()

    assert leased == [(key,) for key in keys[1:]]
    assert [type(error) for error in failed] == [JournalError] * 3


def test_a_hundred_thousand_answers_are_read_raw_in_a_second(tmp_path):
    """
    Reading them back as rows is fast enough to start a resume at once.
    """
    fill(tmp_path / "j", 100_000)
    start = time.process_time()
    count = sum(1 for _ in raw_answers(tmp_path / "j"))

    assert count == 100_000
    assert time.process_time() - start < 1


def test_runs_are_listed_shown_exported_and_purged(tmp_path):
    """
    Each run says what it stored; purging one leaves the other.
    """
    path = tmp_path / "j"

    async def main(text: str, outcome: str) -> None:
        engine = engine_on(path)
        engine.journal.describe({"model": "m"})
        await engine.ask(prompt(text))
        engine.journal.record(text, outcome)
        await engine.aclose()

    asyncio.run(main("a", "labeled"))
    asyncio.run(main("b", "truncated"))
    records = list_runs(path)
    [exported] = export_run(path, 2)

    assert [(1, "finished", 1, 0), (2, "finished", 1, 0)] == [(r.id, r.state, r.answers, r.unanswered) for r in records]
    assert ({"truncated": 1}, {"model": "m"}) == (show_run(path, 2).outcomes, show_run(path, 2).config)
    assert (("b",), "b", "B") == (exported.documents, exported.question, exported.answer["text"])
    assert purge_runs(path, run=1) == 1
    assert [2] == [record.id for record in list_runs(path)]
    assert b'"A"' not in path.read_bytes()


def test_purging_by_age_and_unknown_runs(tmp_path):
    """
    Nothing is older than an hour ago; an unknown run is named with the known ones.
    """
    ask(tmp_path / "j", ["a"])

    assert purge_runs(tmp_path / "j", before=datetime.now(UTC) - timedelta(hours=1)) == 0
    with pytest.raises(JournalError, match="has no run 7; it has 1"):
        show_run(tmp_path / "j", 7)
    with pytest.raises(JournalError, match="no such file"):
        list_runs(tmp_path / "absent")


def test_a_forgotten_journal_closes_itself(tmp_path):
    """
    Who labels one text and closes nothing leaves no open database behind.
    """
    journals = [Journal(None), Journal(tmp_path / "journal.sqlite")]
    databases = [journal._database for journal in journals]
    for journal in journals:
        if journal._flusher is not None:
            journal._flusher.close()
    del journal
    journals.clear()
    gc.collect()

    for database in databases:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            database.execute("SELECT 1")
