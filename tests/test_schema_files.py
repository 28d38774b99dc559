"""Schema files: what is read, what is refused, and where the error is."""

from __future__ import annotations

import codecs
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmlabel import ConfigurationError, LabelSchema
from llmlabel.schema_files import MAX_BYTES, dump_schema, parse_schema
from tests.strategies import schemas

AWKWARD = LabelSchema(
    entities=[
        "No",
        "on",
        "y",
        "1",
        "1_000",
        "0o7",
        "1:30",
        "2024-01-01",
        "null",
        "~",
        "=",
        "<<",
        "{}",
        "- a",
        "a: b",
        "#",
    ],
    guidelines=" \n lead\r\ntrail \x85\u2028\ufeff\x00 ",
)


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json", ".JSON"])
@given(schema=schemas)
@example(schema=AWKWARD)
@settings(max_examples=15)
def test_a_written_schema_reads_back_equal(suffix, schema, tmp_path_factory):
    """
    ``from_file`` after ``to_file`` gives the same schema and fingerprint.
    """
    path = tmp_path_factory.mktemp("schema") / f"s{suffix}"

    schema.to_file(path)

    assert schema == LabelSchema.from_file(path)
    assert schema.fingerprint == LabelSchema.from_file(str(path)).fingerprint
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("kind", ["yaml", "json"])
@given(text=st.text(max_size=40) | st.text("entis: []{}&*!-?|>'\"#\n\t%@,01", max_size=60))
def test_any_text_is_a_schema_or_a_configuration_error(kind, text):
    """
    No text raises anything but our own error.
    """
    try:
        schema = parse_schema(text, f".{kind}")
    except ConfigurationError:
        return

    assert schema.entities or schema.classifications or schema.texts


@pytest.mark.parametrize(
    "shown", ["No", "on", "yes", "off", "TRUE", "1", "1.5", "0x10", "1:30", "2024-01-01", "null", "~"]
)
@pytest.mark.parametrize(
    "shape",
    [
        "entities:\n  PER: x\n  {}: y\n",
        "entities:\n- PER\n- {}\n",
        "entities:\n- PER\n- name: {}\n",
        "entities:\n  PER:\n    attributes: {{kind: [a, {}]}}\n",
        "classifications:\n  tone:\n  - {}\n",
        "classifications:\n  tone:\n    {}: x\n",
        "classifications:\n- labels: [a]\n  name: {}\n",
        "relations: {}\nentities:\n- {}\n",
    ],
)
def test_an_unquoted_word_that_yaml_reads_as_something_else_is_an_error(shape, shown):
    """
    A boolean, number, date or null where a name belongs names its line, and never becomes a label.
    """
    text = shape.replace("relations: {}", "relations: []").format(shown)

    with pytest.raises(ConfigurationError) as caught:
        parse_schema(text, name="s.yaml")

    assert "s.yaml" == caught.value.path
    assert 3 == caught.value.line
    assert "s.yaml, line 3: " in str(caught.value)
    assert "expected a name, found" in str(caught.value)


def test_the_error_says_how_to_write_it():
    """
    The message shows the word in quotes.
    """
    with pytest.raises(ConfigurationError) as caught:
        parse_schema("entities:\n  Yes: x\n  PER: x\n  No: x\n".replace("Yes", "LOC"))

    assert 'schema, line 4: entities: expected a name, found the boolean False; put it in quotes: "No"' == str(
        caught.value
    )


