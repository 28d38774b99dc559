"""What the review page shows, to whom it can be shown, and what it must never run."""

from __future__ import annotations

import pytest

from llmlabel import (
    ClassLabel,
    Document,
    Entity,
    LabeledDocument,
    Mention,
    Placement,
    Prediction,
)
from llmlabel.html import terminal_safe
from tests.review.pages import ARABIC, TEXT, Open, document, entity, press, related

pytestmark = pytest.mark.slow


def test_spans_stand_where_python_put_them(show: Open) -> None:
    """
    For emoji, CRLF, bidi controls and Arabic the marked text is the entity's, hidden characters made visible.
    """
    arabic = LabeledDocument(
        document=Document(id="ar", text=ARABIC),
        entities=(entity(ARABIC, "أحمد منصور", "PERSON"), entity(ARABIC, "القاهرة", "LOCATION")),
    )
    whole = LabeledDocument(
        document=Document(id="w", text=TEXT),
        entities=(entity(TEXT, ".\r\nBo Li \u202eleft", "PERSON"),),
    )
    browser = show([document(), arabic, whole])
    read = """return reviews.map((review, number) => {
        openDocument(number);
        return review.items.map((item) => view.range(item.start, item.end).toString());
    })"""

    assert [
        ["Ann", "Bo", "Bank of Paris", "Paris"],
        ["أحمد منصور", "القاهرة"],
        [".␍\nBo Li ⟨U+202E⟩left"],
    ] == browser.execute_script(read)


def test_page_shows_hidden_characters_as_the_terminal_does(show: Open) -> None:
    """
    The page's own table of hidden characters is that of ``terminal_safe``, for every code point that JSON can carry.
    """
    browser = show([])
    points = [*range(0xD800), *range(0xE000, 0x3000F), *range(0xE0000, 0xE01F0)]
    read = "return arguments[0].filter((point) => visible(String.fromCodePoint(point)) !== String.fromCodePoint(point))"

    assert [point for point in points if terminal_safe(chr(point)) != chr(point)] == browser.execute_script(
        read, points
    )
    assert terminal_safe("a\r\u202e\x7f🏴\U000e0067\U000e007f") == browser.execute_script(
        "return visible(arguments[0])", "a\r\u202e\x7f🏴\U000e0067\U000e007f"
    )


def test_text_is_one_flow_without_elements_in_words(show: Open) -> None:
    """
    With Custom Highlights the text of a document is text nodes only, in its own direction.
    """
    labeled = LabeledDocument(
        document=Document(id="ar", text=ARABIC), entities=(entity(ARABIC, "القاهرة", "LOCATION"),)
    )
    browser = show([labeled])
    read = "const block = view.root.firstChild; return [block.childNodes.length, getComputedStyle(block).direction]"

    assert [1, "rtl"] == browser.execute_script(read)


def test_browser_without_custom_highlights_shows_marks(show: Open) -> None:
    """
    The fallback cuts the text at the borders of spans; nothing of it is lost or doubled.
    """
    browser = show([document()], before="delete window.Highlight")
    press(browser, "j", "j", "r")

    assert TEXT.replace("\r", "␍").replace("\u202e", "⟨U+202E⟩") == browser.execute_script(
        "return view.root.textContent"
    )
    assert 3 == browser.execute_script("return view.root.querySelectorAll('mark').length")


def test_hostile_document_runs_nothing(show: Open) -> None:
    """
    Markup in every field of a document stays text.
    """
    evil = "</script><script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\"><!--"
    labeled = Prediction(
        document=Document(id=evil, text=evil),
        entities=(Entity(start=0, end=9, label=evil, text=evil[:9], reason=evil, confidence_method=evil),),
        texts={evil: evil},
        outcome="partial",
        placements=(Placement(mention=Mention(text=evil, label=evil), status="not_found"),),
    )
    browser = show([labeled])
    press(browser, "a", "f")

    assert "Review" == browser.title
    assert [] == browser.find_elements("css selector", "img")
    assert evil == browser.execute_script("return view.root.textContent")


