"""What people made of predictions: accepted, moved, relabelled, deleted, added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from llmlabel.newlines import with_line_feeds
from llmlabel.types import Entity, LabeledDocument, Value

Kind = Literal["accepted", "moved", "relabelled", "deleted", "added"]


class Correction(Value):
    """What one person did with one entity or class.

    ``label`` is the label that was predicted (for ``added``: that the person gave), ``to`` the one it has now. For a
    classification, ``label`` and ``to`` read ``name=label``; ``before`` and ``after`` are the entities.
    """

    document_id: str
    author: str | None
    kind: Kind
    label: str
    to: str | None = None
    before: Entity | None = None
    after: Entity | None = None


class Corrections(Value):
    """All corrections, and the documents that could not be compared.

    ``changed_texts``: the text differs from the one that was labelled; ``not_predicted``: nobody predicted anything.
    """

    items: tuple[Correction, ...] = ()
    changed_texts: tuple[str, ...] = ()
    not_predicted: tuple[str, ...] = ()

    @property
    def totals(self) -> dict[str, int]:
        """How often each kind occurs."""
        return dict(sorted(Counter(item.kind for item in self.items).items()))

    @property
    def by_label(self) -> dict[str, dict[str, int]]:
        """How often each kind occurs, by label."""
        return _counted((item.label, item.kind) for item in self.items)

    @property
    def by_author(self) -> dict[str, dict[str, int]]:
        """How often each kind occurs, by person."""
        return _counted((item.author or "?", item.kind) for item in self.items)

    def __str__(self) -> str:
        rows = [("all", self.totals), *self.by_label.items()]
        rows += [(f"by {name}", counts) for name, counts in self.by_author.items()]
        lines = [f"{name}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()) for name, counts in rows]
        if self.changed_texts:
            lines.append(f"not compared, the text is another one now: {len(self.changed_texts)} document(s)")
        if self.not_predicted:
            lines.append(f"not compared, without a prediction: {len(self.not_predicted)} document(s)")
        return "\n".join(lines)


def corrections(predicted: Iterable[LabeledDocument], corrected: Iterable[LabeledDocument]) -> Corrections:
    """Return what each person's labels changed in our predictions.

    An entity is ``accepted`` where span and label are the same, ``relabelled`` where the span is, ``moved`` where the
    label is and the spans overlap (most overlap first); what is left of ours is ``deleted``, of theirs ``added``.

    Args:
        predicted: One labelled document per id.
        corrected: Labels by people; several documents may have one id, each compared on its own.
    """
    ours = {one.document.id: one for one in predicted}
    items: list[Correction] = []
    changed: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for theirs in corrected:
        before = ours.get(theirs.document.id)
        if before is None:
            unknown[theirs.document.id] = None
            continue
        if before.document.text != theirs.document.text:  # a platform may know line feeds only
            before, theirs = with_line_feeds(before), with_line_feeds(theirs)
        if before.document.text != theirs.document.text:
            changed[theirs.document.id] = None
        else:
            items += [*_entities(before, theirs), *_classes(before, theirs)]
    return Corrections(items=tuple(items), changed_texts=tuple(changed), not_predicted=tuple(unknown))


def _entities(ours: LabeledDocument, theirs: LabeledDocument) -> Iterator[Correction]:
    left, right = list(ours.entities), list(theirs.entities)
    author = theirs.provenance.author if theirs.provenance else None
    for kind in ("accepted", "relabelled", "moved"):
        pairs = sorted(
            ((-_overlap(a, b), i, j) for i, a in enumerate(left) for j, b in enumerate(right) if _fits(kind, a, b)),
        )
        used: tuple[set[int], set[int]] = (set(), set())
        for _, i, j in pairs:
            if i not in used[0] and j not in used[1]:
                used[0].add(i)
                used[1].add(j)
                yield Correction(
                    document_id=ours.document.id,
                    author=author,
                    kind=kind,
                    label=left[i].label,
                    to=right[j].label,
                    before=left[i],
                    after=right[j],
                )
        left = [item for number, item in enumerate(left) if number not in used[0]]
        right = [item for number, item in enumerate(right) if number not in used[1]]
    for item in left:
        yield Correction(document_id=ours.document.id, author=author, kind="deleted", label=item.label, before=item)
    for item in right:
        yield Correction(
            document_id=ours.document.id, author=author, kind="added", label=item.label, to=item.label, after=item
        )


def _fits(kind: str, ours: Entity, theirs: Entity) -> bool:
    same_span = (ours.start, ours.end) == (theirs.start, theirs.end)
    if kind == "moved":
        return ours.label == theirs.label and _overlap(ours, theirs) > 0
    return same_span and (ours.label == theirs.label or kind == "relabelled")


def _overlap(ours: Entity, theirs: Entity) -> int:
    return min(ours.end, theirs.end) - max(ours.start, theirs.start)


def _classes(ours: LabeledDocument, theirs: LabeledDocument) -> Iterator[Correction]:
    author = theirs.provenance.author if theirs.provenance else None
    for name in sorted(ours.classes.keys() | theirs.classes.keys()):
        old = sorted(item.label for item in ours.classes.get(name, ()))
        new = sorted(item.label for item in theirs.classes.get(name, ()))
        if not old and not new:
            continue
        kind: Kind = "accepted" if old == new else "deleted" if not new else "added" if not old else "relabelled"
        yield Correction(
            document_id=ours.document.id,
            author=author,
            kind=kind,
            label=f"{name}={','.join(old or new)}",
            to=f"{name}={','.join(new)}" if new else None,
        )


def _counted(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for name, kind in pairs:
        counted.setdefault(name, Counter())[kind] += 1
    return {name: dict(sorted(counts.items())) for name, counts in sorted(counted.items())}
