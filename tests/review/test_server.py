"""The review server: durable, for one writer, closed to everybody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from llmlabel import Document, Entity, LabeledDocument
from llmlabel.errors import ConfigurationError, SourceError
from llmlabel.review import apply_decisions, read_decisions
from llmlabel.review.decisions import text_hash
from llmlabel.review.server import LARGEST, ReviewServer

TEXT = "Ann met Bo."
DOCUMENT = LabeledDocument(
    document=Document(id="d", text=TEXT), entities=(Entity(start=0, end=3, label="PERSON", text="Ann"),)
)


def line(action: str, **values: object) -> dict[str, object]:
    return {"version": 1, "document": "d", "text": text_hash(TEXT), "action": action, "by": "kim", **values}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    with ReviewServer([DOCUMENT], tmp_path / "decisions.jsonl", reviewer="kim") as review:
        thread = threading.Thread(target=review.serve_forever)
        thread.start()
        yield review
        review.shutdown()
        thread.join()


def ask(server: ReviewServer, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post(server: ReviewServer, seen: int, *lines: dict[str, object], **headers: str) -> tuple[int, Any]:
    own = {
        "Origin": f"http://127.0.0.1:{server.port}",
        "X_Review_Token": server.token,
        "Content_Type": "application/json",
    }
    body = json.dumps({"seen": seen, "lines": lines}).encode()
    status, content = ask(server, "POST", "/decisions", body, **{**own, **headers})
    return status, json.loads(content)


ACCEPT = line("accept", entity=[0, 3, "PERSON"])
REJECT = line("reject", entity=[0, 3, "PERSON"])
RESET = line("reset")


def test_page_is_given_to_who_has_the_token(server: ReviewServer) -> None:
    """
    The printed address opens the page; it may talk to its own server only.
    """
    status, html = ask(server, "GET", server.url.removeprefix(f"http://127.0.0.1:{server.port}"))

    assert 200 == status
    assert "connect-src 'self'" in html


def test_decisions_are_on_disk_when_they_are_acknowledged(server: ReviewServer) -> None:
    """
    What was posted stands in the file and can be applied.
    """
    assert (200, {"seen": 2}) == post(server, 0, RESET, ACCEPT)

    applied = apply_decisions([DOCUMENT], read_decisions(server.file.path))[0]

    assert applied.provenance is not None
    assert ("kim", True) == (applied.provenance.author, applied.provenance.reviewed)


def test_later_state_replaces_the_earlier_one(server: ReviewServer) -> None:
    """
    A reset takes back what the same person decided about the document before.
    """
    post(server, 0, RESET, REJECT)
    post(server, 2, RESET)

    assert [DOCUMENT] == apply_decisions([DOCUMENT], read_decisions(server.file.path))


def test_second_tab_is_refused(server: ReviewServer) -> None:
    """
    Who has not seen the newest decisions cannot write over them.
    """
    post(server, 0, RESET, ACCEPT)

    status, answer = post(server, 0, RESET, REJECT)

    assert 409 == status
    assert "reload" in answer["error"]
    assert 2 == len(read_decisions(server.file.path))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X_Review_Token": "x" * 32}, 403),
        ({"X_Review_Token": ""}, 403),
        ({"Content_Type": "text/plain"}, 415),
    ],
)
def test_foreign_requests_are_refused(server: ReviewServer, headers: dict[str, str], status: int) -> None:
    """
    Another host name, origin or content type, or a wrong token, changes nothing.
    """
    assert status == post(server, 0, ACCEPT, **headers)[0]
    assert [] == read_decisions(server.file.path)


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/?token="])
def test_page_is_not_given_without_the_token(server: ReviewServer, path: str) -> None:
    """
    Other programs of this machine cannot read the documents.
    """
    status, content = ask(server, "GET", path)

    assert 403 == status
    assert "Ann" not in content


def test_other_paths_are_not_found(server: ReviewServer) -> None:
    """
    There is one page and one place to post to.
    """
    assert 404 == ask(server, "GET", "/etc/passwd")[0]
    assert 404 == ask(server, "POST", "/", b"")[0]


def test_too_large_a_request_is_not_read(server: ReviewServer) -> None:
    """
    The size is checked before anything is read.
    """
    assert 413 == post(server, 0, Content_Length=str(LARGEST + 1))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        line("accept", document="x", entity=[0, 3, "PERSON"]),
        line("accept", text="0" * 16, entity=[0, 3, "PERSON"]),
        line("accept", entity=[1, 3, "PERSON"]),
        line("add", to=[0, 99, "PERSON"]),
        line("done", by="mallory"),
        line("explode"),
    ],
)
def test_decisions_that_do_not_fit_are_refused(server: ReviewServer, wrong: dict[str, object]) -> None:
    """
    One line that does not fit refuses the whole post; the file stays readable.
    """
    assert 400 == post(server, 0, ACCEPT, wrong)[0]
    assert [] == read_decisions(server.file.path)


def test_second_server_on_the_same_file_is_refused(server: ReviewServer) -> None:
    """
    Two reviewers use two files.
    """
    with pytest.raises(ConfigurationError, match="open in another review"):
        ReviewServer([DOCUMENT], server.file.path)


@pytest.mark.parametrize("half", ["", "{", '{"version":1,', '{"version":1,"document":"d","te'])
def test_review_is_continued(tmp_path: Path, half: str) -> None:
    """
    A new server on an old file starts with its decisions; half a line of a crash is dropped.
    """
    path = tmp_path / "decisions.jsonl"
    path.write_text(f"{json.dumps(ACCEPT)}\n{half}", encoding="utf-8")

    with ReviewServer([DOCUMENT], path, reviewer="kim") as review:
        assert ["accept"] == [decision.action for decision in review.file.decisions]
    assert f"{json.dumps(ACCEPT)}\n" == path.read_text(encoding="utf-8")


def test_lines_that_do_not_fit_on_the_disk_leave_no_half_line(server: ReviewServer) -> None:
    """
    The answer says that nothing was saved; the file stays readable and takes the same decisions later.
    """
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    post(server, 0, RESET, ACCEPT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (server.file.path.stat().st_size + 5, hard))
    try:
        status, answer = post(server, 2, RESET, REJECT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert 507 == status
    assert "cannot be written" in answer["error"]
    assert (200, {"seen": 4}) == post(server, 2, RESET, REJECT)
    assert ["reset", "accept", "reset", "reject"] == [d.action for d in read_decisions(server.file.path)]


def test_relation_may_end_at_an_entity_of_an_earlier_post(server: ReviewServer) -> None:
    """
    What a link needs is looked up in all that stands, not in the one post.
    """
    link = [[0, 3, "PERSON"], [8, 10, "PERSON"], "MET"]

    assert 400 == post(server, 0, line("add", link=link))[0]
    assert 200 == post(server, 0, RESET, line("add", to=[8, 10, "PERSON"]))[0]
    assert 200 == post(server, 2, line("add", link=link))[0]


def test_file_of_other_documents_is_refused(tmp_path: Path) -> None:
    """
    Decisions that fit no document here would be lost from view.
    """
    path = tmp_path / "decisions.jsonl"
    path.write_text(json.dumps(line("accept", document="x", entity=[0, 3, "PERSON"])) + "\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="begun on other documents"):
        ReviewServer([DOCUMENT], path, reviewer="kim")


def test_second_reviewer_starts_afresh_and_both_are_kept(tmp_path: Path) -> None:
    """
    Lou does not see what Kim decided, and nothing of Kim's is replaced; who has no name is asked for one.
    """
    path = tmp_path / "decisions.jsonl"
    path.write_text(json.dumps(ACCEPT) + "\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="holds decisions of kim: say who reviews now"):
        ReviewServer([DOCUMENT], path)
    with ReviewServer([DOCUMENT], path, reviewer="lou") as review:
        assert '"decisions":[],"seen":1' in review.page()
        review.take(json.dumps({"seen": 1, "lines": [line("reject", by="lou", entity=[0, 3, "PERSON"])]}).encode())
    with pytest.raises(SourceError, match="kim, lou decided differently"):
        apply_decisions([DOCUMENT], read_decisions(path))
    assert () == apply_decisions([DOCUMENT], read_decisions(path), reviewer="lou")[0].entities


def test_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """
    A folder that is not there is said before anything is served.
    """
    with pytest.raises(ConfigurationError, match="decisions cannot be written there"):
        ReviewServer([DOCUMENT], tmp_path / "missing" / "decisions.jsonl")
    with pytest.raises(SourceError, match="expected a file of decisions"):
        read_decisions(tmp_path / "decisions.jsonl")


@pytest.mark.parametrize("content", ["my notes\n", "my notes", f"{json.dumps(ACCEPT)}\nmy notes"])
def test_other_files_are_left_alone(tmp_path: Path, content: str) -> None:
    """
    A file that holds no decisions is an error, and is not changed.
    """
    path = tmp_path / "notes.txt"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(SourceError, match=r"line [12]: "):
        ReviewServer([DOCUMENT], path)
    assert content == path.read_text(encoding="utf-8")
