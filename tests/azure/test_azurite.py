"""Texts in Azurite, Microsoft's emulator of Azure Storage, with the real client."""

from __future__ import annotations

import datetime
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmlabel import (
    AuthenticationError,
    AzureLanguageExporter,
    AzureOpenAILabeler,
    ConfigurationError,
    LabelerError,
    ServiceError,
)
from llmlabel.platforms.azure_language import blobs
from llmlabel.platforms.azure_language.blobs import BlobTexts
from llmlabel.platforms.azure_language.compare import documents_of
from llmlabel.platforms.azure_language.texts import UploadPlan, md5, plan_upload, read_documents, upload
from llmlabel.workflows.auto_label import auto_label, upload_folder
from tests.azure.conftest import SAMPLE, Clock
from tests.azure.test_auto_label import command, gold, model
from tests.azure.test_exporter import BATCH, BO, SCHEMA
from tests.cli.conftest import process
from tests.servers.azure_service import KEY, AzureService
from tests.servers.azure_service import TOKEN as SERVICE_TOKEN
from tests.servers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite, token
from tests.servers.certificate import Certificate, self_signed
from tests.servers.openai_server import OpenAIServer

__all__ = ["gold", "model"]

pytestmark = pytest.mark.slow
pytest.importorskip("azure.storage.blob", reason='needs the extra "azure"')


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
    ways: list[dict[str, str]] = [
        *({"account_url": azurite.account_url, "credential": value} for value in (ACCOUNT_KEY, sas, f"?{sas}")),
        {"connection_string": f"BlobEndpoint={azurite.account_url};SharedAccessSignature={sas}"},
    ]
    for way in ways:
        with closing(BlobTexts(store.container, **way)) as found:
            assert (True, b"1") == (found.exists(), found.read("a.txt"))
            assert found.write("b.txt", b"2")
            assert {"a.txt", "b.txt"} == {item.name for item in found.texts()}
            assert sas not in repr(found)


