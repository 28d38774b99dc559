"""The review page as a file: self-contained, escaped, closed by its own policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import (
    Classification,
    ClassLabel,
    Discarded,
    Document,
    Entity,
    Label,
    LabeledDocument,
    LabelSchema,
    Mention,
    Placement,
    Prediction,
    RelationLabel,
)
from llmlabel.review import Decision, ReviewFrame, review_page
from llmlabel.review.decisions import text_hash

HOSTILE = "</script><script>alert(1)</script><!-- <![CDATA[ \u2028\u202e&amp;"


class Elements(HTMLParser):
    """The elements of a page with their attributes and direct text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}, []))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def text(self, tag: str, **attributes: str) -> str:
        return next("".join(t) for name, attrs, t in self.found if name == tag and attributes.items() <= attrs.items())


def data(html: str) -> dict[str, object]:
    loaded = json.loads(Elements(html).text("script", id="data"))
    assert isinstance(loaded, dict)
    return loaded


def document(text: str, id: str = "d") -> LabeledDocument:
    return LabeledDocument(document=Document(id=id, text=text))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_text_arrives_as_data_and_only_as_data(text: str, id: str) -> None:
    """
    For any text and id the embedded data give them back, and the page has the same elements as an empty one.
    """
    html = review_page([document(text, id)])
    shown = data(html)["documents"]

    assert isinstance(shown, list)
    assert (id, text) == (shown[0]["id"], shown[0]["text"])
    assert [tag for tag, _, _ in Elements(review_page([])).found] == [tag for tag, _, _ in Elements(html).found]


def test_hostile_values_end_no_element() -> None:
    """
    Markup in labels, ids, titles, reasons and errors stays text; line separators and bidi controls are escaped.
    """
    prediction = Prediction(
        document=Document(id=HOSTILE, text=HOSTILE, language=HOSTILE),
        entities=(Entity(start=0, end=3, label=HOSTILE, text=HOSTILE[:3], reason=HOSTILE),),
        classes={HOSTILE: (ClassLabel(label=HOSTILE),)},
        texts={HOSTILE: HOSTILE},
        outcome="partial",
        placements=(Placement(mention=Mention(text=HOSTILE, label=HOSTILE), status="not_found"),),
        discarded=(Discarded(kind="item", value=HOSTILE, reason=HOSTILE),),
    )

    html = review_page([prediction], title=HOSTILE, reviewer=HOSTILE)

    assert "alert(1)</script>" not in html
    assert not re.search("[\u2028\u202e]|<!-- <", html)
    assert 2 == html.count("<script")


def test_policy_allows_the_pages_own_script_and_style_only() -> None:
    """
    The Content-Security-Policy names the hashes of the one script and the one style, and nothing else loads.
    """
    page = Elements(review_page([document("x")]))
    policy = next(a["content"] or "" for _, a, _ in page.found if a.get("http-equiv") == "Content-Security-Policy")
    script = next("".join(t) for name, attrs, t in page.found if name == "script" and not attrs)

    def source(content: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; script-src {source(script)}; style-src {source(page.text('style'))}; "
        "base-uri 'none'; form-action 'none'"
    )


def test_page_needs_no_network_and_has_no_inline_handlers() -> None:
    """
    No element refers to anything outside of the file, and no attribute holds code or style.
    """
    page = Elements(review_page([document("x")]))
    attributes = {name for _, attrs, _ in page.found for name in attrs}

    assert not attributes & {"src", "href", "style", "action", "srcset"}
    assert not [name for name in attributes if name.startswith("on")]


