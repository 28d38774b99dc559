"""A service on loopback that speaks enough of the OpenAI protocol to be measured against.

    python server.py --set latency=0.5 --set failed=0.1 …

Prints its port, answers ``POST /v1/chat/completions``, and keeps a ledger: ``GET /stats``, by sentence ``GET /ledger``.
Settings can be changed while it runs: ``POST /config`` with JSON; with ``"after"``, so many seconds after the first
request. Faults are drawn from a hash of (seed, sentence, attempt), so the same sentences meet the same faults in
whatever order they arrive.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field, fields

from corpus import REFERENCE, entities

LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass
class Settings:
    """``latency`` in seconds; faults as probabilities; 0 is no limit; requests beyond ``capacity`` are refused."""

    seed: int = 1
    latency: float = 0.0
    requests_per_minute: float = 0.0
    capacity: int = 0
    refused: float = 0.0
    retry_after: float = 1.0
    failed: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0

    def change(self, values: dict[str, object]) -> None:
        known = {item.name: type(item.default) for item in fields(self)}
        for name, value in values.items():
            setattr(self, name, known[name](value))


@dataclass
class Ledger:
    """What was asked and answered, by sentence."""

    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    status: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    finished: list[float] = field(default_factory=list)
    first: float = 0.0  # when the first request came
    later: list[tuple[float, dict[str, object]]] = field(default_factory=list)  # settings, by seconds after that

    def report(self) -> dict[str, object]:
        return {
            "requests": self.requests,
            "most_in_flight": self.most_in_flight,
            "status": dict(self.status),
            "paid": sum(self.paid.values()),
            "sentences_paid": len(self.paid),
            "first": self.first,
            "finished": self.finished,
        }


class Bucket:
    """A token bucket that holds one second's worth."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.left: float | None = None
        self.seen = 0.0

    def wait(self) -> float:
        """Take one; return 0, or the seconds until there would have been one."""
        rate = self.settings.requests_per_minute / 60
        now = time.monotonic()
        self.left = rate if self.left is None else min(rate, self.left + (now - self.seen) * rate)
        self.seen = now
        if self.left < 1:
            return (1 - self.left) / rate
        self.left -= 1
        return 0.0

    def headers(self) -> str:
        limit = int(self.settings.requests_per_minute)
        if not limit or self.left is None:
            return ""
        return f"x-ratelimit-limit-requests: {limit}\r\nx-ratelimit-remaining-requests: {int(self.left)}\r\n"


class Connection(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, settings: Settings, ledger: Ledger, bucket: Bucket) -> None:
        self.settings, self.ledger, self.bucket = settings, ledger, bucket
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        match = LENGTH.search(self.buffer[:end])
        total = end + 4 + (int(match[1]) if match else 0)
        if len(self.buffer) < total:
            return
        line, body, self.buffer = (
            self.buffer[: self.buffer.index(b"\r\n")],
            self.buffer[end + 4 : total],
            self.buffer[total:],
        )
        path = line.split(b" ")[1].decode()
        if path == "/stats":
            self.send(200, self.ledger.report())
        elif path == "/config":
            values = json.loads(body)
            if "after" in values:
                self.ledger.later.append((values.pop("after"), values))
            else:
                self.settings.change(values)
            self.send(200, {})
        elif path == "/ledger":
            self.send(200, {"attempts": self.ledger.attempts, "paid": self.ledger.paid})
        elif path.endswith("/chat/completions"):
            self.ask(json.loads(body))
        else:
            self.send(404, {"error": {"message": "unknown path"}})

    def ask(self, request: dict[str, object]) -> None:
        settings, ledger = self.settings, self.ledger
        if not ledger.first:
            ledger.first = time.monotonic()
            for seconds, values in ledger.later:
                asyncio.get_running_loop().call_later(seconds, settings.change, values)
        text = request["messages"][-1]["content"]  # type: ignore[index,call-overload]
        key = " ".join(REFERENCE.findall(text))
        attempt = ledger.attempts[key]
        ledger.attempts[key] += 1
        ledger.requests += 1
        ledger.in_flight += 1
        ledger.most_in_flight = max(ledger.most_in_flight, ledger.in_flight)
        if settings.requests_per_minute and (wait := self.bucket.wait()):
            return self.refuse(wait)
        if settings.capacity and ledger.in_flight > settings.capacity:
            return self.refuse(settings.retry_after)
        digest = hashlib.blake2b(f"{settings.seed}|{key}|{attempt}".encode(), digest_size=8).digest()
        luck = int.from_bytes(digest) / 2**64
        for fault in ("refused", "failed", "reset", "truncated"):
            chance = getattr(settings, fault)
            if luck < chance:
                break
            luck -= chance
        else:
            fault = ""
        if fault == "refused":
            return self.refuse(settings.retry_after)
        if fault == "failed":
            return self.done(500, {"error": {"message": "failed", "type": "server_error"}})
        if fault == "reset":
            return self.cut()
        asyncio.get_running_loop().call_later(settings.latency, self.answer, text, key, fault == "truncated")
        return None

    def answer(self, text: str, key: str, truncated: bool) -> None:
        content = json.dumps({"entities": [{"text": phrase, "label": label} for phrase, label in entities(text)]})
        if truncated:
            content = content[: len(content) // 2]
        self.ledger.paid[key] += 1
        self.ledger.finished.append(time.monotonic())
        message = {"role": "assistant", "content": content, "refusal": None}
        finish = "length" if truncated else "stop"
        used = {"prompt_tokens": len(text) // 4, "completion_tokens": len(content) // 4 + 1}
        self.done(
            200,
            {
                "id": f"chatcmpl-{self.ledger.requests}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": "mock",
                "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
                "usage": {**used, "total_tokens": sum(used.values())},
            },
        )

    def refuse(self, wait: float) -> None:
        told = f"retry-after: {max(1, round(wait))}\r\nretry-after-ms: {int(wait * 1000) + 1}\r\n"
        self.done(429, {"error": {"message": "rate limit", "type": "requests", "code": "rate_limit_exceeded"}}, told)

    def cut(self) -> None:
        self.ledger.status["reset"] += 1
        self.ledger.in_flight -= 1
        if self.transport is not None:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()

    def done(self, status: int, content: object, headers: str = "") -> None:
        self.ledger.status[str(status)] += 1
        self.ledger.in_flight -= 1
        self.send(status, content, headers + self.bucket.headers())

    def send(self, status: int, content: object, headers: str = "") -> None:
        body = json.dumps(content).encode()
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        )
        if self.transport is not None:
            self.transport.write((head + headers + "\r\n").encode() + body)


async def serve(settings: Settings) -> None:
    ledger, bucket = Ledger(), Bucket(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(settings, ledger, bucket), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    settings = Settings()
    settings.change(dict(item.split("=", 1) for item in parser.parse_args().set))
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
