"""What all conformance suites share: a standard test cannot be weakened without saying why."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

_Test = TypeVar("_Test", bound=Callable[..., object])


def deviates(*, reason: str) -> Callable[[_Test], _Test]:
    """Return a decorator that lets a subclass replace one test of a suite, and records why.

    Raises:
        TypeError: ``reason`` is empty.
    """
    if not reason.strip():
        raise TypeError("deviates() needs a reason: say why this class cannot pass the standard test")

    def mark(test: _Test) -> _Test:
        test.__deviates__ = reason  # type: ignore[attr-defined]
        return test

    return mark


class Contract:
    """Base of the suites; a suite passes ``suite=True``, a user's subclass does not.

    Raises:
        TypeError: A subclass (or a mixin of it) hides a standard test without ``@deviates(reason=…)``.
    """

    standard_tests: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, suite: bool = False, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if suite:
            own = {name: test for name, test in vars(cls).items() if name.startswith("test_")}
            cls.standard_tests = {**cls.standard_tests, **own}
            return
        for name, standard in cls.standard_tests.items():
            found = inspect.getattr_static(cls, name)
            if found is not standard and not getattr(found, "__deviates__", ""):
                raise TypeError(
                    f"{cls.__name__} replaces the standard test {name}; "
                    "decorate its version with @deviates(reason=…) or remove it"
                )
        if not getattr(cls, "__test__", True):
            raise TypeError(f"{cls.__name__} sets __test__ to False, so that none of its standard tests would run")
