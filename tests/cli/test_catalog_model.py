"""What `infermodel catalog model` says of a file, beside what its checkpoint holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.kit.tiny_config import TINY

from infermodel.cli.catalog import catalog


def shown(*words: str) -> str:
    result = CliRunner().invoke(catalog, ["model", *words])
    return result.output


def checkpoint(folder: Path, header: object) -> Path:
    (folder / "config.json").write_text(json.dumps(TINY))
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    return folder


def test_a_folder_is_read_kind_by_kind_beside_its_tensors(tmp_path: Path) -> None:
    tensors = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 3_000_000_000]},
        "b": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [3_000_000_000, 4_000_000_000]},
    }
    said = shown(str(checkpoint(tmp_path, tensors)))
    attention = "GroupedAttention(heads 4, kv_heads 2, head_dim 2, qkv_bias)"
    assert f"2       {attention}; DenseFeedForward(intermediate 12)" in said
    # 10 x 8 embedding and head, norm 8; two layers of 8 x 16 + 64 + 16 of biases, 3 x 96, norms 16
    assert f"{80 + 80 + 8 + 2 * (192 + 16 + 288 + 16)}" in said.replace(",", "")
    assert "bytes in the files  4.00 GB in 2 tensors (BF16 3.00, F8_E4M3 1.00)" in said


def test_a_name_of_the_catalog_is_shown_with_its_layers() -> None:
    said = shown("gpt-oss-20b")
    assert "window 128" in said
    assert "kept in             mxfp4" in said


@pytest.mark.parametrize(
    ("header", "why"),
    [({"a": {"dtype": "BF16"}}, "tensor 'a' has no type or place"), (["a"], "expected an object for each tensor")],
)
def test_a_broken_header_is_named(tmp_path: Path, header: object, why: str) -> None:
    assert why in shown(str(checkpoint(tmp_path, header)))


def test_a_length_of_nothing_is_named(tmp_path: Path) -> None:
    checkpoint(tmp_path, {}).joinpath("model.safetensors").write_bytes(b"")
    assert "a length of 0 bytes" in shown(str(tmp_path))


def test_a_file_that_is_not_understood_says_why(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "lama"}')
    assert "model_type 'lama' is not supported; the nearest that are: llama" in shown(str(tmp_path))
