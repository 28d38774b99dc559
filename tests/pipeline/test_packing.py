"""Several documents in one request."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel import Asking, Completion, Document, LabelSchema, PromptTemplate, Usage
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.reading import split_usage
from tests.pipeline.conftest import Writer

DOCUMENTS = [Document(id=f"../{n}", text=f"Ann{n} is here") for n in range(6)]


@given(st.integers(1, 9), *[st.integers(0, 1000)] * 5)
def test_shared_usage_adds_up_exactly(parts, a, b, c, d, e):
    """
    Shares of one request's usage add up to it, whatever the remainder.
    """
    usage = Usage(input_tokens=a, output_tokens=b, cached_tokens=c, reasoning_tokens=d, requests=e)

    assert usage == sum(split_usage(usage, parts), Usage())


def packed_answer(prompt, leave_out=()):
    """Answer for every document that the prompt holds, in the packed or the single form."""
    names = [f"Ann{n}" for n in range(6) if f"Ann{n}" in prompt.messages[-1].content]
    items = [{"entities": [{"text": name, "label": "PER"}]} for name in names]
    if len(items) == 1:
        return json.dumps(items[0])
    packed = [{"id": str(k), **item} for k, item in enumerate(items, 1) if names[k - 1] not in leave_out]
    return json.dumps({"documents": packed})


def run(answer):
    labeler = Writer(answer)
    return labeler, Pipeline(labeler, asking=Asking(documents_per_request=3), progress=False).run(DOCUMENTS)


def test_documents_share_a_request():
    """
    Six documents in groups of three take two requests.
    """
    labeler, result = run(packed_answer)

    assert 2 == len(labeler.prompts) == result.usage.requests
    assert [f"Ann{n}" for n in range(6)] == [p.entities[0].text for p in result.predictions]


@pytest.mark.parametrize("per_request", [2, 3, 8])
def test_identical_texts_are_asked_once(per_request):
    """
    In one group or in several that are asked side by side, a text stands in one request; who shares it pays nothing.
    """
    documents = [Document(id=f"d{n}", text=f"Ann{n % 3} is here") for n in range(12)]
    labeler = Writer(packed_answer)
    asking = Asking(documents_per_request=per_request)
    result = Pipeline(labeler, asking=asking, progress=False).run(documents)
    asked = "".join(prompt.messages[-1].content for prompt in labeler.prompts)

    assert [1, 1, 1] == [asked.count(f"Ann{n} is here") for n in range(3)]
    assert [f"Ann{n % 3}" for n in range(12)] == [p.entities[0].text for p in result.predictions]
    assert result.usage.input_tokens == sum(p.usage.input_tokens for p in result.predictions[:3])


def test_an_answer_that_misses_a_document_falls_back_to_single_requests():
    """
    Nothing of a mixed-up answer is trusted.
    """
    labeler, result = run(lambda prompt: packed_answer(prompt, leave_out={"Ann1"}))

    assert {"labeled": 6} == result.outcomes
    assert 2 + 3 == len(labeler.prompts)
    assert len(labeler.prompts) == result.usage.requests


def test_only_the_guilty_document_is_filtered():
    """
    A content-filter hit is bisected.
    """

    def answer(prompt):
        if "Ann4" in prompt.messages[-1].content:
            return Completion(text="", finish="content_filter", usage=Usage(input_tokens=1, requests=1))
        return packed_answer(prompt)

    labeler, result = run(answer)

    assert ["labeled"] * 4 + ["filtered", "labeled"] == [p.outcome for p in result.predictions]
    assert len(labeler.prompts) == result.usage.requests


def run_with(journal, size, answer=packed_answer, answer_format="json", **asking):
    """Run over the six documents with a journal; return the labeler and the result."""
    labeler = Writer(answer, prompt=PromptTemplate(answer_format=answer_format))
    settings = Asking(documents_per_request=size, **asking)
    return labeler, Pipeline(labeler, asking=settings, journal=journal, progress=False).run(DOCUMENTS)


def in_format(answer_format):
    """Return a function that answers each document with its own name, in one of the built-in formats."""
    sections = {
        "json": lambda name: {"entities": [{"text": name, "label": "PER"}]},
        "by_label": lambda name: {"entities": {"PER": [name], "ORG": []}},
        "inline": lambda name: {"marked": f"[[{name}|PER]] is here"},
    }
    section = sections[answer_format]

    def answer(prompt):
        names = re.findall("Ann[0-9]", prompt.messages[-1].content)
        if len(names) == 1:
            alone = {"by_label": {"PER": names, "ORG": []}, "inline": f"[[{names[0]}|PER]] is here"}
            return alone.get(answer_format, section(names[0]))
        return {"documents": [{"id": str(k), **section(name)} for k, name in enumerate(names, 1)]}

    return answer


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("answer_format", ["json", "by_label", "inline"])
def test_packed_answers_are_found_again_by_another_grouping(tmp_path, size, answer_format):
    """
    What was answered in groups of three is not asked again one by one or in other groups, and stays with its document.
    """
    journal = tmp_path / "journal.sqlite"
    answer = in_format(answer_format)
    _, first = run_with(journal, 3, answer, answer_format)
    labeler, again = run_with(journal, size, answer, answer_format)

    assert {"labeled": 6} == first.outcomes
    assert [] == labeler.prompts
    assert 0 == again.usage.requests
    assert [f"Ann{n}" for n in range(6)] == [p.entities[0].text for p in again.predictions]


@pytest.mark.parametrize("size", [1, 4])
def test_every_sample_of_a_packed_answer_is_found_again(tmp_path, size):
    """
    With several samples, each document finds the answer of each sample.
    """
    run_with(tmp_path / "journal.sqlite", 3, samples=2)
    labeler, again = run_with(tmp_path / "journal.sqlite", size, samples=2)

    assert [] == labeler.prompts
    assert [1.0] * 6 == [p.entities[0].confidence for p in again.predictions]


@pytest.mark.parametrize("size", [1, 3, 5])
def test_single_answers_are_found_again_by_groups(tmp_path, size):
    """
    What was answered alone is not asked again in a group.
    """
    run_with(tmp_path / "journal.sqlite", 1)
    labeler, again = run_with(tmp_path / "journal.sqlite", size)

    assert [] == labeler.prompts
    assert {"labeled": 6} == again.outcomes


def test_a_mixed_up_answer_is_not_trusted_under_another_grouping_either(tmp_path):
    """
    A packed answer that missed a document is asked anew alone; the single answers are then found by any grouping.
    """
    mixed = lambda prompt: packed_answer(prompt, leave_out={"Ann1"})  # noqa: E731
    first, _ = run_with(tmp_path / "journal.sqlite", 3, mixed)
    again = [run_with(tmp_path / "journal.sqlite", size, mixed) for size in (1, 3, 6)]

    assert 2 + 3 == len(first.prompts)
    assert [0, 0, 0] == [len(labeler.prompts) for labeler, _ in again]
    assert [{"labeled": 6}] * 3 == [result.outcomes for _, result in again]


def test_only_what_is_new_is_asked(tmp_path):
    """
    With more documents than before, the known ones are left out of the groups.
    """
    journal, labeler = tmp_path / "journal.sqlite", Writer(packed_answer)
    asking = Asking(documents_per_request=3)
    Pipeline(labeler, asking=asking, journal=journal, progress=False).run(DOCUMENTS[:4])
    labeler.prompts.clear()
    result = Pipeline(labeler, asking=asking, journal=journal, progress=False).run(DOCUMENTS)

    assert [("../4", "../5")] == [prompt.document_ids for prompt in labeler.prompts]
    assert {"labeled": 6} == result.outcomes


def test_inline_answers_that_mix_documents_up_are_not_trusted():
    """
    A copy under another document's number is no copy: the documents are asked one by one.
    """
    texts = ["Ann met Bob.", "Zed left for the mountains."]
    marked = ["[[Ann|PER]] met Bob.", "[[Zed|PER]] left for the mountains."]

    def answer(prompt):
        sent = prompt.messages[1].content
        if len(prompt.document_ids) == 1:
            return marked["Zed" in sent]
        return {"documents": [{"id": "1", "marked": marked[1]}, {"id": "2", "marked": marked[0]}]}

    labeler = Writer(answer, LabelSchema(entities=["PER"]), prompt=PromptTemplate(answer_format="inline"))
    with Pipeline(labeler, asking=Asking(documents_per_request=2, max_reasks=0), progress=False) as pipeline:
        result = pipeline.run(texts)

    assert [["Ann"], ["Zed"]] == [[entity.text for entity in one.entities] for one in result.predictions]
    assert 3 == len(labeler.prompts)
