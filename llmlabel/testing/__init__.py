"""For the tests of your own labelers, resolvers and exporters; needs pytest.

``ScriptedLabeler`` gives written-down answers. ``LabelerContract``, ``OffsetResolverContract`` and ``ExporterContract``
are suites that a subclass of each seam runs in its own tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmlabel.testing.contract import deviates
    from llmlabel.testing.exporter import ExporterContract
    from llmlabel.testing.labeler import LabelerContract
    from llmlabel.testing.resolver import OffsetResolverContract
    from llmlabel.testing.scripted import ScriptedLabeler

__all__ = ["ExporterContract", "LabelerContract", "OffsetResolverContract", "ScriptedLabeler", "deviates"]

# Imported when first used: a suite needs pytest, a scripted labeler does not.
_HOMES = {
    "ExporterContract": "exporter",
    "LabelerContract": "labeler",
    "OffsetResolverContract": "resolver",
    "ScriptedLabeler": "scripted",
    "deviates": "contract",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
