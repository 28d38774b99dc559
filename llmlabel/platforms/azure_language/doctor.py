"""Do endpoint, credential, project and texts work? Reads only, so the roles that write are not proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from llmlabel.errors import LLMLabelError
from llmlabel.platforms.azure_language.client import AzureLanguageClient
from llmlabel.platforms.azure_language.texts import TextStore
from llmlabel.types import Value


class Check(Value):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


def examine(client: AzureLanguageClient, project: str, storage: Callable[[], TextStore]) -> list[Check]:
    """Return what was found about the service, a project and the texts; a refusal is a failed check.

    Args:
        client: Talks to the service.
        project: Name of the project, which need not exist.
        storage: Opens the store of the texts.
    """
    return [
        _tried("service", lambda: _service(client, project)),
        _tried("texts", lambda: _texts(storage())),
    ]


def _tried(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except (LLMLabelError, ImportError) as error:
        return Check(name=name, ok=False, detail=str(error))


def _service(client: AzureLanguageClient, project: str) -> Check:
    found = client.project(project)
    said = "there is no such project yet" if found is None else f"it is a {found.get('projectKind')}"
    return Check(name="service", ok=True, detail=f"the credential is accepted; {project!r}: {said}")


def _texts(store: TextStore) -> Check:
    if not store.exists():
        return Check(name="texts", ok=False, detail=f"{store!r} is not there; create it, or check its name")
    some = _any(store.texts())
    return Check(name="texts", ok=True, detail=f"{store!r} can be listed; it has {'texts' if some else 'no texts yet'}")


def _any(items: Iterable[object]) -> bool:
    return next(iter(items), None) is not None
