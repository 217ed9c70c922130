"""Mixers that carry a state: delta nets, Mamba and Mamba-2, short convolutions, by the keys of their families."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from infermodel.architecture import (
    LinearAttention,
    Mamba,
    Mamba2,
    ShortConvolution,
)
from infermodel.formats.hf.config import Config


def delta_net(config: Config) -> LinearAttention:
    """A gated delta net (Qwen3-Next)."""
    return LinearAttention(
        config.whole("linear_num_key_heads"),
        config.whole("linear_num_value_heads"),
        config.whole("linear_key_head_dim"),
        config.whole("linear_value_head_dim"),
        config.whole("linear_conv_kernel_dim"),
    )


def kimi_delta(heads: str, width: str, kernel: str, *, low_rank: bool) -> Callable[[Config], LinearAttention]:
    """Kimi's delta attention: a decay for each channel, its projection and the gate's of low rank or not."""

    def found(config: Config) -> LinearAttention:
        given = config.mapping("linear_attn_config")
        sizes = {
            name: given.get(other) if type(given.get(other)) is int else config.whole(name)
            for name, other in ((heads, "num_heads"), (width, "head_dim"), (kernel, "short_conv_kernel_size"))
        }
        count, dim, taps = (int(value or 0) for value in sizes.values())
        return LinearAttention(count, count, dim, dim, taps, "channel", dim if low_rank else 0)

    return found


def lightning(config: Config) -> LinearAttention:
    """Linear attention of MiniMax-Text: as many states as heads, each of a head by a head."""
    heads = config.whole("num_attention_heads")
    width = config.whole("head_dim", default=config.whole("hidden_size") // heads)
    return LinearAttention(heads, heads, width, width, 0, "fixed")


def olmo_delta(config: Config) -> LinearAttention:
    """The delta net of OLMo Hybrid."""
    heads = config.whole("num_attention_heads")
    keys = config.whole("linear_num_key_heads", default=heads)
    width = config.whole("linear_key_head_dim", default=int(0.75 * config.whole("hidden_size") / keys))
    return LinearAttention(
        keys,
        config.whole("linear_num_value_heads", default=heads),
        width,
        config.whole("linear_value_head_dim", default=2 * width),
        config.whole("linear_conv_kernel_dim"),
    )


def mamba2(config: Config, inner: int | None = None, *, norm: bool = True) -> Mamba2:
    """Mamba-2 under the names that Bamba, Granite 4 and Falcon-H1 use."""
    return Mamba2(
        config.whole("mamba_expand") * config.whole("hidden_size") if inner is None else inner,
        config.whole("mamba_n_heads"),
        config.whole("mamba_n_groups"),
        config.whole("mamba_d_state"),
        config.whole("mamba_d_conv"),
        config.flag("mamba_conv_bias", True),
        config.flag("mamba_proj_bias"),
        norm,
    )


def mamba(config: Config, inner_norms: bool = False) -> Mamba:
    """Mamba under the names that Jamba uses."""
    hidden, rank = config.whole("hidden_size"), config.keys.get("mamba_dt_rank")
    return Mamba(
        config.whole("mamba_expand") * hidden,
        config.whole("mamba_d_state"),
        rank if type(rank) is int else ceil(hidden / 16),
        config.whole("mamba_d_conv"),
        config.flag("mamba_conv_bias", True),
        config.flag("mamba_proj_bias"),
        inner_norms,
    )


def convolution(config: Config) -> ShortConvolution:
    """The short convolution of LFM2."""
    return ShortConvolution(config.whole("hidden_size"), config.whole("conv_L_cache"), config.flag("conv_bias"))
