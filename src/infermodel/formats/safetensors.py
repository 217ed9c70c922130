"""Headers of `*.safetensors`: what is in them and how many bytes it takes, without reading a weight."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from infermodel.formats.text import FormatError

LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


DRAFTS = re.compile(r"(^|\.)mtp(_block)?\.|\.(eh_proj|enorm|hnorm|shared_head)\.|^model\.layers\.(?P<layer>\d+)\.")
"""Names of tensors of layers that draft several tokens; a layer is one from the number of the model's own layers on."""


class Tensors(NamedTuple):
    """All tensors of a checkpoint: how many, their bytes, and those by type as the files name it.

    Attributes:
        drafts: of `bytes`, those of layers that draft several tokens, which engines load only to draft.
    """

    tensors: int
    bytes: int
    by_type: dict[str, int]
    drafts: int = 0


def read_headers(folder: Path, layers: int) -> Tensors | None:
    """What the files of a folder hold, None where there are none.

    Args:
        layers: of the model, those that draft left out.

    Raises:
        FormatError: a file whose header cannot be read.
    """
    count, drafts, by_type = 0, 0, Counter[str]()
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        for name, tensor in _header(file).items():
            if name == "__metadata__":
                continue
            kind, place = tensor.get("dtype"), tensor.get("data_offsets")
            if not isinstance(kind, str) or not isinstance(place, list) or [type(each) for each in place] != [int, int]:
                raise FormatError(file, f"header: tensor {name!r} has no type or place")
            by_type[kind] += place[1] - place[0]
            drafts += (place[1] - place[0]) * _drafts(name, layers)
            count += 1
    return Tensors(count, sum(by_type.values()), dict(by_type), drafts) if files else None


def _drafts(name: str, layers: int) -> bool:
    """Whether a tensor is of a layer that drafts.

    >>> _drafts("model.layers.61.mlp.gate.weight", 61), _drafts("mtp.fc.weight", 60), _drafts("lm_head.weight", 60)
    (True, True, False)
    """
    found = DRAFTS.search(name)
    return found is not None and (found["layer"] is None or int(found["layer"]) >= layers)


def _header(file: Path) -> dict[str, dict[str, object]]:
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length <= LONGEST_HEADER:
            raise FormatError(file, f"header: a length of {length:,} bytes")
        text = opened.read(length)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(file, f"header: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise FormatError(file, "header: expected an object for each tensor")
    return found
