"""Hypothesis strategies for every value of llmlabel; other tests import them from here."""

from __future__ import annotations

from datetime import UTC

from hypothesis import strategies as st

from llmlabel.schema import Classification, Example, FreeText, Label, LabelSchema, RelationLabel
from llmlabel.types import (
    Asking,
    ClassLabel,
    Completion,
    Discarded,
    Document,
    Entity,
    ExportReport,
    Failure,
    HeldBack,
    LabeledDocument,
    Limits,
    Mention,
    MentionRelation,
    Message,
    ParsedAnswer,
    Placement,
    Prediction,
    Prompt,
    Provenance,
    RateLimit,
    Rejected,
    Relation,
    TokenLogprob,
    Usage,
)

# Texts that offsets and escapes go wrong on, mixed with arbitrary Unicode (no lone surrogates).
TRICKY = [
    "\r\n",
    "\n",
    "\t",
    "😀",
    "👩‍👧",
    "e\u0301",
    "é",
    "İ",
    "ß",
    "𠮷",
    "\u200f",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x85",
    '"',
    "'",
    "<",
    "Ann",
]
texts = st.lists(
    st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)), max_size=6
).map("".join)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
shares = st.none() | st.floats(0, 1)
counts = st.integers(0, 1 << 40)
# Names that YAML 1.1 reads as something else, and names in other scripts.
NAMES = [
    "PER",
    "ORG",
    "No",
    "on",
    "yes",
    "1",
    "1.5",
    "null",
    "~",
    "2024-01-01",
    "=",
    "<<",
    "a: b",
    "- x",
    "#x",
    "é",
    "人名",
    "می‌شود",
    "1:30",
    "0x1",
    "{",
    "name",
]
names = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8)
    .map(str.strip)
    .filter(bool),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 53), 1 << 53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
metadata = st.dictionaries(texts, json_values, max_size=3)
documents = st.builds(Document, id=ids, text=texts, language=st.none() | ids, metadata=metadata)
class_labels = st.builds(ClassLabel, label=names, confidence=shares)
chosen = st.dictionaries(names, st.lists(class_labels, max_size=2).map(tuple), max_size=2)
answers = st.dictionaries(names, texts, max_size=2)
provenances = st.builds(
    Provenance,
    kind=st.sampled_from(["human", "model", "synthetic"]),
    author=st.none() | texts,
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    reviewed=st.booleans(),
)


