"""Where the decisions of the review page go: a file, the browser, a server, a notebook."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from llmlabel.review import ReviewFrame, apply_decisions, read_decisions
from llmlabel.review.server import ReviewServer
from tests.review.pages import SCHEMA, Open, document, press

pytestmark = pytest.mark.slow


def test_decisions_are_downloaded_and_loaded_again(show: Open, browser: Any, tmp_path: Path) -> None:
    """
    The saved file, loaded into a fresh page, brings the same state back.
    """
    from selenium.webdriver.support.ui import WebDriverWait

    show([document()])
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    press(browser, "a", "r", "s")
    saved = tmp_path / "decisions.jsonl"
    WebDriverWait(browser, 10).until(lambda _: saved.exists() and saved.read_text().count("\n") == 2)
    browser.execute_script("session.unstored.clear(); localStorage.clear()")
    show([document()])
    browser.find_element("id", "load").send_keys(str(saved))
    WebDriverWait(browser, 10).until(lambda _: "2 decisions loaded" in browser.find_element("id", "status").text)

    assert ["accepted", "rejected"] == browser.execute_script("return reviews[0].items.map((i) => i.state).slice(0, 2)")
    assert [json.loads(line)["action"] for line in saved.read_text().splitlines()] == ["accept", "reject"]


def test_unsaved_work_survives_a_reload(show: Open) -> None:
    """
    Decisions are kept by the browser until the same documents are opened again.
    """
    show([document()])
    browser = show([document()])
    press(browser, "r")
    browser.execute_script("session.store(); session.saved = true")

    again = show([document()])

    assert "rejected" == again.execute_script("return reviews[0].items[0].state")


def test_served_page_writes_each_decision_to_disk(browser: Any, tmp_path: Path) -> None:
    """
    With a server behind it the page saves by itself, an undo too, and starts where it was left.
    """
    from selenium.webdriver.support.ui import WebDriverWait

    documents = [document(), document("two")]
    with ReviewServer(documents, tmp_path / "decisions.jsonl", schema=SCHEMA, reviewer="kim") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser.get(server.url)
        press(browser, "a", "r", "u", "n", "\ue007")
        WebDriverWait(browser, 10).until(lambda _: browser.execute_script("return session.saved"))
        browser.get(server.url)
        states = browser.execute_script("return reviews.map((r) => [r.reviewed, r.items ? r.items[0].state : null])")
        server.shutdown()
        thread.join()
    first, second = apply_decisions(documents, read_decisions(server.file.path))

    assert [[False, "accepted"], [True, "accepted"]] == states
    assert documents[0].entities == first.entities
    assert second.provenance is not None
    assert second.provenance.reviewed
    assert [] == [entry["message"] for entry in browser.get_log("browser")]


def test_work_survives_a_server_that_was_away(browser: Any, tmp_path: Path) -> None:
    """
    What could not be sent is told, kept, and sent when the server answers again.
    """
    from selenium.webdriver.support.ui import WebDriverWait

    documents = [document(), document("two")]
    path = tmp_path / "decisions.jsonl"
    with ReviewServer(documents, path, schema=SCHEMA, reviewer="kim") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser.get(server.url)
        browser.execute_script("window.real = fetch; window.fetch = () => Promise.reject(new TypeError('away'))")
        press(browser, "r", "n")
        status = browser.find_element("id", "status")
        WebDriverWait(browser, 10).until(lambda _: "NOT saved" in status.text)
        browser.execute_script("window.fetch = real")
        press(browser, "r")
        WebDriverWait(browser, 10).until(lambda _: browser.execute_script("return session.saved"))
        said = status.text
        server.shutdown()
        thread.join()

    assert "Saved again." == said
    assert [("one", "reject"), ("two", "reject")] == [
        (decision.document, decision.action) for decision in read_decisions(path) if decision.action != "reset"
    ]
    browser.get_log("browser")


def test_page_works_in_a_notebooks_frame(browser: Any, tmp_path: Path) -> None:
    """
    In a frame without an origin of its own there is no storage; everything else works.
    """
    html = f"<!doctype html><meta charset=utf-8>{ReviewFrame([document()])._repr_html_()}"
    (tmp_path / "notebook.html").write_text(html, encoding="utf-8")
    browser.get((tmp_path / "notebook.html").as_uri())
    browser.switch_to.frame(0)
    browser.find_element("css selector", "[data-do=reject]").click()

    assert "rejected: Ann, PERSON" == browser.find_element("id", "status").text
    assert 1 == browser.execute_script("return session.file(null).split('\\n').length - 1")
    browser.execute_script("session.saved = true")
    browser.switch_to.default_content()
