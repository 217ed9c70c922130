"""Which systems hold the device that somebody names in words of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

LEFT_OUT: Mapping[str, str] = {
    "sn40l": "the SN40L streams whole layers out of its memory, which no law here prices",
}
"""Devices that people ask for and that the catalog does not hold: generation to the reason."""


def left_out(words: str) -> str:
    """Why the catalog does not hold the device that these words name; empty where nobody decided so.

    >>> left_out("SambaNova SN40L-16")[:9], left_out("H100")
    ('the SN40L', '')
    """
    return next((reason for name, reason in LEFT_OUT.items() if name in _parts(words)), "")


def holding(words: str, devices: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the systems whose device these words name best; none where its generation is not among them.

    A generation (`h20`, `910b`, `mi300`) is another's only where that goes on with a letter: an H20 is no H200, but an
    MI300 may be an MI300X. Of those of one generation stay the ones of which most is said (`sxm`, `nvl`). Words without
    a generation name devices that begin so.

    Args:
        devices: system to device, by name.

    >>> holding("8 x H20 96GB", {"h20-8": "h20", "hgx-h200": "h200-sxm"}), holding("Gaudi", {"g-8": "gaudi3"})
    (('h20-8',), ('g-8',))
    """
    said = _parts(words)
    generations = {part for part in said if re.search(r"\d", part)}
    if not generations:
        begun = {name for name in devices for word in said if len(word) > 2 and devices[name].startswith(word)}
        return tuple(name for name in devices if name in begun)
    own = {name: _parts(name) | _parts(device) for name, device in devices.items()}
    exact = {name: len(generations & parts) for name, parts in own.items()}
    further = {name: sum(_goes_on(each, parts) for each in generations) for name, parts in own.items()}
    found = _most(exact) or _most(further)
    forms = {name: sum(form in words.lower() for form in devices[name].split("-")[1:]) for name in found}
    most = max(forms.values(), default=0)
    return tuple(name for name in found if forms[name] == most)


def _most(counts: Mapping[str, int]) -> list[str]:
    """Those with the largest count, if it is not 0."""
    largest = max(counts.values(), default=0)
    return [name for name, count in counts.items() if count == largest > 0]


def _goes_on(generation: str, parts: set[str]) -> bool:
    """Whether one of the parts is the generation and a letter more."""
    return any(re.match(rf"{re.escape(generation)}[a-z]", part) for part in parts)


def _parts(words: str) -> set[str]:
    """Words and pairs of neighbours, joined; without counts and sizes of memory.

    >>> sorted(_parts("8 x H100 80GB SXM5")), sorted(_parts("Trainium 2")), sorted(_parts("TPU v7")), _parts("4090")
    (['h100', 'h100sxm5', 'sxm5'], ['trainium', 'trainium2'], ['tpu', 'tpu7'], {'4090'})
    """
    plain = re.sub(r"\b\d+ ?([x×*]|gi?b)(?![a-z]\b)", " ", words.lower())
    single = re.sub(r"(?<=[a-z] )v(?=\d)", "", plain).replace("-", " ").replace(".", " ").split()
    counted = [part for part in single if not re.fullmatch(r"\d{1,3}", part)]
    return {*counted, *(before + after for before, after in pairwise(single) if not re.match(r"\d{1,3}$", before))}
