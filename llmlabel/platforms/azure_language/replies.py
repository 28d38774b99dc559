"""What the service's refusals mean: errors of our tree, each with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from llmlabel.errors import AuthenticationError, LabelerError, RateLimitError, ServiceError
from llmlabel.types import Value

_SHOWN = 400
STORAGE_HINT = (
    "give the Language resource's managed identity (and yourself) the role Storage Blob Data Contributor on the "
    "storage account that is linked to the resource; the container must be in that account"
)
# First hit wins; both sides in lower case.
_HINTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("project kind", "projectkind"),
        "metadata.projectKind and assets.projectKind must be equal, and the kind of an existing project cannot change",
    ),
    (("extractor",), "the file is in an older format; write projectFileVersion 2022-05-01"),
    (("container", "storage", "blob"), STORAGE_HINT),
    (("multilingual",), "multilingual must be a JSON boolean, not a text"),
    (("language",), "use a code of Azure's list, in lower case, such as en-us"),
    (("forbidden", "authoriz", "permission"), STORAGE_HINT),
    (("quota", "limit"), "see the service limits of custom NER; 200 entity types, 100,000 documents a project"),
)


class JobIssue(Value):
    """One error or warning of a job, with a hint where the cause is known."""

    code: str = ""
    message: str = ""
    target: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f" (target {self.target})" if self.target else ""
        return f"{self.code or 'no code'}{where}: {self.message}" + (f"; hint: {self.hint}" if self.hint else "")


def issue_of(value: object) -> JobIssue:
    """Return an ``Error`` object of the API, its details put into one line."""
    if not isinstance(value, Mapping):
        return JobIssue(message="the service gave no reason")
    details = value.get("details")
    parts = [value, *(item for item in (details if isinstance(details, list) else []) if isinstance(item, Mapping))]
    message = "; ".join(dict.fromkeys(str(part.get("message") or "").strip() for part in parts)).strip("; ")
    code, target = str(value.get("code") or ""), value.get("target")
    return JobIssue(
        code=code,
        message=message[:_SHOWN],
        target=None if target is None else str(target)[:_SHOWN],
        hint=hint_for(code, message),
    )


def hint_for(code: str, message: str) -> str:
    """Return what a user can do about an error of the service, or nothing."""
    words = f"{code} {message}".lower()
    return next((hint for keys, hint in _HINTS if any(key in words for key in keys)), "")


def refusal(
    status: int, body: object, what: str, *, retry_after: float | None = None, access_hint: str = ""
) -> LabelerError:
    """Return the error for a response that is not a success.

    Args:
        status: HTTP status.
        body: The parsed body, if it was JSON.
        what: What was asked, for the message.
        retry_after: Seconds that the service asked to wait.
        access_hint: What to check for 401 and 403.
    """
    issue = issue_of(body.get("error") if isinstance(body, Mapping) else None)
    said = f"{issue.code}: {issue.message}".strip(": ")
    head = f"Azure Language: {what}: HTTP {status}" + (f" ({said})" if said else "")
    if status in {401, 403}:
        return AuthenticationError(f"{head}; {access_hint}", status_code=status, fatal=True)
    if status == 429:
        return RateLimitError(
            f"{head}; the service allows 10 changes and 100 reads a minute, over all programs that use it",
            retryable=True,
            retry_after=retry_after,
            status_code=status,
        )
    return ServiceError(f"{head}{_advice(status, issue.hint)}", retryable=status >= 500, status_code=status)


def _advice(status: int, hint: str) -> str:
    if status == 413:
        return (
            "; the labels file is larger than the service takes in one request (the limit is not documented): split "
            "it over several projects with documents_per_project="
        )
    if 300 <= status < 400:
        return "; redirects are not followed, for the credential belongs to the configured endpoint"
    return f"; hint: {hint}" if hint else ""
