"""Texts in Azurite, Microsoft's emulator of Azure Storage, with the real client."""

from __future__ import annotations

import datetime
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmlabel import AuthenticationError, AzureLanguageExporter, ConfigurationError, LabelerError, ServiceError
from llmlabel.platforms.azure_language.blobs import BlobTexts
from llmlabel.platforms.azure_language.compare import documents_of
from llmlabel.platforms.azure_language.texts import md5, plan_upload, read_documents
from llmlabel.workflows.auto_label import upload_folder
from tests.azure.conftest import SAMPLE, Clock
from tests.azure.test_auto_label import command, gold, model
from tests.azure.test_exporter import BATCH, BO, SCHEMA
from tests.cli.conftest import process
from tests.servers.azure_service import KEY, AzureService
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite, missing
from tests.servers.openai_server import OpenAIServer

__all__ = ["gold", "model"]

pytestmark = pytest.mark.slow
pytest.importorskip("azure.storage.blob", reason='needs the extra "azure"')


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    """A running emulator; skips where there is no node."""
    if reason := missing():
        pytest.skip(reason)
    with Azurite() as running:
        yield running


@pytest.fixture
def store(azurite: Azurite, request: pytest.FixtureRequest) -> Iterator[BlobTexts]:
    """An empty container of its own for each test."""
    name = f"t{md5(request.node.name.encode()).hex()[:20]}"
    made = BlobTexts(name, connection_string=azurite.connection_string)
    made.create()
    yield made
    made.close()


def test_blob_holds_the_very_bytes(store: BlobTexts):
    """
    Bytes come back equal, with their MD5 in the list; blobs in folders and of other kinds are not listed.
    """
    raw = BO.document.text.encode()
    store.write("bo.txt", raw)
    store._client.upload_blob("sub/x.txt", b"x")
    store._client.upload_blob("x.json", b"x")

    assert (raw, [("bo.txt", len(raw), md5(raw))]) == (
        store.read("bo.txt"),
        [(item.name, item.size, item.md5) for item in store.texts()],
    )


def test_equal_text_is_skipped_and_another_refused(store: BlobTexts):
    """
    Uploading again changes nothing; another text of the same name needs overwrite.
    """
    assert (True, True, False) == (store.write("a.txt", b"1"), store.write("a.txt", b"1"), store.write("a.txt", b"2"))
    assert ("a.txt",) == plan_upload(store, [("a.txt", b"1")]).equal
    assert store.write("a.txt", b"2", overwrite=True)
    assert b"2" == store.read("a.txt")


def test_folder_is_uploaded_once(store: BlobTexts, shared: Path):
    """
    The 20 official texts go up, CRLF and all, and are found equal the second time.
    """
    assert (20, 0) == (upload_folder(store, shared / SAMPLE), upload_folder(store, shared / SAMPLE))
    assert {path.stem: path.read_bytes() for path in (shared / SAMPLE).glob("*.txt")} == {
        item.id: item.text.encode() for item in read_documents(store) if hasattr(item, "text")
    }


def test_all_ways_to_sign_in(azurite: Azurite, store: BlobTexts):
    """
    Account key and SAS work as the connection string does.
    """
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    store.write("a.txt", b"1")
    sas = generate_container_sas(
        ACCOUNT,
        store.container,
        account_key=ACCOUNT_KEY,
        permission=ContainerSasPermissions(read=True, list=True, write=True),
        expiry=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
    )
    for credential in (ACCOUNT_KEY, sas, f"?{sas}"):
        found = BlobTexts(store.container, account_url=azurite.account_url, credential=credential)
        assert b"1" == found.read("a.txt")
        assert found.write("b.txt", b"2")


