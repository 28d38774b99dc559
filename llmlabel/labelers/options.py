"""Labelers by name, from ``--option key=value`` strings: what the entry points ``llmlabel.labelers`` call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from llmlabel.errors import ConfigurationError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.schema import LabelSchema

_Convert = Callable[[str], Any]
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def openai(schema: LabelSchema, options: Mapping[str, str]) -> LLMLabeler:
    """Return an ``OpenAILabeler``; options are its arguments, ``parameters`` as a JSON object.

    Raises:
        ConfigurationError: An unknown option, one that cannot be read, or one that the labeler refuses.
    """
    given = _converted(
        "openai", options, {"model": str, "base_url": str, "organization": str, "project": str, **_COMMON}
    )
    _need(given, "model", "openai", "--model")
    from llmlabel.labelers.openai import OpenAILabeler

    return OpenAILabeler(schema, **given)


def azure_openai(schema: LabelSchema, options: Mapping[str, str]) -> LLMLabeler:
    """Return an ``AzureOpenAILabeler``; ``deployment`` defaults to ``model``, ``base_url`` is taken for ``endpoint``.

    ``entra=yes`` signs in with ``azure.identity.DefaultAzureCredential`` (extra ``azure``) instead of a key;
    ``scope`` is the token's, if it is not the default one.

    Raises:
        ConfigurationError: An unknown option, one that cannot be read, or one that the labeler refuses.
        ImportError: ``entra=yes`` without the extra.
    """
    own: dict[str, _Convert] = dict.fromkeys(("deployment", "endpoint", "model", "api_version", "scope"), str)
    given = _converted("azure-openai", options, {**own, "base_url": str, "entra": _flag, **_COMMON})
    given.setdefault("endpoint", given.pop("base_url", None))
    if "deployment" not in given:
        given["deployment"] = given.pop("model", None)
    _need(given, "deployment", "azure-openai", "--model")
    if not os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip():
        _need(given, "endpoint", "azure-openai", "the environment variable AZURE_OPENAI_ENDPOINT, --base-url")
    scope = given.pop("scope", "https://cognitiveservices.azure.com/.default")
    if given.pop("entra", False):
        given["token_provider"] = _entra(scope)
    from llmlabel.labelers.azure_openai import AzureOpenAILabeler

    return AzureOpenAILabeler(schema, **given)


def replay(schema: LabelSchema, options: Mapping[str, str]) -> LLMLabeler:
    """Return a ``ReplayLabeler``: ``recording`` is the file; ``model``, if given, must be the recorded one.

    Raises:
        ConfigurationError: An unknown option, no recording, or one of another model.
    """
    given = _converted("replay", options, {"recording": str, "model": str})
    _need(given, "recording", "replay")
    from llmlabel.labelers.replay import ReplayLabeler

    labeler = ReplayLabeler(schema, given["recording"])
    if given.get("model", labeler.model) != labeler.model:
        raise ConfigurationError(f"model: {given['recording']} was recorded with {labeler.model!r}")
    return labeler


def _converted(name: str, options: Mapping[str, str], known: Mapping[str, _Convert]) -> dict[str, Any]:
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        told = ", ".join(sorted(known.keys() - {"api_key"}))  # a key is no option of a command line
        raise ConfigurationError(f"{name} has no option {unknown[0]!r}; it has {told}")
    found = {}
    for key, value in options.items():
        try:
            found[key] = known[key](value)
        except ValueError as error:
            raise ConfigurationError(f"{key}: {error}") from None
    return found


def _need(given: Mapping[str, Any], key: str, name: str, short: str = "") -> None:
    if not given.get(key):
        raise ConfigurationError(f"{name} needs the option {key!r}: {f'{short} or ' if short else ''}--option {key}=…")


def _flag(value: str) -> bool:
    if value.lower() not in _YES_NO:
        raise ValueError(f"expected yes or no, found {value!r}")
    return _YES_NO[value.lower()]


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"expected a number, found {value!r}") from None


def _whole(value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"expected a whole number from 1, found {value!r}")
    return number


def _object(value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError('expected a JSON object such as {"top_p": 0.9}')
    return found


def _entra(scope: str) -> Callable[[], Any]:
    try:
        from azure.identity import DefaultAzureCredential, get_bearer_token_provider
    except ImportError as error:
        raise ImportError('entra=yes needs azure-identity: pip install "llmlabel[azure]"') from error
    provider: Callable[[], Any] = get_bearer_token_provider(DefaultAzureCredential(), scope)
    return provider


_COMMON: Mapping[str, _Convert] = {
    "api_key": str,
    "api": str,
    "temperature": _number,
    "max_output_tokens": _whole,
    "answer_mode": str,
    "logprobs": _flag,
    "timeout": _number,
    "max_connections": _whole,
    "parameters": _object,
    "debug_content": _flag,
}
