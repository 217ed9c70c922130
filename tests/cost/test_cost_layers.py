"""What recurrences, indexers and compressed entries cost and keep, with figures worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.cost.gpu_fixtures import ENGINE, H100, node

from infermodel import catalog
from infermodel.architecture import (
    NO_ATTENTION,
    CompressedAttention,
    DenseFeedForward,
    ExpertFeedForward,
    GroupedAttention,
    Indexer,
    LatentAttention,
    Layer,
    LinearAttention,
    Mamba,
    Mamba2,
    ModelArchitecture,
)
from infermodel.cost.block_pool import STATE, WindowGroups
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.cost.layers import layer_bytes, layer_operators
from infermodel.cost.memory import kv_memory
from infermodel.cost.step import Batch, DoesNotFit, Windowed
from infermodel.cost.work import Shard, looks
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import OpenTraffic

NETWORK = DenseFeedForward(4096)
ATTENTION = GroupedAttention(16, 2, 128)
DELTA = LinearAttention(key_heads=8, value_heads=16, key_dim=128, value_dim=128)
INDEXED = LatentAttention(16, 512, 256, 64, 32, 64, indexer=Indexer(4, 64, 512), top_k=512)
PICKED = replace(INDEXED, indexer=None)
SPARSE = CompressedAttention(16, 128, 512, 256, 4, window=128, ratio=4, indexer=Indexer(4, 64, 512), top_k=128)


def model(*layers: Layer, number: float = 2.0) -> ModelArchitecture:
    return ModelArchitecture(
        "m", "M", 2048, 32000, layers, tied_embeddings=False, max_context=131072, state_number_bytes=number
    )


HYBRID = model(
    *(Layer(NO_ATTENTION, NETWORK, DELTA), Layer(NO_ATTENTION, NETWORK, DELTA), Layer(ATTENTION, NETWORK)) * 4
)
STATES = model(*(Layer(recurrence=Mamba2(4096, 64, 1, 128), norms=1),) * 8)
PICKING = model(Layer(INDEXED, NETWORK), Layer(PICKED, NETWORK), Layer(SPARSE, NETWORK))
BESIDE = model(*(Layer(ATTENTION, NETWORK, Mamba(4096, 16, 128)),) * 4)
ALL = {"hybrid": HYBRID, "states": STATES, "picking": PICKING, "beside": BESIDE}
DEPLOYMENT = Deployment(max_context=16384)


def test_a_block_holds_a_state_and_groups_are_of_equal_size() -> None:
    """A state of 16 x 128 x 128 numbers and 3 of 4,096 channels' pasts, 548,864 bytes; a token of 2 x 2 x 128 numbers,
    1,024 bytes: 536 tokens, in blocks of 16 544. Eight layers with states make two groups of four."""
    memory = kv_memory(HYBRID, H100, DEPLOYMENT, ENGINE)
    assert (memory.block_tokens, memory.block_bytes) == (544, 4 * 544 * 1024)
    assert (memory.whole, memory.windows) == (1, (WindowGroups(STATE, groups=2, held=1, most=1),))
    assert memory.charged(31) == 31 + 2  # 16,384 tokens
    found_again = kv_memory(HYBRID, H100, DEPLOYMENT, replace(ENGINE, prefix_caching=True))
    assert found_again.windows == (WindowGroups(STATE, groups=2, held=2, most=2),)


def test_states_in_32_bits_take_twice_the_block() -> None:
    wide = replace(HYBRID, state_number_bytes=4.0)  # 1,048,576 + 24,576 bytes: 1,048 tokens
    assert kv_memory(wide, H100, DEPLOYMENT, ENGINE).block_tokens == 1056


def test_states_alone_hold_any_context() -> None:
    memory = kv_memory(STATES, H100, DEPLOYMENT, ENGINE)
    assert (memory.whole, memory.bytes_per_token) == (0, 0)
    assert memory.block_bytes == 8 * 2 * (4096 * 128 + 3 * 4352)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("context", [1, 100, 500, 3000])
def test_a_ramp_is_the_steps_of_the_batch_advanced(name: str, context: int) -> None:
    architecture = ALL[name]
    steps = step_model(architecture, node(H100), DEPLOYMENT, ENGINE)

    def batch(step: int) -> Batch:
        contexts = [context + step, 2 * context + step]
        seen = tuple(Windowed(sum(min(c, w) for c in contexts), sum(c < w for c in contexts)) for w in steps.windows)
        return Batch(2, sum(contexts), max(contexts), seen)

    ramp = steps.ramp(batch(0))
    for step in range(min(ramp.steps, 40)):
        cost = steps.step(batch(step))
        assert cost.latency_s == pytest.approx(ramp.first_s + step * ramp.slope_s, rel=1e-9)
        assert cost.bytes == pytest.approx(ramp.first_bytes + step * ramp.slope_bytes, rel=1e-9)


def test_a_step_reads_and_writes_each_state_once() -> None:
    """One sequence more moves 8 states of 1,074,688 bytes both ways, and what its activations take."""
    steps = step_model(STATES, node(H100), DEPLOYMENT, ENGINE)
    one, two, three = (steps.step(Batch(n, n * 100, 100)).bytes for n in (1, 2, 3))
    assert two - one == pytest.approx(8 * 2 * 1_074_688, rel=0.06)
    assert three - two == pytest.approx(two - one, rel=1e-9)
    assert steps.step(Batch(1, 9000, 9000)).bytes == one  # whatever was before


def test_an_indexer_reads_everything_and_attention_what_it_picks() -> None:
    scored, whole = looks(INDEXED, Shard())[1], looks(replace(INDEXED, top_k=None, indexer=None), Shard())[0]
    assert looks(INDEXED, Shard())[0] == whole._replace(window=512, pair_flops=whole.decode_flops)
    assert (scored.window, scored.elements, scored.decode_flops) == (None, 64, 2 * 4 * 64)
    assert looks(INDEXED, Shard(tensor_parallel=8))[1] == scored  # every GPU has all its keys


def test_compressed_entries_are_looked_at_in_their_share() -> None:
    near, far, scored = looks(SPARSE, Shard())
    assert (near.window, near.elements, near.decode_flops) == (128, 128, 4 * 16 * 128)
    assert (far.window, far.elements, far.decode_flops) == (4 * 128, 128 / 4, 4 * 16 * 128 / 4)
    assert (scored.window, scored.elements) == (None, 64 / 4)


@pytest.mark.parametrize(
    "layer",
    [
        Layer(ATTENTION, NETWORK, DELTA),
        Layer(NO_ATTENTION, NETWORK, replace(DELTA, decay="channel", gate_rank=64)),
        Layer(recurrence=Mamba2(4096, 64, 8, 128), norms=1),
        Layer(recurrence=Mamba(4096, 16, 128)),
        Layer(INDEXED, DenseFeedForward(4096, gated=False)),
        Layer(SPARSE, ExpertFeedForward(8, 2, 512, 1024, gated=False, latent=1024)),
        Layer(replace(ATTENTION, value_dim=64, gate_columns=16), NETWORK),
        Layer(replace(ATTENTION, projects_kv=False), NETWORK),
    ],
)
def test_operators_hold_all_weights_but_small_ones(layer: Layer) -> None:
    operators = sum(each.parameters for each in layer_operators(layer, 2048, Shard()))
    assert operators == pytest.approx(layer.parameters(2048), rel=0.005)
    assert operators <= layer.parameters(2048)
    halves = sum(each.parameters for each in layer_operators(layer, 2048, Shard(tensor_parallel=2)))
    assert 0.45 * operators < halves < 0.75 * operators


def test_weights_of_a_layer_before_are_read_and_not_stored_again() -> None:
    once = Layer(ATTENTION, NETWORK)
    again = replace(once, again=True)
    assert layer_bytes(again, 2048, Shard(), "bf16") == 0.0
    assert layer_operators(again, 2048, Shard()) == layer_operators(once, 2048, Shard())
    assert model(once, again).parameters == model(once).parameters


def test_a_published_mixture_of_formats_is_kept_as_published() -> None:
    mixed = replace(HYBRID, default_precision="fp8", formats=(("attention", "bf16"), ("dense", "fp8")))
    layer = mixed.layers[2]
    operators = {each.name: each for each in layer_operators(layer, 2048, Shard())}
    half = 2.0 * (operators["qkv"].parameters + operators["o"].parameters) + 4.0 * 2048
    eight = operators["gate_up"].parameters + operators["down"].parameters
    assert layer_bytes(layer, 2048, Shard(), "fp8", mixed.formats) == half + eight
    assert layer_bytes(layer, 2048, Shard(), "fp8") == half / 2 + eight + 2.0 * 2048


@pytest.mark.parametrize("system", ["cs-3", "groq-rack"])
@pytest.mark.parametrize("name", ALL)
def test_other_devices_refuse_what_they_cannot_price(system: str, name: str) -> None:
    with pytest.raises(DoesNotFit, match=r"M has .* is not modelled"):
        step_model(ALL[name], catalog.load_system(system), DEPLOYMENT, ENGINE)


def test_images_are_not_looked_at() -> None:
    with pytest.raises(DoesNotFit, match="attention to images"):
        step_model(model(Layer(replace(ATTENTION, keeps_kv=False), NETWORK)), node(H100), DEPLOYMENT, ENGINE)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("caching", [False, True])
def test_leaps_over_such_layers_are_exact(name: str, caching: bool) -> None:
    steps = step_model(ALL[name], node(H100), DEPLOYMENT, replace(ENGINE, prefix_caching=caching))
    traffic = OpenTraffic(Poisson(40.0), Uniform(100, 3000), Uniform(1, 700))
    spec = one_pool("s", steps, traffic, Limits(32, 2048, 4096, prefix_caching=caching))
    records = [simulate([spec], 3, Horizon(requests=60), stepping=how)[0] for how in ("leap", "every")]

    def tokens_at(record: ServiceRecord) -> list[bytes]:
        table = record.requests
        return [table.first_token_at.tobytes(), table.finished_at.tobytes(), table.preemptions.tobytes()]

    assert tokens_at(records[0]) == tokens_at(records[1])
