"""The examples of docs/catalog.md are files that the catalog would take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infermodel import catalog
from infermodel.catalog import build, prices, shapes

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)]


def load(example: dict[str, Any]) -> Any:
    (word, name), *_ = example.items()
    content = {key: value for key, value in example.items() if key not in (word, "sources")}
    if word == "system":
        return build.system(name, content, "page", catalog.load_device)
    return {"device": build.device, "model": shapes.architecture, "price": prices.price}[word](name, content, "page")


def test_there_is_an_example_of_each() -> None:
    assert [next(iter(example)) for example in EXAMPLES] == ["device", "system", "model", "price", "price"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example.values())))
def test_the_examples_load(example: dict[str, Any]) -> None:
    assert load(example).provenance


def test_the_example_model_by_hand() -> None:
    model = load(EXAMPLES[2])
    # attention 1024 x (1024 + 2 x 256) + 1024 x 1024 = 2,621,440; dense 3 x 1024 x 4096 = 12,582,912;
    # experts 16 x 3 x 1024 x 1024 + router 1024 x 16 = 50,348,032; two norms 2,048 a layer;
    # 2 dense + 6 expert layers + embedding and head 2 x 32000 x 1024 + final norm 1024
    assert model.parameters == 8 * (2621440 + 2048) + 2 * 12582912 + 6 * 50348032 + 2 * 32768000 + 1024
    assert model.windows == (1024,)


def test_every_kind_is_explained() -> None:
    for kind in ("measured", "calibrated", "datasheet", "derived", "assumed"):
        assert f"| `{kind}` |" in PAGE
