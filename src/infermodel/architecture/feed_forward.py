"""Feed-forward networks: what a layer does to each token alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DenseFeedForward:
    """One feed-forward network: gate, up and down projections, or up and down alone where it is not gated."""

    intermediate: int
    gated: bool = True
    bias: bool = False

    @property
    def matrices(self) -> int:
        """Projections of hidden x intermediate."""
        return 3 if self.gated else 2

    def parameters(self, hidden: int) -> int:
        """Weights stored."""
        biases = ((self.matrices - 1) * self.intermediate + hidden) * self.bias
        return self.matrices * hidden * self.intermediate + biases

    def active_parameters(self, hidden: int) -> int:
        """Weights that one token touches: all of them."""
        return self.parameters(hidden)


@dataclass(frozen=True, slots=True)
class ExpertFeedForward:
    """A mixture of experts with a router.

    Attributes:
        shared_intermediate: width of the always-on experts, or of a dense network beside, together.
        gated: whether experts, shared ones too, have a gate projection.
        shared_gate: whether a token weighs the shared experts (one number).
        latent: width that routed experts work in, between two projections of all of them (Nemotron 3, 2026); 0 for the
            layer's own.
        extra: weights that only one family has.
    """

    experts: int
    top_k: int
    intermediate: int
    shared_intermediate: int = 0
    router_bias: bool = False
    expert_bias: bool = False
    gated: bool = True
    shared_gate: bool = False
    latent: int = 0
    extra: int = 0

    @property
    def matrices(self) -> int:
        """Projections of an expert."""
        return 3 if self.gated else 2

    def expert_parameters(self, hidden: int) -> int:
        """Weights of one routed expert."""
        width = self.latent or hidden
        biases = ((self.matrices - 1) * self.intermediate + width) * self.expert_bias
        return self.matrices * width * self.intermediate + biases

    def always(self, hidden: int) -> int:
        """Weights that every token touches: the router, shared experts, and the way to the latent width and back."""
        shared = self.matrices * hidden * self.shared_intermediate + hidden * self.shared_gate
        router = hidden * self.experts + self.experts * self.router_bias
        return router + shared + 2 * hidden * self.latent + self.extra

    def parameters(self, hidden: int) -> int:
        """Weights stored: every expert, the shared ones and the router."""
        return self.experts * self.expert_parameters(hidden) + self.always(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Weights that one token touches: `top_k` experts, the shared ones and the router."""
        return self.top_k * self.expert_parameters(hidden) + self.always(hidden)


FeedForward = DenseFeedForward | ExpertFeedForward

NO_FEED_FORWARD = DenseFeedForward(0)
"""Of a layer that has none."""
