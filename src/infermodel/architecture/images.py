"""Images in prompts: into how many patches and tokens a model turns one, and the encoder that does.

Every rule is that of a family's image processor in transformers 5.23.0, told in other words.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import NamedTuple


class Seen(NamedTuple):
    """What a model makes of an image.

    Attributes:
        pieces: that its encoder looks at one by one: tiles, or the image whole.
        patches: of a piece.
        encoded: tokens that the encoder gives for all pieces.
        tokens: of the prompt, the marks around and between them included.
    """

    pieces: int
    patches: int
    encoded: int
    tokens: int


class Grid(NamedTuple):
    """How an image is cut: pieces, tokens of a piece, and marks between and around them."""

    pieces: int
    tokens: int
    marks: int


@dataclass(frozen=True, slots=True)
class Resized:
    """Each side goes to the nearest multiple of `unit`; with more pixels than `most` or fewer than `least` the image is
    scaled, and sides rounded down or up (Qwen2-VL, 2024). A token is a square of `unit`.

    >>> Resized(unit=28, least=3136, most=12845056).grid(1920, 1080).tokens  # 69 x 39, 1,932 x 1,092 pixels
    2691
    """

    unit: int
    least: int
    most: int
    marks: int = 2

    def grid(self, width: int, height: int) -> Grid:
        """How an image of so many pixels is cut."""
        columns, rows = round(width / self.unit), round(height / self.unit)
        pixels = columns * rows * self.unit**2
        if pixels > self.most:
            less = sqrt(width * height / self.most)
            columns, rows = (max(1, floor(side / less / self.unit)) for side in (width, height))
        elif pixels < self.least:
            more = sqrt(self.least / (width * height))
            columns, rows = (ceil(side * more / self.unit) for side in (width, height))
        return Grid(1, columns * rows, self.marks)


@dataclass(frozen=True, slots=True)
class Padded:
    """An image is made smaller where it is too large, and its sides filled up to multiples of `unit`: at most `longest`
    pixels a side, and `most` squares of `patch` pixels in all, 0 for any number (Pixtral, 2024; Kimi K2.5, 2026).

    Attributes:
        row_ends: whether a token ends each row, the last one too.

    >>> Padded(unit=28, longest=1540, row_ends=True).grid(3000, 2000)  # 1540 x 1026: 55 x 37, and 37 ends of rows
    Grid(pieces=1, tokens=2035, marks=37)
    """

    unit: int
    longest: int
    most: int = 0
    patch: int = 1
    row_ends: bool = False
    marks: int = 0

    def grid(self, width: int, height: int) -> Grid:
        """How an image of so many pixels is cut."""
        scale = min(1.0, self.longest / max(width, height))
        if self.most:
            patches = max(1, width // self.patch) * max(1, height // self.patch)
            scale = min(scale, sqrt(self.most / patches))
        columns, rows = (ceil(max(1, floor(side * scale + ROUNDING)) / self.unit) for side in (width, height))
        return Grid(1, columns * rows, self.marks + rows * self.row_ends)


ROUNDING = 1e-9
"""By which a side that ought to be whole may miss it."""


@dataclass(frozen=True, slots=True)
class Filled:
    """An image is made as large as `most` squares of `unit` allow, whatever its size, and its sides rounded down to
    multiples of `unit` (Gemma 4, 2026).

    >>> Filled(unit=48, most=280).grid(1024, 1024).tokens  # 16 x 16
    256
    """

    unit: int
    most: int
    marks: int = 2

    def grid(self, width: int, height: int) -> Grid:
        """How an image of so many pixels is cut."""
        scale = sqrt(self.most / (width * height))
        columns, rows = (floor(side * scale + ROUNDING) for side in (width, height))
        if not columns:
            columns, rows = 1, min(height // width, self.most)
        elif not rows:
            columns, rows = min(width // height, self.most), 1
        return Grid(1, columns * rows, self.marks)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Every image has as many tokens, whatever its size (LLaVA, 2023; Gemma 3, 2025)."""

    tokens: int
    marks: int = 0

    def grid(self, width: int, height: int) -> Grid:
        """How any image is cut."""
        return Grid(1, self.tokens, self.marks)


