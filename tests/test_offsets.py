"""Offset units: every table equals what encoding the text says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlabel.offsets import slice_units, unit_table
from tests.strategies import texts

UNITS = ["codepoint", "utf16", "utf8"]


def measured(text, unit):
    """Length in the unit, by encoding."""
    return {"codepoint": len(text), "utf16": len(text.encode("utf-16-le")) // 2, "utf8": len(text.encode())}[unit]


@pytest.mark.parametrize("unit", UNITS)
@given(text=texts | st.text(st.characters(exclude_categories=["Cs"])))
def test_tables_equal_the_encoded_truth(unit, text):
    """
    Each position converts to the length of the encoded prefix, and back.
    """
    table = unit_table(text, unit)
    expected = [measured(text[:n], unit) for n in range(len(text) + 1)]

    assert expected == [table.to_unit(n) for n in range(len(text) + 1)]
    assert list(range(len(text) + 1)) == [table.to_codepoint(n) for n in expected]


@pytest.mark.parametrize("unit", ["utf16", "utf8"])
@given(text=texts)
def test_positions_inside_a_character_are_refused(unit, text):
    """
    Every position of the unit that is no character border is an error, not a rounded guess.
    """
    table = unit_table(text, unit)
    borders = {measured(text[:n], unit) for n in range(len(text) + 1)}

    for position in set(range(measured(text, unit) + 1)) - borders:
        with pytest.raises(ValueError, match="inside a character"):
            table.to_codepoint(position)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text", ["", "Ann", "é😀"])
def test_positions_outside_the_text_are_refused(unit, text):
    """
    Negative positions and positions after the end are errors both ways.
    """
    table = unit_table(text, unit)

    for position in (-1, measured(text, unit) + 1):
        with pytest.raises(ValueError, match="outside"):
            table.to_codepoint(position)
    for position in (-1, len(text) + 1):
        with pytest.raises(ValueError, match="outside"):
            table.to_unit(position)


@pytest.mark.parametrize("unit", UNITS)
@given(text=texts, data=st.data())
def test_slices_in_the_unit_are_the_same_text(unit, text, data):
    """
    A converted span slices back to its surface in the target's unit.
    """
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    table = unit_table(text, unit)

    assert text[start:end] == slice_units(text, table.to_unit(start), table.to_unit(end), unit)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("start", "end"), [(-1, 1), (0, 99), (2, 1)])
def test_slices_outside_the_text_are_refused(unit, start, end):
    """
    Offsets that are out of order or outside raise in every unit.
    """
    with pytest.raises(ValueError, match="outside"):
        slice_units("a😀", start, end, unit)


@pytest.mark.parametrize(("unit", "start", "end"), [("utf16", 0, 2), ("utf8", 0, 3), ("utf16", 2, 3)])
def test_slices_through_a_character_are_refused(unit, start, end):
    """
    Half a character is an error.
    """
    with pytest.raises(ValueError, match="decode"):
        slice_units("a😀", start, end, unit)


def test_handmade_texts_have_the_stated_offsets(shared):
    """
    Spans in the hand-made Unicode texts convert to the offsets written beside them.
    """
    lines = (shared / "data/handmade/unicode_edges.jsonl").read_text("utf-8").splitlines()
    checked = 0
    for case in map(json.loads, lines):
        for span in case["spans"]:
            for unit in ("utf16", "utf8"):
                table = unit_table(case["text"], unit)
                assert span[unit] == [table.to_unit(span["start"]), table.to_unit(span["end"])]
                assert span["text"] == slice_units(case["text"], *span[unit], unit)
                checked += 1

    assert checked > 100
