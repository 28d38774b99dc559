"""The commands of ``docs/azure.md``, in their order, as the page spells them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmlabel.exporters.jsonl import read_jsonl
from llmlabel.review.decisions import Decision, text_hash
from tests.azure.conftest import SAMPLE
from tests.azure.test_auto_label import gold
from tests.cli.conftest import environment
from tests.servers.azure_service import KEY, AzureService
from tests.servers.azurite import Azurite
from tests.servers.openai_server import OpenAIServer, Request

__all__ = ["gold"]

PAGE = Path(__file__).parents[2] / "docs" / "azure.md"


def commands() -> Iterator[list[str]]:
    """Yield the words of each llmlabel command of the page."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ llmlabel "):
                yield shlex.split(line)[2:]


def schema() -> str:
    """Return the schema of the page."""
    (found,) = re.findall(r"\$ cat schema.yaml\n(.*?)\$", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return found


@pytest.mark.slow
def test_page_leads_from_nothing_to_reviewed_labels(
    azurite: Azurite, service: AzureService, shared: Path, tmp_path: Path, gold: Any
):
    """
    Every command of the page works as it stands, and at its end the labels are a person's.
    """
    service.steps = ("succeeded",)

    def answer(request: Request) -> str:
        asked = request.text
        if "Are you there?" in asked:
            return json.dumps({"here": True})
        mentions = next((said for text, said in gold[1].items() if text in asked), [])
        return json.dumps({"entities": [item for item in mentions if item["label"] in schema()]})

    (tmp_path / "agreements").mkdir()
    for path in (shared / SAMPLE).glob("*.txt"):
        (tmp_path / "agreements" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "schema.yaml").write_text(schema(), encoding="utf-8")
    said = ""
    with OpenAIServer(answer) as model:
        variables = {
            "AZURE_LANGUAGE_KEY": KEY,
            "AZURE_LANGUAGE_ENDPOINT": service.url,
            "AZURE_OPENAI_API_KEY": "k" * 32,
            "AZURE_OPENAI_ENDPOINT": model.url,
            "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
            "PYTHONPATH": str(PAGE.parents[1]),
        }
        for words in commands():
            if "apply" in words:
                decide(tmp_path)
            done = subprocess.run(
                [sys.executable, "-m", "llmlabel", *words],
                cwd=tmp_path,
                env=environment(**variables),
                capture_output=True,
                text=True,
                encoding="utf-8",
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=120,
            )
            assert 0 == done.returncode, (words, done.stdout, done.stderr)
            said += done.stdout

    assert "20 text(s) uploaded" in said
    assert "verified by export: 40 label(s) in 20 document(s) as sent" in said
    assert "20 document(s) labelled by people → gold.jsonl" in said
    assert "0 unchanged (review unknown), 40 unchanged (reviewed before)" in said


def decide(folder: Path) -> None:
    """Look at every document of the review file, as a person does on the page."""
    found = read_jsonl(folder / "llmlabel-azure-loans" / "review.jsonl")
    decisions = [
        Decision(document=item.document.id, text=text_hash(item.document.text), action="done", by="ann")
        for item in found
    ]
    lines = [f"{decision.model_dump_json()}\n" for decision in decisions]
    (folder / "decisions.jsonl").write_text("".join(lines), encoding="utf-8")
