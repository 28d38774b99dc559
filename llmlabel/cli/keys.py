"""Keys come from the environment, or are asked for without echo; never from an argument."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence

from llmlabel.cli import names
from llmlabel.errors import ConfigurationError
from llmlabel.labelers.base import LLMLabeler
from llmlabel.schema import LabelSchema

_SECRETS = {"api_key", "apikey", "key", "password", "secret", "token"}


def labeler(name: str, schema: LabelSchema, model: str, base_url: str, options: Sequence[str]) -> LLMLabeler:
    """Return the named labeler; asks for a key where a person sits and none is set.

    Raises:
        ConfigurationError: The options do not fit, hold a key, or there is no key and nobody to ask.
    """
    given = names.pairs(options, "--option")
    refuse_secrets(given, "--option")
    for key, value, flag in (("model", model, "--model"), ("base_url", base_url, "--base-url")):
        if value and given.setdefault(key, value) != value:
            raise ConfigurationError(f"{flag} and --option {key}= differ; give one of them")
    try:
        return names.labeler(name, schema, given)
    except ConfigurationError as error:
        if not str(error).startswith("no key"):
            raise
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfigurationError(str(error).replace("give api_key=, or set", "set")) from None
    return names.labeler(name, schema, {**given, "api_key": getpass.getpass(f"API key for {name} (not shown): ")})


def refuse_secrets(options: dict[str, str], flag: str) -> None:
    """Raise ``ConfigurationError`` if an option is a key: arguments stand in shell histories and process lists."""
    for key in options:
        if key.lower() in _SECRETS:
            raise ConfigurationError(
                f"{flag} {key}: a key on the command line can be read by others; set the environment variable instead"
            )
