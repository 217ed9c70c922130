"""How a replica's layers are cut into pipeline stages, and which attention windows they have."""

from __future__ import annotations

from collections import Counter

from infermodel.architecture import Layer, ModelArchitecture


def stage_layers(architecture: ModelArchitecture, stages: int) -> tuple[tuple[tuple[Layer, int], ...], ...]:
    """The layers of each pipeline stage as (layer, count), cut evenly; the first stages take the remainder.

    >>> from infermodel.architecture import DenseFeedForward, GroupedAttention
    >>> layer = Layer(GroupedAttention(heads=8, kv_heads=8, head_dim=64), DenseFeedForward(1024))
    >>> model = ModelArchitecture("m", "M", 512, 1000, (layer,) * 5, tied_embeddings=False, max_context=2048)
    >>> [sum(count for _, count in stage) for stage in stage_layers(model, 2)]
    [3, 2]
    """
    base, extra = divmod(len(architecture.layers), stages)
    cuts, start = [], 0
    for stage in range(stages):
        size = base + (stage < extra)
        cuts.append(tuple(Counter(architecture.layers[start : start + size]).items()))
        start += size
    return tuple(cuts)
