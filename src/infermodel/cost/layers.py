"""Layers on one GPU, recurrences among them: multiplications, weights, and what the state of a sequence takes."""

from __future__ import annotations

from infermodel.architecture import Layer, LinearAttention, Mamba, Recurrence
from infermodel.cost.work import (
    Formats,
    LinearOperator,
    Shard,
    attention_operators,
    bytes_per_weight,
    feed_forward_operators,
)


def recurrence_operators(recurrence: Recurrence | None, hidden: int, shard: Shard) -> tuple[LinearOperator, ...]:
    """Projections of a recurrence on one GPU: of the layer's input and of its output, their columns divided."""
    if recurrence is None:
        return ()
    columns = recurrence.inner / shard.tensor_parallel
    operators = [
        LinearOperator("state_in", hidden, recurrence.input_columns / shard.tensor_parallel),
        LinearOperator("state_out", columns, hidden),
    ]
    if isinstance(recurrence, Mamba):
        operators.append(LinearOperator("state_step", columns, 2 * (recurrence.step_rank + recurrence.state)))
    if isinstance(recurrence, LinearAttention) and recurrence.gate_rank:
        wide = recurrence.values + (recurrence.keys if recurrence.decay == "channel" else 0)
        operators.append(LinearOperator("state_gate", recurrence.gate_rank, wide / shard.tensor_parallel))
    return tuple(operators)


def state_bytes(layer: Layer, number: float, shard: Shard) -> float:
    """Bytes that a sequence keeps on one GPU for one layer: matrices of `number` bytes a number, pasts of 2.

    >>> from infermodel.architecture import ShortConvolution
    >>> state_bytes(Layer(recurrence=ShortConvolution(width=2048, kernel=3)), 4.0, Shard(tensor_parallel=2))
    4096.0
    """
    matrices = layer.recurrence.matrix_elements if layer.recurrence else 0
    return (matrices * number + (layer.state_elements - matrices) * 2.0) / shard.tensor_parallel


def layer_operators(layer: Layer, hidden: int, shard: Shard) -> tuple[LinearOperator, ...]:
    """Every matrix multiplication of one layer on one GPU."""
    joined = (LinearOperator("join", layer.joined * hidden, hidden),) if layer.joined else ()
    return (
        *joined,
        *attention_operators(layer.attention, hidden, shard),
        *recurrence_operators(layer.recurrence, hidden, shard),
        *feed_forward_operators(layer.feed_forward, hidden, shard),
    )


def layer_bytes(layer: Layer, hidden: int, shard: Shard, precision: str, formats: Formats = ()) -> float:
    """Weights of one layer on one GPU in bytes, norms included; none where they are those of a layer before."""
    if layer.again:
        return 0.0
    operators = layer_operators(layer, hidden, shard)
    weights = sum(operator.parameters * bytes_per_weight(operator, precision, formats) for operator in operators)
    return weights + 4.0 * hidden + 2.0 * layer.extra / shard.tensor_parallel


def blocks(layer: Layer) -> int:
    """Of a layer, each with a norm before it and a sum over GPUs behind it: what mixes tokens, and the network."""
    network = layer.feed_forward.intermediate > 0
    return max(1, (mixers(layer) > 0) + network)


def mixers(layer: Layer) -> int:
    """What mixes tokens in a layer: attention, a recurrence, or both side by side."""
    return (layer.attention.heads > 0) + (layer.recurrence is not None)