class Credential:
    """An Entra ID credential as azure-identity makes them."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: object) -> Any:
        from azure.core.credentials import AccessToken

        self.scopes += scopes
        return AccessToken(self.value, int(time.time()) + 3600)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for the emulator."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(azurite: Azurite, certificate: Certificate) -> Iterator[Azurite]:
    """An emulator that serves over https and takes Entra ID tokens."""
    with Azurite(certificate) as running:
        yield running


def signed_in(azurite: Azurite, certificate: Certificate, credential: Any, **more: Any) -> BlobTexts:
    """Return a container that is reached with an Entra ID credential."""
    from azure.core.pipeline.transport import RequestsTransport

    trusting = RequestsTransport(connection_verify=str(certificate.authority))
    return BlobTexts("texts", account_url=azurite.account_url, credential=credential, transport=trusting, **more)


def test_entra_id_signs_in(secure: Azurite, certificate: Certificate):
    """
    A token for Azure Storage does all that a key does; one token serves many requests.
    """
    credential = Credential(token())
    with closing(signed_in(secure, certificate, credential)) as store:
        store.create()
        raw = BO.document.text.encode()

        assert (True, raw, ["bo.txt"]) == (
            store.write("bo.txt", raw),
            store.read("bo.txt"),
            [item.name for item in store.texts()],
        )
        assert ["https://storage.azure.com/.default"] == credential.scopes


def test_audience_is_a_setting(secure: Azurite, certificate: Certificate):
    """
    Clouds with another audience are served by a setting.
    """
    credential = Credential(token("https://devstoreaccount1.blob.core.windows.net"))
    audience = "https://devstoreaccount1.blob.core.windows.net"
    with closing(signed_in(secure, certificate, credential, audience=audience)) as store:
        store.create()

    assert [f"{audience}/.default"] == credential.scopes


@pytest.mark.parametrize("value", [token("https://example.org"), token(seconds=-10)])
def test_refused_token_names_the_role_and_not_the_token(value: str, secure: Azurite, certificate: Certificate):
    """
    A token for something else, or one that has expired, is refused by the storage.
    """
    with (
        closing(signed_in(secure, certificate, Credential(value))) as store,
        pytest.raises(AuthenticationError, match="Storage Blob Data Contributor") as caught,
    ):
        store.exists()
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)
    assert value not in "".join(traceback.format_exception(caught.value))


def test_credential_that_fails_is_told_without_its_words(secure: Azurite, certificate: Certificate):
    """
    Whatever a credential raises may hold secrets.
    """

    class Failing:
        def get_token(self, *_: str, **__: object) -> Any:
            raise RuntimeError("client_secret=hush")

    with (
        closing(signed_in(secure, certificate, Failing())) as store,
        pytest.raises(AuthenticationError, match="it raised RuntimeError; sign in") as caught,
    ):
        store.exists()
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


def test_one_command_signs_in_with_entra_id(
    secure: Azurite,
    certificate: Certificate,
    service: AzureService,
    model: OpenAIServer,
    shared: Path,
    tmp_path: Path,
    clock: Clock,
    gold: Any,
):
    """
    The whole job without a key: blobs, service and model each get a token of the credential.
    """
    language, storage = Credential(SERVICE_TOKEN), Credential(token())
    with closing(signed_in(secure, certificate, storage)) as store:
        exporter = AzureLanguageExporter(
            service.url,
            schema=gold[0],
            project="loans",
            container="texts",
            storage=store,
            create_container=True,
            directory=tmp_path,
            credential=language,
            clock=clock,
        )
        labeler = AzureOpenAILabeler(gold[0], deployment="gpt", endpoint=model.url, token_provider=lambda: "openai")
        done = auto_label(labeler, exporter, documents="0*.txt", upload=shared / SAMPLE, progress=False)

    assert done.export is not None
    assert (9, {"https://cognitiveservices.azure.com/.default"}, {"https://storage.azure.com/.default"}) == (
        done.export.written,
        set(language.scopes),
        set(storage.scopes),
    )
    assert {"Bearer openai"} == {request.headers["authorization"] for request in model.requests}


def test_right_to_upload_is_asked_without_uploading(azurite: Azurite, store: BlobTexts):
    """
    A SAS that may only read is told apart, and nothing is stored by asking.
    """
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    reading = generate_container_sas(
        ACCOUNT,
        store.container,
        account_key=ACCOUNT_KEY,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
    )
    with closing(BlobTexts(store.container, account_url=azurite.account_url, credential=reading)) as reader:
        assert (True, False, []) == (store.may_write(), reader.may_write(), list(store.texts()))


def test_large_container_is_listed_page_by_page(store: BlobTexts, monkeypatch: pytest.MonkeyPatch):
    """
    A list of more blobs than one answer holds goes on to the end, and texts are read as they are needed.
    """
    monkeypatch.setattr(blobs, "_PAGE", 7)
    names = [f"{number:04}.txt" for number in range(50)]
    upload(store, ((name, name.encode()) for name in names), UploadPlan(new=tuple(names)))

    assert names == [item.name for item in store.texts()]
    assert ["0000", "0001", "0002"] == [item.id for item in read_documents(store, limit=3) if hasattr(item, "text")]


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
        ({"account_url": "http://127.0.0.1:1/a", "credential": Credential("t")}, "expected https, for an Entra ID"),
    ],
)
def test_unsafe_or_wrong_account_is_refused(given: dict[str, Any], said: str):
    """
    What cannot work, or would show the key on the way, is refused without its words.
    """
    with pytest.raises(ConfigurationError, match=said) as caught:
        BlobTexts("texts", **given)
    assert "secret words" not in str(caught.value)


def test_key_that_is_none_is_told(closed_port: str):
    """
    A key that cannot sign is named as that, not as a broken connection.
    """
    wrong = BlobTexts("texts", account_url=f"{closed_port}/a", credential="k", retries=0)
    with closing(wrong), pytest.raises(AuthenticationError, match="copy it again") as caught:
        wrong.exists()
    assert caught.value.__context__ is None


def test_unreachable_account_is_a_transport_error(closed_port: str):
    """
    No answer is an error of the tree, without the client's own behind it.
    """
    gone = BlobTexts("texts", account_url=f"{closed_port}/a", credential=ACCOUNT_KEY, retries=0)
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
