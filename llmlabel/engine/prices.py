"""Prices from the offline tables of the ``genai-prices`` package, if it is installed. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable

from llmlabel.engine.budget import Price
from llmlabel.types import Usage

__all__ = ["offline_prices"]

LARGE = 100_000  # input tokens from which a request may fall into another price tier


def offline_prices(endpoint: str) -> Price | None:
    """Return a function that prices usage at an endpoint in US dollars, or None without ``genai-prices``.

    The endpoint's address decides whose prices count, so a model of the same name on a server of your own costs
    nothing known. An unknown model or endpoint has the price None.
    """
    try:
        import genai_prices
    except ImportError:
        return None

    def exact(model: str, usage: Usage) -> float | None:
        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens, cache_read_tokens=usage.cached_tokens, output_tokens=usage.output_tokens
        )
        try:
            return float(genai_prices.calc_price(counted, model_ref=model, provider_api_url=endpoint).total_price)
        except LookupError:
            return None

    rates: dict[str, tuple[float, float, float] | None] = {}

    def price(model: str | None, usage: Usage) -> float | None:
        if model is None:
            return None
        if usage.input_tokens > LARGE:
            return exact(model, usage)
        if model not in rates:
            rates[model] = _rates(lambda usage: exact(model, usage))
        known = rates[model]
        if known is None:
            return None
        fresh = usage.input_tokens - usage.cached_tokens
        return fresh * known[0] + usage.cached_tokens * known[1] + usage.output_tokens * known[2]

    return price


def _rates(exact: Callable[[Usage], float | None]) -> tuple[float, float, float] | None:
    """Return the price of an input, a cached and an output token; a look-up per request would cost too much."""
    fresh = exact(Usage(input_tokens=1000))
    cached = exact(Usage(input_tokens=1000, cached_tokens=1000))
    output = exact(Usage(output_tokens=1000))
    if fresh is None or cached is None or output is None:
        return None
    return fresh / 1000, cached / 1000, output / 1000
