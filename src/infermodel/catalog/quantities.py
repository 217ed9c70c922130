"""A figure with its provenance, as it is written in the catalog: `{value, kind, source, date, range, ...}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast, get_args

from infermodel.catalog.documents import CatalogError, did_you_mean
from infermodel.hardware import Kind, Quantity
from infermodel.units import UnitError, parse, split

_KEYS = ("value", "kind", "source", "date", "range", "note", "standard_error", "fit", "inherited")


def note_of(content: Mapping[str, Any]) -> str:
    """What a reader should know, and from whose file a figure is inherited."""
    inherited = f"as {content['inherited']}" if "inherited" in content else ""
    return "; ".join(filter(None, (str(content.get("note", "")), inherited)))


def check_keys(content: object, known: Iterable[str], where: str) -> Mapping[str, Any]:
    """The mapping itself, once it is known to be one and to hold no key but the `known` ones.

    Raises:
        CatalogError: with the place and, for an unknown key, the nearest known one.
    """
    if not isinstance(content, Mapping):
        raise CatalogError(f"{where}: expected a mapping, found {content!r}")
    allowed = list(known)
    for key in content:
        if key not in allowed:
            raise CatalogError(f"{where}: unknown key {key!r}{did_you_mean(str(key), allowed)}")
    return content


def quantity(entry: object, dimension: str | None, where: str) -> Quantity:
    """One figure, in SI units, with where it comes from.

    Args:
        entry: the mapping as read; a `calibrated` figure may name its `fit` in place of a `source`.
        dimension: what it must measure, a key of `units.DIMENSIONS`; None takes any unit or none.
        where: file and key, for messages.

    Raises:
        CatalogError: a missing or unknown key, kind or unit; `assumed` without a range; a value outside its range.
    """
    content = check_keys(entry, _KEYS, where)
    kind, fit = content.get("kind"), str(content.get("fit", ""))
    source = str(content.get("source", fit if kind == "calibrated" else ""))
    if "value" not in content or not source:
        raise CatalogError(f"{where}: a figure has a value and a source")
    if kind not in get_args(Kind):
        raise CatalogError(f"{where}: kind {kind!r} is none of {', '.join(get_args(Kind))}")
    written = content["value"]
    try:
        value = parse(written, dimension)
        low, high = (parse(bound, dimension) for bound in content["range"]) if "range" in content else (None, None)
        error = parse(content["standard_error"], dimension) if "standard_error" in content else None
        unit = split(written)[1] if isinstance(written, str) else ""
    except (UnitError, TypeError) as problem:
        raise CatalogError(f"{where}: {problem}") from problem
    if kind == "assumed" and low is None:
        raise CatalogError(f"{where}: an assumed figure has a range")
    if low is not None and high is not None and not low <= value <= high:
        raise CatalogError(f"{where}: {written} lies outside its range {content['range']}")
    return Quantity(
        value=value,
        unit=unit,
        kind=cast(Kind, kind),
        source=source,
        date=str(content.get("date", "")),
        low=low,
        high=high,
        standard_error=error,
        fit=fit,
        note=note_of(content),
    )


def quantities(content: Mapping[str, Any], dimensions: Mapping[str, str | None], where: str) -> dict[str, Quantity]:
    """The figures named by `dimensions`, every one of which must be there.

    Raises:
        CatalogError: a figure is missing or cannot be read.
    """
    missing = [key for key in dimensions if key not in content]
    if missing:
        raise CatalogError(f"{where}: {', '.join(missing)} missing")
    return {key: quantity(content[key], dimension, f"{where}: {key}") for key, dimension in dimensions.items()}


def table(entry: object, dimension: str | None, where: str) -> dict[str, Quantity]:
    """A mapping of free names to figures, such as peak FLOP/s by precision."""
    if not isinstance(entry, Mapping):
        raise CatalogError(f"{where}: expected a mapping, found {entry!r}")
    return {str(key): quantity(figure, dimension, f"{where}.{key}") for key, figure in entry.items()}


def whole(figure: Quantity, where: str) -> int:
    """The value of a figure that counts something.

    Raises:
        CatalogError: it is not a whole number.
    """
    if figure.value != int(figure.value):
        raise CatalogError(f"{where}: {figure.value} is not a whole number")
    return int(figure.value)
