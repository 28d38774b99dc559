"""One text, one request: ask, read, ask again where the answer is unusable, and place what was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from llmlabel.chunking import estimate_tokens
from llmlabel.engine import PACKED, Answer, Engine, OverBudget, RunStopped
from llmlabel.errors import CompletionError, LabelerError
from llmlabel.pipeline.near import mapped
from llmlabel.pipeline.reading import Reading, split_usage
from llmlabel.types import (
    NO_USAGE,
    Asking,
    Completion,
    Document,
    Failure,
    Mention,
    Outcome,
    ParsedAnswer,
    Placement,
    Prompt,
    Usage,
)

if TYPE_CHECKING:
    from llmlabel.labelers.base import LLMLabeler

Place = Callable[[Sequence[Mention]], Sequence[Placement]]
ENDED: dict[str, Outcome] = {"refusal": "refused", "content_filter": "filtered"}


def failure(error: Exception) -> Failure:
    """Return an error as data: its class, its message, its HTTP status."""
    return Failure(
        type=type(error).__name__,
        message=str(error),
        status_code=getattr(error, "status_code", None),
        retryable=getattr(error, "retryable", False),
    )


class Asker:
    """Gets one usable answer for one prompt, within the bounds of ``Asking.max_reasks``."""

    def __init__(self, engine: Engine, labeler: LLMLabeler, asking: Asking) -> None:
        self.engine = engine
        self.labeler = labeler
        self.schema = labeler.schema
        self.format = labeler.prompt.format
        self.max_reasks = asking.max_reasks
        self.near_labels = asking.near_labels

    async def read(
        self,
        prompt: Prompt,
        documents: Sequence[Document],
        *,
        fresh: bool = False,
        parts: Mapping[str, bytes] = {},
    ) -> tuple[Reading, dict[str, ParsedAnswer]]:
        """Return how asking ended, with usage of all tries, and the parsed answer of each document.

        ``parts``, for several documents: the key that each would have alone; the answer is found again under it.
        """
        usage, reasks, widened, reused = NO_USAGE, 0, False, True
        while True:
            try:
                answer = await self.engine.ask(prompt, fresh=fresh, parts=parts)
            except (LabelerError, OverBudget, RunStopped) as error:
                return _unanswered(error, usage, self.engine), {}
            if PACKED in answer.completion.details and len(documents) == 1:
                if (part := self.part(answer.completion, prompt, documents[0])) is not None:
                    return self._shared(answer, prompt, usage), {documents[0].id: part}
                fresh = True  # it was asked with others, and that answer cannot be trusted
                continue
            completion, reused = answer.completion, reused and answer.reused
            if not answer.reused:  # paid by an earlier run, or by the identical text beside it
                usage = usage + completion.usage
            base = Reading("labeled", usage=usage, model=completion.model or self.labeler.model, reused=reused)
            base.completion = completion if completion.token_logprobs and len(documents) == 1 else None
            if completion.finish in ENDED:
                return _ended(base, completion), {}
            try:
                parsed, problem = self.format.parse(completion, documents, self.schema), ""
            except CompletionError as error:
                parsed, problem = {}, str(error)
            cut = completion.finish == "length" or not all(part.complete for part in parsed.values())
            if cut and not widened:
                widened, prompt = True, _wider(prompt, completion)
                continue
            if not problem:
                base.outcome = "truncated" if cut else "labeled"
                return base, parsed
            if cut or reasks >= self.max_reasks:
                base.outcome = "truncated" if cut else "invalid"
                base.error = Failure(type="CompletionError", message=problem)
                return base, {}
            reasks, prompt = reasks + 1, prompt.reply(completion, problem)

    async def known(self, prompt: Prompt, document: Document) -> bool:
        """Whether a usable answer about one document is in the journal, alone or in a packed answer."""
        completion = await self.engine.stored(prompt)
        if completion is None or PACKED not in completion.details:
            return completion is not None
        return self.part(completion, prompt, document) is not None

    def part(self, completion: Completion, prompt: Prompt, document: Document) -> ParsedAnswer | None:
        """Return what a packed answer says of the document that ``prompt`` alone would ask about, or None.

        None also if the answer misses or mixes any document: nothing of it is trusted then.
        """
        keys, own = completion.details[PACKED], self.engine.key(prompt).hex()
        if completion.finish != "stop" or own not in keys:
            return None
        place = keys.index(own)
        beside = [document.model_copy(update={"id": f"{document.id} beside {number}"}) for number in range(len(keys))]
        pack = [*beside[:place], document, *beside[place + 1 :]]
        try:
            parsed = self.format.parse(completion, pack, self.schema)
        except CompletionError:
            return None
        whole = parsed.keys() == {one.id for one in pack} and all(part.complete for part in parsed.values())
        return parsed[document.id] if whole else None

    def _shared(self, answer: Answer, prompt: Prompt, usage: Usage) -> Reading:
        """Return the reading of one document of a packed answer, with its share of what that took."""
        completion, keys = answer.completion, answer.completion.details[PACKED]
        if not answer.reused:
            usage = usage + split_usage(completion.usage, len(keys))[keys.index(self.engine.key(prompt).hex())]
        return Reading("labeled", usage=usage, model=completion.model or self.labeler.model, reused=answer.reused)

    def named(self, parsed: ParsedAnswer) -> ParsedAnswer:
        """Return the answer with near-miss names of labels mapped, if that was asked for."""
        return parsed if self.near_labels == "ledger" else mapped(parsed, self.schema)

    def place(self, parsed: ParsedAnswer, place: Place) -> list[Placement]:
        """Return one placement per mention: labels outside the schema are not looked for."""
        mentions = parsed.mentions
        known = set(self.schema.entity_names)
        wanted = [mention for mention in mentions if mention.label in known]
        placed = place(wanted)
        if len(placed) != len(wanted):
            raise TypeError(f"the resolver returned {len(placed)} placements for {len(wanted)} mentions")
        found = iter(placed)
        return [
            next(found)
            if mention.label in known
            else Placement(mention=mention, status="unknown_label", similarity=0.0, candidates=0)
            for mention in mentions
        ]


def _unanswered(error: LabelerError | OverBudget | RunStopped, usage: Usage, engine: Engine) -> Reading:
    if isinstance(error, OverBudget):
        return Reading("over_budget", usage=usage, error=failure(error))
    if isinstance(error, RunStopped):
        return Reading("not_run", usage=usage, error=failure(error))
    return Reading("failed", usage=usage + engine.unanswered(error), error=failure(error))


def _ended(reading: Reading, completion: Completion) -> Reading:
    side = completion.details.get("side")
    categories = completion.details.get("categories")
    named = ", ".join(categories) if isinstance(categories, list | tuple | dict) else ""
    filtered = f"the provider's content filter refused the {side or 'text'}" + (f" ({named})" if named else "")
    reading.outcome = ENDED[completion.finish]
    message = filtered if completion.finish == "content_filter" else "the model refused to answer"
    reading.error = Failure(type="CompletionError", message=message)
    return reading


def _wider(prompt: Prompt, completion: Completion) -> Prompt:
    """Return the prompt with twice the output limit that cut its answer; one that just stopped is told so."""
    asked = (estimate_tokens(message.content) for message in prompt.messages[1:])  # a copy of the document must fit
    limit = prompt.max_output_tokens or max([completion.usage.output_tokens, *asked])
    if completion.finish != "length":
        prompt = prompt.reply(completion, "the answer stops before its end, or leaves out parts of the document")
    return prompt.model_copy(update={"max_output_tokens": 2 * max(limit, 256)})
