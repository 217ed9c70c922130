"""A folder of `config.json` files against what is true of them: `truth.csv` beside them, a row for each.

    python tests/formats/hf_truth.py FOLDER     # one line for each, and how many are right, wrong and refused

Right is: every figure that the row gives within 0.5 %, bytes of a quantised checkpoint within 1 %, windows and the
number of layers that keep keys and values exactly. A refusal is right too, and says why.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from infermodel.architecture import ModelArchitecture
from infermodel.formats.hf_config import read_hf_config
from infermodel.formats.text import FormatError

CLOSE = 0.005
CLOSE_BYTES = 0.01


class Verdict(NamedTuple):
    """What became of one configuration."""

    name: str
    outcome: str
    said: str


def figures(model: ModelArchitecture) -> dict[str, float]:
    """What the importer says, under the names of the table's columns."""
    kept = [(layer.attention.kv_elements, count) for layer, count in model.distinct_layers]
    near = [getattr(layer.attention, "window_elements", 0) * count for layer, count in model.distinct_layers]
    holding = [elements or beside for (elements, _), beside in zip(kept, near, strict=True)]
    return {
        "params_total": model.parameters + model.tower_parameters,
        "params_active": model.active_parameters,
        "kv_elements_per_token_total": sum(elements * count for elements, count in kept),
        "layers_with_kv": sum(count for (_, count), held in zip(kept, holding, strict=True) if held),
    }


def windows(model: ModelArchitecture) -> str:
    """Windows of layers that keep keys and values, as the table writes them: size x layers."""
    found: Counter[int] = Counter()
    for layer, count in model.distinct_layers:
        window = layer.attention.window
        if window is not None and (layer.attention.kv_elements or getattr(layer.attention, "window_elements", 0)):
            found[window] += count
    return " ".join(f"{window}x{count}" for window, count in sorted(found.items()))


def wrong(model: ModelArchitecture, row: dict[str, str]) -> Iterator[str]:
    """Each figure that misses the table's."""
    for column, found in figures(model).items():
        if row[column]:
            known = float(row[column])
            exact = column == "layers_with_kv"
            if abs(found - known) > (0.0 if exact else CLOSE * known):
                yield f"{column} {found:,.0f} for {known:,.0f}" + (f" ({found / known - 1:+.2%})" if known else "")
    if row["params_total"] and row["kv_elements_per_token_total"] and windows(model) != row["windows"]:
        yield f"windows {windows(model) or 'none'} for {row['windows'] or 'none'}"
    if row["weight_gb"]:
        known = float(row["weight_gb"])
        found = (model.weights_bytes or 0.0) / 1e9
        if abs(found / known - 1) > CLOSE_BYTES:
            yield f"weight_gb {found:.2f} for {known:.2f} ({found / known - 1:+.2%})"


def verdicts(folder: Path) -> Iterator[Verdict]:
    """Each row of the table, read and compared."""
    with (folder / "truth.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            name = row["family"]
            try:
                model = read_hf_config(folder / name)
            except FormatError as error:
                yield Verdict(name, "refused", str(error).split(": ", 1)[-1])
                continue
            misses = "; ".join(wrong(model, row))
            known = any(row[column] for column in ("params_total", "kv_elements_per_token_total", "weight_gb"))
            yield Verdict(name, "wrong" if misses else "right" if known else "no truth", misses)


def main() -> None:
    """Print all verdicts that are not right, and the count of each."""
    found = list(verdicts(Path(sys.argv[1])))
    for each in found:
        if each.outcome != "right":
            print(f"{each.outcome:9} {each.name:40} {each.said}")
    print(dict(Counter(each.outcome for each in found)))


if __name__ == "__main__":
    main()
