"""Connections: proxies, certificates, event loops, and every way in which they fail."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from llmlabel import ConfigurationError, OpenAILabeler, ServiceError, TransportError
from tests.labelers.conftest import SCHEMA, prompt
from tests.servers.certificate import self_signed
from tests.servers.openai_server import OpenAIServer, Reply, chat_body
from tests.servers.proxy import Proxy


def labeler(base_url: str, **more: object) -> OpenAILabeler:
    return OpenAILabeler(SCHEMA, **{"model": "m", "base_url": base_url, "api_key": "sk-canary-123456", **more})


async def failure(base_url: str, **more: object) -> TransportError:
    one = labeler(base_url, **more)
    with pytest.raises(TransportError) as caught:
        await one.complete(prompt())
    await one.aclose()
    return caught.value


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file of the authority that signed it."""
    made = self_signed(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.authority, made.key)
    return context, made.authority


# -- proxies and certificates


async def test_http_proxy_of_the_environment_is_used(server: OpenAIServer, proxy: Proxy, monkeypatch):
    """
    The aiohttp transport keeps to HTTP_PROXY.
    """
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    one = labeler(server.base_url)
    completion = await one.complete(prompt())
    await one.aclose()

    assert "{}" == completion.text
    assert [f"POST {server.base_url}/chat/completions"] == proxy.seen


async def test_no_proxy_goes_past_the_proxy(server: OpenAIServer, proxy: Proxy, monkeypatch):
    """
    NO_PROXY names hosts that are reached directly.
    """
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    one = labeler(server.base_url)
    await one.complete(prompt())
    await one.aclose()

    assert ([], 1) == (proxy.seen, len(server.requests))


async def test_https_goes_through_a_tunnel_with_the_ca_of_the_environment(authority, proxy: Proxy, monkeypatch):
    """
    HTTPS_PROXY and SSL_CERT_FILE work together.
    """
    context, ca = authority
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with OpenAIServer(tls=context) as secure:
        one = labeler(secure.base_url)
        completion = await one.complete(prompt())
        await one.aclose()

        assert "{}" == completion.text
        assert [f"CONNECT 127.0.0.1:{secure.port}"] == proxy.seen


async def test_unknown_certificate_says_what_to_check(authority):
    """
    A company's proxy that re-signs is the usual cause.
    """
    with OpenAIServer(tls=authority[0]) as secure:
        error = await failure(secure.base_url)

        assert "TLS connection failed" in str(error)
        assert "SSL_CERT_FILE" in str(error)


# For a proxy with a password, the SDK's transport still calls aiohttp the old way.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:openai")
async def test_proxy_that_is_down_says_what_to_check(server: OpenAIServer, monkeypatch):
    """
    The variables are named.
    """
    monkeypatch.setenv("HTTP_PROXY", "http://user:hush@127.0.0.1:9")
    error = await failure(server.base_url)

    assert "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY" in str(error)
    assert "hush" not in str(error)


# -- failures


async def test_refused_connection_says_what_to_check():
    """
    No server at that port.
    """
    error = await failure("http://127.0.0.1:9/v1")

    assert error.retryable
    assert "http://127.0.0.1:9: the connection was refused; check that a server is running there" in str(error)


async def test_unknown_host_says_what_to_check():
    """
    No such name.
    """
    error = await failure("http://no-such-host.invalid/v1")

    assert "http://no-such-host.invalid: the host name was not found" in str(error)


@pytest.mark.parametrize("reply", [Reply(reset=True), Reply(chat_body("{}"), cut_after=20)], ids=["reset", "cut"])
async def test_connection_that_ends_too_soon_may_be_tried_again(server: OpenAIServer, reply: Reply):
    """
    Before the answer, or in the middle of it.
    """
    server.queue.append(reply)
    error = await failure(server.base_url)

    assert error.retryable
    assert "closed before the answer was complete" in str(error)


@pytest.mark.parametrize("bytes_at_once", [None, 20])
async def test_answer_that_takes_too_long_is_given_up(server: OpenAIServer, bytes_at_once: int | None):
    """
    Also when bytes drip in: the time is for the whole request.
    """

    async def drip(request):
        await asyncio.sleep(30)
        return "{}"

    server.answer = drip
    error = await failure(server.base_url, timeout=0.2)

    assert error.retryable
    assert "no answer within 0.2 s" in str(error)


async def test_a_host_that_does_not_answer_at_all_is_given_up_sooner_than_a_slow_answer(monkeypatch):
    """
    The queue of a port is full, and further connections are left unanswered, as behind a firewall.
    """
    monkeypatch.setattr("llmlabel.labelers.clients.CONNECT", 0.3)
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            before = waiting.enter_context(socket.socket())
            before.setblocking(False)
            before.connect_ex(full.getsockname())
        async with asyncio.timeout(10):
            error = await failure(f"http://127.0.0.1:{full.getsockname()[1]}/v1", timeout=60.0)

    assert error.retryable
    assert "no connection could be made in time" in str(error)


