"""Law 2: every item that a model returned is in the prediction, or in its ledger with one reason; the counts add up."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmlabel import (
    Asking,
    Completion,
    Document,
    LabelSchema,
    Pipeline,
    Prediction,
    Prompt,
    PromptTemplate,
    ServiceError,
)
from llmlabel.testing import ScriptedLabeler
from tests.pipeline.conftest import EVERY_TASK

TEXT = (
    "Ann and Ann met Bob at Acme.\r\n\r\nBob works for Acme Corp in Acmetown.\n\n"
    "Ann Lee, Bob Ray and Zoë saw the Acme Corp office. Then Ann left. Bob stayed with Acme."
)
DATA = re.compile(r"<document-([0-9a-f]{8})>\n(.*)\n</document-\1>", re.DOTALL)
SURFACES = ["Ann", "ANN", "Bob", "Acme", "Acme Corp", "Ann Lee", "Zoe", "nobody", " ", "Acme Corp office", "met Bob at"]

surfaces = st.sampled_from(SURFACES)
labels = st.sampled_from(["PER", "ORG", "per", "LOC", ""])
junk = st.sampled_from([None, 7, True, "loose words", [], ["a", "b", "c"], {}, {"x": 1}, {"text": "Ann"}])
mentions = st.fixed_dictionaries(
    {"text": surfaces, "label": labels},
    optional={"attributes": st.fixed_dictionaries({"role": st.sampled_from(["boss", "chief", None])})},
)
ends = st.sampled_from([0, 1, 2, 3, 9, "1", "Ann", None])
relations = st.fixed_dictionaries(
    {"head": ends, "label": st.sampled_from(["WORKS_FOR", "KNOWS", "LIKES", ""]), "tail": ends}
)
sections = st.fixed_dictionaries(
    {
        "entities": st.lists(mentions | junk, max_size=7),
        "relations": st.lists(relations | junk, max_size=4),
        "classes": st.fixed_dictionaries(
            {},
            optional={
                "topic": st.sampled_from(["a", "b", "c", ["a"], ["a", "b"], None]),
                "tags": st.lists(st.sampled_from(["x", "y", "z"]), max_size=4),
                "mood": st.just("good"),
            },
        ),
        "texts": st.fixed_dictionaries({}, optional={"note": st.sampled_from(["n1", "n2"]), "more": st.just("n3")}),
    }
)
askings = st.builds(
    Asking,
    max_document_tokens=st.sampled_from([None, 16, 20]),
    overlap_tokens=st.sampled_from([0, 4, 8]),
    passes=st.integers(1, 3),
    samples=st.integers(1, 3),
    near_labels=st.sampled_from(["ledger", "map"]),
)


@dataclass
class Returned:
    """Answers with given sections in turn, and counts the items of each."""

    sections: Any
    count: Counter[str] = field(default_factory=Counter)

    def __call__(self, prompt: Any) -> str:
        section = next(self.sections)
        self.count["item"] += _items(section["entities"])
        self.count["relation"] += sum(1 for item in section["relations"] if item is not None)
        chosen = [value if isinstance(value, list) else [value] for value in section["classes"].values()]
        self.count["class"] += sum(1 for values in chosen for value in values if value is not None)
        self.count["text"] += len(section["texts"])
        return json.dumps(section)


def _items(entities: list[Any]) -> int:
    """How many items a list holds: nested lists are flattened, nulls are nothing."""
    return sum(_items(item) if isinstance(item, list) else item is not None for item in entities)


def accounted(prediction: Prediction) -> Counter[str]:
    """How many items the prediction and its ledger account for, by kind."""
    found: Counter[str] = Counter(item.kind for item in prediction.discarded if item.kind not in {"attribute", "copy"})
    found["item"] += len(prediction.placements)
    found["relation"] += len(prediction.relations)
    found["class"] += sum(map(len, prediction.classes.values()))
    found["text"] += sum(len(text.splitlines()) for text in prediction.texts.values())
    return found


def checked(labeler: ScriptedLabeler, asking: Asking, count: Counter[str], texts: tuple[str, ...] = (TEXT,)) -> None:
    """Label the texts and compare what was returned with what is accounted for."""
    asking = asking.model_copy(update={"max_reasks": 0})
    with Pipeline(labeler, asking=asking, progress=False) as pipeline:
        result = pipeline.run(Document(id=str(number), text=text) for number, text in enumerate(texts))

    for one in result.predictions:
        assert sum(1 + len(p.repeats) for p in one.placements if p.placed) == len(one.entities)
        assert all(one.document.text[e.start : e.end] == e.text for e in one.entities)
    if all(one.outcome == "labeled" for one in result.predictions):
        assert +count == +sum((accounted(one) for one in result.predictions), Counter())


@given(st.lists(sections, min_size=1, max_size=6), askings)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_item_of_json_answers_is_accounted_for(answers, asking):
    """
    Pieces, passes, samples; unknown labels, absent words, broken items: the counts of each kind add up.
    """
    returned = Returned(cycle(answers))
    checked(ScriptedLabeler(EVERY_TASK, returned), asking, returned.count)


@given(st.lists(sections, min_size=1, max_size=6), st.integers(2, 4), st.integers(1, 2), st.integers(1, 2))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_item_of_packed_answers_is_accounted_for(answers, size, passes, samples):
    """
    The same where one answer speaks of several documents.
    """
    readable = {"text": "Ann", "label": "PER"}  # a section of which nothing can be read is asked for again
    returned = Returned(cycle([{**one, "entities": [readable, *one["entities"]]} for one in answers]))

    def answer(prompt: Prompt) -> str:
        alone = returned(prompt) if len(prompt.document_ids) == 1 else ""
        numbers = range(1, len(prompt.document_ids) + 1)
        return alone or json.dumps({"documents": [{"id": str(n), **json.loads(returned(prompt))} for n in numbers]})

    asking = Asking(documents_per_request=size, passes=passes, samples=samples)
    checked(ScriptedLabeler(EVERY_TASK, answer), asking, returned.count, (TEXT, "Ann met Bob.", "Acme and Acme Corp."))


tables = st.dictionaries(labels.filter(bool), st.lists(surfaces | st.sampled_from([None, 7, {"x": 1}]), max_size=5))


@given(st.lists(tables, min_size=1, max_size=6), askings)
@example([{}, {"PER": ["Ann Lee"]}, {"PER": ["Ann"]}], Asking(max_document_tokens=20, passes=2, samples=2))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_surface_of_by_label_answers_is_accounted_for(answers, asking):
    """
    The same for tables of labels and surfaces.
    """
    given_answers, count = cycle(answers), Counter[str]()

    def answer(prompt: Prompt) -> str:
        table = next(given_answers)
        count["item"] += sum(item is not None for items in table.values() for item in items)
        return json.dumps({"entities": table, "relations": [], "classes": {}, "texts": {}})

    labeler = ScriptedLabeler(EVERY_TASK, answer, prompt=PromptTemplate(answer_format="by_label"))
    checked(labeler, asking, count)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["PER", "ORG", "per", "LOC", ""])), max_size=8), askings)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_mark_of_inline_answers_is_accounted_for(marks, asking):
    """
    The same for marks: each is a mention, or told with its reason; the report on the copy is no item.
    """
    schema, count = LabelSchema(entities=["PER", "ORG"]), Counter[str]()

    def answer(prompt: Prompt) -> str:
        asked = DATA.search(prompt.messages[-1].content)
        assert asked
        words = re.split(r"(\s+)", asked[2])
        for number, label in marks:
            place = 2 * number
            if place < len(words) and words[place] and "|" not in words[place]:
                words[place] = f"[[{words[place]}|{label}]]"
                count["item"] += 1
        return "".join(words)

    labeler = ScriptedLabeler(schema, answer, prompt=PromptTemplate(answer_format="inline"))
    checked(labeler, asking, count)


PIECES = [
    *("{", "}", "[", "]", ",", ":", "'", '"', "null", "[[", "]]", "|PER", "```json\n", "<think>", "</think>", "\ud800"),
    *(
        '{"entities": ',
        '{"PER": ',
        '"Ann"',
        '{"text": "Ann", "label": "PER"}',
        '{"text": "Acme", "label": "LOC"}',
        '"id"',
    ),
    *('"documents": ', '"relations": ', '{"head": 1, "tail": "Ann", "label": "KNOWS"}', '"classes": ', '"topic": "a"'),
    *("Ann works for Acme.", "9" * 5_000, TEXT, "[[Ann|PER]] and Ann met [[Bob|ORG]] at", "NaN", "\\u0000"),
]
written = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
finishes = st.sampled_from(["stop", "stop", "stop", "length", "refusal", "content_filter"])
completions = st.builds(Completion, text=written | st.text(max_size=80), finish=finishes)


@pytest.mark.parametrize("name", ["json", "by_label", "inline"])
@given(
    st.lists(completions | st.just(ServiceError("503", status_code=400)), min_size=1, max_size=6),
    askings,
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_answered_each_document_comes_out_once_and_lawful(name, answers, asking, size):
    """
    Fragments, refusals, errors, cut answers, in every way of asking: one prediction each, within text and schema.
    """
    given_answers = cycle(answers)
    labeler = ScriptedLabeler(EVERY_TASK, lambda _: next(given_answers), prompt=PromptTemplate(answer_format=name))
    asking = asking.model_copy(update={"documents_per_request": size, "max_reasks": 1})
    with Pipeline(labeler, asking=asking, progress=False) as pipeline:
        result = pipeline.run([TEXT, "Ann met Bob.", "Acme [1] and {Acme} Corp."])

    assert 3 == len(result.predictions)
    for one in result.predictions:
        assert sum(1 + len(p.repeats) for p in one.placements if p.placed) == len(one.entities)
        assert all(one.document.text[e.start : e.end] == e.text for e in one.entities)
        assert {e.label for e in one.entities} <= {"PER", "ORG"}
        assert {r.label for r in one.relations} <= {"WORKS_FOR", "KNOWS"}
        assert one.classes.keys() <= {"topic", "tags"}
        assert one.texts.keys() <= {"note"}
        assert "labeled" != one.outcome or one.error is None
