"""Answer formats: each says how to ask for labels, and reads the answer back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from llmlabel.errors import ConfigurationError

if TYPE_CHECKING:
    from llmlabel.formats.base import AnswerFormat

_CLASSES = {"json": "JsonFormat", "by_label": "ByLabelFormat", "inline": "InlineFormat"}


def answer_format(name: str) -> AnswerFormat:
    """Return a built-in answer format: ``"json"``, ``"by_label"`` or ``"inline"``.

    Raises:
        ConfigurationError: There is no format with this name.
    """
    if name not in _CLASSES:
        raise ConfigurationError(
            f"unknown answer format {name!r}; expected one of {sorted(_CLASSES)}, or an AnswerFormat instance"
        )
    module = import_module(f"llmlabel.formats.{name}")
    return cast("AnswerFormat", getattr(module, _CLASSES[name])())
