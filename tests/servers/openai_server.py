"""A server on loopback that speaks the OpenAI protocol, for tests: answers and faults are scripted.

It runs in a thread of its own on port 0, needs nothing beyond the standard library, and keeps a ledger of what was
asked. Random faults are drawn from a hash of (seed, request, attempt): the same request meets the same faults in
whatever order requests arrive.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.content)

    @property
    def text(self) -> str:
        """The content of the last message, which holds the document."""
        messages = self.json.get("messages") or self.json.get("input")
        return messages[-1]["content"]


@dataclass(frozen=True)
class Reply:
    """What to send back: JSON, bytes as they are, or nothing (``reset``: cut the connection)."""

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False
    cut_after: int | None = None  # send so many bytes of the body, then cut the connection


@dataclass(frozen=True)
class Faults:
    """Probabilities per request, a latency, and a limit of requests per minute (0: none)."""

    seed: int = 1
    latency: float = 0.0
    rate_limited: float = 0.0
    failed: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    requests_per_minute: float = 0.0
    burst_seconds: float = 1.0
    retry_after: float = 0.05
    attempts: int = 0  # no random faults after so many attempts of one request; 0: always


Answer = Callable[[Request], "str | Reply | Awaitable[str | Reply]"]


class OpenAIServer:
    """``with OpenAIServer(answer) as server:`` serves until the end of the block.

    ``answer`` gets each request and returns the model's text, or a whole ``Reply``; ``server.queue`` is served first.
    """

    def __init__(
        self, answer: Answer | str = "{}", *, faults: Faults = Faults(), tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer: Answer = (lambda _: answer) if isinstance(answer, str) else answer
        self.faults = faults
        self.queue: deque[str | Reply] = deque()
        self.requests: list[Request] = []
        self.statuses: Counter[int | str] = Counter()
        self.connections = self.in_flight = self.most_in_flight = 0
        self._tls = tls
        self._attempts: Counter[str] = Counter()
        self._bucket, self._filled = None, 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-server", daemon=True)

    # -- life

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, backlog=2048)

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    # -- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await self._read(reader)) is not None:
                self.requests.append(request)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    reply = await self._reply(request)
                    if reply.delay:
                        await asyncio.sleep(reply.delay)
                finally:
                    self.in_flight -= 1
                if not await self._write(writer, reply):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.strip().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = first.split(" ", 2)
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, target, headers, content)

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        self.statuses["reset" if reply.reset else reply.status] += 1
        if reply.reset:
            _reset(writer)
            return False
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode() + body[: reply.cut_after])
        await writer.drain()
        return reply.cut_after is None

    # -- what to say

    async def _reply(self, request: Request) -> Reply:
        limits = self._limits()
        if self.queue:
            said: Any = self.queue.popleft()
        else:
            fault = self._fault(request) if self.faults != Faults() else None
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            if isinstance(fault, Reply):
                return fault
            said = self.answer(request)
            if isinstance(said, Awaitable):
                said = await said
            if fault == "truncated" and isinstance(said, str):
                said = completed(request, said[: len(said) // 2], finish="length")
        reply = said if isinstance(said, Reply) else completed(request, said)
        return Reply(reply.body, reply.status, {**limits, **reply.headers}, reply.delay, reply.reset, reply.cut_after)

    def _fault(self, request: Request) -> Reply | str | None:
        key = hashlib.blake2b(request.content, digest_size=8).hexdigest()
        attempt = self._attempts[key]
        self._attempts[key] += 1
        if not self._take():
            return too_many(self.faults.retry_after, self._limits())
        if self.faults.attempts and attempt >= self.faults.attempts:
            return None
        digest = hashlib.blake2b(f"{self.faults.seed}|{key}|{attempt}".encode(), digest_size=8).digest()
        drawn = int.from_bytes(digest, "little") / 2**64
        table: list[tuple[float, Reply | str]] = [
            (self.faults.rate_limited, too_many(self.faults.retry_after)),
            (self.faults.failed, refusal(500, "The server had an error", type="server_error")),
            (self.faults.reset, Reply(reset=True)),
            (self.faults.truncated, "truncated"),
        ]
        for share, fault in table:
            if drawn < share:
                return fault
            drawn -= share
        return None

    def _take(self) -> bool:
        rate = self.faults.requests_per_minute / 60
        if not rate:
            return True
        now, most = time.monotonic(), max(1.0, rate * self.faults.burst_seconds)
        self._bucket = min(most, (most if self._bucket is None else self._bucket) + rate * (now - self._filled))
        self._filled = now
        if self._bucket < 1:
            return False
        self._bucket -= 1
        return True

    def _limits(self) -> dict[str, str]:
        if not self.faults.requests_per_minute:
            return {}
        left = int(max(0.0, self._bucket or 0.0))
        limit = str(int(self.faults.requests_per_minute))
        return {"x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": str(left)}


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def completed(request: Request, text: str | None, *, finish: str = "stop", **message: Any) -> Reply:
    """The answer of the API that was asked, with token counts."""
    model = request.json.get("model", "m")
    asked, said = -(-len(request.content) // 4), -(-len(text or "") // 4)
    if request.path.endswith("/responses"):
        return Reply(responses_body(text, model=model, usage=(asked, said), finish=finish))
    return Reply(chat_body(text, model=model, usage=(asked, said), finish=finish, **message))


def chat_body(
    text: object, *, model: str = "m", usage: tuple[int, int] = (10, 5), finish: str | None = "stop", **message: Any
) -> dict[str, Any]:
    """A chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


def responses_body(
    text: str | None, *, model: str = "m", usage: tuple[int, int] = (10, 5), finish: str = "stop", **more: Any
) -> dict[str, Any]:
    """An answer of the Responses API; ``finish`` other than ``stop`` makes it incomplete for that reason."""
    reason = {"length": "max_output_tokens"}.get(finish, finish)
    part = {"type": "output_text", "text": text or "", "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed" if finish == "stop" else "incomplete",
        "error": None,
        "incomplete_details": None if finish == "stop" else {"reason": reason},
        "model": model,
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]},
        ],
        "usage": {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": sum(usage),
        },
        **more,
    }


def refusal(status: int, message: str = "no", /, *, headers: Mapping[str, str] = {}, **error: Any) -> Reply:
    """An error in the usual shape."""
    content = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **error}
    return Reply({"error": content}, status, headers)


def too_many(wait: float, headers: Mapping[str, str] = {}) -> Reply:
    """A 429 that asks to wait."""
    told = {"retry-after-ms": str(int(wait * 1000)), **headers}
    return refusal(429, "Rate limit reached", headers=told, code="rate_limit_exceeded", type="requests")
