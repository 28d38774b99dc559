"""The review page in a real Chromium: entities, classes, texts, filters, by keyboard and mouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmlabel import (
    ClassLabel,
    Document,
    LabeledDocument,
    Prediction,
    Relation,
)
from llmlabel.exporters.azure_bundle import AzureLanguageBundleExporter
from llmlabel.exporters.kili_bundle import KiliBundleExporter
from tests.review.pages import SCHEMA, TEXT, Open, decided, document, entity, press, spans

pytestmark = pytest.mark.slow

BOX = """const r = view.range(arguments[0], arguments[1]).getBoundingClientRect();
    return [r.left, r.right, (r.top + r.bottom) / 2]"""


def test_review_by_keyboard(show: Open, tmp_path: Path) -> None:
    """
    Accept, move a border, relabel, reject, finish: the decisions give the documents that were meant.
    """
    documents = [document(), document("two")]
    browser = show(documents)

    press(browser, "a")  # Ann; selects Bo
    press(browser, "}", "}", "}")  # Bo → Bo Li
    press(browser, "j", "2")  # Bank of Paris is an organization
    press(browser, "j", "r")  # Paris is not meant
    press(browser, "\ue007")
    first, second = decided(browser, documents, tmp_path)

    assert [("Ann", "PERSON"), ("Bo Li", "PERSON"), ("Bank of Paris", "ORGANIZATION")] == spans(first)
    assert first.provenance is not None
    assert ("kim", True) == (first.provenance.author, first.provenance.reviewed)
    assert documents[1] == second
    assert "two" == browser.execute_script("return reviews[current].id")


def test_undo_takes_back_one_decision_after_the_other(show: Open, tmp_path: Path) -> None:
    """
    As many undos as decisions leave nothing to save.
    """
    documents = [document()]
    browser = show(documents)

    press(browser, "a", "r", "1", "2", "]", "\ue007", *"uuuuuu")

    assert "" == browser.execute_script("return session.file(null)")
    assert documents == decided(browser, documents, tmp_path)


def test_words_selected_by_mouse_are_labelled(show: Open, tmp_path: Path) -> None:
    """
    Dragging over words and clicking a label adds an entity at the right code points, behind emoji and CRLF.
    """
    from selenium.webdriver import ActionChains

    documents = [document()]
    browser = show(documents)
    start = documents[0].document.text.rindex("Bo Li")
    left, right, middle = browser.execute_script(BOX, start + 1, start + 6)  # one emoji before: UTF-16

    drag: Any = ActionChains(browser)
    drag.w3c_actions.pointer_action.move_to_location(int(left) + 1, int(middle))
    drag.w3c_actions.pointer_action.pointer_down()
    drag.w3c_actions.pointer_action.move_to_location(int(right) + 1, int(middle))
    drag.w3c_actions.pointer_action.pointer_up()
    drag.perform()
    browser.find_element("css selector", "#tools button").click()

    assert ("Bo Li", "PERSON") == spans(decided(browser, documents, tmp_path)[0])[-1]


def test_click_in_the_text_selects_the_innermost_entity(show: Open) -> None:
    """
    A click on "Paris" selects it, not the bank around it.
    """
    from selenium.webdriver import ActionChains

    browser = show([document()])
    start = TEXT.index("Paris") + 1
    left, right, y = browser.execute_script(BOX, start, start + 5)
    x = (left + right) / 2

    click: Any = ActionChains(browser)
    click.w3c_actions.pointer_action.move_to_location(int(x), int(y))
    click.w3c_actions.pointer_action.click()
    click.perform()

    assert "LOCATION" == browser.execute_script("return reviews[current].items[picked].label")


def test_lost_mention_is_placed_with_one_click(show: Open, tmp_path: Path) -> None:
    """
    A mention in other case that was not placed gets its first free place.
    """
    documents = [document()]
    browser = show(documents)

    browser.find_element("css selector", "#ledger button").click()

    assert ("Bo Li", "PERSON") in spans(decided(browser, documents, tmp_path)[0])
    assert "placed" in browser.find_element("id", "ledger").text


def test_words_are_added_without_a_mouse(show: Open, tmp_path: Path) -> None:
    """
    The key f leads to a field; typed words are labelled where they stand.
    """
    documents = [document()]
    browser = show(documents)

    press(browser, "f", "left", "\ue007")

    assert "left" in [e.text for e in decided(browser, documents, tmp_path)[0].entities]


def test_free_text_is_corrected(show: Open, tmp_path: Path) -> None:
    """
    What a person writes into the field of a text is a decision; keys typed there do nothing else.
    """
    documents = [document()]
    browser = show(documents)

    browser.find_element("css selector", "#texts textarea").send_keys("Ann rejects.")
    browser.execute_script("document.activeElement.blur()")
    labeled = decided(browser, documents, tmp_path)[0]

    assert {"summary": "Ann rejects."} == labeled.texts
    assert documents[0].entities == labeled.entities


def test_class_is_chosen(show: Open, tmp_path: Path) -> None:
    """
    Another answer to a question about the document is a decision.
    """
    documents = [document()]
    browser = show(documents)

    browser.find_elements("css selector", "#classes input")[1].click()

    assert {"kind": (ClassLabel(label="Support"),)} == decided(browser, documents, tmp_path)[0].classes


def test_attributes_of_an_entity_are_chosen(show: Open, tmp_path: Path) -> None:
    """
    What is asked of its label is asked of the selected entity; another label has others, undo brings them back.
    """
    documents = [document()]
    browser = show(documents)

    browser.find_elements("css selector", "#attributes input")[1].click()
    chosen = decided(browser, documents, tmp_path)[0].entities[0]
    saved = browser.execute_script("return session.file('kim')")
    press(browser, "2")
    relabelled = decided(browser, documents, tmp_path)[0].entities[0]
    asked = browser.find_elements("css selector", "#attributes input")
    press(browser, "u", "u")
    undone = decided(browser, documents, tmp_path)
    browser.execute_script("session.load(arguments[0])", saved)

    assert ("PERSON", {"role": (ClassLabel(label="patient"),)}) == (chosen.label, chosen.attributes)
    assert ("ORGANIZATION", {}, []) == (relabelled.label, relabelled.attributes, asked)
    assert documents == undone
    assert chosen == decided(browser, documents, tmp_path)[0].entities[0]


def test_class_is_taken_back(show: Open, tmp_path: Path) -> None:
    """
    Choosing the chosen answer once more leaves the question without one.
    """
    documents = [document()]
    browser = show(documents)

    browser.find_elements("css selector", "#classes input")[0].click()

    assert {} == decided(browser, documents, tmp_path)[0].classes


def test_decision_reaches_both_bundles(show: Open, tmp_path: Path) -> None:
    """
    A refused document that a person labels on the page is in Kili's and in Azure's files.
    """
    documents = [
        Prediction(document=Document(id="one", text=TEXT), outcome="refused"),
        document("nobody looked at it"),
    ]
    browser = show(documents)
    press(browser, "f", "Bo Li")
    browser.find_element("id", "f-as").send_keys("PERSON")
    browser.find_element("css selector", "#find button").click()
    browser.find_element("css selector", "button.main").click()
    reviewed = decided(browser, documents, tmp_path)

    kili = KiliBundleExporter(tmp_path / "kili", schema=SCHEMA, only_reviewed=True).export(reviewed)
    azure = AzureLanguageBundleExporter(
        tmp_path / "azure",
        schema=SCHEMA,
        project="review",
        container="texts",
        project_kind="CustomEntityRecognition",
        only_reviewed=True,
    ).export(reviewed)
    answer = next((tmp_path / "kili" / "labels").iterdir()).read_text(encoding="utf-8")
    labels = json.loads((tmp_path / "azure" / "labels.json").read_text(encoding="utf-8"))["assets"]["documents"]

    assert '"content":"Bo Li"' in answer.replace('": "', '":"')
    assert [{"category": "PERSON", "offset": 11, "length": 5}] == labels[0]["entities"][0]["labels"]
    assert (1, 1) == (len(kili.held_back), len(azure.held_back))


def test_filters_narrow_the_list(show: Open) -> None:
    """
    Text, label and review state each leave the documents that have them.
    """
    other = LabeledDocument(document=Document(id="other", text="Nobody here."))
    browser = show([document(), other])
    set_filter = """const field = document.getElementById(arguments[0]); field.value = arguments[1];
        field.dispatchEvent(new Event("input", { bubbles: true })); return shown"""

    assert [1] == browser.execute_script(set_filter, "f-text", "NOBODY")
    assert [0, 1] == browser.execute_script(set_filter, "f-text", "")
    assert [0] == browser.execute_script(set_filter, "f-label", "LOCATION")
    assert [0, 1] == browser.execute_script(set_filter, "f-label", "")
    press(browser, "\ue007")
    assert [1] == browser.execute_script(set_filter, "f-done", "open")


def test_filters_tell_doubtful_classes_and_relations(show: Open) -> None:
    """
    Low confidence and votes that differ are found wherever they are: in an entity, a class, a relation.
    """
    text = Document(id="x", text="Ann met Bo")
    sure = (entity("Ann met Bo", "Ann", "PERSON"), entity("Ann met Bo", "Bo", "PERSON"))
    knows = (Relation(head=0, tail=1, label="KNOWS", confidence=0.3),)
    chosen = {"kind": (ClassLabel(label="News", confidence=0.4, confidence_method="votes"),)}
    documents = [
        LabeledDocument(document=text, entities=sure),
        LabeledDocument(document=text.model_copy(update={"id": "y"}), entities=sure, relations=knows),
        LabeledDocument(document=text.model_copy(update={"id": "z"}), classes=chosen),
    ]
    browser = show(documents)
    set_filter = """$("filters").reset(); $(arguments[0]).value = arguments[1]; $(arguments[0]).checked = true;
        applyFilters(); return shown"""

    assert [1] == browser.execute_script(set_filter, "f-confidence", "0.35")
    assert [1, 2] == browser.execute_script(set_filter, "f-confidence", "0.5")
    assert [2] == browser.execute_script(set_filter, "f-differs", "on")
