"""Documents that are cut: what is asked, and what the pieces' answers become."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlabel import (
    AlignedResolver,
    Asking,
    Classification,
    ExactResolver,
    LabelSchema,
    Pipeline,
    Prediction,
    Prompt,
    PromptTemplate,
    RelationLabel,
    ServiceError,
)
from llmlabel.testing import ScriptedLabeler
from tests.pipeline.conftest import Writer, entities

DATA = re.compile(r"<document-([0-9a-f]{8})>\n(.*)\n</document-\1>", re.DOTALL)
CONTEXT = re.compile(r"\(context, do not label\):\n<context-([0-9a-f]{8})>\n(.*?)\n</context-\1>", re.DOTALL)
NAME = re.compile(r"Name\d+x(?: Lee\d+y)?")
PROSE = "".join(
    f"Paragraph {n} speaks of Name{n}x Lee{n}y at length. It goes on and on, day after day.\n\n" for n in range(9)
)


def piece(prompt: Prompt) -> str:
    """The text that one prompt asks about."""
    found = DATA.search(prompt.messages[-1].content)
    assert found
    return found[2]


def perfect(prompt: Prompt) -> dict[str, object]:
    """What a model says that labels every name of its piece, and nothing of the context."""
    return entities(*((name, "PER") for name in NAME.findall(piece(prompt))))


def label(text: str, answer: object = perfect, **more: object) -> tuple[Prediction, list[Prompt]]:
    labeler = Writer(answer)  # type: ignore[arg-type]
    with Pipeline(labeler, asking=Asking(**more), progress=False) as pipeline:  # type: ignore[arg-type]
        return pipeline.label(text), labeler.prompts


def test_context_is_shown_around_a_piece_and_not_to_be_labelled():
    """
    Each piece comes with its neighbours' text in fences of its own, and is the same as without.
    """
    prediction, prompts = label(PROSE, max_document_tokens=40, context_tokens=10)
    plain, unfenced = label(PROSE, max_document_tokens=40)

    assert sorted(map(piece, prompts)) == sorted(map(piece, unfenced))
    for prompt in prompts:
        before, *after = [text for _, text in CONTEXT.findall(prompt.messages[-1].content)]
        asked = piece(prompt)
        assert (before + asked in PROSE) or (asked + before in PROSE)
        assert all(asked + text in PROSE for text in after)
    assert not any(CONTEXT.search(prompt.messages[-1].content) for prompt in unfenced)
    assert prediction.entities == plain.entities


def test_prompts_of_a_long_document_are_what_is_sent():
    """
    ``Pipeline.prompts`` shows the pieces with their context.
    """
    labeler = Writer(perfect)
    with Pipeline(
        labeler, asking=Asking(max_document_tokens=40, context_tokens=10, passes=2), progress=False
    ) as pipeline:
        shown = pipeline.prompts(PROSE)
        pipeline.label(PROSE)

    assert {repr(p.messages) for p in shown} == {repr(p.messages) for p in labeler.prompts}
    assert len(shown) == len(labeler.prompts)


@pytest.mark.parametrize("resolver", [ExactResolver(), AlignedResolver()], ids=["exact", "aligned"])
@given(
    st.lists(
        st.sampled_from(["Name1x", "Name2x", "Name1x Lee1y", "went on.", "and", "。", "\r\n\r\n", "it is so"]),
        min_size=30,
        max_size=80,
    ),
    st.integers(16, 60),
    st.sampled_from([0, 8]),
    st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_a_perfect_model_labels_a_long_document_perfectly(resolver, parts, most, overlap, passes):
    """
    Every name is found once, in the coordinates of the document, whatever the cuts, overlaps and passes.
    """
    text = " ".join(parts)
    labeler = Writer(perfect)
    asking = Asking(max_document_tokens=most, overlap_tokens=overlap, passes=passes)
    with Pipeline(labeler, asking=asking, resolver=resolver, progress=False) as pipeline:
        prediction = pipeline.label(text)
    gold = {match.span() for match in NAME.finditer(text)}
    found = [(entity.start, entity.end) for entity in prediction.entities]

    assert "labeled" == prediction.outcome
    assert len(found) == len(set(found))
    # A name of two words may be cut where nothing is shared; with an overlap it is whole.
    assert gold == set(found) or not overlap


def test_an_entity_across_a_border_is_found_whole():
    """
    A name that the first piece holds in part gives way to the whole that the overlap shows; under any label.
    """
    text = "word " * 60 + "Bank of New York and Bob " + "word " * 60

    def answer(prompt: Prompt) -> dict[str, object]:
        asked = piece(prompt)
        whole = "Bank of New York" in asked
        part = next((part for part in ("Bank of New", "Bank of", "Bank") if asked.rstrip().endswith(part)), None)
        rest = next((part for part in ("of New York", "New York", "York") if asked.lstrip().startswith(part)), None)
        said = [("Bank of New York", "ORG")] if whole else []
        said += [(part, "PER")] if part and not whole else []
        return entities(*said, *([(rest, "PER")] if rest and not whole else []))

    for most in range(40, 100):
        prediction, _ = label(text, answer, max_document_tokens=most, overlap_tokens=8)

        assert [("Bank of New York", "ORG")] == [(e.text, e.label) for e in prediction.entities]


def test_relations_across_pieces_are_kept_once():
    """
    A relation that two pieces see is one relation and one duplicate; its ends may come from either.
    """
    schema = LabelSchema(entities=["PER", "ORG"], relations=[RelationLabel(name="WORKS_FOR")])
    text = "Some words come first here. " * 3 + "Ann Lee works for Acme Corp. " + "Some more words follow. " * 3

    def answer(prompt: Prompt) -> dict[str, object]:
        asked, said = piece(prompt), []
        said += [{"id": 1, "text": "Ann Lee", "label": "PER"}] if "Ann Lee" in asked else []
        said += [{"id": 2, "text": "Acme Corp", "label": "ORG"}] if "Acme Corp" in asked else []
        links = [{"head": 1, "label": "WORKS_FOR", "tail": 2}] if len(said) == 2 else []
        return {"entities": said, "relations": links}

    labeler = Writer(answer, schema)
    with Pipeline(labeler, asking=Asking(max_document_tokens=24, overlap_tokens=11), progress=False) as pipeline:
        prediction = pipeline.label(text)
    seen = sum("Ann Lee works for Acme Corp" in piece(prompt) for prompt in labeler.prompts)

    assert seen >= 2
    assert ["Ann Lee", "Acme Corp"] == [entity.text for entity in prediction.entities]
    assert [(0, 1)] == [(relation.head, relation.tail) for relation in prediction.relations]
    assert seen - 1 == sum(item.reason == "duplicate" for item in prediction.discarded)


@pytest.mark.parametrize("passes", [1, 2])
def test_each_piece_has_its_outcome(passes):
    """
    ``parts`` follows the text, one outcome a piece however often it was asked; one failed piece makes the rest partial.
    """

    def answer(prompt: Prompt) -> object:
        return ServiceError("400", status_code=400) if "Name3x" in piece(prompt) else perfect(prompt)

    prediction, prompts = label(PROSE, answer, max_document_tokens=40, passes=passes)
    pieces = list(dict.fromkeys(map(piece, prompts)))
    failed = [n for n, text in enumerate(sorted(pieces, key=PROSE.find)) if "Name3x" in text]

    assert "partial" == prediction.outcome
    assert len(pieces) == len(prediction.parts)
    assert failed == [n for n, outcome in enumerate(prediction.parts) if outcome == "failed"]
    assert {"labeled", "failed"} == set(prediction.parts)
    assert "ServiceError" == prediction.error.type  # type: ignore[union-attr]
    assert 9 - len(NAME.findall(pieces[failed[0]])) == len(prediction.entities)


def test_a_second_pass_mends_what_failed_in_the_first():
    """
    A piece of which one pass failed is partial, and has the labels of the other.
    """
    tries: set[str] = set()

    def answer(prompt: Prompt) -> object:
        if "Name3x" in piece(prompt) and not tries:
            tries.add("x")
            return ServiceError("400", status_code=400)
        return perfect(prompt)

    prediction, _ = label(PROSE, answer, max_document_tokens=40, passes=2)

    assert {"labeled", "partial"} == set(prediction.parts)
    assert 9 == len(prediction.entities)


def test_a_sample_that_failed_outvotes_nothing():
    """
    Votes are counted among the samples that answered; the confidence is the share of all.
    """
    tries: list[str] = []

    def answer(prompt: Prompt) -> object:
        tries.append("x")
        return perfect(prompt) if prompt.sample == 0 else ServiceError("400", status_code=400)

    prediction, _ = label("Name1x came.", answer, samples=4)

    assert ("partial", [("Name1x", 0.25)]) == (
        prediction.outcome,
        [(e.text, e.confidence) for e in prediction.entities],
    )


def test_classes_and_texts_of_pieces_are_reduced_as_the_page_says():
    """
    One label by majority, several by union, texts joined in the order of the document.
    """
    schema = LabelSchema(
        classifications=[
            Classification(name="topic", labels=["a", "b"]),
            Classification(name="tags", labels=["x", "y", "z"], multi_label=True),
        ],
        texts=["note"],
    )
    said = {1: ("b", ["x"]), 2: ("a", ["y"]), 3: (None, []), 4: ("a", ["x"])}
    text = "\n\n".join(f"Paragraph {n} speaks of Name{n}x. It goes on and on and on." for n in said)

    def answer(prompt: Prompt) -> dict[str, object]:
        number = int(piece(prompt)[10])
        topic, tags = said[number]
        return {"classes": {"topic": topic, "tags": tags}, "texts": {"note": f"note {number}"}}

    labeler = Writer(answer, schema)
    with Pipeline(labeler, asking=Asking(max_document_tokens=20), progress=False) as pipeline:
        prediction = pipeline.label(text)

    assert {"topic": ["a"], "tags": ["x", "y"]} == {
        name: [item.label for item in chosen] for name, chosen in prediction.classes.items()
    }
    assert {"note": "note 1\nnote 2\nnote 3\nnote 4"} == prediction.texts
    assert ["another part of the text said otherwise", "duplicate", "duplicate"] == sorted(
        item.reason for item in prediction.discarded
    )


def test_a_long_document_in_the_inline_format_keeps_its_places():
    """
    Repeats are placed where the copy of their piece marks them.
    """
    text = "Ann came. " * 10 + "It was Ann who left. " + "Ann stayed. " * 10

    def answer(prompt: Prompt) -> str:
        return piece(prompt).replace("was Ann who", "was [[Ann|PER]] who")

    labeler = ScriptedLabeler(LabelSchema(entities=["PER"]), answer, prompt=PromptTemplate(answer_format="inline"))
    with Pipeline(labeler, asking=Asking(max_document_tokens=20, overlap_tokens=6), progress=False) as pipeline:
        prediction = pipeline.label(text)

    assert [(107, 110)] == [(entity.start, entity.end) for entity in prediction.entities]
