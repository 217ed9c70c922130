"""Which characters a picture can show, and how it shows the others: by their numbers, never as empty boxes."""

from __future__ import annotations

from functools import cache

FAMILY = "DejaVu Sans"
"""Comes with matplotlib: Latin, Greek, Cyrillic and more, but nothing of East Asia."""

FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Families with Chinese, Japanese or Korean, used where they are installed."""


@cache
def families() -> tuple[str, ...]:
    """The families that are here, the first that has a character draws it."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (FAMILY, *(name for name in FALLBACKS if name in installed))


@cache
def characters() -> frozenset[int]:
    """Code points that some family has."""
    from matplotlib import font_manager

    paths = [font_manager.findfont(family, fallback_to_default=False) for family in families()]
    return frozenset(code for path in paths for code in font_manager.get_font(path).get_charmap())


def drawable(text: str) -> str:
    """The text with characters that no font here has written as their numbers.

    >>> drawable("naïve λ"), drawable("one \\U0001f9ff")
    ('naïve λ', 'one \\\\U0001f9ff')
    """
    if text.isascii():
        return text
    known = characters()
    return "".join(c if ord(c) in known else c.encode("unicode_escape").decode("ascii") for c in text)
