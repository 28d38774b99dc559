"""Exporters made from strings, as the command line does."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from llmlabel.errors import ConfigurationError
from llmlabel.exporters.options import azure_bundle, jsonl, kili_bundle
from llmlabel.schema import LabelSchema

SCHEMA = LabelSchema(entities=["Name"])


def test_jsonl_takes_a_file_or_a_folder(tmp_path):
    """
    A path that ends in .jsonl is the file; anything else is its folder.
    """
    assert tmp_path / "x.jsonl" == jsonl(SCHEMA, {"out": str(tmp_path / "x.jsonl")}).path
    assert tmp_path / "predictions.jsonl" == jsonl(SCHEMA, {"out": str(tmp_path)}).path


def test_kili_options(tmp_path):
    """
    Unit, model name and further outcomes come as strings.
    """
    options = {"out": str(tmp_path), "offset_unit": "codepoint", "include": "partial, truncated", "model_name": "m"}
    made = kili_bundle(SCHEMA, options)

    assert ("codepoint", ("partial", "truncated"), "m") == (made.offset_unit, made.include, made.model_name)


def test_azure_options(tmp_path):
    """
    Numbers and booleans are read from their usual spelling.
    """
    options = {"out": str(tmp_path), "min_confidence": "0.5", "test_share": ".2", "seed": "3", "multilingual": "Yes"}
    made = azure_bundle(SCHEMA, options)

    assert (0.5, 0.2, 3) == (made.min_confidence, made.test_share, made.seed)
    assert made.multilingual is True


def test_azure_needs_no_option_but_the_folder(tmp_path):
    """
    Project, container and language have defaults.
    """
    made = azure_bundle(SCHEMA, {"out": str(tmp_path)})

    assert ("llmlabel", "documents", "en-us") == (made.project, made.container, made.language)


@pytest.mark.parametrize("make", [jsonl, kili_bundle, azure_bundle])
def test_unknown_option_lists_the_known(tmp_path, make):
    """
    A misspelt option is an error that shows what there is.
    """
    with pytest.raises(ConfigurationError, match=r"unknown option\(s\) \['langauge'\]; it takes \['"):
        make(SCHEMA, {"out": str(tmp_path), "langauge": "de"})


@pytest.mark.parametrize("make", [jsonl, kili_bundle, azure_bundle])
def test_missing_out_is_told(make):
    """
    Without a place to write nothing is made.
    """
    with pytest.raises(ConfigurationError, match="option 'out' is missing"):
        make(SCHEMA, {})


@pytest.mark.parametrize(
    ("name", "value"), [("min_confidence", "high"), ("multilingual", "maybe"), ("seed", "1.5"), ("overlap", "keep")]
)
def test_bad_value_is_a_configuration_error(tmp_path, name, value):
    """
    A value that cannot be read names its option.
    """
    with pytest.raises(ConfigurationError, match=name):
        azure_bundle(SCHEMA, {"out": str(tmp_path), name: value})


def test_entry_points_lead_here():
    """
    The names of the command line load these functions.
    """
    found = {point.name: point.load() for point in entry_points(group="llmlabel.exporters")}

    assert (azure_bundle, jsonl, kili_bundle) == (found["azure-bundle"], found["jsonl"], found["kili-bundle"])