def test_reason_is_shown(show: Open) -> None:
    """
    The model's reason stands under its label, where the label has one.
    """
    labeled = LabeledDocument(
        document=Document(id="r", text="Ann"),
        entities=(Entity(start=0, end=3, label="PERSON", text="Ann", reason="A given name."),),
    )

    assert "A given name." == show([labeled]).find_element("css selector", "#entities q").text


def test_reason_of_a_class_is_shown(show: Open) -> None:
    """
    The model's reason stands beside the class that it chose.
    """
    news = ClassLabel(label="News", reason="It is dated.")
    labeled = LabeledDocument(document=Document(id="r", text="Ann"), classes={"kind": (news,)})

    assert "It is dated." == show([labeled]).find_element("css selector", "#classes q").text


def test_page_without_documents_says_so(show: Open) -> None:
    """
    No document, no controls that could only fail; keys and buttons do nothing wrong.
    """
    browser = show([])

    press(browser, *"najrul?", "\ue00c")
    browser.find_element("id", "undo").click()

    assert "There is nothing to review." == browser.find_element("css selector", "nav .empty").text
    assert not browser.find_element("id", "act").is_displayed()


def test_every_control_has_a_name(show: Open) -> None:
    """
    The accessibility tree names every button, field and list.
    """
    browser = show([document()])
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = {"button", "textbox", "searchbox", "combobox", "checkbox", "radio", "spinbutton", "listbox", "option"}

    unnamed = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node.get("role", {}).get("value") in controls
        and not node.get("name", {}).get("value", "").strip()
    ]

    assert [] == unnamed


CONTRAST = """
const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.matches("script, style, option")) continue;
  const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const sign = element.matches(".sign"); // not text: its state stands beside it in words
  if (ratio < (sign ? 3 : 4.5)) poor.push([element.outerHTML.slice(0, 80), ratio]);
}
return poor;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_on_the_page_has_contrast(show: Open, scheme: str) -> None:
    """
    As the browser computes it, every text stands out from its background by 4.5:1, in both colour schemes.
    """
    refused = Prediction(document=Document(id="no", text="No."), outcome="refused", suspicious=True)
    browser = show([related(), refused])
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    try:
        press(browser, "a", "r", ".", "a")
        first = browser.execute_script(CONTRAST)
        press(browser, "n", "?")
        second = browser.execute_script(CONTRAST)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    assert [] == first + second


def test_focus_is_always_seen(show: Open) -> None:
    """
    Whatever Tab leads to has an outline; Tab leads through the whole page.
    """
    browser = show([related()])
    read = """const at = document.activeElement;
        const ring = at.closest(".button, .choice") || at;
        return [at.id || at.dataset.do || at.tagName, getComputedStyle(ring).outlineStyle]"""

    seen = []
    for _ in range(45):
        press(browser, "\ue004")
        seen.append(browser.execute_script(read))

    assert {"documents", "text", "entities", "relations", "accept", "finish", "load", "f-words"} <= {
        at for at, _ in seen
    }
    assert [] == [at for at, outline in seen if outline == "none" and at not in {"BODY", "HTML"}]


OUTSIDE = """
const poor = [];
for (const control of document.querySelectorAll("button, input:not([type=file]), select, textarea, li, .fact, h2")) {
  if (!control.checkVisibility() || control.closest("#labels, dialog")) continue;
  const own = control.getBoundingClientRect();
  const around = control.closest("nav, section, aside, header").getBoundingClientRect();
  if (own.right > around.right + 1 || own.left < around.left - 1) poor.push(control.outerHTML.slice(0, 80));
}
return [scrollY, document.documentElement.scrollWidth > innerWidth, poor];
"""


@pytest.mark.parametrize("width", [360, 820, 920, 1000, 1160, 1440, 2560])
def test_nothing_is_cut_off_at_the_side(show: Open, width: int) -> None:
    """
    From a phone to a wide screen every control and every name lies within its column, and the page starts at its top.
    """
    browser = show([related(), document("a-long-name-" * 20)])
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.refresh()
        shown = browser.execute_script(OUTSIDE)
        press(browser, "l")
        linking = browser.execute_script(OUTSIDE)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert [0, False, []] == shown
    assert [0, False, []] == linking