def test_secrets_show_themselves_nowhere(azurite: Azurite, store: BlobTexts, caplog: pytest.LogCaptureFixture):
    """
    Neither key nor signature stands in a log at any level, in a repr, an error or its causes.
    """
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    caplog.set_level(logging.DEBUG)
    wrong = "A" * 86 + "=="
    expired = generate_container_sas(
        ACCOUNT,
        store.container,
        account_key=ACCOUNT_KEY,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    )
    shown = []
    for credential in (wrong, expired):
        bad = BlobTexts(store.container, account_url=azurite.account_url, credential=credential)
        with pytest.raises(AuthenticationError, match="Storage Blob Data Contributor") as caught:
            bad.read("a.txt")
        assert (None, None) == (caught.value.__cause__, caught.value.__context__)
        shown += [repr(bad), *traceback.format_exception(caught.value)]
    signature = expired.split("sig=")[1].split("&")[0]

    assert not any(secret in text for text in (*shown, caplog.text) for secret in (wrong, ACCOUNT_KEY, signature))


def test_missing_container_is_explained(azurite: Azurite):
    """
    A container that is not there is named with what to do.
    """
    absent = BlobTexts("absent", connection_string=azurite.connection_string)

    assert not absent.exists()
    with pytest.raises(ServiceError, match="ContainerNotFound; create the container"):
        list(absent.texts())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"account_url": "http://example.org", "credential": "k"}, "expected https"),
        ({"connection_string": "AccountName=a;AccountKey=aaaa;BlobEndpoint=http://example.org/a"}, "expected https"),
        ({"connection_string": "secret words"}, "not a connection string"),
        ({"account_url": "https://example.org"}, "expected a key, a SAS"),
    ],
)
def test_unsafe_or_wrong_account_is_refused(given: dict[str, str], said: str):
    """
    What cannot work, or would show the key on the way, is refused without its words.
    """
    with pytest.raises(ConfigurationError, match=said) as caught:
        BlobTexts("texts", **given)
    assert "secret words" not in str(caught.value)


def test_unreachable_account_is_a_transport_error():
    """
    No answer is an error of the tree, without the client's own behind it.
    """
    gone = BlobTexts("texts", account_url="http://127.0.0.1:1/a", credential=ACCOUNT_KEY, retries=0)
    with pytest.raises(LabelerError, match="Azure Storage") as caught:
        gone.exists()
    assert caught.value.__context__ is None


def test_export_through_both_services(
    azurite: Azurite, service: AzureService, store: BlobTexts, tmp_path: Path, clock: Clock
):
    """
    Texts in the emulator, labels in the service: offsets were computed on the bytes that lie there.
    """
    exporter = AzureLanguageExporter(
        service.url,
        schema=SCHEMA,
        project="p",
        container=store.container,
        storage=store,
        directory=tmp_path,
        api_key=KEY,
        clock=clock,
    )
    exporter.export(BATCH)
    entry = documents_of(service.projects["p"])["bo.txt"]["entities"][0]
    units = store.read("bo.txt").decode().encode("utf-16-le")

    assert [(e.label, e.text) for e in BO.entities] == [
        (s["category"], units[2 * s["offset"] : 2 * (s["offset"] + s["length"])].decode("utf-16-le"))
        for s in entry["labels"]
    ]


def test_one_command_from_an_empty_emulator(
    azurite: Azurite, service: AzureService, model: OpenAIServer, shared: Path, tmp_path: Path
):
    """
    The one command makes the container, uploads 20 texts, labels, imports and verifies; no file holds a secret.
    """
    service.steps = ("succeeded",)
    arguments = command(service, model, shared, tmp_path)
    place = arguments.index("--texts")
    arguments[place : place + 2] = []
    arguments[arguments.index("--container") + 1] = "one-command"
    done = process(
        *arguments,
        AZURE_LANGUAGE_KEY=KEY,
        AZURE_OPENAI_API_KEY="k" * 32,
        AZURE_STORAGE_CONNECTION_STRING=azurite.connection_string,
    )
    store = BlobTexts("one-command", connection_string=azurite.connection_string)
    kept = [path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()]

    assert (0, 20, 20) == (done.code, len(list(store.texts())), len(documents_of(service.projects["loans"]))), done.err
    assert not any(secret.encode() in data for data in kept for secret in (KEY, ACCOUNT_KEY, "k" * 32))
