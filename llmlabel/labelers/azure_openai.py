"""The labeler for Azure OpenAI deployments."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import types
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from llmlabel.errors import AuthenticationError, ConfigurationError
from llmlabel.labelers import request
from llmlabel.labelers.channel import Channel
from llmlabel.labelers.clients import open_azure_client, open_client
from llmlabel.labelers.endpoints import azure_resource, origin
from llmlabel.labelers.openai import OpenAILabeler
from llmlabel.labelers.secrets import Key
from llmlabel.labelers.vendor_errors import Where
from llmlabel.labelers.wire import Reply
from llmlabel.schema import LabelSchema

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TokenProvider = Callable[[], "str | Awaitable[str]"]


class AzureOpenAILabeler(OpenAILabeler):
    """Labels with a deployment of Azure OpenAI: the ``/openai/v1/`` endpoint, or a dated ``api_version``.

    A deployment's name says nothing of the model behind it: give ``model`` to have the right parameters from the first
    request; otherwise they are learnt from the answers. ``Completion.model`` is what the service says it is.

    Args:
        schema: What to label.
        deployment: The deployment's name.
        endpoint: The resource's address (``https://NAME.openai.azure.com``, also with a path behind it); default: the
            environment variable ``AZURE_OPENAI_ENDPOINT``.
        model: The model behind the deployment, such as ``"gpt-4o"``.
        api_key: The key; default: ``AZURE_OPENAI_API_KEY``.
        token_provider: Returns an Entra ID token, at once or when awaited; called for each request. After a 401 it is
            called once more and the request repeated. ``azure.identity.get_bearer_token_provider`` makes one.
        api_version: The dated form of the API, such as ``"2024-10-21"``.
        client: An ``openai.AsyncAzureOpenAI`` or ``AsyncOpenAI`` of your own; never closed here.
        **options: As for ``OpenAILabeler`` (``api``, ``temperature``, ``max_output_tokens``, ``answer_mode``,
            ``logprobs``, ``timeout``, ``max_connections``, ``prompt``, ``examples``, ``parameters``,
            ``debug_content``).

    Raises:
        ConfigurationError: No endpoint, no key and no token provider, both of them, or plain http to another machine.
    """

    provider = "azure.ai.openai"
    base_url_variable = "AZURE_OPENAI_ENDPOINT"

    def __init__(
        self,
        schema: LabelSchema,
        *,
        deployment: str,
        endpoint: str | None = None,
        model: str | None = None,
        api_key: str | SecretStr | None = None,
        token_provider: TokenProvider | None = None,
        api_version: str | None = None,
        client: AsyncOpenAI | None = None,
        **options: Any,
    ) -> None:
        if not deployment.strip():
            raise ConfigurationError("deployment: expected the name of a deployment, found nothing")
        if api_key is not None and token_provider is not None:
            raise ConfigurationError("give api_key= or token_provider=, not both")
        if unknown := options.keys() & {"base_url", "organization", "project"}:
            raise ConfigurationError(f"{min(unknown)}= is not an option of Azure OpenAI; give endpoint=")
        self.deployment = deployment
        self.api_version = api_version
        self.token_provider = token_provider
        self._given_model = model
        self._resource = endpoint
        super().__init__(schema, model=model or deployment, api_key=api_key, client=client, **options)

    def _place(self, api_key: str | SecretStr | None, base_url: str | None) -> None:
        self.base_url_source = "argument"
        if self.client is not None:
            self.base_url, self.base_url_source = str(self.client.base_url).rstrip("/"), "client"
        else:
            given = self._resource or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
            self.base_url_source = "argument" if self._resource else "environment"
            if not given.strip():
                raise ConfigurationError(
                    "no endpoint: give endpoint=, or set the environment variable AZURE_OPENAI_ENDPOINT"
                )
            self._resource = azure_resource(given)
            self.base_url = self._resource + ("/openai" if self.api_version else "/openai/v1")
        bring_none = self.token_provider is not None or self.client is not None
        variables = () if bring_none else ("AZURE_OPENAI_API_KEY",)
        self._key = Key(api_key, variables=variables, argument="api_key", required=not bring_none)

    def _make_settings(self) -> request.Settings:
        settings = super()._make_settings()
        limited = settings.limit_name == "max_tokens" and "max_tokens" in self.parameters
        name = "max_tokens" if limited else "max_completion_tokens"
        return replace(settings, model=self.deployment, limit_name=name)

    def _batch_path(self) -> str:
        return "/chat/completions" if self.api == "chat" else super()._batch_path()

    def _shape(self) -> list[object]:
        return [*super()._shape(), self.api_version]

    def _restart(self) -> None:
        super()._restart()
        self._learnt.family = self._given_model

    def _open(self) -> Channel:
        token = self._token if self.token_provider is not None else None
        if self.api_version is None:
            return open_client(
                base_url=self.base_url,
                key=self._key,
                token=token,
                timeout=self.timeout,
                max_connections=self.max_connections,
            )
        return open_azure_client(
            resource=str(self._resource),
            api_version=self.api_version,
            key=self._key,
            token=token,
            timeout=self.timeout,
            max_connections=self.max_connections,
        )

    async def _token(self) -> str:
        """Return a token from the provider; one that answers at once is called in a thread, since it may go out."""
        assert self.token_provider is not None
        failure = None
        try:
            found = await asyncio.to_thread(self.token_provider)
            token: object = await found if inspect.isawaitable(found) else found
            if isinstance(token, str) and token:
                return token
            failure = "it returned no token"
        except Exception as error:  # whatever a user's function raises; it may hold credentials
            failure = f"it raised {type(error).__name__}"
        raise AuthenticationError(
            f"token_provider gave no Entra ID token for {origin(self.base_url)}: {failure}; call it by itself to see "
            "why (is the identity signed in, and is the scope right?)",
            fatal=True,
        )

    async def _after(self, reply: Reply) -> bool:
        # Only the labeler has the provider, so this one repetition is not the run engine's.
        return reply.status == 401 and self.token_provider is not None

    def _where(self) -> Where:
        role = "check the role (Cognitive Services OpenAI User) and the scope of the token"
        return Where(
            target=f"deployment {self.deployment!r} at {origin(self.base_url)}",
            endpoint=self.base_url,
            key_hint=role
            if self.token_provider
            else "check api_key= or AZURE_OPENAI_API_KEY, and that it belongs to this resource",
            target_hint="check the name under Deployments of this resource in the Azure AI Foundry portal (a new "
            "deployment takes some minutes), and that endpoint= is the resource that holds it",
            redact=self._key.redact,
            debug_content=self.debug_content,
        )

    @property
    def quota_key(self) -> str:
        """Endpoint and deployment: what Azure meters."""
        return f"{self.endpoint}|{self.deployment}"

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self.token_provider, types.FunctionType | types.NoneType):
            raise pickle.PicklingError(
                "a token_provider travels only if it is a plain function of a module; objects may hold credentials"
            )
        return super().__getstate__()

    def __repr__(self) -> str:
        place = f"endpoint={self.base_url!r}{self._source()}"
        return f"{type(self).__name__}(deployment={self.deployment!r}, {place})"
