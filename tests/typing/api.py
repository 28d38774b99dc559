"""The public names as a user writes them; type checkers read this file, nothing runs it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence

from llmlabel import (
    AlignedResolver,
    Asking,
    AzureLanguageBundleExporter,
    Classification,
    ClassLabel,
    Completion,
    ConfigurationError,
    Document,
    Entity,
    Evaluation,
    Example,
    Exporter,
    ExportReport,
    JsonlExporter,
    KiliBundleExporter,
    Label,
    LabeledDocument,
    LabelSchema,
    Limits,
    LLMLabeler,
    Mention,
    OffsetResolver,
    OpenAILabeler,
    Pipeline,
    Placement,
    Prediction,
    Prompt,
    ReplayLabeler,
    RunResult,
    Usage,
    evaluate,
)


class MyLabeler(LLMLabeler):
    """A provider: one method."""

    async def complete(self, prompt: Prompt) -> Completion:
        asked: str = prompt.messages[-1].content
        return Completion(text=asked, usage=Usage(input_tokens=1, output_tokens=1, requests=1))


class MyResolver(OffsetResolver):
    """A resolver: one method."""

    def resolve(self, text: str, mentions: Sequence[Mention]) -> Sequence[Placement]:
        return [Placement(mention=mention, status="not_found") for mention in mentions]


class MyExporter(Exporter):
    """A platform: one method."""

    def export(self, predictions: Iterable[LabeledDocument]) -> ExportReport:
        return ExportReport(target="mine", written=sum(1 for _ in predictions))


def make_labeler(schema: LabelSchema, options: Mapping[str, str]) -> LLMLabeler:
    """A factory as the command line calls it."""
    return MyLabeler(schema, model=options["model"], parameters={"temperature": 0.0})


def schemas() -> list[LabelSchema]:
    """All short forms that a schema takes."""
    return [
        LabelSchema(entities=["PER", "ORG"]),
        LabelSchema(entities={"PER": "a person", "ORG": ""}, guidelines="Names only."),
        LabelSchema(entities=[Label(name="PER"), "ORG"], relations=["WORKS_FOR"]),
        LabelSchema(classifications={"topic": ["news", "mail"]}, texts={"note": "what is odd"}),
        LabelSchema(classifications=[Classification(name="topic", labels=["news", "mail"], multi_label=True)]),
        LabelSchema(entities=["PER"], examples=[Example(text="Ann.", entities={"PER": ["Ann"]})]),
        LabelSchema.from_file("schema.yaml"),
    ]


def values(prediction: Prediction) -> dict[str, float | None]:
    """Reading values needs no casts."""
    text: str = prediction.document.text
    entities: tuple[Entity, ...] = prediction.entities
    for entity in entities:
        assert text[entity.start : entity.end] == entity.text
    classes: dict[str, tuple[ClassLabel, ...]] = prediction.classes
    sure = prediction.keep(lambda entity: (entity.confidence or 0.0) > 0.5)
    kept: Prediction = sure
    return {label.label: label.confidence for chosen in classes.values() for label in chosen} | {kept.outcome: None}


def settings() -> tuple[Asking, Limits]:
    """Settings are values."""
    return Asking(documents_per_request=4, max_reasks=1), Limits(max_concurrency="auto", max_cost=2.5)


async def running(schema: LabelSchema, documents: AsyncIterable[Document]) -> list[RunResult]:
    """Sync and async calls, several exporters, a journal."""
    labeler = OpenAILabeler(schema, model="m", base_url="http://localhost:11434/v1", parameters={"top_p": 0.9})
    exporters: list[Exporter] = [
        KiliBundleExporter("kili", schema=schema),
        AzureLanguageBundleExporter("azure", schema=schema, project="p", container="c"),
        JsonlExporter("predictions.jsonl"),
    ]
    with Pipeline(labeler, resolver=AlignedResolver(), exporters=exporters, journal="answers.sqlite") as pipeline:
        one: Prediction = pipeline.label("Ann")
        several: RunResult = pipeline.run([one.document, "Bo", {"id": "3", "text": "Cy"}])
        streamed: list[str] = [prediction.outcome for prediction in pipeline.stream(["Ann"])]
        prompts: list[Prompt] = pipeline.prompts("Ann")
        tokens: int = pipeline.estimate(["Ann"]).input_tokens + len(prompts) + len(streamed)
    async with Pipeline(ReplayLabeler(schema, "recording.jsonl"), exporters=MyExporter()) as replay:
        result = await replay.arun(documents, retry=("failed", "invalid"))
        async for prediction in replay.astream(documents):
            tokens += prediction.usage.input_tokens
    counts: dict[str, int] = result.outcomes
    return [several, result] if tokens and counts else []


def scores(gold: list[LabeledDocument], predictions: list[Prediction]) -> tuple[float | None, float | None]:
    """Scores are None where they are undefined."""
    found: Evaluation = evaluate(gold, predictions)
    return found.exact.f1, found.by_label["PER"].precision


def errors() -> str:
    """A configuration error is also a ValueError."""
    try:
        Document(id="1", text="Ann")
    except ConfigurationError as error:
        problem: ValueError = error
        return str(problem)
    return ""
