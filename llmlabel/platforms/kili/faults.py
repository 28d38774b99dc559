"""What a failed call of the Kili SDK tells about the server."""

from __future__ import annotations

import re
from typing import Literal

from llmlabel.errors import LLMLabelError

Kind = Literal["unknown", "refused", "unreachable"]


class RequestFailed(LLMLabelError):
    """A request to Kili failed.

    The message holds the SDK's error type and Kili's code, never its text: that may quote documents or the key.

    Attributes:
        kind: ``unknown``: it may have been applied; ``refused``: it was not, as a whole, but parts of a larger call
            may have been; ``unreachable``: no request will get through.
        code: Kili's error code, if it gave one.
    """

    def __init__(self, method: str, kind: Kind, reason: str, code: str | None = None) -> None:
        super().__init__(method, kind, reason, code)
        self.method, self.kind, self.reason, self.code = method, kind, reason, code

    def __str__(self) -> str:
        return f"Kili, {self.method}: {self.reason}"


def as_fault(method: str, error: Exception) -> Exception:
    """Return what an exception of the SDK means; one of ours is returned as it is."""
    if isinstance(error, LLMLabelError | MemoryError):
        return error
    from gql.transport.exceptions import TransportServerError
    from kili import exceptions
    from requests import RequestException

    name = type(error).__name__
    if isinstance(error, exceptions.MutationOutcomeUnknownError):
        return RequestFailed(method, "unknown", "no answer came, it may have been applied")
    if isinstance(error, exceptions.AuthenticationFailed) or getattr(error, "code", None) in (401, 403):
        return RequestFailed(method, "unreachable", "the API key is not accepted (any more)", "unauthorized")
    if name == "UploadFromLocalDataForbiddenError":
        return RequestFailed(method, "unreachable", "the organisation's licence does not allow to upload texts")
    if isinstance(error, RequestException | TransportServerError):
        return RequestFailed(method, "unreachable", f"Kili cannot be reached or does not answer ({name})")
    found = re.search(r"\[(\w+)\]", str(error)) if isinstance(error, exceptions.GraphQLError | ValueError) else None
    code = found.group(1) if found else None
    return RequestFailed(method, "refused", f"refused ({name}{f', {code}' if code else ''})", code)