def test_schema_gives_labels_and_questions() -> None:
    """
    With a schema all of its labels can be chosen, in its order.
    """
    inner = Classification(name="subject", labels=["Sport", "Politics"], multi_label=True)
    kind = Classification(name="kind", labels=[Label(name="News", attributes=(inner,)), "Support"])
    schema = LabelSchema(
        entities=["PERSON", "DATE"],
        relations=[RelationLabel(name="BORN", head=("PERSON",), tail=("DATE",))],
        classifications=[kind],
        texts=["summary"],
    )

    shown = data(review_page([document("x")], schema=schema))

    assert ["PERSON", "DATE"] == shown["labels"]
    assert [{"name": "BORN", "head": ["PERSON"], "tail": ["DATE"]}] == shown["relations"]
    assert ["summary"] == shown["texts"]
    assert [
        {"name": "kind", "labels": ["News", "Support"], "multi": False, "under": []},
        {"name": "subject", "labels": ["Sport", "Politics"], "multi": True, "under": [["kind", "News"]]},
    ] == shown["classifications"]


def test_without_schema_the_labels_that_occur_can_be_chosen() -> None:
    """
    Labels and questions come from the documents; a question with two answers somewhere takes several.
    """
    labeled = LabeledDocument(
        document=Document(id="d", text="Ann"),
        entities=(Entity(start=0, end=3, label="PERSON", text="Ann"),),
        classes={"kind": (ClassLabel(label="B"), ClassLabel(label="A"))},
    )

    shown = data(review_page([labeled]))

    assert ["PERSON"] == shown["labels"]
    assert [{"name": "kind", "labels": ["A", "B"], "multi": True, "under": []}] == shown["classifications"]


def test_page_of_a_reviewer_starts_with_that_persons_decisions() -> None:
    """
    What somebody else decided is not shown as one's own.
    """
    base = {"document": "d", "text": text_hash("x"), "action": "done"}
    made = [Decision.model_validate(base | {"by": name}) for name in ("kim", "lou")]

    shown = data(review_page([document("x")], decisions=made, reviewer="lou"))

    assert ["lou"] == [decision["by"] for decision in shown["decisions"]]  # type: ignore[attr-defined]
    assert 2 == shown["seen"]


def test_pages_of_the_same_documents_share_what_the_browser_keeps() -> None:
    """
    The key of kept decisions follows ids and texts, not labels or titles.
    """
    one, other = review_page([document("x")], title="one"), review_page([document("x")], title="other")

    assert data(one)["key"] == data(other)["key"]
    assert data(one)["key"] != data(review_page([document("y")]))["key"]


def test_notebook_frame_holds_the_page() -> None:
    """
    The frame's source, read as HTML reads an attribute, is the page itself; it may not touch the notebook.
    """
    frame = Elements(ReviewFrame([document(HOSTILE)], title='"quoted" & <b>')._repr_html_())
    (tag, attributes, _), *_ = frame.found

    assert "iframe" == tag
    assert review_page([document(HOSTILE)], title='"quoted" & <b>') == attributes["srcdoc"]
    assert "allow-same-origin" not in (attributes["sandbox"] or "")


def test_earlier_decisions_come_with_the_page() -> None:
    """
    A page can start with what was decided before; what was taken back is left out.
    """
    base = {"document": "d", "text": text_hash("x")}
    made = [Decision.model_validate(base | {"action": action}) for action in ("done", "reset", "done")]

    shown = data(review_page([document("x")], decisions=made))

    assert 3 == shown["seen"]
    assert [base | {"version": 1, "action": "done", "labels": []}] == shown["decisions"]


def luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(full[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "page"),
        ("ink", "panel"),
        ("soft", "page"),
        ("soft", "panel"),
        ("good", "page"),
        ("bad", "page"),
        ("bad", "panel"),
        ("bad", "alert"),
        ("ink", "wash"),
        ("soft", "wash"),
        ("good", "wash"),
        ("bad", "wash"),
        ("soft", "canvas"),
        ("on-accent", "accent"),
    ],
)
def test_page_colours_have_contrast(scheme: int, ink: str, ground: str) -> None:
    """
    Every pair of text and background passes WCAG AA (4.5:1) in both colour schemes.
    """
    css = files("llmlabel.review").joinpath("page.css").read_text(encoding="utf-8")

    def colour(name: str) -> float:
        return luminance(re.findall(rf"--{name}: (#\w+);", css)[scheme])

    light, dark = sorted((colour(ink), colour(ground)), reverse=True)

    assert (light + 0.05) / (dark + 0.05) >= 4.5
