"""The page on the speeds of 2026 is what the module says, and its acceptances make the published speeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.cost.speculation import expected_tokens, round_s
from infermodel.cost.step import Batch, Windowed
from infermodel.pages import cs3_2026 as page

DOCS = (Path(__file__).parents[2] / "docs" / "cs3_2026.md").read_text(encoding="utf-8")


def test_the_page_holds_the_tables() -> None:
    for found in (page.table(), page.readings()):
        assert found in DOCS, "renew it: python -m infermodel.pages.cs3_2026"


@pytest.mark.parametrize("published", page.PUBLISHED[2:6])
def test_the_acceptance_needed_makes_the_published_speed(published: page.Published) -> None:
    model = page.ring(published)
    windows = tuple(Windowed(min(published.context, window), 0) for window in model.windows)
    one = Batch(1, published.context, published.context, windows)
    for draft in (None, page.one_layer(model)):
        for k, acceptance in zip(page.DRAFTED, page.needed(published, model, draft), strict=True):
            most = expected_tokens(1.0 if acceptance is None else acceptance, k) / round_s(model, one, k, draft)
            if acceptance is None:
                assert most < published.tok_s
            else:
                assert most == pytest.approx(published.tok_s, rel=1e-6)


def test_plain_decoding_is_that_of_a_token_alone() -> None:
    published = page.PUBLISHED[0]
    around = page.plain(published)
    assert around.mid == pytest.approx(1 / page.ring(published).token_latency_s(10_000), rel=1e-4)
    assert around.low < around.mid < around.high


def test_a_speed_is_read_by_the_fewest_usual_drafts() -> None:
    around = page.plain(page.PUBLISHED[0])
    slow, fast = (page.PUBLISHED[0]._replace(tok_s=each) for each in (around.high - 1, around.high + 1))
    assert "needs no drafts" in page.reading(slow, around, [None] * 6)
    said = page.reading(fast, around, [None, 0.85, 0.78, 0.7, 0.7, 0.7])
    assert said == "3 drafts by a layer, each accepted 0.78 of the time: usual"
    assert "best published" in page.reading(fast, around, [None, 0.85, None, None, None, None])
    assert page.reading(fast, around, [None, 0.95, 0.92, None, None, None]) == "no drafts of a layer explain it"
