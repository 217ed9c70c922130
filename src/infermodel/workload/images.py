"""Images that prompts hold beside their text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infermodel.architecture import Seen
from infermodel.workload.arrivals import require_positive


@dataclass(frozen=True)
class Images:
    """Images in a share of the prompts, all of one size: they stand before the text, after a system prompt.

    Attributes:
        per_request: in each of these prompts.
        pixels: of an image.
        seen: what the model makes of one.
        share: of requests that hold any.
    """

    per_request: int
    pixels: int
    seen: Seen
    share: float = 1.0

    def __post_init__(self) -> None:
        require_positive("per_request", self.per_request)
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie above 0 and at most at 1, not {self.share}")

    @property
    def mean_tokens(self) -> float:
        """Expected tokens of images in a prompt.

        >>> Images(2, 1024 * 1024, Seen(1, 4096, 1024, 1026), share=0.5).mean_tokens
        1026.0
        """
        return self.share * self.per_request * self.seen.tokens

    def counts(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Images of the next `count` prompts."""
        holds = generator.random(count) < self.share if self.share < 1 else np.ones(count, bool)
        return np.where(holds, self.per_request, 0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class PromptImages:
    """Images of one prompt, one after the other.

    Attributes:
        count: how many.
        begins: tokens before the first.
        of: what they are.
    """

    count: int
    begins: int
    of: Images

    @property
    def pixels(self) -> int:
        """Of all of them."""
        return self.count * self.of.pixels

    def begun_by(self, tokens: int) -> int:
        """How many of them begin before so many tokens of the prompt: these the encoder has to have run for.

        >>> two = PromptImages(2, 100, Images(2, 336 * 336, Seen(1, 576, 576, 576)))
        >>> [two.begun_by(tokens) for tokens in (100, 101, 676, 677, 5000)]
        [0, 1, 1, 2, 2]
        """
        each = self.of.seen.tokens
        return min(self.count, max(0, -((self.begins - tokens) // each)))

    def behind(self, tokens: int) -> int:
        """How many of them end within so many tokens of the prompt.

        >>> two = PromptImages(2, 100, Images(2, 336 * 336, Seen(1, 576, 576, 576)))
        >>> [two.behind(tokens) for tokens in (99, 675, 676, 1252, 5000)]
        [0, 0, 1, 2, 2]
        """
        return min(self.count, max(0, (tokens - self.begins) // self.of.seen.tokens))
