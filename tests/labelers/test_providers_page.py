"""The page about providers: its code runs, prints what the page shows, and its provider passes the suite."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from llmlabel import LabelSchema, LLMLabeler
from llmlabel.testing import LabelerContract
from tests.servers.openai_server import OpenAIServer, Reply, Request

PAGE = (Path(__file__).resolve().parents[2] / "docs/providers.md").read_text("utf-8")
PROVIDER = next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class MyLabeler" in code)
SCHEMA = LabelSchema(entities=["PER"])


def test_code_of_the_page_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    The blocks run in order, in one namespace.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    namespace: dict[str, object] = {"__name__": "page"}
    for code, shown in re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        assert shown == printed.getvalue()


@pytest.mark.parametrize("code", re.findall(r"^ *```py\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE))
def test_code_that_needs_a_service_is_python(code: str):
    """
    What cannot run here is compiled at least.
    """
    compile(textwrap.dedent(code), "docs/providers.md", "exec")


def test_provider_of_the_page_takes_fifteen_lines():
    """
    As promised.
    """
    assert len([line for line in PROVIDER.splitlines() if line.strip()]) <= 15


async def generate(request: Request) -> Reply:
    """The provider's made-up protocol."""
    await asyncio.sleep(0.02)
    text = request.json["messages"][-1]["content"]
    return Reply({"text": json.dumps({"entities": [text]}), "tokens": 3})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with OpenAIServer(generate) as server:
        yield f"{server.url}/generate"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The provider as a module of its own, so that it can be pickled."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "provider_of_the_page.py").write_text(PROVIDER, "utf-8")
    sys.path.insert(0, str(folder))
    yield importlib.import_module("provider_of_the_page")
    sys.path.remove(str(folder))
    del sys.modules["provider_of_the_page"]


class TestProviderOfThePage(LabelerContract):
    @pytest.fixture(autouse=True)
    def _page(self, module: ModuleType, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module.MyLabeler, "endpoint", endpoint)
        self.module = module

    def make_labeler(self, *, model: str = "model-a", parameters: Mapping[str, object] = {}) -> LLMLabeler:
        return self.module.MyLabeler(SCHEMA, model=model, parameters=parameters)

    def make_failing_labeler(self) -> LLMLabeler:
        labeler = self.make_labeler()
        labeler.endpoint = "http://127.0.0.1:9/generate"
        return labeler
