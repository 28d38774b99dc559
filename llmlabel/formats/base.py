"""The seam for answer formats: how to ask, and how to read the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import CoreSchema, core_schema

from llmlabel.errors import ConfigurationError
from llmlabel.formats import answer_format
from llmlabel.schema import LabelSchema
from llmlabel.values import Value

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from llmlabel.types import Completion, Document, LabeledDocument, ParsedAnswer


class Request(Value):
    """How an answer format asks: instructions for the model, and a JSON Schema where the answer is JSON.

    ``answer_schema`` follows the strict subset (every property required, ``additionalProperties: false``, no
    min/max, pattern or format), or is None for answers that are not JSON.
    """

    instructions: str
    answer_schema: Mapping[str, Any] | None = None


class AnswerFormat(ABC):
    """One pair *how to ask / how to parse*. Formats hold no state about documents and may be shared.

    ``name`` is how a built-in format is asked for; others need none.
    """

    name: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take instances as they are; in JSON a built-in format is its name."""
        by_name = core_schema.plain_serializer_function_ser_schema(_name)
        return core_schema.is_instance_schema(cls, serialization=by_name)

    @abstractmethod
    def ask(self, schema: LabelSchema, *, packed: bool = False, reasons: bool = False) -> Request:
        """Return the instructions; ``packed`` when one request holds several documents, ``reasons`` to ask why."""

    def note(self, document: Document) -> str:
        """Return what the model must be told beside this one document; nothing by default.

        It stands outside the fence of the document and must not repeat any of its text.
        """
        return ""

    def show(self, labeled: Sequence[LabeledDocument], schema: LabelSchema, *, packed: bool = False) -> str:
        """Return the perfect answer for labelled documents, as a demonstration; needed only where examples are given.

        Raises:
            ConfigurationError: The format cannot show these.
        """
        raise ConfigurationError(f"{type(self).__name__} cannot show examples: it has no method show(); give none")

    @abstractmethod
    def parse(
        self, completion: Completion, documents: Sequence[Document], schema: LabelSchema
    ) -> dict[str, ParsedAnswer]:
        """Read an answer: one ``ParsedAnswer`` per document id that the answer speaks of.

        Several documents mean a packed request; ids that are missing, unknown or doubled are the caller's to judge.

        Raises:
            CompletionError: No labels can be read; the message tells the model what was expected.
        """


def _name(value: AnswerFormat) -> str:
    try:
        known = answer_format(value.name)
    except ConfigurationError:
        known = None
    if type(value) is not type(known):
        raise ValueError(f"an answer format of your own ({type(value).__name__}) cannot be written as JSON")
    return value.name
