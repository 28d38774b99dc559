"""Keys that show themselves nowhere: not in a repr, a log, an error or a pickle."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError

NO_KEY = "no-key-needed"


class Key:
    """An API key, from an argument or from the first environment variable that is set.

    A pickled key travels without its value: where it is unpickled, the environment variable is read again at first use.

    Args:
        given: The argument, if there was one.
        variables: Environment variables to look at, in this order.
        argument: Name of the argument, for messages.
        required: Whether to refuse when there is no key; local servers need none.

    Raises:
        ConfigurationError: There is no key, or it cannot be one (blank, white space inside, not ASCII).
    """

    def __init__(
        self,
        given: str | SecretStr | None,
        *,
        variables: Sequence[str],
        argument: str = "api_key",
        required: bool = True,
    ) -> None:
        self.argument = argument
        self.variables = tuple(variables)
        self.required = required
        self._left_behind = False
        self._value = _checked(given, f"{argument}=") if given is not None else self._from_environment()

    @property
    def found(self) -> bool:
        """Whether there is a real key, not the stand-in that is sent to servers that need none."""
        return self._value is not None

    def reveal(self) -> str:
        """Return the key itself, to hand it to the client; do not keep it in a local variable of a failing frame.

        Raises:
            ConfigurationError: The key was pickled, and the environment variable is not set here.
        """
        if self._left_behind:
            self._value = self._from_environment()
            self._left_behind = False
        return NO_KEY if self._value is None else self._value.get_secret_value()

    def redact(self, text: str) -> str:
        """Return ``text`` with the key blotted out."""
        return text if self._value is None else text.replace(self._value.get_secret_value(), "[key]")

    def _from_environment(self) -> SecretStr | None:
        for name in self.variables:
            if os.environ.get(name, "").strip():
                return _checked(os.environ[name], name)
        if self.required:
            if self._left_behind:
                raise ConfigurationError(
                    "the key does not travel with a pickled labeler: set the environment variable "
                    f"{' or '.join(self.variables)} in the process that uses it"
                )
            raise ConfigurationError(
                f"no key: give {self.argument}=, or set the environment variable {' or '.join(self.variables)}"
            )
        return None

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_value"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._value = None
        self._left_behind = True

    def __deepcopy__(self, memo: dict[int, object]) -> Key:
        return self  # a copy in this process is no journey

    def __repr__(self) -> str:
        return f"Key({'[hidden]' if self.found else 'none'})"


def _checked(given: str | SecretStr, where: str) -> SecretStr:
    value = (given.get_secret_value() if isinstance(given, SecretStr) else given).strip()
    # A header cannot carry these, and the encoding error would hold the key.
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            f"{where} is not a key: expected printable ASCII without spaces, found "
            f"{'nothing' if not value else 'other characters'}; copy it again"
        )
    return SecretStr(value)
