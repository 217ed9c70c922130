"""Encoders of Gemma 3n: a network of convolutions that the file only names, and one for sound of convolutions and
attention (Conformer, 2020)."""

from __future__ import annotations

from collections.abc import Mapping

from infermodel.formats.hf.config import Config
from infermodel.formats.hf.encoder_pieces import Counter

NAMED: Mapping[str, int] = {"mobilenetv5_300m_enc": 294_126_912}
"""Weights of encoders whose sizes stand in no file: built by name with timm 1.0.31 on torch's `meta` device."""


def _images(config: Config) -> int:
    """The class's own is the only one that is known."""
    name = str(config.keys.get("architecture", "mobilenetv5_300m_enc"))
    if name not in NAMED or config.mapping("model_args"):
        raise config.refused(
            f"architecture {name!r} with its model_args: of these encoders {', '.join(NAMED)} is known"
        )
    return NAMED[name]


def _sound(config: Config) -> int:
    """Two convolutions over the spectrum, then blocks: a network, attention with relative positions and a scale for
    each channel of a head, a gated convolution, and a network again; five norms beside those of the networks."""
    width, kernel = config.whole("hidden_size"), config.whole("conf_conv_kernel_size")
    network = 8 * width**2 + 2 * width
    attention = 5 * width**2 + width // config.whole("conf_num_attention_heads") + 2 * width
    convolution = 3 * width**2 + kernel * width + 2 * width
    block = 2 * network + attention + convolution + width
    return _stem(config, width) + config.whole("conf_num_hidden_layers") * block


def _stem(config: Config, width: int) -> int:
    """Each convolution has a norm by channel; what is left of the spectrum's rows enters a projection together."""
    channels = [1, *config.numbers("sscp_conv_channel_size")]
    kernels, strides = _pairs(config, "sscp_conv_kernel_size"), _pairs(config, "sscp_conv_stride_size")
    if not len(channels) - 1 == len(kernels) == len(strides):
        raise config.refused("sscp_conv_channel_size: expected a number for each pair of sscp_conv_kernel_size")
    rows, count = config.whole("input_feat_size"), 0
    for inputs, outputs, (long, high), (_, stride) in zip(channels, channels[1:], kernels, strides, strict=False):
        rows = (rows + 2 - high) // stride + 1
        if rows < 1:
            raise config.refused(f"input_feat_size: fewer rows than a convolution of {high} takes")
        count += outputs * (inputs * long * high + 1)
    return count + channels[-1] * rows * width


def _pairs(config: Config, name: str) -> list[tuple[int, int]]:
    """Sizes along time and spectrum."""
    said = config.keys.get(name)
    if not isinstance(said, list) or not said or not all(map(_is_pair, said)):
        raise config.wrong(name, "pairs of whole numbers", said)
    return [(first, second) for first, second in said]


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(each) is int and each > 0 for each in value)


GEMMA3N_ENCODERS: Mapping[str, Counter] = {"gemma3n_vision": _images, "gemma3n_audio": _sound}
"""By `model_type`."""
