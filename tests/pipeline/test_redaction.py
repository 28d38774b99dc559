"""Hiding text and finding the way back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel.errors import ConfigurationError
from llmlabel.labelers.recording import RecordingLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.pipeline.redaction import Redaction, redact
from llmlabel.types import Asking, Mention, Placement, Prompt
from tests.pipeline.conftest import Writer, entities

TEXT = "Ann Smith met Bob in Rome."


def test_a_replaced_span_maps_back_to_the_whole_original_span():
    """
    A span over a placeholder is the span of what it replaced.
    """
    redaction = Redaction(TEXT, [(0, 9, "[NAME]"), (14, 17, "[NAME]")])

    assert "[NAME] met [NAME] in Rome." == redaction.text
    assert (0, 9) == redaction.source(0, 6)
    assert (14, 17) == redaction.source(11, 17)
    assert "Rome" == TEXT[slice(*redaction.source(21, 25))]


def test_an_end_inside_a_placeholder_takes_all_of_it():
    """
    Characters of a placeholder have no places of their own.
    """
    redaction = Redaction(TEXT, [(0, 9, "[NAME]")])

    assert (0, 13) == redaction.source(2, 10)
    assert (0, 9) == redaction.source(1, 3)


def test_a_position_per_character_is_as_good_as_replacements():
    """
    A redactor may return the redacted text with the source position of each character.
    """
    positions = [0] * 6 + list(range(9, len(TEXT)))

    redaction = redact(lambda text: ("[NAME]" + text[9:], positions), TEXT)

    assert "[NAME] met Bob in Rome." == redaction.text
    assert (0, 9) == redaction.source(0, 6)
    assert "Bob" == TEXT[slice(*redaction.source(11, 14))]


@pytest.mark.parametrize(
    "answer",
    [None, "only text", ("x", [0, 1, 2, 3]), ("ab", [5, 1]), Redaction("another text")],
)
def test_an_answer_that_is_no_redaction_is_refused(answer):
    """
    A redactor that returns anything else raises before a request is made.
    """
    with pytest.raises(ConfigurationError, match="redactor"):
        redact(lambda text: answer, TEXT)


@given(st.text(max_size=60), st.data())
def test_every_kept_character_maps_back_to_itself(text, data):
    """
    Whatever is replaced, what is kept keeps its place.
    """
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    cuts = cuts[: len(cuts) // 2 * 2]
    spans = [(a, b, data.draw(st.text(max_size=4))) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    redaction = Redaction(text, spans)
    kept, cursor, place = [], 0, 0
    for start, end, new in spans:
        kept += [(place + n, cursor + n) for n in range(start - cursor)]
        place += start - cursor + len(new)
        cursor = end
    kept += [(place + n, cursor + n) for n in range(len(text) - cursor)]

    assert all((old, old + 1) == redaction.source(new, new + 1) for new, old in kept)


def test_mentions_inside_one_placeholder_share_its_place():
    """
    Two names in one replaced span are one entity of the original; the second mention is a duplicate.
    """
    made = Pipeline(
        Writer(lambda prompt: entities(("Joe", "PER"), ("Doe", "PER"), ("Bob", "PER"))),
        redactor=lambda text: Redaction(text, [(0, 9, "Joe Doe")]),
        progress=False,
    )

    prediction = made.label(TEXT)

    assert ["Ann Smith", "Bob"] == [entity.text for entity in prediction.entities]
    assert ["exact", "duplicate", "exact"] == [placement.status for placement in prediction.placements]


def test_a_mention_of_inserted_text_was_not_found():
    """
    What a redactor put in stands nowhere in the original.
    """
    made = Pipeline(
        Writer(lambda prompt: entities(("NOTE", "ORG"), ("Ann Smith", "PER"))),
        redactor=lambda text: Redaction(text, [(0, 0, "NOTE: ")]),
        progress=False,
    )

    prediction = made.label(TEXT)

    assert [(0, 9, "Ann Smith")] == [(e.start, e.end, e.text) for e in prediction.entities]
    assert ["not_found", "exact"] == [placement.status for placement in prediction.placements]


@pytest.mark.parametrize("per_request", [1, 2])
def test_a_text_of_which_nothing_is_left_is_not_sent(per_request):
    """
    A document that the redactor empties is skipped, alone or packed.
    """
    labeler = Writer(lambda prompt: entities())
    made = Pipeline(
        labeler,
        asking=Asking(documents_per_request=per_request),
        redactor=lambda text: (" ", [0]),
        progress=False,
    )

    assert {"skipped": 2} == made.run([TEXT, "Bob"]).outcomes
    assert [] == labeler.prompts


@given(st.text(max_size=12), st.data())
def test_grounded_placements_have_places_in_the_original(text, data):
    """
    For any replacements and any place in the redacted text: found places hold text of the original.
    """
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    words = st.sampled_from(["", "X", "[NAME]"])
    redaction = Redaction(text, [(a, b, data.draw(words)) for a, b in zip(cuts[::2], cuts[1::2], strict=False)])
    if not redaction.text:
        return
    start = data.draw(st.integers(0, len(redaction.text) - 1))
    end = data.draw(st.integers(start + 1, len(redaction.text)))
    mention = Mention(text="x", label="PER")

    placement = redaction.grounded(Placement(mention=mention, status="exact", start=start, end=end))

    assert placement == Placement.model_validate(placement.model_dump())
    assert not placement.placed or redaction.source(placement.start, placement.end) == redaction.source(start, end)
    assert placement.placed or not text[slice(*redaction.source(start, end))]


@pytest.mark.parametrize(
    "asking", [Asking(), Asking(max_document_tokens=24, overlap_tokens=6, context_tokens=8, passes=2)]
)
def test_nothing_that_is_kept_or_sent_holds_what_was_hidden(asking, tmp_path, caplog):
    """
    Prompts, journal, recording and logs see placeholders; labels of both kinds come back exact on the original.
    """
    text = "".join(f"Day {n}: Annabel{n}secret met Acme in Rome. Then it rained for long.\r\n\r\n" for n in range(8))
    hidden = re.compile(r"Annabel\dsecret")

    def hide(original: str) -> Redaction:
        return Redaction(original, [(*match.span(), f"[P{match[0][7]}]") for match in hidden.finditer(original)])

    def answer(prompt: Prompt) -> dict[str, object]:
        sent = prompt.messages[-1].content.rpartition("\nDocument:")[2]
        return entities(*((found, "PER" if "[" in found else "ORG") for found in re.findall(r"\[P\d\]|Acme", sent)))

    caplog.set_level("DEBUG")
    inner = Writer(answer)
    labeler = RecordingLabeler(inner, tmp_path / "recording.jsonl")
    with Pipeline(labeler, redactor=hide, asking=asking, journal=tmp_path / "j.sqlite", progress=False) as pipeline:
        prediction = pipeline.label(text)
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    kept += b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert b"Rome" in kept
    assert b"secret" not in kept
    assert "secret" not in caplog.text
    assert not any("secret" in message.content for prompt in inner.prompts for message in prompt.messages)
    wanted = [*hidden.finditer(text), *re.finditer("Acme", text)]
    assert sorted(match.span() for match in wanted) == [(e.start, e.end) for e in prediction.entities]
    assert all(text[e.start : e.end] == e.text for e in prediction.entities)
