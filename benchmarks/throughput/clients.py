"""One client, one measurement: prints a line of JSON. Run by ``run.py``, in a process of its own.

``sdk`` is the yardstick: a bounded pool of workers around the OpenAI SDK on its aiohttp transport, as the SDK's manual
shows it, that does nothing with the answers. ``engine`` is llmlabel's labeler and engine without parsing and grounding;
``llmlabel`` is the whole pipeline with a journal on disk; ``auto`` the same without a number for the concurrency.
``raw`` is aiohttp without any SDK, for orientation; ``fixed-32`` and ``fixed-64`` are ``sdk`` with so many in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from corpus import LABELS, entities, sentence

SYSTEM = (
    "You label named entities: person, organization, location, product. Copy each entity exactly as written. "
    'Answer with one JSON object: {"entities": [{"text": "…", "label": "…"}]}'
)


async def sdk(base: str, count: int, width: int) -> AsyncIterator[tuple[int, bool]]:
    import httpx2
    import openai

    limits = httpx2.Limits(max_connections=width, max_keepalive_connections=width)
    client = openai.AsyncOpenAI(
        base_url=base, api_key="sk-none", http_client=openai.DefaultAioHttpClient(limits=limits)
    )
    numbers, results = iter(range(count)), asyncio.Queue[tuple[int, bool]]()

    async def worker() -> None:
        for number in numbers:
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": sentence(number)}]
            try:
                answer = await client.chat.completions.create(model="mock", messages=messages, temperature=0)
                results.put_nowait((number, answer.choices[0].finish_reason == "stop"))
            except openai.OpenAIError:
                results.put_nowait((number, False))

    workers = [asyncio.create_task(worker()) for _ in range(width)]
    for _ in range(count):
        yield await results.get()
    await asyncio.gather(*workers)
    await client.close()


async def raw(base: str, count: int, width: int) -> AsyncIterator[tuple[int, bool]]:
    import aiohttp

    numbers, results = iter(range(count)), asyncio.Queue[tuple[int, bool]]()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=width)) as session:

        async def worker() -> None:
            for number in numbers:
                messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": sentence(number)}]
                body = {"model": "mock", "messages": messages, "temperature": 0}
                async with session.post(f"{base}/chat/completions", json=body) as response:
                    answer = await response.json()
                    results.put_nowait((number, response.status == 200 and "choices" in answer))

        workers = [asyncio.create_task(worker()) for _ in range(width)]
        for _ in range(count):
            yield await results.get()
        await asyncio.gather(*workers)


def labeler(base: str):
    from llmlabel import LabelSchema, OpenAILabeler

    return OpenAILabeler(LabelSchema(entities=list(LABELS)), model="mock", api_key="sk-none", base_url=base)


async def engine(base: str, count: int, width: int) -> AsyncIterator[tuple[int, bool]]:
    from llmlabel.engine import Engine
    from llmlabel.types import Limits, Message, Prompt

    asked = labeler(base)
    with tempfile.TemporaryDirectory() as folder:
        run = Engine(
            asked.complete,
            fingerprint=asked.fingerprint,
            quota_key=asked.quota_key,
            limits=Limits(max_concurrency=width),
            journal=Path(folder) / "journal.sqlite",
        )
        static = Message(role="system", content=SYSTEM)

        async def work(number: int) -> tuple[int, bool]:
            messages = (static, Message(role="user", content=sentence(number)))
            answer = await run.ask(Prompt(messages=messages, document_ids=(str(number),)))
            return number, answer.completion.finish == "stop"

        async for result in run.map(work, range(count)):
            yield result
        await run.aclose()
    await asked.aclose()


async def llmlabel(base: str, count: int, width: int | str, journal: bool = True) -> AsyncIterator[tuple[int, bool]]:
    from llmlabel import Document, Limits, Pipeline

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite" if journal else None
        pipeline = Pipeline(labeler(base), limits=Limits(max_concurrency=width), journal=path)
        documents = (Document(id=str(number), text=sentence(number)) for number in range(count))
        async with pipeline:
            async for prediction in pipeline.astream(documents):
                found = [(entity.text, entity.label) for entity in prediction.entities]
                salvaged = prediction.outcome == "truncated"  # cut twice: reported as such, not lost
                yield int(prediction.document.id), salvaged or found == entities(prediction.document.text)


def auto(base: str, count: int, width: int) -> AsyncIterator[tuple[int, bool]]:
    return llmlabel(base, count, "auto")


async def for_a_while(
    client: AsyncIterator[tuple[int, bool]], seconds: float = 85.0
) -> AsyncIterator[tuple[int, bool]]:
    """Yield what a client gives, and leave it after so many seconds."""
    until = time.monotonic() + seconds
    async for result in client:
        yield result
        if time.monotonic() > until:
            break


CLIENTS = {
    "raw": raw,
    "sdk": sdk,
    "engine": engine,
    "llmlabel": llmlabel,
    "auto": lambda base, count, width: for_a_while(auto(base, count, width)),
    "fixed-32": lambda base, count, width: for_a_while(sdk(base, count, 32)),
    "fixed-64": lambda base, count, width: for_a_while(sdk(base, count, 64)),
}


async def measure(name: str, base: str, count: int, width: int) -> dict[str, object]:
    await warm_up(name)
    peak_at: dict[int, float] = {}
    done, right, start, cpu = 0, 0, time.perf_counter(), time.process_time()
    async for _, good in CLIENTS[name](base, count, width):
        done += 1
        right += good
        if done in (5_000, count):
            peak_at[done] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "client": name,
        "documents": done,
        "right": right,
        "wall": round(wall, 3),
        "cpu_per_1000": round(cpu / done * 1000, 3),
        "peak_mb": {str(at): round(size, 1) for at, size in peak_at.items()},
    }


async def warm_up(name: str) -> None:
    """Import what the client imports, so that the measurement holds requests only."""
    import aiohttp  # noqa: F401
    import httpx2  # noqa: F401
    import openai.types.chat  # noqa: F401

    if name in {"engine", "llmlabel", "auto"}:
        import llmlabel.resolvers  # noqa: F401
        from llmlabel import Document, Pipeline  # noqa: F401

        labeler("http://127.0.0.1:9/v1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("base")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.client, given.base, given.documents, given.width))))


if __name__ == "__main__":
    main()
