"""Models by where their weights are published: `owner/name` on Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from infermodel.catalog.documents import CatalogError, names, read
from infermodel.catalog.quantities import check_keys

ALSO = ("repositories", "source", "date", "note")
"""Keys of what else has a model's shape, context and number format, such as its versions tuned to instructions."""
NEAR = 0.75
"""Likeness from which a name is suggested; that of `difflib`."""


def also(content: Mapping[str, object], where: str) -> tuple[str, ...]:
    """Other repositories that a model's file holds.

    Raises:
        CatalogError: they are not a list of names with a source.
    """
    if "also" not in content:
        return ()
    said = check_keys(content["also"], ALSO, f"{where}: also")
    ids = said.get("repositories")
    if not isinstance(ids, list) or not said.get("source") or not all(str(each).count("/") == 1 for each in ids):
        raise CatalogError(f"{where}: also: expected repositories, a list of owner/name, and a source")
    return tuple(map(str, ids))


@cache
def repository_ids() -> Mapping[str, str]:
    """Every repository that the catalog holds, as it is spelt, and the model whose it is."""
    found: dict[str, str] = {}
    for name in names("models"):
        content = read("models", name)
        for each in (str(content.get("repository", "")), *also(content, f"models/{name}.yaml")):
            if each and found.setdefault(each, name) != name:
                raise CatalogError(f"models/{name}.yaml: {each} is in models/{found[each]}.yaml too")
    return found


def model_named(name: str) -> tuple[str, str]:
    """A model's name, and the repository where one was named instead (in any case, as Hugging Face takes it).

    >>> model_named("qwen/qwen3-8b"), model_named("qwen3-8b")
    (('qwen3-8b', 'Qwen/Qwen3-8B'), ('qwen3-8b', ''))

    Raises:
        CatalogError: no model of that repository, with the nearest that there is.
    """
    if "/" not in name:
        return name, ""
    by_lower = {each.lower(): each for each in repository_ids()}
    if name.lower() not in by_lower:
        raise CatalogError(f"no model named {name!r}{near(name)}")
    asked = by_lower[name.lower()]
    return repository_ids()[asked], asked


def near(name: str) -> str:
    """`; did you mean '...'?` with the nearest repository, its owner counting less than its name; may be empty.

    >>> near("meta-llama/Llama-3.1-9B-Instruct"), near("someone/Qwen3-8B")
    ("; did you mean 'meta-llama/Llama-3.1-8B-Instruct'?", "; did you mean 'Qwen/Qwen3-8B'?")
    """
    by_lower = {each.lower(): each for each in repository_ids()}
    by_tail = {each.rpartition("/")[2]: spelt for each, spelt in by_lower.items()}
    tail = name.lower().rpartition("/")[2]
    close = [by_tail[tail]] if tail in by_tail else []
    close += [by_lower[each] for each in get_close_matches(name.lower(), by_lower, n=1, cutoff=NEAR)]
    close += [by_tail[each] for each in get_close_matches(tail, by_tail, n=1, cutoff=NEAR)]
    return f"; did you mean {close[0]!r}?" if close else ""
