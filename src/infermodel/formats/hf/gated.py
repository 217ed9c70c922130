"""Families of grouped attention whose result is gated, with experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infermodel.architecture import GroupedAttention
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.mixture import balanced, first_dense, routed
from infermodel.formats.hf.pieces import Body, Reader, attention, by_types, everywhere, grouped, mixture, stack, windows


def _afmoe(config: Config) -> Body:
    """A gate for every channel; windows but in every so many-th layer; some dense layers first; four norms."""
    every = config.whole("global_attn_every_n_layers", default=4) or 4
    bias, plain = config.flag("attention_bias"), grouped(config, qk_norm=True)
    gated = replace(plain, qkv_bias=bias, output_bias=bias, gate_columns=plain.heads * plain.head_dim)
    reach = windows(lambda _, index: (index + 1) % every != 0)(config)
    dense = config.whole("num_dense_layers", default=0)
    networks = mixture(
        balanced("num_experts", "num_shared_experts"),
        lambda each: [index >= dense for index in range(each.layers())],
    )
    return stack(lambda _: [replace(gated, window=window) for window in reach], networks, norms=4)(config)


def _laguna(config: Config) -> Sequence[GroupedAttention]:
    """Heads may differ layer by layer; a gate for each head or for every channel."""
    plain, bias = grouped(config, qk_norm=True), config.flag("attention_bias")
    heads = config.numbers("num_attention_heads_per_layer") or [plain.heads] * config.layers()
    if len(heads) != config.layers():
        raise config.wrong("num_attention_heads_per_layer", "a number for each layer", heads)
    wide = config.keys.get("gating", True) not in (True, "per-head")
    reach = windows(lambda _, __: False)(config)
    return [
        replace(
            plain,
            heads=count,
            window=window,
            qkv_bias=bias,
            output_bias=bias,
            gate_columns=count * (plain.head_dim if wide else 1),
        )
        for count, window in zip(heads, reach, strict=True)
    ]


GATED: Mapping[str, Reader] = {
    "afmoe": _afmoe,
    "laguna": stack(
        _laguna,
        mixture(
            routed("num_experts", shared="shared_expert_intermediate_size", router_bias=True), by_types(first_dense)
        ),
    ),
    "granitemoe_swa": stack(
        attention(qkv_bias="attention_bias", sinks=True, reach=windows(lambda _, index: index % 4 != 0)),
        mixture(routed(width="intermediate_size", shared="shared_intermediate_size"), everywhere),
    ),
}
"""By `model_type`."""
