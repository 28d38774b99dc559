"""A real Chromium for the review page. Needs chromium, chromedriver and selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmlabel import LabeledDocument
from llmlabel.review import review_page
from tests.review.pages import SCHEMA, Open

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,900",
]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path_factory.mktemp("downloads"))})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens documents in the browser; after the test the console must be empty: no error, no blocked resource."""

    def open_page(documents: list[LabeledDocument], before: str = "") -> Any:
        html = review_page(documents, schema=SCHEMA, reviewer="kim")
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        if before:
            browser.execute_cdp_cmd("Page.enable", {})
            script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": before})
        browser.get((tmp_path / "page.html").as_uri())
        if before:
            browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        return browser

    browser.get_log("browser")
    yield open_page
    messages = [entry["message"] for entry in browser.get_log("browser")]
    browser.execute_script("session.saved = true; session.unstored.clear(); localStorage.clear()")
    assert [] == messages
