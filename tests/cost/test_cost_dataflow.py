"""The round law against a ring simulated token by token, and ramps against steps."""

from collections.abc import Sequence
from time import process_time
from timeit import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.dataflow_cases import CS_3, LLAMA_8B, LLAMA_70B, RUNTIME, batch_of, ring_of

from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.forever import FOREVER
from infermodel.cost.stages import Stage, token_work
from infermodel.cost.step import Batch, Chunk, Ramp, Windowed


def rounds(stage_s: Sequence[Sequence[float]], hop_s: float, count: int = 300) -> float:
    """Seconds of a round, once settled, of sequences j in a ring where stage s holds a token of j `stage_s[j][s]`.

    A token enters a stage when it has left the one before and the sequence ahead of it has left this one.
    """
    stages = len(stage_s[0])
    free_at, out_at, ends = [0.0] * stages, [0.0] * len(stage_s), []
    slowest = max(range(len(stage_s)), key=lambda sequence: sum(stage_s[sequence]))  # others catch up with it in time
    for _ in range(count):
        for sequence, holds in enumerate(stage_s):
            at = out_at[sequence]
            for stage in range(stages):
                at = free_at[stage] = max(at, free_at[stage]) + holds[stage]
            out_at[sequence] = at + hop_s
        ends.append(out_at[slowest])
    half = count // 2
    return (ends[-1] - ends[half - 1]) / (count - half)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=30), st.integers(1, 12), st.floats(0, 40))
def test_the_round_law_is_what_a_ring_does(contexts: list[int], layers: int, hop_s: float) -> None:
    """Layers alike, contexts mixed: the law is exact."""
    ring = ring_of(Stage(layers, 3.0, 0.01), hops_s=hop_s)
    holds = [[3.0 + 0.01 * context] * layers for context in contexts]
    assert ring.step(batch_of(contexts)).latency_s == pytest.approx(rounds(holds, hop_s), rel=1e-9)
    assert ring.step(batch_of(contexts)).latency_s == pytest.approx(
        max(layers * (3.0 + 0.01 * max(contexts)) + hop_s, sum(3.0 + 0.01 * context for context in contexts))
    )


def test_a_full_and_an_idle_ring() -> None:
    """Ten layers of 3 s: four sequences wait for 30 s of latency, twelve for 36 s of slots."""
    ring = ring_of(Stage(10, 3.0, 0.0))
    assert rounds([[3.0] * 10] * 4, 0.0) == pytest.approx(30)
    assert ring.step(batch_of([5] * 4))[0] == pytest.approx(30)
    assert rounds([[3.0] * 10] * 12, 0.0) == pytest.approx(36)
    assert ring.step(batch_of([5] * 12))[0] == pytest.approx(36)
    assert ring.step(batch_of([5] * 4)).bound_by == "latency"
    assert ring.step(batch_of([5] * 12)).bound_by == "compute"


def test_the_longest_context_slows_everybody() -> None:
    """Ten layers of 1 s + 0.01 s a token: one sequence of 900 among four of 100 makes the round 100 s, not 20 s."""
    ring = ring_of(Stage(10, 1.0, 0.01))
    contexts = [100, 100, 900, 100, 100]
    assert ring.step(batch_of(contexts)).latency_s == pytest.approx(100)
    assert rounds([[1 + 0.01 * context] * 10 for context in contexts], 0.0) == pytest.approx(100)


def test_the_slowest_kind_of_layer_takes_the_slots() -> None:
    """Six layers of 1 s and two of 4 s: T = 14 s, a slot of 4 s; five sequences take 20 s."""
    ring = ring_of(Stage(6, 1.0, 0.0), Stage(2, 4.0, 0.0))
    assert ring.token_latency_s(0) == 14
    assert ring.slot_s(0) == 4
    assert ring.step(batch_of([1] * 3)).latency_s == pytest.approx(14)
    assert ring.step(batch_of([1] * 5)).latency_s == pytest.approx(20)
    assert rounds([[1, 4, 1, 1, 4, 1, 1, 1]] * 5, 0.0) == pytest.approx(20)
    assert rounds([[1, 4, 1, 1, 4, 1, 1, 1]] * 3, 0.0) == pytest.approx(14)


def test_hops_that_dominate_are_the_network() -> None:
    assert ring_of(Stage(10, 1.0, 0.0), hops_s=11.0).step(batch_of([1])).bound_by == "network"


