"""Batch jobs at OpenAI, and the global batch of Azure OpenAI: files of JSON lines, answered within 24 hours.

Format: https://platform.openai.com/docs/api-reference/batch and
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from llmlabel.engine.batch import BatchBackend, BatchJob, BatchRequest, BatchResult, BatchState
from llmlabel.errors import LabelerError, ServiceError
from llmlabel.labelers.content_filter import filtered_prompt
from llmlabel.labelers.vendor_errors import Where, failed_call, status_error
from llmlabel.labelers.wire import Reply, identifier
from llmlabel.types import Completion, Prompt

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

T = TypeVar("T")
_LABEL = "llmlabel"  # the key of the job's metadata that holds our label
_PAGES = 20  # of 100 jobs, that are looked through for a label


class OpenAIBatch(BatchBackend):
    """The batch interface of an ``OpenAILabeler``; requests and answers are those of its ``complete``.

    Args:
        endpoint: What the job and each of its lines name as the API, such as ``/v1/chat/completions``.
        client: Returns the client of the running event loop.
        body: Makes the request body for a prompt.
        read: Reads a successful reply.
        where: What messages say about the place of a failure.
        timeout: Seconds for one call, for messages.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        client: Callable[[], Awaitable[AsyncOpenAI]],
        body: Callable[[Prompt], Mapping[str, Any]],
        read: Callable[[Reply], Completion],
        where: Where,
        timeout: float,
    ) -> None:
        self.endpoint = endpoint
        self._client = client
        self._body = body
        self._read = read
        self._where = where
        self._timeout = timeout

    def encode(self, request: BatchRequest) -> bytes:
        line = {
            "custom_id": request.custom_id,
            "method": "POST",
            "url": self.endpoint,
            "body": self._body(request.prompt),
        }
        # Escaped: no line separator of a text can end the line, and no lone surrogate breaks the encoding.
        return json.dumps(line, separators=(",", ":")).encode("ascii")

    async def submit(self, lines: Sequence[bytes], *, label: str) -> BatchJob:
        client = await self._client()
        content = b"\n".join(lines) + b"\n"
        named = (f"{label}.jsonl", content, "application/jsonl")
        file = await self._call(client.files.create(file=named, purpose="batch"))
        try:
            made = client.batches.create(
                input_file_id=file.id,
                endpoint=cast("Any", self.endpoint),  # Azure spells it without the version
                completion_window="24h",
                metadata={_LABEL: label},
            )
            return _job(await self._call(made))
        except LabelerError as error:
            if not error.retryable:  # surely no job uses the file
                await self._drop(client, file.id)
            raise

    async def find(self, label: str) -> BatchJob | None:
        client, after, found = await self._client(), "", None
        for _ in range(_PAGES):
            listed = client.batches.list(limit=100, after=after) if after else client.batches.list(limit=100)
            page = await self._call(listed)
            for batch in page.data:
                if (batch.metadata or {}).get(_LABEL) == label and (found is None or batch.created_at > found[0]):
                    found = (batch.created_at, _job(batch))
            if found is not None or not page.has_more or not page.data:
                break
            after = page.data[-1].id
        return None if found is None else found[1]

    async def status(self, job_id: str) -> BatchJob:
        return _job(await self._retrieve(job_id))

    async def results(self, job_id: str) -> AsyncIterator[BatchResult]:
        client, batch = await self._client(), await self._retrieve(job_id)
        for file_id in (batch.output_file_id, batch.error_file_id):
            if not file_id:
                continue
            content = await self._call(client.files.content(file_id))
            for line in content.content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
                result = self._result(line) if line.strip() else None
                if result is not None:
                    yield result

    async def cancel(self, job_id: str) -> BatchJob:
        client = await self._client()
        return _job(await self._call(client.batches.cancel(job_id)))

    async def delete(self, job_id: str) -> None:
        client, batch = await self._client(), await self._retrieve(job_id)
        for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
            if file_id:
                await self._drop(client, file_id)

    def _result(self, line: bytes) -> BatchResult | None:
        """Return what a line of an output or error file says, or None if it names no request."""
        said = Reply(200, {}, line).json() or {}
        name, response, error = said.get("custom_id"), said.get("response"), said.get("error")
        if not isinstance(name, str):
            return None
        if not isinstance(response, dict) or not isinstance(response.get("body"), dict):
            code = identifier(error.get("code")) if isinstance(error, dict) else None
            why = f"{self._where.target}: not answered in the batch job ({code or 'no reason given'})"
            return BatchResult(name, error=ServiceError(why))
        status = response.get("status_code")
        reply = Reply(status if isinstance(status, int) else 200, {}, json.dumps(response["body"]).encode())
        try:
            if reply.status < 400:
                return BatchResult(name, self._read(reply))
            filtered = filtered_prompt(reply)
            return (
                BatchResult(name, filtered) if filtered else BatchResult(name, error=status_error(reply, self._where))
            )
        except LabelerError as failed:
            return BatchResult(name, error=failed)

    async def _retrieve(self, job_id: str) -> Batch:
        client = await self._client()
        return await self._call(client.batches.retrieve(job_id))

    async def _drop(self, client: AsyncOpenAI, file_id: str) -> None:
        try:
            await self._call(client.files.delete(file_id))
        except LabelerError as error:
            if error.status_code != 404:
                raise

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except Exception as error:
            failed = failed_call(error, self._where, self._timeout)
            if failed is None:
                raise
        raise status_error(failed, self._where) if isinstance(failed, Reply) else failed


def _job(batch: Batch) -> BatchJob:
    counts = batch.request_counts
    problems = [problem.code for problem in (batch.errors.data or [] if batch.errors else []) if problem.code]
    state: BatchState = batch.status if batch.status in get_args(BatchState) else "in_progress"
    return BatchJob(
        id=batch.id,
        state=state,
        total=counts.total if counts else 0,
        completed=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        message=", ".join(problems) or None,
    )
