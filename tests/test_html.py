"""Notebook HTML and terminal text made of hostile, bidirectional and long documents."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import Discarded, Document, Entity, LabeledDocument, LabelSchema, Mention, Placement, Prediction
from llmlabel.html import PALETTE, Span, document_html, escape, label_slots, table_html, terminal_safe

TAGS = {"style", "div", "mark", "span", "details", "summary", "dl", "dt", "dd", "bdi"}


class Page(HTMLParser):
    """Reads back what a browser would see: tags, all text, and the document's text with hidden characters restored."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = self.source = ""
        self.marks: list[tuple[str, str]] = []
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "style":
            return
        self.text += data
        if any(attrs.get("class") == "ll-text" for _, attrs in self.open):
            hidden = self.open[-1][1].get("data-char")
            shown = chr(int(hidden, 16)) if hidden else data
            self.source += shown
            self.marks += [(attrs["title"] or "", shown) for tag, attrs in self.open if tag == "mark"]


def entity(text: str, surface: str, label: str) -> Span:
    start = text.index(surface)
    return start, start + len(surface), label, "exact", None


texts = st.text() | st.text("a<>&\"'/!-\r\n\t\x00\x1b\u202e\u2066\ufeff😀é\u0301ש ", max_size=40)
spans = st.lists(
    st.tuples(
        st.integers(-3, 50),
        st.integers(-3, 50),
        st.sampled_from(["PER", "<b>", '"onclick="', "\u202e"]),
        st.just("exact"),
        st.none() | st.floats(0, 1),
    ),
    max_size=8,
)


@given(texts, spans)
def test_source_stands_once_and_nothing_of_it_becomes_markup(text: str, spans: list[Span]) -> None:
    """
    For any text and spans the page holds the text once and unchanged, and no tag or attribute but our own.
    """
    page = Page(document_html("<id>", text, spans, [("<name>", "</dd><script>")]))

    assert text == page.source
    assert page.tags <= TAGS
    assert page.attributes <= {"class", "style", "title", "dir", "data-char"}
    assert page.open == []


@given(texts, spans)
def test_each_character_is_marked_by_the_spans_over_it(text: str, spans: list[Span]) -> None:
    """
    A character stands inside a mark exactly when some span covers it.
    """
    covered = sum(any(s[0] <= n < s[1] for s in spans) for n in range(len(text)))

    assert covered == sum(len(shown) for _, shown in Page(document_html("d", text, spans)).marks)


@given(st.text(st.characters()))
def test_terminal_text_has_no_control_or_direction_characters(text: str) -> None:
    """
    Whatever stands in a document, the terminal gets printable text that UTF-8 can carry.
    """
    safe = terminal_safe(text)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]", safe)
    assert safe == safe.encode().decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb", "a␍\nb"),
        ("\x1b[31m", "␛[31m"),
        ("\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
        ("\x7f\x85\ud800", "␡⟨U+0085⟩⟨U+D800⟩"),
        ("a\U000e0041b", "a⟨U+E0041⟩b"),
        ("👩‍👩‍👧 क्‍ष", "👩‍👩‍👧 क्‍ष"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"),
    ],
)
def test_hidden_characters_are_shown(text: str, shown: str) -> None:
    """
    Hidden characters are named; joiners and flags, which scripts and emoji need, stay.
    """
    assert shown == terminal_safe(text)


def test_escape_is_safe_in_quoted_attributes() -> None:
    """
    Both quotes, angle brackets and ampersands are escaped.
    """
    assert "&lt;a href=&quot;&#x27;&amp;⟨U+202E⟩" == escape("<a href=\"'&\u202e")


def test_crossing_spans_share_the_text() -> None:
    """
    Where two spans cross, the common part names both.
    """
    marks = Page(document_html("d", "abcd", [(0, 3, "X", "exact", None), (1, 4, "Y", "fuzzy", 0.5)])).marks

    assert [
        ("X [0, 3) exact", "a"),
        ("X [0, 3) exact; Y [1, 4) fuzzy 0.50", "bc"),
        ("Y [1, 4) fuzzy 0.50", "d"),
    ] == marks


def test_nested_span_gives_the_tint() -> None:
    """
    Inside "Bank of Paris", "Paris" has the colour of its own label.
    """
    text = "Bank of Paris"
    slots = label_slots(["ORG", "LOC"])

    html = document_html("d", text, [entity(text, text, "ORG"), entity(text, "Paris", "LOC")])

    assert f'style="background:var(--t{slots["LOC"]});' in html[: html.index(">Paris</mark>")].rsplit("<mark", 1)[1]


