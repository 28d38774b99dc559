"""The labeler for OpenAI and every service that speaks its protocol."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import pickle
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import SecretStr

from llmlabel.errors import ConfigurationError, LabelerError, ServiceError
from llmlabel.labelers import request
from llmlabel.labelers.base import LLMLabeler
from llmlabel.labelers.channel import Channel
from llmlabel.labelers.clients import LoopClients, check_client, need_openai, open_client
from llmlabel.labelers.content_filter import filtered_prompt
from llmlabel.labelers.endpoints import OPENAI_URL, is_loopback, is_openai, openai_base_url, origin
from llmlabel.labelers.replies import read_answer
from llmlabel.labelers.secrets import Key
from llmlabel.labelers.vendor_errors import Where, failed_call, reply_of, status_error
from llmlabel.labelers.wire import Reply, rate_limit
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import Example, LabelSchema
from llmlabel.types import Completion, LabeledDocument, Prompt

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from llmlabel.engine.batch import BatchBackend

need_openai()  # here, not with the first labeler: it takes a second, and labelers are made on event loops too
logger = logging.getLogger(__name__)

Api = Literal["chat", "responses"]
AskedMode = Literal["auto", "json_schema", "json_object", "text"]

_PATHS: Mapping[str, str] = {"chat": "/chat/completions", "responses": "/responses"}
_MAX_REQUESTS = 8  # for one prompt, while learning what an endpoint takes


class OpenAILabeler(LLMLabeler):
    """Labels with OpenAI, or any server that speaks its protocol (Ollama, vLLM, LM Studio, a gateway).

    The answer is asked for as strict JSON Schema. An endpoint that refuses this is asked for JSON, then for plain
    text; the labeler remembers, logs it once, and says so in ``Completion.details["answer_mode"]``.

    Args:
        schema: What to label.
        model: The model's name, as the endpoint spells it.
        api_key: The key; default: the environment variable ``OPENAI_API_KEY``. Not needed with ``base_url``.
        base_url: The address below which ``/chat/completions`` stands; default: ``OPENAI_BASE_URL``, then OpenAI.
        client: An ``openai.AsyncOpenAI`` of your own (proxy, CA, shared pool). Used as it is, without its retries, on
            the event loop it belongs to, and never closed here.
        api: ``"chat"`` (chat completions) or ``"responses"`` (the Responses API, with ``store=False``).
        temperature: Sent if given. By default 0, and none for reasoning models and for further samples of a prompt.
        max_output_tokens: Limit of one answer; a limit in the prompt goes first.
        answer_mode: ``"auto"``, or exactly one of ``"json_schema"``, ``"json_object"``, ``"text"``.
        logprobs: Whether to ask for the log probabilities of the answer's tokens.
        organization: Sent as ``OpenAI-Organization``.
        project: Sent as ``OpenAI-Project``.
        timeout: Seconds for one request.
        max_connections: Connections per event loop; not below the concurrency of a run.
        prompt: How to ask.
        examples: Labelled texts shown to the model.
        parameters: Any other parameter of the API by its name; one that is None is never sent.
        debug_content: Whether errors may repeat the service's own words, which can hold document text.

    Raises:
        ConfigurationError: No key, a malformed address, an unknown option, or an example that does not fit the schema.
    """

    provider = "openai"
    base_url_variable = "OPENAI_BASE_URL"

    def __init__(
        self,
        schema: LabelSchema,
        *,
        model: str,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        client: AsyncOpenAI | None = None,
        api: Api = "chat",
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        answer_mode: AskedMode = "auto",
        logprobs: bool = False,
        organization: str | None = None,
        project: str | None = None,
        timeout: float = 600.0,
        max_connections: int = 4096,
        prompt: PromptTemplate | None = None,
        examples: Iterable[Example | LabeledDocument] = (),
        parameters: Mapping[str, object] = {},
        debug_content: bool = False,
    ) -> None:
        super().__init__(schema, model=model, prompt=prompt, examples=examples, parameters=parameters)
        self.api = request.one_of("api", api, get_args(Api))
        self.answer_mode = request.one_of("answer_mode", answer_mode, get_args(AskedMode))
        self.temperature = temperature
        self.max_output_tokens = max_output_tokens
        self.logprobs = logprobs
        self.organization = organization
        self.project = project
        self.timeout = timeout
        self.max_connections = max_connections
        self.debug_content = debug_content
        request.check_parameters(self.parameters)
        request.positive("timeout", timeout)
        request.positive("max_connections", max_connections)
        if max_output_tokens is not None:
            request.positive("max_output_tokens", max_output_tokens)
        self.client = check_client(client)
        if client is not None and (api_key is not None or base_url is not None):
            raise ConfigurationError("client= brings its own key and address: leave out api_key= and base_url=")
        self._place(api_key, base_url)
        self._settings = self._make_settings()
        self._restart()

    def _place(self, api_key: str | SecretStr | None, base_url: str | None) -> None:
        """Set ``base_url``, where it came from, and the key."""
        from_environment = os.environ.get("OPENAI_BASE_URL", "").strip()
        self.base_url_source: Literal["argument", "environment", "client", "default"] = "argument"
        if self.client is not None:
            base_url, self.base_url_source = str(self.client.base_url), "client"
        elif base_url is None:
            self.base_url_source = "environment" if from_environment else "default"
        name = "OPENAI_BASE_URL" if self.base_url_source == "environment" else "base_url"
        self.base_url = openai_base_url(base_url or from_environment or OPENAI_URL, name)
        needed = self.base_url_source in {"default", "environment"} and not is_loopback(self.base_url)
        self._key = Key(api_key, variables=("OPENAI_API_KEY",), required=needed)
        if self.base_url_source == "environment":
            logger.warning("OPENAI_BASE_URL is set: requests go to %s", self.base_url)
        plain = self.base_url.startswith("http://") and not is_loopback(self.base_url)
        if plain and self._key.found and self.client is None:
            logger.warning("the key for %s travels unencrypted: the address is plain http", origin(self.base_url))

    def _open(self) -> Channel:
        return open_client(
            base_url=self.base_url,
            key=self._key,
            timeout=self.timeout,
            max_connections=self.max_connections,
            organization=self.organization,
            project=self.project,
        )

    def _where(self) -> Where:
        other = "; not every server has the Responses API, api='chat' is the other" if self.api == "responses" else ""
        return Where(
            target=f"model {self.model!r} at {origin(self.base_url)}",
            endpoint=self.base_url,
            key_hint="check api_key= or the environment variable OPENAI_API_KEY"
            if self._key.found or self.client
            else "none was given; give api_key= or set OPENAI_API_KEY",
            target_hint=f"check the model's name, and that {self.base_url}{_PATHS[self.api]} exists{other}",
            redact=self._key.redact,
            debug_content=self.debug_content,
        )

    async def _after(self, reply: Reply) -> bool:
        """Return whether the same request is to be sent once more, before any error is raised."""
        return False

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the model's answer; see ``LLMLabeler.complete``."""
        failed: LabelerError | None = None
        for number in range(_MAX_REQUESTS):
            ask = request.build(self._settings, self._learnt, prompt)
            reply = await self._send(ask)
            if isinstance(reply, LabelerError):
                failed = reply
                break
            if 200 <= reply.status < 300:
                return self._read(reply, ask, prompt, number + 1)
            filtered = filtered_prompt(reply)
            if filtered is not None:
                return filtered
            change = request.lower(self._settings, self._learnt, ask, reply)
            if change is None:
                failed = status_error(reply, self._where(), asked_for=frozenset(self._settings.parameters))
                failed.__cause__ = reply.cause
                break
            self._tell(change)
        # Raised here, where no vendor exception is being handled: it would become the context, with the request in it.
        raise failed or ServiceError(f"{self._where().target} refuses each form of the request", fatal=True)

    async def _send(self, ask: request.Ask) -> Reply | LabelerError:
        reply = await self._post(ask)
        if isinstance(reply, Reply) and reply.status >= 400 and await self._after(reply):
            reply = await self._post(ask)
        return reply

    async def _post(self, ask: request.Ask) -> Reply | LabelerError:
        channel = self._injected or await self._clients.get()
        try:
            async with asyncio.timeout(self.timeout):
                response = await channel.post(_PATHS[self.api], ask.body)
        except Exception as error:
            failed = failed_call(error, self._where(), self.timeout)
            if failed is None:
                raise
            return failed
        return reply_of(response)

    def _read(self, reply: Reply, ask: request.Ask, prompt: Prompt, requests: int) -> Completion:
        answer = read_answer(reply, self._where(), self.api)
        self._learnt.family = answer.model or self._learnt.family
        more: dict[str, Any] = {"rate_limit": rate_limit(reply.headers)}
        if prompt.answer_schema is not None and ask.mode != "json_schema":
            more["details"] = {**answer.details, "answer_mode": ask.mode}
        if answer.usage.requests != requests:
            more["usage"] = answer.usage.model_copy(update={"requests": requests})
        return answer.model_copy(update=more)

    def batch_backend(self) -> BatchBackend | None:
        """Return the batch interface: OpenAI's, or that of a server that has the same."""
        from llmlabel.labelers.openai_batch import OpenAIBatch

        return OpenAIBatch(
            self._batch_path(),
            client=self._client,
            body=lambda prompt: request.build(self._settings, self._learnt, prompt).body,
            read=lambda reply: read_answer(reply, self._where(), self.api),
            where=self._where(),
            timeout=self.timeout,
        )

    def _batch_path(self) -> str:
        return f"/v1{_PATHS[self.api]}"

    async def _client(self) -> AsyncOpenAI:
        return (self._injected or await self._clients.get()).client

    def _tell(self, change: str) -> None:
        if change not in self._told:
            self._told.add(change)
            logger.warning("%s refuses %s", self._where().target, change)

    @property
    def endpoint(self) -> str:
        """The address that requests go to."""
        return self.base_url

    @property
    def fingerprint(self) -> str:
        """A hash of class, endpoint, model and all settings that shape an answer; never of the key."""
        content = json.dumps([type(self).__qualname__, self.endpoint, *self._shape()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _shape(self) -> list[object]:
        settings = self._settings
        return [self.model, settings.model, self.api, self.answer_mode, self.logprobs, settings.max_output_tokens,
                dict(settings.parameters)]  # fmt: skip

    def _make_settings(self) -> request.Settings:
        return request.settings(
            model=self.model,
            api=self.api,
            answer_mode=self.answer_mode,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            logprobs=self.logprobs,
            parameters=self.parameters,
            # Local servers ignore the newer name, and then answer without any limit.
            limit_name="max_completion_tokens" if is_openai(self.base_url) else "max_tokens",
        )

    async def aclose(self) -> None:
        """Close the clients that were made here; the labeler makes new ones if it is used again."""
        await self._clients.aclose()

    def _restart(self) -> None:
        self._clients = LoopClients(self._open)
        self._injected = None if self.client is None else Channel(self.client.with_options(max_retries=0))
        self._learnt = request.Learnt(family=self.model)
        self._told: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        if self.client is not None:
            raise pickle.PicklingError("a labeler with client= cannot be pickled; let it make its own client instead")
        made = {"_clients", "_injected", "_learnt", "_told"}
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._restart()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, endpoint={self.endpoint!r}{self._source()})"

    def _source(self) -> str:
        return f", from {self.base_url_variable}" if self.base_url_source == "environment" else ""
