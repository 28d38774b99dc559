"""Labelers from ``key=value`` strings."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from llmlabel import AzureOpenAILabeler, ConfigurationError, OpenAILabeler, ReplayLabeler
from llmlabel.labelers import options
from tests.labelers.conftest import SCHEMA

URL = "http://127.0.0.1:1/v1"


def test_openai_options_are_converted():
    """
    Numbers, flags and objects come as text.
    """
    given = {
        "model": "m", "base_url": URL, "temperature": "0.5", "max_output_tokens": "9", "logprobs": "yes",
        "parameters": '{"top_p": 0.1}', "api": "responses", "api_key": "k",
    }  # fmt: skip
    made = options.openai(SCHEMA, given)

    assert isinstance(made, OpenAILabeler)
    assert (0.5, 9, True, {"top_p": 0.1}, "responses") == (
        made.temperature,
        made.max_output_tokens,
        made.logprobs,
        made.parameters,
        made.api,
    )


def test_azure_deployment_defaults_to_the_model():
    """
    The command line asks for a model anyway.
    """
    made = options.azure_openai(SCHEMA, {"model": "mine", "base_url": "https://r.openai.azure.com", "api_key": "k"})

    assert isinstance(made, AzureOpenAILabeler)
    assert ("mine", "https://r.openai.azure.com/openai/v1") == (made.deployment, made.endpoint)


def test_azure_options_are_converted():
    """
    Deployment and model may differ.
    """
    given = {"deployment": "d", "model": "gpt-5", "endpoint": "https://r.openai.azure.com", "api_key": "k"}
    made = options.azure_openai(SCHEMA, given)

    assert ("d", "gpt-5") == (made.deployment, made.model)


def test_replay_takes_a_recording(tmp_path):
    """
    A model that is named must be the recorded one.
    """
    path = tmp_path / "r.jsonl"
    path.write_text('{"llmlabel_recording": 1, "model": "m"}\n', "utf-8")

    assert isinstance(options.replay(SCHEMA, {"recording": str(path), "model": "m"}), ReplayLabeler)
    with pytest.raises(ConfigurationError, match="was recorded with 'm'"):
        options.replay(SCHEMA, {"recording": str(path), "model": "n"})


@pytest.mark.parametrize(
    ("factory", "given", "words"),
    [
        (options.openai, {}, "openai needs the option 'model'"),
        (options.openai, {"modle": "m"}, "openai has no option 'modle'; it has .*model"),
        (options.openai, {"model": "m", "temperature": "hot"}, "temperature: expected a number, found 'hot'"),
        (options.openai, {"model": "m", "max_output_tokens": "0"}, "max_output_tokens: expected a whole number from 1"),
        (options.openai, {"model": "m", "logprobs": "maybe"}, "logprobs: expected yes or no"),
        (options.openai, {"model": "m", "parameters": "[]"}, "parameters: expected a JSON object"),
        (options.openai, {"model": "m"}, "^no key"),
        (options.openai, {"model": "m", "base_url": URL, "api": "x"}, "api: expected one of chat, responses"),
        (options.azure_openai, {}, "azure-openai needs the option 'deployment'"),
        (options.azure_openai, {"deployment": "d"}, "needs the option 'endpoint': the environment variable AZURE"),
        (options.replay, {}, "replay needs the option 'recording'"),
        (options.replay, {"recording": "/nowhere"}, "cannot be read"),
    ],
)
def test_option_that_does_not_fit_is_refused(factory, given: dict[str, str], words: str):
    """
    The message names the option and what was expected.
    """
    with pytest.raises(ConfigurationError, match=words):
        factory(SCHEMA, given)


def test_entry_points_lead_here():
    """
    The command line finds labelers by name.
    """
    found = {point.name: point.load() for point in entry_points(group="llmlabel.labelers")}

    assert (options.openai, options.azure_openai, options.replay) == (
        found["openai"],
        found["azure-openai"],
        found["replay"],
    )
