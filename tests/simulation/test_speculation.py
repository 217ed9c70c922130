"""Drafts in the simulation against closed forms, leaps against single steps, and what is conserved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.cost.speculation import expected_tokens, round_s
from infermodel.cost.speculative import Speculation, SpeculativeModel, accepted, speculative_model
from infermodel.cost.step import Batch, DoesNotFit
from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.replica.drafts import even_draw
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Offline, Poisson
from infermodel.workload.lengths import Fixed, Uniform
from infermodel.workload.traffic import OpenTraffic

DRAFT = load_model("llama-3.2-1b")
PLACES = {
    "GPU": ("llama-3.1-70b", "dgx-h100", "vllm", Deployment(tensor_parallel=8, max_context=8192)),
    "wafer": ("llama-3.1-70b", "cs-3", "cerebras", Deployment(devices=5, max_context=8192)),
}


def on(place: str, speculation: Speculation | None) -> SpeculativeModel:
    model, system, engine, deployment = PLACES[place]
    parts = load_model(model), load_system(system), deployment, load_engine(engine)
    return speculative_model(*parts, speculation) if speculation else step_model(*parts)


def decode_s(model: SpeculativeModel, speculation: Speculation | None, output: int = 101) -> float:
    """Seconds from the first to the last token of a request alone, after a prompt of 1,000."""
    traffic = OpenTraffic(Offline(1), Fixed(1000), Fixed(output))
    spec = one_pool("alone", model, traffic, Limits(8, 8192, 8192), speculation=speculation)
    (record,) = simulate([spec], 1, Horizon())
    check_laws(record)
    return float(record.requests.last_token_at[0] - record.requests.first_token_at[0])


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("draft", [DRAFT, None])
def test_in_expectation_the_pace_is_the_closed_form(place: str, draft: object) -> None:
    # Tokens a round over seconds a round (Leviathan et al., 2023), added up over the contexts 1,001 to 1,100.
    speculation = Speculation((0.8,) * 6, draft)
    model = on(place, speculation)
    rounds = (round_s(model.model, Batch(1, c, c), 6, model.draft) for c in range(1001, 1101))
    expected = sum(rounds) / expected_tokens(0.8, 6)
    assert decode_s(model, speculation) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("draft", [DRAFT, None])
@given(st.integers(1, 90), st.integers(1, 3000), st.integers(0, 5000), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_a_ramp_is_its_steps(place: str, draft: object, n: int, each: int, more: int, drafted: int) -> None:
    # n sequences of `each` tokens and one that is longer: step i is the cost of the batch with i more tokens in each.
    model = on(place, Speculation((0.8,) * drafted, draft))
    batch = Batch(n + 1, (n + 1) * each + more, each + more)
    ramp = model.ramp(batch)
    for i in {0, min(1, ramp.steps - 1), min(777, ramp.steps - 1)}:
        later = Batch(n + 1, batch.context_tokens + i * (n + 1), batch.longest_context + i)
        step = round_s(model.model, later, drafted, model.draft) / expected_tokens(0.8, drafted)
        assert ramp.first_s + i * ramp.slope_s == pytest.approx(step, rel=1e-12)
        flops = model.model.step(later.changed(tokens_each=drafted + 1)).flops / expected_tokens(0.8, drafted)
        if draft is None:
            assert ramp.first_flops + i * ramp.slope_flops == pytest.approx(flops, rel=1e-12)


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("sampled", [False, True])
def test_drafts_that_are_never_right_only_cost(place: str, sampled: bool) -> None:
    speculation = Speculation((0.0,) * 4, DRAFT, sampled)
    assert decode_s(on(place, speculation), speculation) > decode_s(on(place, None), None)


@pytest.mark.parametrize("place", list(PLACES))
def test_drafts_that_are_always_right_reach_their_bound(place: str) -> None:
    # 100 tokens after the first are 20 rounds of 5, at contexts 1,001, 1,006, ...
    speculation = Speculation((1.0,) * 4, DRAFT, sampled=True)
    model = on(place, speculation)
    bound = sum(round_s(model.model, Batch(1, c, c), 4, model.draft) for c in range(1001, 1101, 5))
    assert decode_s(model, speculation) == pytest.approx(bound, rel=1e-9)


def toy(speculation: Speculation, **changes: float) -> SpeculativeModel:
    model = AffineModel(**changes)
    return SpeculativeModel(model, None, speculation, model.kv_memory, 4096)


def test_sampled_rounds_yield_the_closed_form_on_average() -> None:
    # Rounds of 10 ms whatever is in them; a request of 4,001 tokens needs 4,000 / yield of them.
    speculation = Speculation((0.7,) * 5, None, sampled=True)
    traffic = OpenTraffic(Offline(20), Fixed(10), Fixed(4001))
    spec = one_pool("s", toy(speculation), traffic, Limits(64, 8192, 8192), speculation=speculation)
    (record,) = simulate([spec], 3, Horizon())
    table = record.requests
    rounds = np.round((table.last_token_at - table.first_token_at) / 0.01)
    mean, chances = expected_tokens(0.7, 5), [0.7**n for n in range(1, 6)]
    second = sum((2 * n - 1) * chance for n, chance in zip(range(2, 7), chances, strict=True)) + 1
    error = np.sqrt((second - mean**2) / rounds.sum())
    assert 80_000 / rounds.sum() == pytest.approx(mean, abs=4 * error + 1e-3)  # 1e-3: last rounds are cut short


@pytest.mark.parametrize("sampled", [False, True])
def test_acceptance_by_position(sampled: bool) -> None:
    # The first draft is always right, the second never: two tokens a round.
    speculation = Speculation((1.0, 0.0), None, sampled)
    assert decode_s(toy(speculation), speculation, 101) == pytest.approx(50 * 0.01, rel=1e-9)


def test_yields_depend_on_request_and_context_alone() -> None:
    # The same requests at another load: decoding takes the same number of rounds.
    speculation = Speculation((0.6,) * 3, None, sampled=True)
    counts = []
    for rate in (0.5, 3.0):
        traffic = OpenTraffic(Poisson(rate), Uniform(5, 50), Uniform(50, 100))
        spec = one_pool("s", toy(speculation), traffic, Limits(64, 8192, 8192), speculation=speculation)
        (record,) = simulate([spec], 5, Horizon(requests=40))
        seconds = (record.requests.last_token_at - record.requests.first_token_at)[:40]
        counts.append(np.round(seconds / 0.01))
    np.testing.assert_array_equal(*counts)


def test_draws_are_even() -> None:
    draws = [even_draw(9, request, context) for request in range(100) for context in range(100)]
    assert np.mean(draws) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 10_000))
    counts = np.histogram(draws, 10, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 27.9  # chi-squared of 9 degrees of freedom, one in a thousand
    assert accepted((0.5, 0.5), 0.49) == 2


def parts(record: ServiceRecord) -> dict[str, bytes]:
    columns = {field.name: getattr(record.requests, field.name) for field in dataclasses.fields(record.requests)}
    columns |= dict(record.timeline.columns) | dict(record.replica_totals) | {"gaps": record.gaps.counts}
    return {name: np.asarray(values).tobytes() for name, values in columns.items()}


@settings(max_examples=40, deadline=None)
@given(
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.55, 1.0]),
    st.sampled_from([(), (24,)]),
    st.integers(16, 40),
    st.floats(0.5, 30),
    st.sampled_from(["fcfs", "priority", "fair"]),
    st.integers(0, 1000),
)
def test_leaps_equal_single_steps_and_laws_hold(
    sampled: bool,
    drafted: int,
    acceptance: float,
    windows: tuple[int, ...],
    blocks: int,
    rate: float,
    queue: str,
    seed: int,
) -> None:
    speculation = Speculation((acceptance,) * drafted, None, sampled)
    model = toy(speculation, per_context_s=1.1e-6, kv_tokens=16 * blocks, windows=windows)
    traffic = OpenTraffic(Poisson(rate), Uniform(1, 60), Uniform(1, 60))
    spec = one_pool("s", model, traffic, Limits(8, 64, 200), replicas=2, queue=queue, speculation=speculation)
    one, other = (simulate([spec], seed, Horizon(requests=60), stepping=each)[0] for each in ("leap", "every"))
    check_laws(one)
    assert parts(one) == parts(other)


def test_a_draft_takes_memory_of_its_own() -> None:
    speculation = Speculation((0.8,) * 4, DRAFT)
    plain, drafting = on("GPU", None).kv_memory, on("GPU", speculation).kv_memory
    # 1,235,814,400 parameters of 2 bytes (tied embeddings), and 2 x 16 layers x 8 heads x 64 x 2 bytes a token.
    assert drafting.weights_bytes - plain.weights_bytes == 1_235_814_400 * 2
    assert drafting.bytes_per_token - plain.bytes_per_token == 32_768
    room = (plain.tokens * plain.bytes_per_token - 1_235_814_400 * 2) / drafting.bytes_per_token
    assert drafting.tokens == room // 16 * 16
    assert on("wafer", speculation).kv_memory.tokens < on("wafer", None).kv_memory.tokens


def test_what_cannot_draft_is_refused() -> None:
    rack = load_model("llama-3.1-8b"), load_system("groq-rack"), Deployment(devices=128), load_engine("groq")
    with pytest.raises(DoesNotFit, match="n-grams"):
        speculative_model(*rack, Speculation((0.5,), DRAFT))
    big = load_model("llama-3.1-70b"), load_system("dgx-h100"), Deployment(tensor_parallel=2), load_engine("vllm")
    with pytest.raises(DoesNotFit, match="no room"):
        speculative_model(*big, Speculation((0.5,), load_model("llama-3.1-8b")))
