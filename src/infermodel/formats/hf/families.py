"""Every family that is read, and which known one an unknown one is nearest to."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from difflib import get_close_matches

from infermodel.formats.hf.classic import CLASSIC
from infermodel.formats.hf.config import Config, class_defaults
from infermodel.formats.hf.dense import DENSE
from infermodel.formats.hf.gated import GATED
from infermodel.formats.hf.gemma import GEMMA
from infermodel.formats.hf.hybrid import HYBRID
from infermodel.formats.hf.latent import LATENT
from infermodel.formats.hf.mixture import MIXTURE
from infermodel.formats.hf.pieces import Reader
from infermodel.formats.hf.unusual import UNUSUAL
from infermodel.formats.text import FormatError

FAMILIES: Mapping[str, Reader] = {**DENSE, **CLASSIC, **MIXTURE, **LATENT, **HYBRID, **GEMMA, **GATED, **UNUSUAL}
"""By the `model_type` of the text model."""

UNTIED = frozenset({"bailing_hybrid", "inkling2_text", "kimi_linear", "molmo2_text", "nemotron_h", "xlstm"})
"""Families whose classes have a head of their own whatever the file says."""

MOST_NAMED = 6
"""Keys that a refusal names."""


def unknown(config: Config, family: object) -> FormatError:
    """The refusal of a family that is not read: the nearest known ones by name, and keys that the first lacks."""
    near = get_close_matches(str(family), FAMILIES, n=3, cutoff=0.5) or ["llama"]
    known = set(class_defaults().get(near[0], {}))
    sizes = {key for key, value in config.keys.items() if isinstance(value, int | list) and not key.endswith("_id")}
    own = sorted(sizes - known)[:MOST_NAMED]
    differs = f"; {near[0]!r} knows nothing of {', '.join(own)}" if own else ""
    return config.refused(
        f"model_type {reprlib.repr(family)} is not supported; the nearest that are: {', '.join(near)}{differs}"
    )
