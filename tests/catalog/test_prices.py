"""Prices by hand: the published figure over the SI size of its unit."""

from __future__ import annotations

import pytest

from infermodel import catalog
from infermodel.catalog import CatalogError


@pytest.mark.parametrize(
    ("name", "category", "of", "value"),
    [
        ("dgx-h100", "purchase", "dgx-h100", 380e3),
        ("cs-3", "purchase", "cs-3", 1e6),
        ("h100-sxm-lambda-2024-10", "rental", "h100-sxm", 2.99 / 3600),
        ("h100-sxm-hyperscaler-2026-09", "rental", "h100-sxm", 6.88 / 3600),
        ("us-industrial-2024", "electricity", "", 0.0867 / 3.6e6),
        ("colocation-planning", "colocation", "", 180 / (1000 * 730 * 3600)),
        ("pue-average-2025", "pue", "", 1.54),
    ],
)
def test_a_price(name: str, category: str, of: str, value: float) -> None:
    price = catalog.load_price(name)
    assert (price.category, price.of) == (category, of)
    assert price.value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "model", "usd_per_mtok"),
    [
        ("cerebras-2024-08", "llama-3.1-8b", (0.10, 0.10)),
        ("cerebras-2024-08", "llama-3.1-70b", (0.60, 0.60)),
        ("groq-2024-11", "llama-3.1-70b", (0.59, 0.79)),
        ("azure-2024-11", "llama-3.1-405b", (5.33, 16.0)),
        ("cerebras-2026-11", "gpt-oss-120b", (0.35, 0.75)),
    ],
)
def test_a_list(name: str, model: str, usd_per_mtok: tuple[float, float]) -> None:
    tokens = catalog.load_price(name).tokens(model)
    assert (tokens.input.value * 1e6, tokens.output.value * 1e6) == pytest.approx(usd_per_mtok, rel=1e-14)


def test_what_is_priced_is_in_the_catalog() -> None:
    for name in catalog.names("prices"):
        price = catalog.load_price(name)
        if price.category == "purchase":
            assert price.of in catalog.names("systems"), name
        if price.category == "rental":
            assert price.of in catalog.names("devices"), name
        assert set(price.models) <= set(catalog.names("models")), name


def test_an_uncertain_price_carries_its_range() -> None:
    # a CS-3: from its bill of materials to the average of one known sale, a factor of five
    figure = catalog.load_price("cs-3").figure
    assert figure is not None
    assert (figure.low, figure.value, figure.high) == (0.45e6, 1e6, 2.26e6)


def test_a_list_has_no_single_price() -> None:
    with pytest.raises(CatalogError, match="'cerebras-2024-08' is a price list: ask for the price of a model"):
        _ = catalog.load_price("cerebras-2024-08").value
