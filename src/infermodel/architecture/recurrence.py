"""Recurrences: a state of fixed size per sequence stands for all the tokens before, whatever their number.

Each says its weights and its state. Of a short convolution over the last `kernel` inputs the state keeps `kernel - 1`,
as vLLM 0.33.0 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decay = Literal["head", "channel", "fixed"]


@dataclass(frozen=True, slots=True)
class LinearAttention:
    """Linear attention and gated delta nets: a matrix of key_dim x value_dim per head.

    Attributes:
        key_heads, value_heads: keys may be shared by heads of values; the state has the latter's number.
        kernel: of the convolution over queries, keys and values; 0 for none.
        decay: how the state fades: by a learned number a head (Qwen3-Next, 2025), a channel of the keys (Kimi Linear,
            2025), or at a fixed rate (MiniMax-Text-01, 2025).
        gate_rank: of the output gate and the channels' decay; 0 where they are projected directly.
    """

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int = 4
    decay: Decay = "head"
    gate_rank: int = 0

    @property
    def keys(self) -> int:
        """Columns of all keys."""
        return self.key_heads * self.key_dim

    @property
    def values(self) -> int:
        """Columns of all values."""
        return self.value_heads * self.value_dim

    @property
    def input_columns(self) -> int:
        """Columns of the projections of the layer's input: queries, keys, values, gate, decay and step."""
        low = self.gate_rank or None
        gate = low or self.values
        step = 0 if self.decay == "fixed" else self.value_heads
        decay = {"head": self.value_heads, "channel": low or self.keys, "fixed": 0}[self.decay]
        return 2 * self.keys + self.values + gate + decay + step

    def parameters(self, hidden: int) -> int:
        """Weights of the projections, the convolution, the decay and the output's norm."""
        up = self.gate_rank * (self.values + (self.keys if self.decay == "channel" else 0))
        decay = {"head": 2 * self.value_heads, "channel": self.keys + self.value_heads, "fixed": 0}[self.decay]
        norm = self.values if self.decay == "fixed" else self.value_dim
        convolution = self.kernel * (2 * self.keys + self.values)
        return hidden * self.input_columns + up + decay + norm + convolution + self.values * hidden

    @property
    def inner(self) -> int:
        """Columns that enter the output projection."""
        return self.values

    @property
    def matrix_elements(self) -> int:
        """Numbers of the matrices of all heads."""
        return self.value_heads * self.key_dim * self.value_dim

    @property
    def state_elements(self) -> int:
        """Those, and the convolution's past."""
        return self.matrix_elements + max(0, self.kernel - 1) * (2 * self.keys + self.values)


@dataclass(frozen=True, slots=True)
class Mamba2:
    """Mamba-2 (Dao and Gu, 2024): per head a matrix of head_dim x state, inputs and outputs shared by groups.

    Attributes:
        inner: columns of all heads.
        kernel_bias, bias: whether the convolution and the projections carry biases.
        norm: whether the gated result is normalised.
    """

    inner: int
    heads: int
    groups: int
    state: int
    kernel: int = 4
    kernel_bias: bool = True
    bias: bool = False
    norm: bool = True

    @property
    def channels(self) -> int:
        """Of the convolution: inputs, and what a group writes and reads the state with."""
        return self.inner + 2 * self.groups * self.state

    @property
    def input_columns(self) -> int:
        """Columns of the projection of the layer's input: gate, channels, a step per head."""
        return self.inner + self.channels + self.heads

    def parameters(self, hidden: int) -> int:
        """Weights of both projections, the convolution, the heads' three numbers and the norm."""
        biases = (self.input_columns + hidden) * self.bias + self.channels * self.kernel_bias
        small = 3 * self.heads + self.inner * self.norm
        return hidden * (self.input_columns + self.inner) + self.channels * self.kernel + biases + small

    @property
    def matrix_elements(self) -> int:
        """Numbers of the matrices of all heads."""
        return self.inner * self.state

    @property
    def state_elements(self) -> int:
        """Those, and the convolution's past."""
        return self.matrix_elements + self.channels * (self.kernel - 1)


@dataclass(frozen=True, slots=True)
class Mamba:
    """Mamba (Gu and Dao, 2023): per channel a vector of `state` numbers.

    Attributes:
        step_rank: of the steps' projection.
        inner_norms: whether step, input and output vectors are normalised (Jamba).
    """

    inner: int
    state: int
    step_rank: int
    kernel: int = 4
    kernel_bias: bool = True
    bias: bool = False
    inner_norms: bool = False

    @property
    def input_columns(self) -> int:
        """Columns of the projection of the layer's input: channels and their gate."""
        return 2 * self.inner

    def parameters(self, hidden: int) -> int:
        """Weights of the four projections, the convolution and the channels' own."""
        inward = self.inner * (self.step_rank + 2 * self.state) + (self.step_rank + 1) * self.inner
        own = self.inner * (self.state + 1) + self.inner * (self.kernel + self.kernel_bias)
        biases = (self.input_columns + hidden) * self.bias
        norms = (self.step_rank + 2 * self.state) * self.inner_norms
        return hidden * (self.input_columns + self.inner) + inward + own + biases + norms

    @property
    def matrix_elements(self) -> int:
        """Numbers of all channels' vectors."""
        return self.inner * self.state

    @property
    def state_elements(self) -> int:
        """Those, and the convolution's past."""
        return self.matrix_elements + self.inner * (self.kernel - 1)


@dataclass(frozen=True, slots=True)
class ShortConvolution:
    """A gated convolution over the last `kernel` tokens (LFM2, 2025)."""

    width: int
    kernel: int
    bias: bool = False

    @property
    def input_columns(self) -> int:
        """Columns of the projection of the layer's input: two gates and the channels."""
        return 3 * self.width

    @property
    def inner(self) -> int:
        """Columns that enter the output projection."""
        return self.width

    def parameters(self, hidden: int) -> int:
        """Weights of both projections and of the convolution."""
        biases = (self.input_columns + self.width + hidden) * self.bias
        return hidden * (self.input_columns + self.width) + self.width * self.kernel + biases

    @property
    def matrix_elements(self) -> int:
        """None: it has no matrix."""
        return 0

    @property
    def state_elements(self) -> int:
        """Numbers of the past inputs."""
        return self.width * (self.kernel - 1)


Recurrence = LinearAttention | Mamba2 | Mamba | ShortConvolution
