"""Do endpoint, credential, roles, project and texts work? Changes nothing.

The rights to write are asked for by requests that cannot be carried out: whoever has no right is refused before that
is noticed. Who may deploy and delete (role Cognitive Services Language Owner) is not asked.
"""

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
    opened: list[TextStore] = []

    def store() -> TextStore:
        if not opened:
            opened.append(storage())
        return opened[0]

    checks = [_tried("service", lambda: _service(client, project))]
    if checks[0].ok:
        checks.append(_tried("import", lambda: _import(client, project)))
    checks.append(_tried("texts", lambda: _texts(store())))
    if checks[-1].ok:
        checks.append(_tried("upload", lambda: _upload(store())))
    return checks


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


def _import(client: AzureLanguageClient, project: str) -> Check:
    if client.may_write(project):
        return Check(name="import", ok=True, detail="the credential may import and train")
    role = "Cognitive Services Language Writer (Owner to deploy) on the Language resource"
    return Check(name="import", ok=False, detail=f"the credential may read only; to import and train it needs {role}")


def _upload(store: TextStore) -> Check:
    if store.may_write():
        return Check(name="upload", ok=True, detail="the credential may upload texts")
    role = "Storage Blob Data Contributor on the container, or a SAS with write permission"
    return Check(name="upload", ok=False, detail=f"the credential may read only; to upload texts it needs {role}")


def _any(items: Iterable[object]) -> bool:
    return next(iter(items), None) is not None
