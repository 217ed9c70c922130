"""What reading, working on and writing the states of sequences costs in a step."""

from __future__ import annotations

from typing import NamedTuple

from infermodel.architecture import Layer
from infermodel.cost.layers import state_bytes
from infermodel.cost.replica import GpuReplica

UPDATE_FLOPS = 8
"""Of a token for each number of a matrix: fading, two products with it and an outer product (Yang et al., Gated Delta
Networks, 2025); Mamba's need about as many."""

SCAN_TOKENS = 64
"""Tokens of a prompt that are worked on between two states (vLLM 0.33.0, chunks of its gated delta rule)."""


class StateWork(NamedTuple):
    """Seconds of one layer's states on one GPU, FLOPs and bytes."""

    compute_s: float
    memory_s: float
    flops: float
    bytes: float


def state_work(replica: GpuReplica, layer: Layer, decode_tokens: float, prompt_tokens: float) -> StateWork:
    """Of one layer: a decoding sequence reads its state and writes it back, for each token that it verifies; a prompt
    does so once for `SCAN_TOKENS` of its tokens. Units and memory work at once.
    """
    device, constants = replica.device, replica.constants
    state = state_bytes(layer, replica.architecture.state_number_bytes, replica.shard)
    moved = 2.0 * state * (decode_tokens + prompt_tokens / SCAN_TOKENS)
    matrices = layer.recurrence.matrix_elements if layer.recurrence else 0
    done = UPDATE_FLOPS * matrices / replica.shard.tensor_parallel * (decode_tokens + prompt_tokens)
    reached = device.memory_bandwidth * constants.decode_attention_efficiency_16bit
    units_s = done / (device.peak_flops[replica.half] * constants.prefill_attention_efficiency)
    read_s = moved / reached
    return StateWork(units_s, 0.0, done, moved) if units_s > read_s else StateWork(0.0, read_s, done, moved)