@dataclass(frozen=True, slots=True)
class Tiles:
    """An image is cut into square tiles, and where there are several, seen once more whole (InternVL, 2024).

    Attributes:
        side: of a tile, pixels.
        most: tiles at most, the whole not counted.
        tokens: of a tile, and of the whole.
        largest: whether tiles are chosen that shrink the image least, and the fewest of these (Llama 4, 2025); else
            those whose sides have the ratio nearest to the image's, more of them only where they are less than twice
            its size.
        tile_marks: whether a mark ends each tile, or its row.

    >>> Tiles(side=448, most=12, tokens=256).grid(1344, 896)  # 3 x 2 tiles and the whole
    Grid(pieces=7, tokens=256, marks=2)
    """

    side: int
    most: int
    tokens: int
    largest: bool = False
    tile_marks: bool = False
    marks: int = 2

    def grid(self, width: int, height: int) -> Grid:
        """How an image of so many pixels is cut."""
        tiles = self._least_shrunk(width, height) if self.largest else self._nearest(width, height)
        marks = self.marks + tiles * (self.tile_marks and tiles > 1)
        return Grid(tiles + (tiles > 1), self.tokens, marks)

    def _canvases(self) -> list[tuple[int, int]]:
        """Columns and rows that are allowed, fewer tiles first."""
        numbers = range(1, self.most + 1)
        found = [(columns, rows) for columns in numbers for rows in numbers if columns * rows <= self.most]
        return sorted(found, key=lambda canvas: canvas[0] * canvas[1])

    def _nearest(self, width: int, height: int) -> int:
        missed, tiles = float("inf"), 1
        for columns, rows in self._canvases():
            misses, of_canvas = abs(width / height - columns / rows), columns * rows
            if misses < missed or (misses == missed and width * height > 0.5 * self.side**2 * of_canvas):
                missed, tiles = misses, of_canvas
        return tiles

    def _least_shrunk(self, width: int, height: int) -> int:
        scales = [
            (min(columns * self.side / width, rows * self.side / height), columns * rows)
            for columns, rows in self._canvases()
        ]
        enlarging = [scale for scale, _ in scales if scale >= 1]
        chosen = min(enlarging) if enlarging else max(scale for scale, _ in scales)
        return min(tiles for scale, tiles in scales if scale == chosen)


ImageRule = Resized | Padded | Filled | Fixed | Tiles


@dataclass(frozen=True, slots=True)
class ImageEncoder:
    """A transformer over the patches of an image; groups of them become tokens of the language model.

    Attributes:
        width, intermediate, heads: of its layers; `gated` as of a feed-forward network.
        inputs: numbers of a patch that enter, those of all frames where it takes several.
        joined: patches of which a token is made.
        projector: weights that multiply each token on its way to the language model's width.
        rule: how an image is cut.
        windowed: layers that look at squares of `window` patches only; the others look at the whole piece.
    """

    layers: int
    width: int
    intermediate: int
    heads: int
    inputs: int
    joined: int
    projector: int
    rule: ImageRule
    gated: bool = False
    windowed: int = 0
    window: int = 0

    def seen(self, width: int, height: int) -> Seen:
        """What becomes of an image of so many pixels."""
        pieces, tokens, marks = self.rule.grid(width, height)
        return Seen(pieces, tokens * self.joined, pieces * tokens, pieces * tokens + marks)

    @property
    def matrices(self) -> int:
        """Projections of the feed-forward network."""
        return 3 if self.gated else 2

    def pairs(self, seen: Seen) -> int:
        """Pairs of patches that attention scores of an image, all layers together.

        >>> encoder = ImageEncoder(3, 8, 16, 2, 12, 4, 100, Fixed(4), windowed=2, window=4)
        >>> encoder.pairs(Seen(1, 16, 4, 4))  # one layer 16 x 16, two 16 x 4
        384
        """
        whole, near = seen.patches, min(seen.patches, self.window)
        return seen.pieces * seen.patches * ((self.layers - self.windowed) * whole + self.windowed * near)

    def flops(self, seen: Seen) -> float:
        """Floating-point operations for an image: two for each weight and patch, or token, four a channel and pair.

        >>> encoder = ImageEncoder(1, 8, 16, 2, 12, 4, 100, Fixed(4))
        >>> encoder.flops(Seen(1, 16, 4, 4))  # 2 x 16 x (4 x 64 + 2 x 128 + 96) + 2 x 4 x 100 + 4 x 8 x 256
        28448.0
        """
        block = 4 * self.width**2 + self.matrices * self.width * self.intermediate
        a_patch = self.layers * block + self.inputs * self.width
        patches = seen.pieces * seen.patches
        return 2.0 * (patches * a_patch + seen.encoded * self.projector) + 4.0 * self.width * self.pairs(seen)
