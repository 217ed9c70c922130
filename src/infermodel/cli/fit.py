"""`infermodel fit`."""

from __future__ import annotations

import click

from infermodel import api
from infermodel.cli.told import Told, json_option


@click.command()
@click.argument("model")
@click.argument("system")
@click.option("--engine", default="", help="By which it is served; the family's own if omitted.")
@click.option("--weights", default="", help="Number format; as the model is published if omitted.")
@click.option("--kv-cache", default="", help="Number format of keys and values; bf16 if omitted.")
@click.option("--max-context", type=click.IntRange(1), help="Longest that has to fit; the model's own if omitted.")
@click.option("--context", "contexts", type=click.IntRange(1), multiple=True, help="At which users are counted.")
@json_option
def fit(
    model: str,
    system: str,
    engine: str,
    weights: str,
    kv_cache: str,
    max_context: int | None,
    contexts: tuple[int, ...],
    as_json: bool,
) -> None:
    """The smallest fleet of a SYSTEM that holds a MODEL, its room for keys and values, and users at contexts."""
    told = Told("fit", as_json=as_json)
    formats = {"weights": weights, "kv_cache": kv_cache}
    told.answer(api.fit(model, system, engine=engine, max_context=max_context, contexts=contexts, **formats))
    told.end()
