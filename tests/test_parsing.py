"""JSON out of model answers, and what names of labels mean."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmlabel.errors import CompletionError
from llmlabel.parsing import CutDict, CutList, closest_label, merged, read_json, shown, without_thoughts
from llmlabel.salvage import MAX_ACCESSES, TooDeep, close, repair
from llmlabel.types import clean

ITEM = '{"text": "Ann", "label": "PER"}'


def fits(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def value_of(text: str) -> object:
    return read_json(text, fits).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": ["x"]}', {"a": ["x"]}),
        ("[]", []),
        ("{}", {}),
        ("\ufeff  {}\n", {}),
        ('```json\n{"a": ["x"]}\n```', {"a": ["x"]}),
        ('```{"a": ["x"]}```', {"a": ["x"]}),
        ('Sure! Here it is [1]:\n\n{"a": ["x"]}\n\nAnything else {please}?', {"a": ["x"]}),
        ('<think>{"a": ["no"]}</think>\n{"a": ["x"]}', {"a": ["x"]}),
        ('so I answer {"a": 1}</think>{"a": ["x"]}', {"a": ["x"]}),
        ('<|channel|>analysis<|message|>{"a": []}<|channel|>final<|message|>{"a": ["x"]}<|return|>', {"a": ["x"]}),
        ('{"a": ["x",],}', {"a": ["x"]}),
        ("{'a': ['x']}", {"a": ["x"]}),
        ('{"a": "he said "hi" loudly"}', {"a": 'he said "hi" loudly'}),
        ('{"a": ["x"] "b": ["y"]}', {"a": ["x"], "b": ["y"]}),
        ('[{"t": "a"}, {"t": "b" "l": "c"}]\n\nI hope this {helps}!', [{"t": "a"}, {"t": "b", "l": "c"}]),
        ('{"a": "</think>"}', {"a": "</think>"}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"n": 1.50}', {"n": "1.50"}),
        ('{"n": NaN, "m": -Infinity}', {"n": "NaN", "m": "-Infinity"}),
        ('{"a": [1]}\n{"b": [2]}', {"a": ["1"], "b": ["2"]}),
        ('{"t": "a"}\n{"t": "b"}', [{"t": "a"}, {"t": "b"}]),
        (json.dumps('{"a": ["x \\\\ é"]}'), {"a": ["x \\ é"]}),
    ],
)
def test_reads_the_json_of_an_answer(text: str, expected: object):
    """
    Fences, prose, thoughts and the usual mistakes do not keep an answer from being read.
    """
    assert expected == value_of(text)


@pytest.mark.parametrize(("text", "repaired"), [('{"a": ["x"]}', False), ('{"a": ["x"],}', True), ("{'a': 1}", True)])
def test_tells_repair(text: str, repaired: bool):
    """
    An answer that had to be mended says so; one that had not does not.
    """
    assert repaired is read_json(text, fits).repaired


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": ["x"], "a": ["y"]}', {"a": ["x", "y"]}),
        ('{"a": ["x"], "a": "y"}', {"a": ["x", "y"]}),
        ('{"a": {"b": ["x"]}, "a": {"b": ["y"], "c": "z"}}', {"a": {"b": ["x", "y"], "c": "z"}}),
        ('{"a": "x", "a": "x"}', {"a": "x"}),
        ('{"a": "x", "a": "y"}', {"a": ["x", "y"]}),
        ('{"a": null, "a": "y"}', {"a": "y"}),
        ("{'a': ['x'], 'a': ['y'],}", {"a": ["x", "y"]}),
        ('{"a": [{"t": "x"}], "a": [{"t": "y"},]}', {"a": [{"t": "x"}, {"t": "y"}]}),
    ],
)
def test_doubled_keys_lose_nothing(text: str, expected: object):
    """
    Values of a key that stands twice come together, in valid and in broken JSON.
    """
    assert expected == value_of(text)


def test_later_answer_replaces_an_earlier_one_and_both_are_kept():
    """
    Of two complete answers the last counts; the first is passed over, not forgotten.
    """
    answer = read_json('{"a": ["draft"]} No, better: {"a": ["final"]}', fits)

    assert ({"a": ["final"]}, ({"a": ["draft"]},)) == (answer.value, answer.passed_over)


@pytest.mark.parametrize(
    ("text", "expected", "rest"),
    [
        ('{"a": [' + ITEM + ', {"text": "New Yo', {"a": [json.loads(ITEM), {}]}, '"text": "New Yo'),
        ('{"a": [' + ITEM + ", ", {"a": [json.loads(ITEM)]}, ""),
        ('{"A": ["x", "y"], "B": ["z', {"A": ["x", "y"], "B": []}, '"z'),
        ('{"A": ["x"], "B', {"A": ["x"]}, '"B'),
        ('{"A": "he said "hi" ok", "B": "c', {"A": 'he said "hi" ok'}, '"B": "c'),
        ('```json\n{"A": ["x"', {"A": ["x"]}, ""),
        ('{"A": [tru', {"A": []}, "tru"),
    ],
)
def test_cut_answer_keeps_its_complete_items(text: str, expected: object, rest: str):
    """
    A cut answer ends after its last complete value; what follows is kept aside, never guessed to an end.
    """
    answer = read_json(text, fits, cut=True)

    assert (expected, False, rest) == (answer.value, answer.complete, answer.rest)


def test_json_that_ends_early_is_incomplete_whatever_the_endpoint_says():
    """
    Missing closing brackets mean a cut answer even with finish "stop"; containers cut inside are marked.
    """
    answer = read_json('{"a": [{"b": ["c"', fits)

    assert not answer.complete
    assert isinstance(answer.value, CutDict)
    assert isinstance(answer.value["a"], CutList)
    assert isinstance(answer.value["a"][0], CutDict)


@pytest.mark.parametrize(
    "text", ["", " ", "I'm sorry, I cannot help with that.", "null", '"text"', "[1]", "{ok}", "see [1], [2]", "{"]
)
def test_no_usable_json_is_an_error(text: str):
    """
    Prose, refusals and JSON of another shape raise CompletionError.
    """
    with pytest.raises(CompletionError):
        read_json(text, fits)


def test_error_does_not_repeat_the_answer():
    """
    Errors carry no text of answers.
    """
    with pytest.raises(CompletionError) as caught:
        read_json("SECRETWORD [SECRETWORD", fits)

    assert "SECRETWORD" not in str(caught.value)


HOSTILE = {
    "brackets": "[" * 200_000,
    "braces": "{" * 200_000,
    "pairs": "[" * 200_000 + "]" * 200_000,
    "alternating": '[{"' * 70_000,
    "quotes": "['" * 50_000,
    "keys": "{'a': " * 50_000,
    "quoted words": '{"PER": [' + '"abc "def" x", ' * 20_000 + "]}",
    "parentheses": '{"a": ' + "(" * 10_000,
    "backslashes": '{"a": "' + "\\" * 500_000,
    "fences": "```json\n" * 100_000,
    "thoughts": "<think>" * 100_000,
    "thought ends": "</think>" * 100_000,
    "broken objects": '{"a" 1} ' * 50_000,
    "prose brackets": "a [b " * 500_000,
    "spaces": " " * 2_000_000 + "x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_end_soon(name: str):
    """
    Nesting, unclosed quotes and the like are read or refused in bounded time, with no other error.
    """
    started = time.process_time()
    with contextlib.suppress(CompletionError):
        read_json(HOSTILE[name], fits)

    assert time.process_time() - started < 15


def test_integer_of_5000_digits_is_kept_as_written():
    """
    Numbers are not converted, so that none is too long.
    """
    assert {"n": "9" * 5_000} == value_of('{"n": ' + "9" * 5_000 + "}")
    assert isinstance(value_of('{"n": ' + "9" * 5_000 + ",}"), dict)


@pytest.mark.slow
def test_answer_of_50_megabytes():
    """
    A valid answer of 50 MB is read whole.
    """
    text = '{"a": [' + ",".join([ITEM] * (50_000_000 // len(ITEM))) + "]}"
    answer = read_json(text, fits)

    assert 50_000_000 // len(ITEM) == len(answer.value["a"])  # type: ignore[index,call-overload]


@pytest.mark.slow
def test_cut_answer_of_50_megabytes_keeps_its_complete_items():
    """
    Salvage is linear: what is whole of a huge cut answer is kept.
    """
    text = '{"a": [' + ", ".join([ITEM] * (50_000_000 // len(ITEM))) + ', {"text": "An'
    started = time.process_time()
    answer = read_json(text, fits, cut=True)

    assert 50_000_000 // len(ITEM) == len([item for item in answer.value["a"] if item])  # type: ignore[index,call-overload]
    assert not answer.complete
    assert time.process_time() - started < 60


def test_repair_stops_when_its_allowance_is_spent():
    """
    Input on which json_repair is quadratic is given up, by work and not by the clock.
    """
    text = '{"PER": [' + '"abc "def" x", ' * 10_000 + "]}"

    assert len(text) * 100 > MAX_ACCESSES
    assert repair(text, merged) is None


def test_close_refuses_deep_nesting():
    """
    More brackets than any answer has are no answer.
    """
    with pytest.raises(TooDeep):
        close("[" * 100)


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.data(), st.sampled_from(["", " more", "]", "}", '"']))
@settings(max_examples=300, deadline=None)
def test_long_answers_are_closed_like_short_ones(value: object, data: st.DataObject, rest: str):
    """
    Skimming over what is complete changes nothing about where a text ends or what is kept.
    """
    text = json.dumps([value])
    text = text[: data.draw(st.integers(1, len(text)))] + rest

    assert close(text) == close(text, skimmed=0)


@given(st.text() | st.text(alphabet="{}[]\",:'a1\\ \n`<>/|", max_size=60) | JSON.map(json.dumps))
@example('{"a"')
@example('{"a": [{')
@example("{'a': [\"b' }")
@settings(max_examples=100, deadline=None)
def test_no_text_raises_anything_but_completion_error(text: str):
    """
    Whatever a model writes is read or refused with one error type.
    """
    for cut in (False, True):
        with contextlib.suppress(CompletionError):
            read_json(text, fits, cut=cut)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.data())
@settings(max_examples=50, deadline=None)
def test_every_prefix_of_json_closes_to_json(value: dict[str, object], data: st.DataObject):
    """
    A prefix of valid JSON, closed, is valid JSON, and adds nothing: it plus the rest covers the prefix.
    """
    text = json.dumps(value, ensure_ascii=False)
    prefix = text[: data.draw(st.integers(1, len(text)))]
    closed = close(prefix)

    assert closed is not None
    assert isinstance(json.loads(closed.text), dict)
    assert prefix.startswith(closed.text[: len(closed.text) - max(closed.depth, 0)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", "b"),
        ("<Thinking>a\n</Thinking>\nb", "\nb"),
        ("a</think>b", "b"),
        ('{"a": "</think>"}', '{"a": "</think>"}'),
        ("no thoughts", "no thoughts"),
    ],
)
def test_thoughts_are_left_out(text: str, expected: str):
    """
    What a reasoning model thought aloud is not its answer.
    """
    assert expected == without_thoughts(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PER", "PER"),
        ("per", "PER"),
        ("Per Son", "PER-SON"),
        ("per_son", "PER-SON"),
        ("Organisation", "Organization"),
        ("Organizatino", "Organization"),
        ("ＰＥＲ", "PER"),
        ("LOC", None),
        ("PEX", None),
        ("", None),
        ("Straße", "STRASSE"),
        ("prod1", None),
    ],
)
def test_closest_label_is_sure_or_none(name: str, expected: str | None):
    """
    Case, Unicode form, punctuation and one slip of the pen are seen through; short or doubtful names are not.
    """
    known = ["PER", "PER-SON", "Organization", "STRASSE", "prod2", "prod3"]

    assert expected == closest_label(name, known)


def test_two_labels_that_differ_only_in_case_are_never_confused():
    """
    Where two labels fold to the same name, neither is chosen.
    """
    assert None is closest_label("Per", ["PER", "per"])
    assert "per" == closest_label("per", ["PER", "per"])


@given(st.text(), st.lists(st.text(min_size=1), max_size=5))
def test_closest_label_is_one_of_the_known(name: str, known: list[str]):
    """
    No name is ever mapped to anything that is not in the schema.
    """
    found = closest_label(name, known)

    assert found is None or found in known


def test_clean_joins_pairs_and_replaces_lone_surrogates():
    """
    Escaped surrogate pairs become their character; a lone one becomes U+FFFD.
    """
    assert "😀 \ufffd" == clean("\ud83d\ude00 \ud800")


@settings(max_examples=30, deadline=None)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_shown_is_short_and_encodable(value: object):
    """
    Ledger entries fit a line and are well-formed.
    """
    line = shown(value)
    line.encode()

    assert len(line) <= 80