def test_marks_take_no_room_in_the_line() -> None:
    """
    No mark in the text has padding, margin or border: Arabic letters stay joined.
    """
    style = document_html("d", "كتاب", [(1, 2, "X", "exact", None)])
    block = style[style.index('class="ll-text"') : style.index('class="ll-key"')]

    assert not re.search(r"padding|margin|border|display", block)


def test_direction_is_that_of_the_text() -> None:
    """
    The browser finds the direction from the text itself.
    """
    assert '<div class="ll-text" dir="auto">' in document_html("d", "زار أحمد باريس.", [])


def test_long_document_is_folded_at_a_line() -> None:
    """
    A long text shows its beginning; the rest is behind "show more", and nothing is lost or doubled.
    """
    text = "A line of text.\n" * 1000

    html = document_html("d", text, [(0, len(text), "X", "exact", None)])

    assert text == Page(html).source
    assert "<summary>show 12,000 more characters</summary>" in html


def test_huge_document_says_what_is_not_shown() -> None:
    """
    A notebook cell takes 200,000 characters at most and says how many are missing.
    """
    html = document_html("d", "x" * 250_000, [(249_000, 249_001, "X", "exact", None)])

    assert "50,000 more characters are not shown here" in html


def test_value_shows_itself_in_a_notebook() -> None:
    """
    A labelled document renders its entities and classes.
    """
    document = Document(id="d", text="Ann <3 Rome")
    value = LabeledDocument(document=document, entities=(Entity(start=0, end=3, label="PERSON", text="Ann"),))

    assert [("PERSON [0, 3) exact", "Ann")] == Page(value._repr_html_()).marks


def test_prediction_shows_what_was_not_taken() -> None:
    """
    A prediction tells its outcome and its ledger beside the text.
    """
    prediction = Prediction(
        document=Document(id="d", text="Ann"),
        outcome="partial",
        placements=(Placement(mention=Mention(text="<Bob>", label="PERSON"), status="not_found"),),
        discarded=(Discarded(kind="class", value="kind: Poem", reason="unknown_label"),),
    )

    text = Page(prediction._repr_html_()).text

    assert text.endswith("outcomepartialnot taken<Bob> (PERSON, not_found)not takenkind: Poem (class, unknown_label)")


def test_labels_of_one_document_have_different_colours() -> None:
    """
    As many labels as there are colours never share one.
    """
    labels = [f"L{n}" for n in range(len(PALETTE))]

    assert set(range(len(PALETTE))) == set(label_slots(labels).values())


def test_more_labels_than_colours_share() -> None:
    """
    With more labels than colours every label still gets one.
    """
    assert 40 == len(label_slots(f"L{n}" for n in range(40)))


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", PALETTE)
def test_colours_keep_contrast(colours: tuple[str, str, str, str]) -> None:
    """
    Text on every tint passes WCAG AAA (7:1), every line on its page passes AA (4.5:1), in both schemes.
    """
    tint, line, dark_tint, dark_line = colours

    assert contrast("#1a1a1a", tint) >= 7
    assert contrast("#eceef0", dark_tint) >= 7
    assert contrast("#ffffff", line) >= 4.5
    assert contrast("#191c20", dark_line) >= 4.5
    assert contrast("#555d66", tint) >= 4.5
    assert contrast("#a6aeb7", dark_tint) >= 4.5


def test_table_escapes_cells_and_formats_numbers() -> None:
    """
    Text is escaped, floats have three decimals, an unknown value is a dash.
    """
    html = table_html(["<h>", "n"], [["<b>", 0.5], ["\x1b", None], ["c", 3]], caption="&")

    assert "<caption>&amp;</caption>" in html
    assert '<td dir="auto">&lt;b&gt;</td><td class="ll-n">0.500</td>' in html
    assert '<td dir="auto">␛</td><td class="ll-n">–</td>' in html
    assert '<td class="ll-n">3</td>' in html


def test_a_schema_shows_itself():
    """
    Every kind of label with its description, escaped.
    """
    schema = LabelSchema(
        entities={"PER": "a <person>"}, relations=["knows"], classifications={"tone": ["good", "bad"]}, texts=["note"]
    )
    shown = schema._repr_html_()

    assert "<person>" not in shown
    for word in ("PER", "a &lt;person&gt;", "knows", "tone", "good", "note"):
        assert word in shown