def test_quoted_words_are_names():
    """
    In quotes they are what they look like.
    """
    schema = parse_schema("entities: ['No', \"on\", '1', !!str 2024-01-01]")

    assert ("No", "on", "1", "2024-01-01") == schema.entity_names


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("entities: &a [PER]\nrelations: *a\n", 1, "anchors and aliases"),
        ("a: *b\n", 1, "aliases"),
        ("entities: [PER]\nentities: [ORG]\n", 2, "stands twice, first in line 1"),
        ("entities:\n  PER: x\n  PER: y\n", 3, "stands twice"),
        ("entities: {P: {<<: {description: x}}}\n", 1, "merge keys"),
        ("entities: !!python/object/apply:os.system ['x']\n", 1, "the tag"),
        ("entities: [!secret x]\n", 1, "the tag"),
        ("entities: !!set {a: }\n", 1, "the tag"),
        ("entities: !!binary aGk=\n", 1, "the tag"),
        ("? [a]\n: b\n", 1, "before the colon"),
        ("entities: [P]\n---\nentities: [Q]\n", 2, "one YAML document"),
        ("entities: [P\n", 2, "not YAML"),
        ("\n\tentities: [P]\n", 2, "not YAML"),
        ("entities: [P]\n\x07", 2, "U+0007 is not allowed"),
        ("- P\n", 1, "expected a mapping"),
        ("PER\n", 1, "expected a mapping"),
        ("[" * 3000, 1, "nested more than"),
        ("entities: [P]\nguidelines: x\nentites: [Q]\n", 3, "did you mean 'entities'"),
        ("entities:\n  P:\n    descripton: x\n", 3, "did you mean 'description'"),
        ("entities:\n- P\n- P\n", 3, "stands twice"),
        ("entities: [P]\nexamples:\n- text: Ann\n  entities:\n  - {text: Bob, label: P}\n", 5, "does not stand"),
        ("entities: [P]\nexamples:\n- text: Ann\n  entities: {P: Ann}\n- text: Ann\n  entities: {Q: Ann}\n", 5, "'Q'"),
        ("entities: [P]\nrelations:\n  q: x\n  r: {tail: Q}\n", 4, "'Q' is not in"),
        ("classifications:\n- name: x\n  labels: [a]\n  multi_label: maybe\n", 4, "boolean"),
        ("classifications:\n  x: []\n  y: [a]\n", 2, "at least 1"),
        ("entities: [P]\nguidelines: 2024-01-01\n", 2, "the date"),
        ("entities: [P]\nexamples:\n- text: 5\n", 3, "the number 5"),
        ("entities: [P]\nexamples:\n- text: A\n  relations: [{head: -1, tail: 0, label: r}]\n", 4, "whole number"),
    ],
)
def test_a_broken_yaml_file_names_the_line(text, line, message):
    """
    Each mistake is told with its line.
    """
    with pytest.raises(ConfigurationError) as caught:
        parse_schema(text)

    assert line == caught.value.line
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"entities":\n [false]}', 2, "the boolean False"),
        ('{"entities":\n ["a",\n 1]}', 3, "the number 1"),
        ('{"entities":\n [null]}', 2, "found null"),
        ('{"entities": ["a"],\n "entities": []}', 2, "stands twice"),
        ('{"entities":\n ["a",]}', 2, "not JSON"),
        ('{"entities":\n ["a"]} x', 2, "not JSON"),
        ("[" * 100_000, 1, "nested more than"),
        ('{"entities": ' + "9" * 5000 + "}", 1, "the number"),
        ('{"entities": NaN}', 1, "the number"),
        ('{"entities": ["a"],\n "guidelines": "\\ud800"}', 2, "lone surrogate"),
        ('{"entities": ["a"],\n\n "guideline": ""}', 3, "did you mean 'guidelines'"),
        ('"a"', 1, "expected a mapping"),
    ],
)
def test_a_broken_json_file_names_the_line(text, line, message):
    """
    JSON mistakes are told with their line, as in YAML.
    """
    with pytest.raises(ConfigurationError) as caught:
        parse_schema(text, ".json")

    assert line == caught.value.line
    assert message in str(caught.value)


def test_all_shapes_of_the_constructor_are_read():
    """
    Lists, mappings, nested attributes and examples read as their Python twins.
    """
    data = {
        "entities": {"PER": "people", "ORG": {"description": "firms", "attributes": {"size": ["small", "big"]}}},
        "relations": {"works": {"head": "PER", "tail": ["ORG"]}},
        "classifications": {"tone": {"good": "x", "bad": ""}, "tags": {"labels": ["a", "b"], "multi_label": True}},
        "texts": ["summary"],
        "guidelines": "Read.",
        "examples": [
            {
                "text": "Ann, Acme",
                "entities": [["Ann", "PER"], ["Acme", "ORG"]],
                "relations": [{"head": 0, "tail": 1, "label": "works"}],
                "classes": {"tone": "good", "tags": ["a", "b"]},
                "texts": {"summary": "s"},
            }
        ],
    }

    assert LabelSchema(**data) == parse_schema(json.dumps(data), ".json") == parse_schema(json.dumps(data), ".yaml")


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    """
    A UTF-8 file saved with a byte order mark reads like one without.
    """
    path = tmp_path / "s.yaml"
    path.write_bytes(codecs.BOM_UTF8 + "entities: [Straße]\r\n".encode())

    assert ("Straße",) == LabelSchema.from_file(path).entity_names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (codecs.BOM_UTF8, "the file is empty"),
        ("entities: [P]".encode("utf-16"), "the file is UTF-16"),
        (b"entities:\n- Stra\xdfe\n", "line 2: byte 0xdf is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_an_unreadable_file_says_why(tmp_path, content, message):
    """
    Encoding and size problems name the file and what to do.
    """
    path = tmp_path / "s.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        LabelSchema.from_file(path)

    assert str(path) == caught.value.path
    assert message in str(caught.value)


def test_a_missing_file_says_so(tmp_path):
    """
    A path that is not there is named.
    """
    with pytest.raises(ConfigurationError, match=r"no\.yaml: expected a schema file; there is no such file"):
        LabelSchema.from_file(tmp_path / "no.yaml")


def test_a_folder_is_not_a_schema(tmp_path):
    """
    A folder is told apart from a missing file.
    """
    (tmp_path / "s.yaml").mkdir()

    with pytest.raises(ConfigurationError, match="it is a folder"):
        LabelSchema.from_file(tmp_path / "s.yaml")


def test_other_suffixes_are_refused(tmp_path):
    """
    The suffix says which language a file is in.
    """
    with pytest.raises(ConfigurationError, match=r"\.yaml, \.yml, \.json, found '\.toml'"):
        LabelSchema.from_file(tmp_path / "s.toml")
    with pytest.raises(ConfigurationError, match="found ''"):
        LabelSchema(entities=["P"]).to_file(tmp_path / "s")


def test_a_file_that_cannot_be_written_says_why(tmp_path):
    """
    A missing folder is a configuration error with its cause.
    """
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        LabelSchema(entities=["P"]).to_file(tmp_path / "no" / "s.yaml")

    assert isinstance(caught.value.__cause__, OSError)


def test_what_is_written_is_readable():
    """
    A simple schema is written the way people write it.
    """
    schema = LabelSchema(entities={"PER": "people", "No": ""}, classifications={"tone": ["good", "bad"]})

    assert "entities:\n  PER: people\n  'No': ''\n" == dump_schema(schema).split("classifications")[0]