def test_prompts_beside_decoding() -> None:
    """Ten slots of 3 s (context costs 0.1 s a token): T = 30 + 10 x 0.1 x 20 = 50 s at the longest context of 20.

    Two sequences take 3 + 2 and 3 + 1 s; three prompt tokens after 4 take 3 x 3 + 0.1 x (5 + 6 + 7) = 10.8 s.
    """
    ring = ring_of(Stage(10, 3.0, 0.1))
    batch = batch_of([20, 10]).changed(chunks=(Chunk(3, 4),))
    assert ring.step(batch).latency_s == pytest.approx(50)
    more = batch.changed(chunks=(Chunk(3, 4),) * 5)
    assert ring.step(more).latency_s == pytest.approx(9 + 5 * 10.8)


def test_a_prompt_alone_follows_itself_and_waits_for_its_last_token() -> None:
    """T + prompt tokens / g x t_slot at no load (E.3 of the fact report), however the prompt is cut into chunks."""
    ring = ring_of(Stage(10, 3.0, 0.0))
    per_step = ring.prompt_tokens_per_step(0, 0)
    assert per_step == 10
    pieces = [Batch(0, 0, 0, chunks=(Chunk(10, 10 * i),)) for i in range(4)]
    last = Batch(0, 0, 0, chunks=(Chunk(7, 40),), finishing_chunks=1)
    assert sum(ring.step(piece).latency_s for piece in [*pieces, last]) == pytest.approx(47 * 3 + 30)


def test_prompt_tokens_per_step() -> None:
    """8B at 32 layers: T / t_slot = 33. Five sequences leave 28; a prefill share of 0.25 adds 8.25; g = 2 doubles."""
    ring = step_model(LLAMA_8B, CS_3, Deployment(devices=1, max_context=8192), RUNTIME)
    assert isinstance(ring, Ring)
    assert ring.slots(1000) == 33
    assert ring.prompt_tokens_per_step(5, 1000) == 28
    assert ring.prompt_tokens_per_step(33, 1000) == 1
    assert ring.prompt_tokens_per_step(100, 1000) == 1
    shared = ring_of(Stage(32, 1.0, 0.0), turns=33 / 32)
    shared = Ring(**{**vars(shared), "prefill_share": 0.25, "prompt_tokens_per_slot": 2.0})
    assert shared.prompt_tokens_per_step(5, 1000) == 72  # 2 x (28 + 8.25) = 72.5
    assert shared.prompt_tokens_per_step(100, 1000) == 50  # 2 x 0.25 x 100 slots of the longer round


def test_verified_tokens_follow_each_other() -> None:
    """k = 3 drafts: T + 3 slots for one sequence; with twelve, 4 slots each."""
    ring = ring_of(Stage(10, 3.0, 0.0))
    assert ring.step(batch_of([5], each=4)).latency_s == pytest.approx(30 + 3 * 3)
    assert ring.step(batch_of([5] * 12, each=4)).latency_s == pytest.approx(12 * 4 * 3)


def test_energy_is_power_times_time() -> None:
    ring = ring_of(Stage(10, 3.0, 0.1), power_w=20_700.0)
    cost = ring.step(batch_of([20, 10]))
    assert cost.joules == pytest.approx(20_700 * cost.latency_s)
    assert ring.idle_w == 20_700


def test_work_of_a_token() -> None:
    """8B: 2 FLOPs a weight of body (6.9797e9) and head (0.5253e9), 4 x 32 x 128 a token of context and layer."""
    work = token_work(LLAMA_8B, Precision())
    assert work.body_flops == 2 * 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096)
    assert work.head_flops == 2 * 128256 * 4096
    assert work.context_flops == (32 * 4 * 32 * 128,)
    assert work.context_bytes == (131_072,)
    assert work.body_bytes == work.body_flops  # two bytes a weight, two operations a weight


def test_work_of_a_step() -> None:
    """Two sequences and a chunk of 3 after 4: five tokens through the body, three sampled, 30 + 18 of context."""
    ring = ring_of(Stage(10, 3.0, 0.1))
    cost = ring.step(batch_of([20, 10]).changed(chunks=(Chunk(3, 4),), finishing_chunks=1))
    assert cost.flops == pytest.approx(5 * 1e9 + 3 * 1e8 + 48 * 1e4)
    assert cost.bytes == pytest.approx(5 * 2e9 + 3 * 2e8 + 5 * 1e5 + 48 * 1e3)


STAGES = st.lists(
    st.builds(Stage, st.integers(1, 40), st.floats(0.5, 5), st.floats(0, 0.05), st.sampled_from([None, None, 16, 100])),
    min_size=1,
    max_size=3,
)


def advanced(batch: Batch, contexts: Sequence[int], windows: tuple[int, ...], steps: int) -> Batch:
    """`batch` after `steps` steps, recounted from the contexts themselves."""
    later = batch_of([context + steps * batch.tokens_each for context in contexts], windows, batch.tokens_each)
    return later.changed(
        chunks=tuple(
            Chunk(new, before + steps * new) for new, before in ((chunk.new, chunk.before) for chunk in batch.chunks)
        )
    )


