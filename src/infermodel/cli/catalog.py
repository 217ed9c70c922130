"""`infermodel catalog`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import click

from infermodel import catalog as known
from infermodel import units
from infermodel.answers.aligned import aligned
from infermodel.cli.model_kinds import kinds
from infermodel.cli.told import Told, json_option, plain
from infermodel.engine import Rule
from infermodel.formats.hf_config import read_hf_config
from infermodel.formats.safetensors import read_headers
from infermodel.formats.text import FormatError
from infermodel.hardware import Provenance, Quantity, System
from infermodel.scenario.errors import did_you_mean


class Sourced(Protocol):
    """An object of the catalog."""

    @property
    def title(self) -> str:
        """What it is called."""

    @property
    def provenance(self) -> Provenance:
        """Where each of its figures comes from."""


KINDS: Mapping[str, Callable[[str], Sourced]] = {
    "systems": known.load_system,
    "devices": known.load_device,
    "models": known.load_model,
    "engines": known.load_engine,
    "prices": known.load_price,
}


NO_PRICE = "no price found; a scenario gives its own, such as price: {rental: 2.5 USD/GPU-h} or {purchase: 300000 USD}"


def entries(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Kinds and names that begin so, for a shell that completes; after a kind, its names."""
    if param.name == "kind":
        names = [*KINDS, *(name for each in KINDS for name in known.names(each))]
    else:
        asked = ctx.params.get("kind") or ""
        names = [name for each in KINDS if each in (asked, f"{asked}s") for name in known.names(each)]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


@click.command()
@click.argument("kind", required=False, shell_complete=entries)
@click.argument("name", required=False, shell_complete=entries)
@json_option
def catalog(kind: str | None, name: str | None, as_json: bool) -> None:
    """List the catalog, or one KIND of it (systems, devices, models, engines, prices), or show one NAME's figures.

    A name alone is looked for in every kind. A model may also be a repository on Hugging Face, or the path of
    a config.json or of a checkpoint's folder: what was understood of it, kind by kind.
    """
    told = Told("catalog", as_json=as_json)
    if kind is None:
        told.text("\n".join(f"{each}: {', '.join(known.names(each))}" for each in KINDS))
        told.table("catalog", [{"kind": each, "name": entry} for each in KINDS for entry in known.names(each)])
        told.end()
        return
    kind, name = spelt(kind), name and spelt(name)
    if name is None and kind.count("/") == 1 and kind not in known.names("models") and not Path(kind).exists():
        kind, name = "models", kind
    plural = kind if kind in KINDS else f"{kind}s"
    if plural not in KINDS and name is None:
        kinds = [each for each in KINDS if kind in known.names(each)]
        if kinds:
            found = [KINDS[each](kind) for each in kinds]
            told.text("\n\n".join(figures(each) + prices(each) for each in found))
            for each in found:
                tell_figures(told, each)
            told.end()
            return
    if plural not in KINDS:
        everything = {*KINDS, *(each for kind in KINDS for each in known.names(kind))}
        near = known.hint("devices", kind) or did_you_mean(kind, everything)
        raise click.UsageError("; ".join(filter(None, (f"the catalog has no {kind!r}", near))))
    if name is None:
        titles = [(each, KINDS[plural](each).title) for each in known.names(plural)]
        told.text(aligned([("name", "title"), *titles]))
        told.cells(plural, [("name", "title"), *titles])
        told.end()
        return
    if plural == "models":
        shown, text = of_model(name)
    elif name in known.names(plural):
        shown = KINDS[plural](name)
        text = figures(shown) + prices(shown)
    else:
        said = f"no {plural.removesuffix('s')} named {name!r}"
        near = known.hint(plural, name) if plural in ("systems", "devices") else ""
        raise click.UsageError("; ".join(filter(None, (said, near or did_you_mean(name, known.names(plural))))))
    told.text(text)
    tell_figures(told, shown)
    told.end()


def spelt(word: str) -> str:
    """A kind or name as the catalog spells it, whatever its case; a word that is none of these as it is.

    >>> spelt("CS-3"), spelt("./My/config.json")
    ('cs-3', './My/config.json')
    """
    known_words = {*KINDS, *(name for each in KINDS for name in known.names(each))}
    return word.lower() if word.lower() in known_words else word


def tell_figures(told: Told, shown: Sourced) -> None:
    """An object's figures and rules for a program."""
    told.table("figures", ({"figure": each, **plain(figure)} for each, figure in shown.provenance.items()))
    rules: Mapping[str, Rule] = getattr(shown, "rules", {})
    told.table("rules", ({"rule": each, **plain(rule)} for each, rule in rules.items()))


def of_model(name: str) -> tuple[Sourced, str]:
    """A model and its figures and layers, of the catalog or of a file.

    Raises:
        UsageError: no model of that name, or a file that is not understood; the message says why.
    """
    path = Path(name)
    if name in known.names("models") or not path.exists():
        try:
            model = known.load_model(name)
        except known.CatalogError as error:
            raise click.UsageError(str(error)) from None
        return model, f"{figures(model)}\n\n{weights_of(model.name)}\n\n{kinds(model)}"
    try:
        model = read_hf_config(path)
        tensors = read_headers(path if path.is_dir() else path.parent, len(model.layers))
    except (FormatError, OSError) as error:
        raise click.UsageError(str(error)) from None
    return model, f"{model.title}\n\n{kinds(model, tensors)}"


def weights_of(model: str) -> str:
    """The repositories of a model's weights."""
    ids = [each for each, name in known.repository_ids().items() if name == model]
    return f"weights: {', '.join(ids)}" if ids else "weights: not published"


def figures(shown: Sourced) -> str:
    """An object's title and its figures, a line each."""
    rows: list[tuple[str, ...]] = [
        (name, written(figure.value, figure), spread(figure), figure.kind, source(figure))
        for name, figure in shown.provenance.items()
    ]
    rules: Mapping[str, Rule] = getattr(shown, "rules", {})
    rows += [(name, str(rule.value).lower(), "", "rule", source(rule)) for name, rule in rules.items()]
    return f"{shown.title}\n\n{aligned([('figure', 'value', 'range', 'kind', 'source'), *rows])}"


def prices(shown: Sourced) -> str:
    """Of a system: for how much it was bought or its device rented; empty for all else."""
    if not isinstance(shown, System):
        return ""
    found = [(price.name, price.figure) for price in known.prices_of(shown.name, shown.device.name)]
    rows = [(name, written(each.value, each), spread(each), source(each)) for name, each in found if each]
    return "\n\n" + (aligned([("price", "value", "range", "source"), *rows]) if rows else NO_PRICE)


def written(value: float, figure: Quantity) -> str:
    """A value in the unit of its file."""
    return units.format_quantity(value, figure.unit)


def spread(figure: Quantity) -> str:
    """The range of a figure, or its standard error."""
    if figure.low is not None and figure.high is not None:
        return f"{written(figure.low, figure)} to {written(figure.high, figure)}"
    return f"+- {written(figure.standard_error, figure)}" if figure.standard_error is not None else ""


def source(figure: Quantity | Rule) -> str:
    """Who says so, when, and what a reader should know."""
    fit = f"fit {figure.fit}" if isinstance(figure, Quantity) and figure.fit else ""
    said = ", ".join(part for part in (figure.source, fit, figure.date) if part)
    return f"{said} ({figure.note})" if figure.note else said
