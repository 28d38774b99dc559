"""The review page: one HTML file that needs no network, holds the documents as data, and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from string import Template

from llmlabel.html import PALETTE, escape, label_slots, palette_css
from llmlabel.review.decisions import Decision, standing, text_hash
from llmlabel.schema import Classification, LabelSchema
from llmlabel.types import Document, LabeledDocument, Prediction

LANES = 4  # as in text.js
SELF = "'self'"
SCRIPTS = (
    "characters.js",
    "text.js",
    "review.js",
    "session.js",
    "page.js",
    "panels.js",
    "relations.js",
    "decide.js",
    "keys.js",
)


def review_page(
    documents: Iterable[LabeledDocument],
    *,
    title: str = "Review",
    schema: LabelSchema | None = None,
    reviewer: str | None = None,
    decisions: Iterable[Decision] = (),
    token: str | None = None,
) -> str:
    """Return one self-contained HTML page on which a person reviews the documents.

    Args:
        documents: Predictions (their outcome and ledger are shown too) or other labelled documents.
        title: Heading of the page.
        schema: Gives the labels and questions to choose from; without it, those that occur.
        reviewer: Written into each decision as ``by``.
        decisions: Made before: the page starts with them, or with those of ``reviewer``.
        token: For a page that ``ReviewServer`` serves: sends its decisions there, with this proof of origin.
    """
    shown, made = list(documents), list(decisions)
    labels = list(schema.entity_names) if schema else sorted({e.label for d in shown for e in d.entities})
    items = [_document(document) for document in shown]
    used = [e.label for d in shown for e in d.entities]
    lost = [p.mention.label for d in shown if isinstance(d, Prediction) for p in d.placements if not p.placed]
    data = {
        "key": text_hash("\n".join(f"{item['id']} {item['hash']}" for item in items)),
        "labels": labels,
        "slots": label_slots({*labels, *used, *lost}),
        "relations": _relations(shown, schema),
        "classifications": _classifications(shown, schema),
        "attributes": _attributes(shown, schema),
        "texts": [part.name for part in schema.texts] if schema else sorted({name for d in shown for name in d.texts}),
        "reviewer": reviewer,
        "decisions": [
            decision.model_dump(mode="json", exclude_none=True)
            for decision in standing(made)
            if reviewer is None or decision.by == reviewer
        ],
        "seen": len(made),
        "token": token,
        "documents": items,
    }
    style, script = _style(), _script()
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        f"base-uri 'none'; form-action 'none'{'' if token is None else '; connect-src ' + SELF}"
    )
    return Template(_file("page.html")).substitute(
        title=escape(title), csp=policy, style=style, script=script, data=_embedded(data)
    )


class ReviewFrame:
    """A review page that shows itself in a notebook; takes the arguments of ``review_page``.

    The frame can neither reach the notebook nor the network. Decisions are saved by its button, as a file.
    """

    def __init__(
        self,
        documents: Iterable[LabeledDocument],
        *,
        title: str = "Review",
        schema: LabelSchema | None = None,
        reviewer: str | None = None,
        decisions: Iterable[Decision] = (),
        height: int = 700,
    ) -> None:
        self.height = height
        self._documents = tuple(documents)
        self._html = review_page(self._documents, title=title, schema=schema, reviewer=reviewer, decisions=decisions)

    def _repr_html_(self) -> str:
        source = self._html.replace("&", "&amp;").replace('"', "&quot;")
        return (
            f'<iframe sandbox="allow-scripts allow-downloads allow-modals" width="100%" height="{int(self.height)}" '
            f'title="review" style="border:1px solid #888" srcdoc="{source}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"ReviewFrame({len(self._documents)} documents)"


def _document(document: LabeledDocument) -> dict[str, object]:
    predicted = document if isinstance(document, Prediction) else None
    return {
        "id": document.document.id,
        "text": document.document.text,
        "hash": text_hash(document.document.text),
        "language": document.document.language,
        "entities": [
            {
                "start": e.start,
                "end": e.end,
                "label": e.label,
                "match": e.match,
                "confidence": e.confidence,
                "method": e.confidence_method,
                "reason": e.reason,
                "attributes": {name: [c.label for c in chosen] for name, chosen in e.attributes.items()},
            }
            for e in document.entities
        ],
        "relations": [[r.head, r.tail, r.label, r.confidence] for r in document.relations],
        "classes": {name: [c.label for c in chosen] for name, chosen in document.classes.items()},
        "disputed": any(
            c.confidence_method == "votes" and c.confidence is not None and c.confidence < 1
            for chosen in document.classes.values()
            for c in chosen
        ),
        "scores": {
            name: {c.label: c.confidence for c in chosen if c.confidence is not None}
            for name, chosen in document.classes.items()
        },
        "reasons": {
            name: {c.label: c.reason for c in chosen if c.reason is not None}
            for name, chosen in document.classes.items()
        },
        "texts": document.texts,
        "outcome": predicted.outcome if predicted else None,
        "model": predicted.model if predicted else None,
        "suspicious": bool(predicted and predicted.suspicious),
        "error": predicted.error.message if predicted and predicted.error else None,
        "ledger": [
            {"text": p.mention.text, "label": p.mention.label, "status": p.status, "reason": p.mention.reason}
            for p in (predicted.placements if predicted else ())
            if not p.placed
        ],
        "discarded": [item.model_dump() for item in (predicted.discarded if predicted else ())],
    }


def _classifications(documents: Sequence[LabeledDocument], schema: LabelSchema | None) -> list[dict[str, object]]:
    if schema is not None:
        return [_question(part, schema.asked_under(part.name)) for part in schema.questions]
    seen: dict[str, dict[str, None]] = {}
    several: set[str] = set()
    for document in documents:
        for name, chosen in document.classes.items():
            seen.setdefault(name, {}).update(dict.fromkeys(c.label for c in chosen))
            several |= {name} if len(chosen) > 1 else set()
    return [
        {"name": name, "labels": sorted(labels), "multi": name in several, "under": []} for name, labels in seen.items()
    ]


def _attributes(documents: Sequence[LabeledDocument], schema: LabelSchema | None) -> dict[str, list[dict[str, object]]]:
    """The questions about the entities of each label; without a schema, the answers that occur."""
    if schema is not None:
        asked = {part.name: part.attributes for part in schema.entities}
        return {label: [_question(part, ()) for part in parts] for label, parts in asked.items() if parts}
    by_label: dict[str, list[LabeledDocument]] = {}
    for entity in (e for d in documents for e in d.entities if e.attributes):
        carrier = LabeledDocument(document=Document(id="_", text=""), classes=entity.attributes)
        by_label.setdefault(entity.label, []).append(carrier)
    return {label: _classifications(carriers, None) for label, carriers in by_label.items()}


def _question(part: Classification, under: Sequence[tuple[str, str]]) -> dict[str, object]:
    return {"name": part.name, "labels": list(part.label_names), "multi": part.multi_label, "under": under}


def _relations(documents: Sequence[LabeledDocument], schema: LabelSchema | None) -> list[dict[str, object]]:
    """The relations to choose from, with the entities that each may start and end at; none named: any."""
    if schema is not None:
        return [{"name": part.name, "head": part.head, "tail": part.tail} for part in schema.relations]
    return [
        {"name": name, "head": (), "tail": ()} for name in sorted({r.label for d in documents for r in d.relations})
    ]


def _embedded(data: object) -> str:
    """JSON that cannot end the script element it stands in, nor hide text from who reads the file."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    hidden = {code: f"\\u{code:04x}" for code in (*map(ord, "<>&"), *range(0x7F, 0xA0), *_INVISIBLE)}
    return text.translate(hidden)


_INVISIBLE = (0xAD, 0x61C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF)


def _source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@cache
def _file(name: str) -> str:
    return files("llmlabel.review").joinpath(name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return "\n".join(_file(name) for name in SCRIPTS)


@cache
def _style() -> str:
    """The page's rules, the colours, and highlights for each label colour: by lane and kind of line, and selected."""
    rules = [
        f"::highlight(s{slot}l{lane}{suffix}){{background-color:var(--t{slot});text-decoration:underline {line} 2px "
        f"var(--k{slot});text-underline-offset:{3 + 3 * lane}px}}"
        for slot in range(len(PALETTE))
        for lane in range(LANES)
        for suffix, line in (("", "solid"), ("d", "dashed"))
    ]
    for slot in range(len(PALETTE)):
        rules.append(f".s{slot}{{--t:var(--t{slot});--k:var(--k{slot})}}")
        rules.append(f"::highlight(p{slot}){{background-color:var(--k{slot});color:var(--page)}}")
    return "\n".join([palette_css(":root"), _file("page.css"), *rules])
