"""Prices from the offline tables."""

from __future__ import annotations

import pytest

from llmlabel.engine.prices import offline_prices
from llmlabel.types import Usage

genai_prices = pytest.importorskip("genai_prices", reason="needs genai-prices")
OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4.1"])
@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=1234, output_tokens=56),
        Usage(input_tokens=1234, cached_tokens=1024, output_tokens=5),
        Usage(input_tokens=500_000, output_tokens=10),
    ],
)
def test_the_quick_price_is_the_tables_price(model, usage):
    """
    Rates kept per model give what a full look-up gives, for small and large requests.
    """
    price = offline_prices(OPENAI)
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens, cache_read_tokens=usage.cached_tokens, output_tokens=usage.output_tokens
    )
    table = genai_prices.calc_price(counted, model_ref=model, provider_api_url=OPENAI).total_price

    assert price(model, usage) == pytest.approx(float(table))


@pytest.mark.parametrize(("endpoint", "model"), [(OPENAI, "mystery"), ("http://127.0.0.1:11434/v1", "gpt-4o-mini")])
def test_what_is_unknown_has_no_price(endpoint, model):
    """
    Neither an unknown model nor a known name on a server of one's own is given a cost.
    """
    assert offline_prices(endpoint)(model, Usage(input_tokens=10)) is None


def test_without_a_model_there_is_no_price():
    """
    Before the first answer the model may be unknown.
    """
    assert offline_prices(OPENAI)(None, Usage(input_tokens=10)) is None