@st.composite
def entities_of(draw, text, labels=names, max_size=5):
    """Entities that stand in ``text``: nested, overlapping and doubled ones too."""
    if not text:
        return ()
    found = []
    for _ in range(draw(st.integers(0, max_size))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        found.append(
            Entity(
                start=start,
                end=end,
                label=draw(labels),
                text=text[start:end],
                confidence=draw(shares),
                confidence_method=draw(st.none() | names),
                attributes=draw(chosen),
                reason=draw(st.none() | texts),
            )
        )
    return tuple(found)


@st.composite
def relations_of(draw, entities):
    """Relations between existing entities."""
    if not entities:
        return ()
    index = st.integers(0, len(entities) - 1)
    return tuple(
        draw(st.lists(st.builds(Relation, head=index, tail=index, label=names, confidence=shares), max_size=3))
    )


@st.composite
def labeled_fields(draw):
    """The arguments of a ``LabeledDocument``."""
    document = draw(documents)
    entities = draw(entities_of(document.text))
    return {
        "document": document,
        "entities": entities,
        "relations": draw(relations_of(entities)),
        "classes": draw(chosen),
        "texts": draw(answers),
        "provenance": draw(st.none() | provenances),
    }


labeled_documents = labeled_fields().map(lambda fields: LabeledDocument(**fields))
mentions = st.builds(
    Mention,
    text=texts,
    label=names,
    before=st.none() | texts,
    after=st.none() | texts,
    hint=st.none() | counts,
    attributes=st.dictionaries(names, st.lists(names, max_size=2).map(tuple), max_size=2),
    reason=st.none() | texts,
)
spans = st.tuples(st.integers(0, 50), st.integers(1, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@st.composite
def placement_values(draw):
    """Placements of every status."""
    status = draw(
        st.sampled_from(
            ["exact", "normalized", "fuzzy", "not_found", "ambiguous", "duplicate", "overlap", "unknown_label"]
        )
    )
    start, end = draw(spans) if status in {"exact", "normalized", "fuzzy"} else (None, None)
    return Placement(
        mention=draw(mentions),
        status=status,
        start=start,
        end=end,
        similarity=draw(st.floats(0, 1)),
        changes=tuple(draw(st.lists(names, max_size=2))),
        candidates=draw(st.integers(0, 9)),
        repeats=tuple(draw(st.lists(spans, max_size=2))),
    )


placements = placement_values()
mention_relations = st.builds(MentionRelation, head=st.integers(0, 9), tail=st.integers(0, 9), label=names)
discarded = st.builds(
    Discarded,
    kind=st.sampled_from(["item", "relation", "class", "text", "attribute", "copy"]),
    value=texts,
    reason=texts,
)
parsed_answers = st.builds(
    ParsedAnswer,
    mentions=st.lists(mentions, max_size=2).map(tuple),
    relations=st.lists(mention_relations, max_size=2).map(tuple),
    classes=chosen,
    texts=answers,
    problems=st.lists(discarded, max_size=2).map(tuple),
    repaired=st.booleans(),
    complete=st.booleans(),
)
messages = st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=texts)
# Costs in steps of 1/8 add up exactly, so that sums may be compared with ==.
costs = st.none() | st.integers(0, 1000).map(lambda steps: steps / 8)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cached_tokens=counts,
    reasoning_tokens=counts,
    requests=counts,
    cost=costs,
)
numbers = st.floats(0, 1e9)
rate_limits = st.builds(
    RateLimit,
    requests=st.none() | counts,
    requests_remaining=st.none() | counts,
    requests_reset=st.none() | numbers,
    tokens=st.none() | counts,
    tokens_remaining=st.none() | counts,
    tokens_reset=st.none() | numbers,
)
token_logprobs = st.builds(TokenLogprob, token=texts, logprob=st.floats(-100, 0))
completions = st.builds(
    Completion,
    text=texts,
    finish=st.sampled_from(["stop", "length", "refusal", "content_filter"]),
    usage=usages,
    model=st.none() | names,
    token_logprobs=st.none() | st.lists(token_logprobs, max_size=2).map(tuple),
    rate_limit=st.none() | rate_limits,
    details=metadata,
)
prompts = st.builds(
    Prompt,
    messages=st.lists(messages, max_size=3).map(tuple),
    answer_schema=st.none() | metadata,
    max_output_tokens=st.none() | st.integers(1, 9999),
    sample=st.integers(0, 9),
    document_ids=st.lists(ids, max_size=2).map(tuple),
)
failures = st.builds(
    Failure, type=names, message=texts, status_code=st.none() | st.integers(100, 599), retryable=st.booleans()
)
outcomes = st.sampled_from(
    ["labeled", "partial", "truncated", "filtered", "refused", "invalid", "failed", "skipped", "over_budget", "not_run"]
)
predictions = st.builds(
    lambda fields, **more: Prediction(**fields, **more),
    labeled_fields(),
    outcome=outcomes,
    placements=st.lists(placements, max_size=2).map(tuple),
    discarded=st.lists(discarded, max_size=2).map(tuple),
    parts=st.lists(outcomes, max_size=2).map(tuple),
    usage=usages,
    model=st.none() | names,
    fingerprint=st.none() | names,
    error=st.none() | failures,
    suspicious=st.booleans(),
)
held_back = st.builds(HeldBack, document_id=ids, reason=texts, label=st.none() | names)
export_reports = st.builds(
    ExportReport,
    target=names,
    written=counts,
    held_back=st.lists(held_back, max_size=2).map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
    location=st.none() | texts,
)
rejected = st.builds(Rejected, index=counts, id=st.none() | ids, reason=texts)
askings = st.builds(
    Asking,
    documents_per_request=st.integers(1, 9),
    max_document_tokens=st.none() | st.integers(16, 999),
    overlap_tokens=st.integers(0, 8),
    passes=st.integers(1, 3),
    samples=st.integers(1, 3),
    max_reasks=st.integers(0, 3),
)
limits = st.builds(
    Limits,
    max_concurrency=st.just("auto") | st.integers(1, 99),
    requests_per_minute=st.none() | st.floats(0.1, 1e6),
    tokens_per_minute=st.none() | st.floats(0.1, 1e6),
    max_cost=st.none() | numbers,
    max_total_tokens=st.none() | counts,
    request_timeout=st.floats(0.1, 999),
)
values = st.one_of(
    documents,
    class_labels,
    labeled_documents,
    provenances,
    mentions,
    placements,
    mention_relations,
    discarded,
    parsed_answers,
    messages,
    usages,
    rate_limits,
    completions,
    prompts,
    failures,
    predictions,
    export_reports,
    rejected,
    askings,
    limits,
)


# -- schemas ----------------------------------------------------------------------------------------------------------


def _unique(parts, max_size=3, min_size=0):
    return st.lists(parts, min_size=min_size, max_size=max_size, unique_by=lambda part: part.name).map(tuple)


surfaces = st.lists(texts, max_size=2).map(tuple)
plain_labels = st.builds(Label, name=names, description=texts, examples=surfaces)
classifications = st.builds(
    Classification,
    name=names,
    labels=_unique(plain_labels, min_size=1),
    multi_label=st.booleans(),
    description=texts,
)
labels = st.builds(
    Label, name=names, description=texts, examples=surfaces, attributes=_unique(classifications, max_size=2)
)


@st.composite
def examples_of(draw, entities, relations, parts, free):
    """An example that uses only what the schema has."""
    text = draw(texts.filter(bool))
    document = Document(id="x", text=text)
    found = draw(entities_of(text, st.sampled_from([e.name for e in entities]), 2)) if entities else ()
    found = tuple(e.model_copy(update={"attributes": {}, "reason": None}) for e in found)
    example = Example.from_labeled(LabeledDocument(document=document, entities=found))
    classes = {p.name: (draw(st.sampled_from(p.label_names)),) for p in parts if draw(st.booleans())}
    answers = {p.name: draw(texts) for p in free if draw(st.booleans())}
    open_relations = [r.name for r in relations if not (r.head or r.tail)]
    linked = ()
    if example.entities and open_relations and draw(st.booleans()):
        linked = (MentionRelation(head=0, tail=len(example.entities) - 1, label=draw(st.sampled_from(open_relations))),)
    return Example(text=text, entities=example.entities, relations=linked, classes=classes, texts=answers)


@st.composite
def schema_values(draw):
    """Schemas with every kind of part, and examples that fit them."""
    entities = draw(_unique(labels, min_size=1))
    ends = st.lists(st.sampled_from([e.name for e in entities]), max_size=2, unique=True).map(tuple)
    relations = draw(_unique(st.builds(RelationLabel, name=names, description=texts, head=ends, tail=ends), max_size=2))
    parts = draw(_unique(classifications, max_size=2))
    taken = {part.name for part in parts}
    free = draw(
        _unique(st.builds(FreeText, name=names.filter(lambda n: n not in taken), description=texts), max_size=2)
    )
    examples = draw(st.lists(examples_of(entities, relations, parts, free), max_size=2))
    return LabelSchema(
        entities=entities,
        relations=relations,
        classifications=parts,
        texts=free,
        guidelines=draw(texts),
        examples=tuple(examples),
    )


schemas = schema_values()
