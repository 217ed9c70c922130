from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.dataflow_cases import GPT_OSS_120B, LLAMA_8B, LLAMA_70B

from infermodel.cost.deployment import Precision
from infermodel.cost.placement import Sizes, best_cut, choose_devices, even_cut, place, with_draft
from infermodel.cost.step import DoesNotFit

USABLE = 44e9 * 0.85  # 37.4 GB of a wafer


def test_70b_on_four_wafers_even_cut() -> None:
    """20 layers x 1.71133 GB + 2.10135 GB of embedding leave 1.07 GB at 20 x 4096 B a token."""
    layer = 2 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672 + 2 * 8192)
    head = 2 * (128256 * 8192 + 8192)
    even = even_cut(Sizes.of(LLAMA_70B, Precision()), 4, USABLE)
    assert even.kv_tokens == (37_400_000_000 - 20 * layer - head) // (20 * 4096) == 13_091


def test_70b_on_four_wafers_best_cut() -> None:
    """19 + 21 + 21 + 19: the outer wafers hold embedding and head; 21 layers leave 1.46 GB at 21 x 4096 B a token."""
    layer = 2 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672 + 2 * 8192)
    best = best_cut(Sizes.of(LLAMA_70B, Precision()), 4, USABLE)
    assert best is not None
    assert [load.layers for load in best.wafers] == [19, 21, 21, 19]
    assert best.kv_tokens == (37_400_000_000 - 21 * layer) // (21 * 4096) == 17_002
    assert best.weights_bytes == pytest.approx(2 * 70.553706e9, rel=1e-6)


def test_70b_does_not_fit_on_three_wafers() -> None:
    assert best_cut(Sizes.of(LLAMA_70B, Precision()), 3, USABLE) is None  # 141 GB of weights, 112 GB usable


def test_8b_on_one_wafer() -> None:
    """(37.4 GB - 16.06 GB) / 131,072 B a token; 163k in the fact sheet (facts/REPORT.md, E.3)."""
    best = best_cut(Sizes.of(LLAMA_8B, Precision()), 1, USABLE)
    assert best is not None
    assert best.kv_tokens == (37_400_000_000 - 2 * 8_030_261_248) // 131_072 == 162_807


def test_windows_set_aside() -> None:
    """Of 36 layers 18 see 128 tokens: 10 sequences need 18 x 128 x 10 x 2048 B once, then 18 x 2048 B a token."""
    full = best_cut(Sizes.of(GPT_OSS_120B, Precision(weights="mxfp4")), 2, USABLE)
    aside = best_cut(Sizes.of(GPT_OSS_120B, Precision(weights="mxfp4"), 10), 2, USABLE)
    assert full is not None
    assert aside is not None
    assert [load.layers for load in aside.wafers] == [18, 18]
    held = 9 * 128 * 10 * 2048
    assert [load.window_bytes for load in aside.wafers] == [held, held]
    fullest = min(full.wafers, key=lambda load: load.kv_tokens)
    assert aside.kv_tokens == pytest.approx((fullest.kv_bytes - held) / (9 * 2048), abs=2)


def test_embedding_and_head_are_one_where_tied_and_together() -> None:
    sizes = Sizes("model", (1.0, 1.0), (1.0, 1.0), (0.0, 0.0), 5.0, 6.0, 5.0)
    assert place(sizes, [2], 100.0).weights_bytes == 2 + 6
    assert place(sizes, [1, 1], 100.0).weights_bytes == 2 + 5 + 6


def test_a_draft_model_lies_on_the_first_wafer() -> None:
    """Two layers of 10 and a draft of 5; KV of a token: 1 a layer, 2 for the draft. Apart: (100 - 15) / 3 and 90.

    Together on the second wafer the layers leave (100 - 20) / 2 = 40, the draft alone 95 / 2 = 47.
    """
    sizes = Sizes("model", (10.0, 10.0), (1.0, 1.0), (0.0, 0.0), 0.0, 0.0, 0.0)
    draft = Sizes("draft", (2.0, 3.0), (1.0, 1.0), (0.0, 0.0), 0.0, 0.0, 0.0)
    best = best_cut(with_draft(sizes, draft), 2, 100.0)
    assert best is not None
    assert [(load.first_layer, load.layers, load.kv_tokens) for load in best.wafers] == [(0, 0, 47), (0, 2, 40)]
    apart = place(with_draft(sizes, draft), [2, 1], 100.0)
    assert [(load.first_layer, load.layers, load.kv_tokens) for load in apart.wafers] == [(0, 1, 28), (1, 1, 90)]


def test_a_placement_can_be_read() -> None:
    best = best_cut(Sizes.of(LLAMA_70B, Precision()), 4, USABLE, reserve_bytes=0.1e9)
    text = str(best).splitlines()
    assert text[0] == "Llama 3.1 70B, bf16 weights on 4 wafers: 15,840 KV tokens"
    assert text[2].split() == ["0", "0-18", "32.51", "2.10", "0.10", "2.68", "34,485"]
    assert len(text) == 6


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_no_other_cut_is_better(layers: list[tuple[int, int]], wafers: int, embedding: int, head: int) -> None:
    sizes = Sizes(
        "model",
        tuple(float(weights) for weights, _ in layers),
        tuple(float(kv) for _, kv in layers),
        (0.0,) * len(layers),
        float(embedding),
        float(head),
        0.0,
    )
    every = [
        place(sizes, [b - a for a, b in zip((0, *cuts), (*cuts, len(layers)), strict=True)], 100.0)
        for cuts in combinations(range(1, len(layers)), wafers - 1)
    ]
    fitting = [placement for placement in every if min(load.kv_bytes for load in placement.wafers) >= 0]
    best = best_cut(sizes, wafers, 100.0)
    assert (best.kv_tokens if best else None) == max((p.kv_tokens for p in fitting), default=None)


def test_devices_asked_for_or_the_fewest_that_hold_a_sequence() -> None:
    def room(devices: int) -> int:
        return max(0, 100 * devices - 250)

    assert choose_devices("M", "chips", 4, 16, 1000, 50, room) == 4  # 150 tokens, short of 1,000: but asked for
    assert choose_devices("M", "chips", 0, 16, 1000, 50, room) == 13  # 1,050
    with pytest.raises(DoesNotFit, match="M does not fit on 2 chips: weights and one block of KV need at least 3"):
        choose_devices("M", "chips", 2, 16, 1000, 50, room)
    with pytest.raises(DoesNotFit, match="M can be cut over at most 50 chips, not 60"):
        choose_devices("M", "chips", 60, 16, 1000, 50, room)
    with pytest.raises(DoesNotFit, match="10,000 tokens of context need more than 50 chips"):
        choose_devices("M", "chips", 0, 16, 10000, 50, room)
