"""The pages on endpoints and on the CS-3 hold what the code prints; the speeds asked for are met."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.pages import corners, cs3, endpoints

DOCS = Path(__file__).parents[2] / "docs"


def test_every_endpoint_is_explained_or_marked() -> None:
    for endpoint in endpoints.ENDPOINTS:
        explanation = endpoints.best(endpoint)
        if explanation is None:
            continue
        model = endpoints.replica(endpoint.model, explanation.layout)
        assert model is not None
        # One request more and users would get less than was measured.
        assert endpoints.speed_tok_s(model, explanation.batch) >= endpoint.tok_s
        assert endpoints.speed_tok_s(model, explanation.batch + 1) < endpoint.tok_s
    assert sum(endpoints.best(each) is None for each in endpoints.ENDPOINTS) <= 1


def test_eight_a100_against_one_as_measured() -> None:
    # SGLang on A100, Llama 3 8B, batch 1: 78.9 and 260.4 tokens/s (WaferLLM, OSDI 2025).
    one, *_, eight = endpoints.one_query("llama-3.1-8b", "dgx-a100")
    assert one == pytest.approx(78.9, rel=0.15)
    assert eight == pytest.approx(260.4, rel=0.15)


def test_loading_is_bytes_over_ports() -> None:
    # 70,553,706,496 x 2 bytes over 4 x 150 GB/s.
    assert cs3.loading_s("llama-3.1-70b", "bf16", 4) == pytest.approx(141.107412992 / 600)


def test_list_prices_at_three_to_one() -> None:
    groq = next(each for each in corners.PUBLISHED if each.provider == "Groq" and each.size == "8B")
    assert groq.usd_per_mtok == pytest.approx((3 * 0.05 + 0.08) / 4)
