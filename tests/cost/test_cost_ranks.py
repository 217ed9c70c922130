"""Steps of ranks of data-parallel attention: what each does of its own, and experts with everybody's tokens."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from infermodel import catalog
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.step import Batch, Chunk, Ramp
from infermodel.simulation.replica.ranks import together

R1, NVL72 = catalog.load_model("deepseek-r1"), catalog.load_system("gb200-nvl72")
ENGINE = catalog.load_engine("vllm").on(NVL72.device)
FP8 = Precision("fp8", "bf16", "fp8")


def ranks(count: int, experts: int = 0) -> GpuStepModel:
    deployment = Deployment(data_parallel=count, expert_parallel=experts or count, precision=FP8)
    return GpuStepModel(R1, NVL72, deployment, ENGINE)


EIGHT = ranks(8)


def same(one: Ramp, other: Ramp) -> None:
    assert one.bound_by == other.bound_by
    for name in Ramp.__match_args__[1:-1]:
        if name.startswith("slope") and 1 in (one.steps, other.steps):
            continue
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9), name


@pytest.mark.parametrize("experts", [8, 1])
@pytest.mark.parametrize(
    "each",
    [
        Batch(16, 16 * 900, 900),
        Batch(64, 64 * 3000, 3000, (), 3),
        Batch(0, 0, 0, (), 1, (Chunk(2048, 0),), 1),
        Batch(32, 32 * 500, 500, (), 1, (Chunk(512, 1024),), 0),
    ],
)
def test_ranks_with_the_same_batch_go_as_equal_shares_of_all(each: Batch, experts: int) -> None:
    model, all_of_it = ranks(8, experts), together([each] * 8)
    bare = Batch(*[getattr(all_of_it, name) for name in Batch.__match_args__[:-1]])
    assert all_of_it.ranks == (each,) * 8
    same(model.ramp(all_of_it), model.ramp(bare))


def test_an_idle_rank_runs_along() -> None:
    """16 sequences on one rank of eight: its own part takes as long as with 16 on each, and so does the experts', since
    a step that replays a graph is padded on all ranks to the size of the largest; spread over eight, 2 each, they are
    faster. A prompt too large for a graph is padded on none: seven more of them are work for the experts.
    """
    busy, few, prompt = Batch(16, 16 * 900, 900), Batch(2, 2 * 900, 900), Batch(0, 0, 0, (), 1, (Chunk(4096, 0),), 1)
    alone, on_all, spread = (EIGHT.step(together(each)) for each in ([busy], [busy] * 8, [few] * 8))
    assert spread.latency_s < alone.latency_s == on_all.latency_s
    assert alone.flops == pytest.approx(on_all.flops / 8, rel=1e-9)
    assert EIGHT.step(together([prompt])).latency_s < EIGHT.step(together([prompt] * 8)).latency_s


def test_the_slowest_rank_sets_the_time_and_all_are_counted() -> None:
    """Long contexts on one rank of eight: the step takes what it takes with them on all, but for the experts, which see
    as many tokens; the bytes are those of each.
    """
    short, long = Batch(16, 16 * 100, 100), Batch(16, 16 * 8000, 8000)
    mixed, every = EIGHT.ramp(together([long] + [short] * 7)), EIGHT.ramp(together([long] * 8))
    assert mixed.first_s == pytest.approx(every.first_s, rel=1e-12)
    none = EIGHT.ramp(together([short] * 8))
    assert mixed.first_bytes - none.first_bytes == pytest.approx((every.first_bytes - none.first_bytes) / 8, rel=1e-9)


def test_a_line_ends_where_another_rank_becomes_the_slowest() -> None:
    """One rank has the longer contexts, another more sequences whose contexts grow faster: each step is the larger."""
    few, many = Batch(8, 8 * 6500, 6500), Batch(40, 40 * 1195, 1195)

    def after(steps: int) -> Batch:
        grown = [
            Batch(b.sequences, b.context_tokens + b.sequences * steps, b.longest_context + steps) for b in (few, many)
        ]
        return together(grown)

    ramp = EIGHT.ramp(after(0))
    assert 1 < ramp.steps < 200
    for i in (0, 1, ramp.steps - 1):
        assert EIGHT.step(after(i)).latency_s == pytest.approx(ramp.first_s + i * ramp.slope_s, rel=1e-12)
    ahead = EIGHT.ramp(after(ramp.steps + 1))
    assert ahead.slope_s > ramp.slope_s


def test_experts_see_the_tokens_of_all_ranks() -> None:
    """Of one rank's step with k tokens beside seven with as many: its own part plus the experts' with 8 k tokens."""
    one = EIGHT.step(together([Batch(64, 64, 1)]))
    eight = EIGHT.step(together([Batch(64, 64, 1)] * 8))
    hidden_flops = eight.flops / one.flops
    assert hidden_flops == pytest.approx(8, rel=1e-9)
    assert eight.bytes < 8 * one.bytes  # weights of experts that several ranks' tokens visit are read once


def test_memory_is_divided_into_whole_blocks_of_ranks() -> None:
    room = EIGHT.kv_memory
    assert room.ranks == 8
    assert room.tokens == 8 * room.of_rank.tokens
    assert room.of_rank.tokens % room.block_tokens == 0
    assert {field.name for field in fields(room)} >= {"ranks"}
    assert replace(room, ranks=1).fits_alone == room.tokens
