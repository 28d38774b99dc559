"""Relations on the review page, by keyboard and mouse, in a real Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.review.pages import Open, decided, document, links, press, related

pytestmark = pytest.mark.slow


def test_relations_are_reviewed_by_keyboard(show: Open, tmp_path: Path) -> None:
    """
    One is retyped, one rejected, one made between two entities; undo takes the last one back.
    """
    documents = [related()]
    browser = show(documents)

    press(browser, ".", "2")  # WORKS_FOR → NEAR: the second that may go from a person to a person
    press(browser, ".", "r")  # KNOWS is wrong
    press(browser, "j", "l", *"jjj", "l")  # Ann works for Paris
    made = links(decided(browser, documents, tmp_path)[0])
    press(browser, "u")

    assert [("Ann", "NEAR", "Bank of Paris"), ("Ann", "WORKS_FOR", "Paris")] == made
    assert [("Ann", "NEAR", "Bank of Paris")] == links(decided(browser, documents, tmp_path)[0])


def test_relations_are_made_by_mouse(show: Open, tmp_path: Path) -> None:
    """
    Relate, then a click on the other entity in the list; another name by a click; the ends turned by x.
    """
    documents = [related()]
    browser = show(documents)

    browser.find_element("css selector", "[data-do=relate]").click()
    browser.find_elements("css selector", "#entities li")[3].click()
    named = [button.text for button in browser.find_elements("css selector", "#labels button")]
    browser.find_elements("css selector", "#labels button")[1].click()
    press(browser, "x")

    assert ["WORKS_FOR 1", "NEAR 2"] == named
    assert ("Paris", "NEAR", "Ann") == links(decided(browser, documents, tmp_path)[0])[-1]


def test_relation_that_the_schema_forbids_is_not_made(show: Open, tmp_path: Path) -> None:
    """
    A number for a relation that may not end there says so and changes nothing.
    """
    documents = [document()]
    browser = show(documents)

    press(browser, "l", "j", "1")

    assert "WORKS_FOR does not go from PERSON to PERSON." == browser.find_element("id", "status").text
    assert documents == decided(browser, documents, tmp_path)


def undated(lines: str) -> list[dict[str, object]]:
    return [{**json.loads(line), "at": None} for line in lines.splitlines()]


def test_relations_come_back_from_a_file_of_decisions(show: Open, tmp_path: Path) -> None:
    """
    What was saved, loaded into a fresh page, saves the same again: also a relation to an added entity.
    """
    documents = [related()]
    browser = show(documents)
    press(browser, "f", "left", "\ue007")
    browser.execute_script("document.activeElement.blur(); pick(0)")
    press(browser, "l")
    browser.execute_script("choosePlace(reviews[0].items.length - 1)")
    press(browser, ",", "r")
    saved = browser.execute_script("return session.file('kim')")
    browser.execute_script("session.saved = true; session.unstored.clear(); localStorage.clear()")

    again = show(documents)
    again.execute_script("session.load(arguments[0])", saved)

    assert ("Ann", "KNOWS", "left") in links(decided(again, documents, tmp_path)[0])
    assert [json.loads(line)["action"] for line in saved.splitlines()].count("add") == 2
    assert undated(saved) == undated(again.execute_script("return session.file('kim')"))
