"""Everything llmlabel raises.

LLMLabelError
├─ ConfigurationError (ValueError)   wrong argument, missing key, unknown label: before any request
├─ LabelerError                      the endpoint did not answer
│  ├─ AuthenticationError            the key or the role is not accepted
│  ├─ RateLimitError                 429: asked too often, or out of quota
│  ├─ ServiceError                   the service refused (4xx) or failed (5xx)
│  └─ TransportError                 no connection, a time-out, a reset
├─ CompletionError                   it answered, and the answer is unusable
├─ JournalError                      unreadable, newer or foreign journal: left untouched
├─ ExportError                       all preflight problems of one target, together
├─ SourceError                       unreadable input: file, line, what was expected
└─ RunFailed (ExceptionGroup)        from RunResult.raise_for_failures()

Messages carry ids, names and counts, never the text of a document or of an answer, and no part of a key.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AuthenticationError",
    "CompletionError",
    "ConfigurationError",
    "ExportError",
    "JournalError",
    "LLMLabelError",
    "LabelerError",
    "RateLimitError",
    "RunFailed",
    "ServiceError",
    "SourceError",
    "TransportError",
]


class LLMLabelError(Exception):
    """Root of every error that llmlabel raises on purpose."""


class ConfigurationError(LLMLabelError, ValueError):
    """An argument, a schema or a setting cannot work; raised before any request is sent.

    Args:
        message: The whole sentence.
        path: The file, if the setting stands in one.
        line: 1-based line number, if known.
        field: Where in the value, such as ``entities[1].name``.
        problems: Each problem as (location, message), for callers that know where a location stands.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        line: int | None = None,
        field: str | None = None,
        problems: Sequence[tuple[tuple[str | int, ...], str]] = (),
    ) -> None:
        super().__init__(message)
        self.path = path
        self.line = line
        self.field = field
        self.problems = tuple(problems)


class LabelerError(LLMLabelError):
    """The endpoint did not answer the request.

    Args:
        message: What happened, without content of the request.
        retryable: Whether the same request may succeed later.
        retry_after: Seconds the service asked to wait, if it said so.
        status_code: HTTP status, if there was a response.
        fatal: Whether no other request of this run can succeed either (a rejected key, an unknown deployment).

    Attributes:
        tries: How many requests were sent before this error was final; the run engine counts them.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        status_code: int | None = None,
        fatal: bool = False,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.status_code = status_code
        self.fatal = fatal
        self.tries = 1


class AuthenticationError(LabelerError):
    """The key, token or role was not accepted (401, 403)."""


class RateLimitError(LabelerError):
    """The service refused because of a rate limit or an exhausted quota (429)."""


class ServiceError(LabelerError):
    """The service refused the request (4xx) or failed (5xx)."""


class TransportError(LabelerError):
    """No response arrived: connection refused or reset, time-out, TLS failure."""


class CompletionError(LLMLabelError):
    """The model answered, and no labels can be read from the answer.

    The message says what was expected; it is sent back to the model when the answer is asked for again.
    """


class JournalError(LLMLabelError):
    """A journal cannot be used: unreadable, written by a newer version, or not a journal. It was not changed."""


class ExportError(LLMLabelError):
    """An export was refused; nothing was published.

    Args:
        target: Name of the exporter's target, such as ``"kili-bundle"``.
        problems: One line per problem, each naming its document or label; all of the batch, not the first.
    """

    def __init__(self, target: str, problems: Sequence[str]) -> None:
        super().__init__(target, tuple(problems))
        self.target = target
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = "\n".join(f"  - {problem}" for problem in self.problems[:20])
        more = f"\n  … and {len(self.problems) - 20} more" if len(self.problems) > 20 else ""
        return f"{self.target}: nothing was published, {len(self.problems)} problem(s):\n{shown}{more}"


class SourceError(LLMLabelError):
    """Input that cannot be read; the message names file, line, what was expected and what was found.

    Args:
        message: The whole sentence.
        path: The file, if there is one.
        line: 1-based line or row number, if known.
    """

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class RunFailed(LLMLabelError, ExceptionGroup[Exception]):
    """Some documents of a run were not labelled; one exception for each of them."""

    def derive(self, excs: Sequence[Exception]) -> RunFailed:  # type: ignore[override]  # narrower on purpose
        """Return a group of the same type (used by ``split`` and ``except*``)."""
        return RunFailed(self.message, list(excs))
