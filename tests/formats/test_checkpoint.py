"""A model from a checkpoint's folder: shapes from its configuration, bytes from the headers of its tensors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.kit.tiny_config import TINY

from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.memory import stored_ratio, weights_bytes
from infermodel.formats.checkpoint import read_checkpoint
from infermodel.formats.text import FormatError

# embedding and head 80 each, norm 8; two layers of 8 x 16 + 64 + 16 of biases, 3 x 96, norms 16
WEIGHTS = 80 + 80 + 8 + 2 * (192 + 16 + 288 + 16)


def checkpoint(folder: Path, sizes: dict[str, int]) -> Path:
    (folder / "config.json").write_text(json.dumps(TINY))
    header, end = {}, 0
    for name, size in sizes.items():
        header[name] = {"dtype": "BF16", "shape": [size // 2], "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    return folder


def test_bytes_are_those_of_the_files_without_layers_that_draft(tmp_path: Path) -> None:
    # 5 % more than 2 bytes a weight, and a third layer that drafts
    own = round(2 * WEIGHTS * 1.05) // 2 * 2
    sizes = {"model.layers.0.x": own - 100, "lm_head.weight": 100, "model.layers.2.eh_proj": 900, "mtp.fc": 300}
    model = read_checkpoint(checkpoint(tmp_path, sizes))
    assert model.stored_bytes == own


def test_layers_weigh_what_the_files_say_where_they_are_served_as_they_are(tmp_path: Path) -> None:
    model = read_checkpoint(checkpoint(tmp_path, {"a": round(2 * WEIGHTS * 1.05) // 2 * 2}))
    plain = read_checkpoint(checkpoint(tmp_path, {"a": 2 * WEIGHTS}))
    layers = model.distinct_layers
    more = model.stored_bytes - 2 * WEIGHTS
    counted = weights_bytes(layers, plain, Deployment())
    assert counted == pytest.approx(2 * (WEIGHTS - 160))  # all but embedding and head, which are counted apart
    assert weights_bytes(layers, model, Deployment()) == pytest.approx(counted + more)
    as_fp8 = Deployment(precision=Precision(weights="fp8"))
    assert weights_bytes(layers, model, as_fp8) == weights_bytes(layers, plain, as_fp8)
    assert stored_ratio(model, "fp8") == 1.0


def test_a_folder_without_tensors_is_counted(tmp_path: Path) -> None:
    checkpoint(tmp_path, {"a": 2}).joinpath("model.safetensors").unlink()
    assert read_checkpoint(tmp_path).stored_bytes is None


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_files_that_are_not_the_models_are_refused(tmp_path: Path, factor: float) -> None:
    with pytest.raises(FormatError, match="files are missing, or of another model"):
        read_checkpoint(checkpoint(tmp_path, {"a": round(2 * WEIGHTS * factor)}))
