"""Carrying out a plan: assets first, then predictions, then what is to be retired; each read back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from llmlabel.errors import LLMLabelError
from llmlabel.exporters.kili_plan import Item, Planner
from llmlabel.exporters.kili_spool import Packed, Row
from llmlabel.platforms.kili.answers import Json
from llmlabel.platforms.kili.delivery import Delivery, chunks

ASSETS, ASSET_BYTES = 300, 20_000_000
LABELS, LABEL_BYTES = 100, 1_000_000


class Sender:
    """Plans and carries out a push.

    Args:
        planner: Decides about a block.
        blocks: Gives the documents, block by block, the same each time.
        progress: Whether to show a bar.
        pause: Seconds before what seems lost is looked for once more.

    Attributes:
        notes: What the report should say.
        workflow: Version of the project's workflow.
        retired: Predictions deleted (or, in a dry run, to be deleted) by model name.
    """

    def __init__(
        self, planner: Planner, blocks: Callable[[], Iterator[list[Row]]], *, progress: bool, pause: float
    ) -> None:
        self.notes: list[str] = []
        self.retired: Counter[str] = Counter()
        self.workflow = planner.project.workflow
        self._planner = planner
        self._client = planner.client
        self._project = planner.project.id
        self._blocks = blocks
        self._progress = progress
        self._pause = pause

    def plan(self) -> Packed:
        """Return what is to be done with each document; only reads."""
        plan = Packed()
        with self._bar("Kili: reading") as bar:
            for rows in self._blocks():
                plan.add([item.row() for item in self._planner.plan(rows)])
                bar.update(len(rows))
        return plan

    def foresee(self, plan: Packed) -> Packed:
        """Return what would become of each document if the plan were carried out."""
        done = Packed()
        for items in _items(plan):
            for item in items:
                if item.asset == "missing" and item.reason is None and self._planner.missing == "create":
                    item.asset = "created"
                self.retired.update((item.retire or {}).values())
            done.add([item.row() for item in items])
        return done

    def run(self, plan: Packed) -> Packed:
        """Carry out the plan and return what became of each document; one that fails is marked with its reason."""
        done, blocks, stopped = Packed(), self._blocks(), False
        with self._bar("Kili: sending", len(plan)) as bar:
            for items in _items(plan):
                try:
                    if not stopped:
                        self._block(next(blocks), items)
                except LLMLabelError as error:
                    stopped = True
                    self.notes.append(f"the push stopped: {error}; run it again, it goes on where it stopped")
                if stopped:
                    self._leave(items)
                done.add([item.row() for item in items])
                bar.update(len(items))
        return done

    def _block(self, rows: list[Row], items: list[Item]) -> None:
        if self._planner.missing == "create":
            self._create(rows, items)
        self._send(rows, items)
        self._retire(items)

    # -- assets -------------------------------------------------------------------------------------------------------

    def _create(self, rows: list[Row], items: list[Item]) -> None:
        wanted = {i.id: i for i in items if i.asset == "missing" and i.reason is None}
        texts = {row.id: row.text for row in rows if row.id in wanted and row.text}
        if not texts:
            return
        made: dict[str, list[str]] = {}

        def stored(part: Mapping[str, str]) -> Iterable[str]:
            for asset in self._client.assets(self._project, list(part)):
                ids = made.setdefault(asset.external_id, [])
                ids += [asset.id] if asset.id not in ids else []
            return [name for name in part if name in made]

        delivery = Delivery(lambda part: self._client.create_assets(self._project, part), stored, self._pause)
        try:
            for chunk in chunks(texts.items(), lambda text: 4 * len(text), ASSETS, ASSET_BYTES):
                delivery.send(chunk)
        finally:
            for name in delivery.done:
                wanted[name].asset, wanted[name].asset_id = "created", made[name][0]
                if len(made[name]) > 1:
                    wanted[name].fail(f"{len(made[name])} assets of the project have this external id now", "conflict")
            for name, reason in delivery.failed.items():
                wanted[name].fail(f"the asset was not created: {reason}")

    # -- predictions --------------------------------------------------------------------------------------------------

    def _send(self, rows: list[Row], items: list[Item]) -> None:
        answers = {item.asset_id: (row, item) for row, item in zip(rows, items, strict=True) if item.to_send}
        ready = {asset_id: pair for asset_id, pair in answers.items() if asset_id is not None}
        # Minutes may have passed since the plan was made: a person may have begun meanwhile.
        for asset_id in self._planner.taken([item.id for _, item in ready.values()]):
            if asset_id in ready:
                item = ready.pop(asset_id)[1]
                item.label, item.reason = "skipped", "a person began to label it while this ran"

        def write(part: Mapping[str, Json]) -> None:
            planner = self._planner
            planner.journal.sending(planner.model_name, part)
            self._client.send_predictions(self._project, part, planner.model_name)

        def stored(part: Mapping[str, Json]) -> Iterable[str]:
            return self._stored({asset_id: ready[asset_id][0] for asset_id in part})

        delivery: Delivery[Json] = Delivery(write, stored, self._pause)
        waiting = [(asset_id, row.answer or {}) for asset_id, (row, _) in ready.items()]
        try:
            for chunk in chunks(waiting, lambda answer: len(json.dumps(answer)), LABELS, LABEL_BYTES):
                delivery.send(chunk)
        finally:
            for asset_id, (_, item) in ready.items():
                if asset_id in delivery.done:
                    item.arrived = True
                elif asset_id in delivery.failed:
                    item.fail(delivery.failed[asset_id])
                else:
                    item.fail("not sent: the push stopped before")

    def _stored(self, rows: Mapping[str, Row]) -> list[str]:
        """Which assets hold exactly one prediction of our model name, and it says what ours says."""
        found: dict[str, list[bool]] = {}
        for label in self._client.labels(self._project, [row.id for row in rows.values()], ["PREDICTION"]):
            if label.model_name == self._planner.model_name and label.asset_id in rows:
                same = self._planner.same(label.response, rows[label.asset_id])
                found.setdefault(label.asset_id, []).append(same)
        return [asset_id for asset_id, matches in found.items() if matches == [True]]

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def _retire(self, items: list[Item]) -> None:
        old = {
            label_id: name
            for item in items
            if item.label in ("sent", "replaced", "unchanged")
            for label_id, name in (item.retire or {}).items()
        }
        for chunk in chunks(old.items(), len, LABELS, LABEL_BYTES):
            self._client.delete_labels(list(chunk))
            self.retired.update(chunk.values())

    def _leave(self, items: list[Item]) -> None:
        for item in items:
            if item.to_send and not item.arrived:
                item.fail("not sent: the push stopped before")
            elif item.asset == "missing" and item.reason is None and self._planner.missing == "create":
                item.fail("not created: the push stopped before")

    @contextmanager
    def _bar(self, what: str, total: int | None = None) -> Iterator[tqdm[Any]]:
        with tqdm(total=total, desc=what, unit=" documents", disable=not self._progress, leave=False) as bar:
            yield bar


def _items(plan: Packed) -> Iterator[list[Item]]:
    for rows in plan.blocks():
        yield [Item(*row) for row in rows]
