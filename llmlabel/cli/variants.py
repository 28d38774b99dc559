"""The variants of ``llmlabel compare``: what is written on the command line, made into pipelines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from llmlabel.cli import arguments as arg
from llmlabel.cli import documents, keys, names
from llmlabel.errors import ConfigurationError
from llmlabel.formats import answer_format
from llmlabel.labelers.base import LLMLabeler
from llmlabel.pipeline.pipeline import Pipeline
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import Example, LabelSchema
from llmlabel.types import Asking, Limits
from llmlabel.workflows.compare import Variant
from llmlabel.workflows.verify import Verified, verification_schema

_ASKING = tuple(Asking.model_fields)
_OTHER = ("model", "format", "reasons", "examples", "prompt", "verify")
_QUESTIONS_PER_REQUEST = 20  # of a second look: they are short
_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_BOOL = TypeAdapter(bool)
_NAME = re.compile(r"\w[\w.-]*")
KEYS = (*_OTHER, *_ASKING)
Settings = Path | dict[str, str]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes pipelines that share a provider, a schema, limits and a folder."""

    labeler: str
    model: str
    base_url: str
    options: Sequence[str]
    schema: LabelSchema
    limits: Limits
    out: Path

    def variant(self, name: str, settings: Mapping[str, str]) -> Variant:
        """Return the pipeline of a variant; with ``verify``, and a second look, by its model or the one named."""
        model, judge = settings.get("model", self.model), settings.get("verify", "no")
        made = self._labeler(self.schema, model)
        _shape(name, made, settings)
        first = self._pipeline(made, name, _asking(name, settings))
        if judge in _NO:
            return first
        second = self._labeler(verification_schema(self.schema), model if judge in _YES else judge)
        packed = Asking(documents_per_request=_QUESTIONS_PER_REQUEST)
        return Verified(first, self._pipeline(second, f"{name}.verify", packed))

    def _labeler(self, schema: LabelSchema, model: str) -> LLMLabeler:
        return keys.labeler(self.labeler, schema, model, self.base_url, self.options)

    def _pipeline(self, labeler: LLMLabeler, name: str, asking: Asking) -> Pipeline:
        return Pipeline(labeler, asking=asking, limits=self.limits, journal=self.out / f"{name}.sqlite")


def named(variants: Sequence[str], runs: Sequence[str]) -> dict[str, Settings]:
    """Return variants and saved runs by name, in the order given, variants first."""
    found: dict[str, Settings] = {}
    for text in variants:
        name, _, rest = text.partition(":")
        _add(found, name, names.pairs(arg.listed(rest), f"--variant {name}"), "--variant")
    for text in runs:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise ConfigurationError(f"--run: expected NAME=FILE, found {text!r}")
        _add(found, name, Path(path), "--run")
    if len(found) < 2:
        raise ConfigurationError("expected two or more of --variant and --run to compare; the first is the baseline")
    return found


def _add(found: dict[str, Settings], name: str, value: Settings, flag: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{flag}: expected a name of letters, digits, '_', '.', '-', found {name!r}")
    if name in found:
        raise ConfigurationError(f"{flag}: {name!r} stands twice")
    if isinstance(value, dict) and (unknown := sorted(set(value) - set(KEYS))):
        raise ConfigurationError(f"{flag} {name}: unknown {unknown}; expected some of {list(KEYS)}")
    found[name] = value


def _shape(name: str, made: LLMLabeler, settings: Mapping[str, str]) -> None:
    """Give a labeler the prompt and the examples of its variant."""
    prompt = _template(Path(settings["prompt"])) if "prompt" in settings else made.prompt
    changes: dict[str, object] = {}
    if "format" in settings:
        answer_format(settings["format"])
        changes["answer_format"] = settings["format"]
    if "reasons" in settings:
        changes["reasons"] = _switch(name, settings["reasons"])
    made.prompt = prompt.model_copy(update=changes)
    if "examples" in settings:
        labelled = documents.labelled(Path(settings["examples"]))
        made.examples = tuple(Example.from_labeled(item) for item in labelled)
        for number, example in enumerate(made.examples):
            made.schema.check(example, f"variant {name}, example {number + 1}")


def _template(path: Path) -> PromptTemplate:
    import yaml

    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: expected a prompt template as YAML or JSON") from None
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise ConfigurationError(f"{path}: expected the fields of a prompt template by name")
    return PromptTemplate(**fields)


def _switch(name: str, text: str) -> bool:
    try:
        return _BOOL.validate_python(text)
    except ValidationError:
        raise ConfigurationError(f"--variant {name}: reasons: expected yes or no, found {text!r}") from None


def _asking(name: str, settings: Mapping[str, str]) -> Asking:
    given = {key: settings[key] for key in _ASKING if key in settings}
    try:
        return arg.settings(Asking, **given)
    except ConfigurationError as error:
        raise ConfigurationError(f"--variant {name}: {error}") from None
