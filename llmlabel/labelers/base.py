"""The seam for LLM providers."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from llmlabel.errors import ConfigurationError
from llmlabel.prompts import PromptTemplate
from llmlabel.schema import Example, LabelSchema

if TYPE_CHECKING:
    from llmlabel.documents import LabeledDocument
    from llmlabel.engine.batch import BatchBackend
    from llmlabel.exchange import Completion, Prompt


class LLMLabeler(ABC):
    """Answers prompts; subclass it to add a provider and write one method, ``complete``.

    Args:
        schema: What to label.
        model: The model's name, as the provider spells it.
        prompt: How to ask; the default template needs only the schema.
        examples: Labelled texts shown to the model, checked against the schema here.
        parameters: Passed to the provider by name (``temperature``, ``top_p``, …); plain JSON values.

    Raises:
        ConfigurationError: An example uses a label or a mention that is not there, or a parameter is not plain JSON.
    """

    def __init__(
        self,
        schema: LabelSchema,
        *,
        model: str,
        prompt: PromptTemplate | None = None,
        examples: Iterable[Example | LabeledDocument] = (),
        parameters: Mapping[str, object] = {},
    ) -> None:
        if not isinstance(schema, LabelSchema):
            raise ConfigurationError(f"schema: expected a LabelSchema, found {type(schema).__name__}")
        if not (model and model.strip()):
            raise ConfigurationError("model: expected the model's name, found none")
        if not isinstance(prompt, PromptTemplate | None):
            raise ConfigurationError(f"prompt: expected a PromptTemplate, found {type(prompt).__name__}")
        if not isinstance(parameters, Mapping):
            raise ConfigurationError(f"parameters: expected a mapping by name, found {type(parameters).__name__}")
        self.schema = schema
        self.model = model
        self.prompt = prompt if prompt is not None else PromptTemplate()
        self.examples = tuple(_example(item, number) for number, item in enumerate(examples))
        for number, example in enumerate(self.examples):
            schema.check(example, f"examples[{number}]")
        self.parameters = dict(parameters)
        # A value without one JSON form has no stable fingerprint, and the journal would not find its answers again.
        for name, value in self.parameters.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError):
                raise ConfigurationError(
                    f"parameters: {name!r} is a {type(value).__name__}; expected a plain JSON value"
                ) from None

    @abstractmethod
    async def complete(self, prompt: Prompt) -> Completion:
        """Return the model's answer to one prompt; raise ``LabelerError`` if the endpoint did not answer.

        Do not retry here: the run engine does, in one place. A blocking provider writes
        ``return await asyncio.to_thread(self._call, prompt)``.
        """

    @property
    def endpoint(self) -> str:
        """Where requests go; part of ``fingerprint`` and ``quota_key``."""
        return ""

    @property
    def provider(self) -> str:
        """How telemetry names the service (``gen_ai.provider.name``); by default after the class."""
        return type(self).__name__.removesuffix("Labeler").lower() or "llm"

    @property
    def fingerprint(self) -> str:
        """A hash of all that shapes an answer (class, endpoint, model, parameters), never of the key."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        content = json.dumps([kind, self.endpoint, self.model, self.parameters], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def quota_key(self) -> str:
        """Which rate limit the labeler draws on: labelers with equal keys share one gate."""
        return f"{self.endpoint or type(self).__qualname__}|{self.model}"

    async def aclose(self) -> None:  # noqa: B027  # a default, not a duty
        """Close what the labeler opened; the default does nothing."""

    def batch_backend(self) -> BatchBackend | None:
        """Return the provider's batch interface, or None where there is none."""
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"


def _example(item: object, number: int) -> Example:
    if isinstance(item, Example):
        return item
    from llmlabel.documents import LabeledDocument

    if isinstance(item, LabeledDocument):
        return Example.from_labeled(item)
    raise ConfigurationError(
        f"examples[{number}]: expected an Example or a LabeledDocument, found {type(item).__name__}"
    )