@given(
    STAGES,
    st.lists(st.integers(1, 300), max_size=60),
    st.sampled_from([1, 1, 1, 4]),
    st.lists(st.builds(Chunk, st.integers(1, 40), st.integers(0, 200)), max_size=3),
    st.floats(0, 1),
)
def test_a_ramp_is_exact(stages: list[Stage], contexts: list[int], each: int, chunks: list[Chunk], at: float) -> None:
    ring = ring_of(*stages, hops_s=1.0)
    batch = batch_of(contexts, ring.windows, each).changed(chunks=tuple(chunks))
    if not contexts and not chunks:
        return
    ramp = ring.ramp(batch)
    assert ramp.first_s == ring.step(batch).latency_s
    step = int(at * (min(ramp.steps, 5000) - 1))
    then = ring.step(advanced(batch, contexts, ring.windows, step))
    assert ramp.first_s + step * ramp.slope_s == pytest.approx(then.latency_s, rel=1e-12)
    assert ramp.first_joules + step * ramp.slope_joules == pytest.approx(then.joules, rel=1e-12)
    assert ramp.first_flops + step * ramp.slope_flops == pytest.approx(then.flops, rel=1e-12)
    assert ramp.first_bytes + step * ramp.slope_bytes == pytest.approx(then.bytes, rel=1e-12)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.floats(0.5, 5), st.floats(0, 0.05))
def test_the_fast_way_is_the_same_law(contexts: list[int], fixed_s: float, per_context_s: float) -> None:
    ring, batch = ring_of(Stage(20, fixed_s, per_context_s), hops_s=1.0, turns=1.05), batch_of(contexts)
    fast, slow = ring.ramp(batch), ring._any_ramp(batch)
    for field in Ramp.__match_args__[1:9]:  # seconds, joules, FLOPs and bytes, first and slope
        assert getattr(fast, field) == pytest.approx(getattr(slow, field), rel=1e-12)
    assert min(fast.steps, 1 << 30) == pytest.approx(min(slow.steps, 1 << 30), abs=1)


def test_a_ramp_ends_where_slots_take_over() -> None:
    """Ten layers of 1 s + 0.01 s: T = 10 + 0.1 c of the longest, slots n + 0.01 x sum c = 9 + 0.01 x sum c.

    Contexts 8 x 10 and 100: 20 s against 10.8 s; the gap of 9.2 s ... grows, for T gains 0.1 s a step and slots 0.09 s.
    With 20 sequences (19 x 10 and 100) slots start at 22.9 s and gain 0.2 s a step: they bind at once.
    With 12 (11 x 10 and 100): 20 against 14.1, gaining 0.1 and 0.12: T binds for 5.9 / 0.02 = 295 steps.
    """
    ring = ring_of(Stage(10, 1.0, 0.01))
    nine, twelve, twenty = (ring.ramp(batch_of([10] * n + [100])) for n in (8, 11, 19))
    assert (nine.steps, nine.bound_by, nine.slope_s) == (FOREVER, "latency", pytest.approx(0.1))
    assert (twenty.steps, twenty.bound_by, twenty.slope_s) == (FOREVER, "compute", pytest.approx(0.2))
    assert twelve.steps in (295, 296)
    assert twelve.bound_by == "latency"


def test_a_ramp_ends_at_a_window() -> None:
    """One sequence at 90 of a window of 100: steps 0 to 10 see 90 to 100, then it grows no more."""
    ring = ring_of(Stage(10, 1.0, 0.01, 100))
    ramp = ring.ramp(batch_of([90], (100,)))
    assert (ramp.steps, ramp.slope_s) == (11, pytest.approx(0.1))
    full = ring.ramp(batch_of([100], (100,)))
    assert (full.steps, full.slope_s) == (FOREVER, 0)


def test_sums_are_enough_only_with_every_window() -> None:
    with pytest.raises(ValueError, match="zip"):
        ring_of(Stage(10, 1.0, 0.01, 100)).ramp(Batch(1, 50, 50))
    assert ring_of(Stage(10, 1.0, 0.01, 100)).ramp(Batch(1, 50, 50, (Windowed(50, 1),))).first_s == pytest.approx(15)


def test_ramps_are_quick() -> None:
    ring = step_model(LLAMA_70B, CS_3, Deployment(devices=4, max_context=8192), RUNTIME)
    batch = batch_of([1000] * 20)
    ring.ramp(batch)
    assert min(repeat(lambda: ring.ramp(batch), timer=process_time, number=1000, repeat=5)) / 1000 < 20e-6