async def test_something_that_is_not_http_is_a_transport_error():
    """
    Another service at the port.
    """

    async def noise(reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(noise, "127.0.0.1", 0)
    async with other:
        error = await failure(f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/v1")

    assert error.retryable


async def test_cancelled_request_leaves_nothing_behind(server: OpenAIServer):
    """
    Cancellation goes through, and the next request works.
    """

    async def slow(request):
        await asyncio.sleep(5)
        return "{}"

    server.answer, fast = slow, server.answer
    one = labeler(server.base_url)
    task = asyncio.create_task(one.complete(prompt()))
    while not server.requests:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.answer = fast

    assert "{}" == (await one.complete(prompt())).text
    await one.aclose()


# -- clients


async def test_connections_are_not_fewer_than_requests_in_flight(server: OpenAIServer):
    """
    128 prompts are all under way at once.
    """
    everyone = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def wait(request):
        if server.in_flight == 128:
            loop.call_soon_threadsafe(everyone.set)
        while not everyone.is_set():
            await asyncio.sleep(0.005)
        return "{}"

    server.answer = wait
    one = labeler(server.base_url)
    await asyncio.wait_for(asyncio.gather(*(one.complete(prompt(str(n))) for n in range(128))), 20)
    await one.aclose()

    assert 128 == server.most_in_flight


async def test_connections_are_kept_between_requests(server: OpenAIServer):
    """
    One after the other, on one connection.
    """
    one = labeler(server.base_url)
    for _ in range(5):
        await one.complete(prompt())
    await one.aclose()

    assert 1 == server.connections


def test_each_event_loop_has_a_client_of_its_own(server: OpenAIServer):
    """
    Loops one after another and at the same time, without a warning about unclosed sessions.
    """
    one = labeler(server.base_url)
    texts = [asyncio.run(one.complete(prompt())).text for _ in range(2)]
    threads = [
        threading.Thread(target=lambda: texts.append(asyncio.run(one.complete(prompt())).text)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()

    assert ["{}"] * 5 == texts


def test_a_labeler_that_is_dropped_leaves_no_connection(server: OpenAIServer):
    """
    A program that closes nothing is told nothing: the client is closed on its loop when the labeler is gone.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    one = labeler(server.base_url)
    asyncio.run_coroutine_threadsafe(one.complete(prompt()), loop).result(10)
    keeper = next(iter(one._clients._open.values()))[1]
    del one
    gc.collect()

    async def ended() -> bool:
        async with asyncio.timeout(5):
            while keeper.ag_frame is not None:
                await asyncio.sleep(0)
        return True

    closed = asyncio.run_coroutine_threadsafe(ended(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

    assert closed


def test_closing_reaches_clients_of_other_threads(server: OpenAIServer):
    """
    A client is closed on the loop that made it.
    """
    one = labeler(server.base_url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(one.complete(prompt()), loop).result(10)
    client = next(iter(one._clients._open.values()))[0].client
    asyncio.run(one.aclose())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

    assert client.is_closed()


def test_first_request_loads_nothing_large():
    """
    The SDK is loaded with the name of the labeler: loading it takes a second that no event loop should wait.
    """
    code = """
import asyncio, sys
from llmlabel import LabelSchema, LabelerError, Message, OpenAILabeler, Prompt
before = set(sys.modules)
labeler = OpenAILabeler(LabelSchema(entities=["PER"]), model="m", base_url="http://127.0.0.1:9/v1")
try:
    asyncio.run(labeler.complete(Prompt(messages=(Message(role="user", content="x"),))))
except LabelerError:
    print({name.split(".")[0] for name in set(sys.modules) - before} & {"aiohttp", "httpcore2", "httpx2", "openai"})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "set()" == done.stdout.strip()


# -- travelling


def test_pickled_labeler_takes_its_key_from_the_environment(server: OpenAIServer, monkeypatch):
    """
    The key stays; where it arrives the variable is read.
    """
    arrived = pickle.loads(pickle.dumps(labeler(server.base_url)))
    with pytest.raises(ConfigurationError, match="the key does not travel with a pickled labeler"):
        asyncio.run(pickle.loads(pickle.dumps(OpenAILabeler(SCHEMA, model="m", api_key="sk-1"))).complete(prompt()))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-there")
    asyncio.run(arrived.complete(prompt()))

    assert "Bearer sk-there" == server.requests[0].headers["authorization"]


def test_copied_labeler_keeps_its_key(server: OpenAIServer):
    """
    A copy in the same process is as good as the original.
    """
    asyncio.run(copy.deepcopy(labeler(server.base_url)).complete(prompt()))

    assert "Bearer sk-canary-123456" == server.requests[0].headers["authorization"]


async def test_labeler_with_an_injected_client_does_not_travel():
    """
    The message says what to do.
    """
    import openai

    async with openai.AsyncOpenAI(api_key="k") as client:
        with pytest.raises(pickle.PicklingError, match="client="):
            pickle.dumps(OpenAILabeler(SCHEMA, model="m", client=client))


async def test_broken_server_answer_is_not_an_endless_loop(server: OpenAIServer):
    """
    A server that refuses everything in turn ends in an error.
    """
    from tests.servers.openai_server import refusal

    server.answer = lambda request: refusal(400, "Unsupported parameter: 'temperature', 'max_tokens', response_format")
    one = labeler(server.base_url, max_output_tokens=5)
    with pytest.raises(ServiceError):
        await one.complete(prompt())
    await one.aclose()

    assert len(server.requests) <= 8
