"""What encoders for images and sound are built of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infermodel.formats.hf.config import Config

Counter = Callable[[Config], int]


@dataclass(frozen=True, slots=True)
class Block:
    """A transformer block of an encoder: attention of four square projections, a network, two norms.

    Attributes:
        qkv_bias, output_bias, network_bias: whether these carry biases.
        norm_vectors: 2 for a norm with a bias, 1 without; of both norms each.
        extra: further weights of the block.
    """

    width: int
    inner: int
    gated: bool = False
    qkv_bias: bool = True
    output_bias: bool = True
    network_bias: bool = True
    norm_vectors: int = 2
    extra: int = 0

    @property
    def parameters(self) -> int:
        """All its weights.

        >>> Block(width=1024, inner=4096).parameters  # 4 x 1024^2 + 2 x 1024 x 4096 and 13 x 1024 of biases and norms
        12596224
        """
        matrices = 3 if self.gated else 2
        attention = 4 * self.width**2 + self.width * (3 * self.qkv_bias + self.output_bias)
        network = matrices * self.width * self.inner
        network += ((matrices - 1) * self.inner + self.width) * self.network_bias
        return attention + network + 2 * self.norm_vectors * self.width + self.extra


def linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    """Weights of a projection."""
    return inputs * outputs + outputs * bias


def side(config: Config, name: str) -> int:
    """A size that may be given for both sides of an image."""
    value = config.keys.get(name)
    return int(value[0]) if isinstance(value, list) and value and isinstance(value[0], int) else config.whole(name)


def patches(config: Config) -> int:
    """Patches of an image of the encoder's own size."""
    return (side(config, "image_size") // side(config, "patch_size")) ** 2


def shuffled(outer: Config) -> int:
    """Patches that a wrapper joins to one token by moving pixels into channels (InternVL).

    Raises:
        FormatError: `downsample_ratio` is no share of 1.

    >>> from pathlib import Path
    >>> shuffled(Config(Path("config.json"), {"downsample_ratio": 0.25})), shuffled(Config(Path("config.json"), {}))
    (16, 4)
    """
    ratio = outer.keys.get("downsample_ratio", 0.5)
    if not isinstance(ratio, float) or not 0 < ratio <= 1:
        raise outer.wrong("downsample_ratio", "a share of 1", ratio)
    return round(1 / ratio) ** 2


def patch_inputs(config: Config, channels: str = "num_channels", frames: int = 1) -> int:
    """Numbers of a patch."""
    return config.whole(channels, default=3) * side(config, "patch_size") ** 2 * frames
