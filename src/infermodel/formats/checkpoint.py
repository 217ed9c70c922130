"""A model from the folder of its checkpoint: its configuration, and the bytes that its files really take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infermodel.architecture import ModelArchitecture
from infermodel.formats.hf_config import read_hf_config
from infermodel.formats.safetensors import read_headers
from infermodel.formats.text import FormatError

MOST_APART = 0.1
"""Share by which the bytes of the files may differ from those counted from the configuration."""


def read_checkpoint(path: Path) -> ModelArchitecture:
    """A model from its `config.json`, with the bytes of the `*.safetensors` beside it where there are any.

    Layers that draft count in neither: engines load them only to draft.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        FormatError: see `read_hf_config`; or the files hold another model's bytes, or not all of them.
    """
    model = read_hf_config(path)
    folder = path if path.is_dir() else path.parent
    tensors = read_headers(folder, len(model.layers))
    counted = model.weights_bytes
    if tensors is None or counted is None:
        return model
    own = tensors.bytes - tensors.drafts
    if abs(own / counted - 1.0) > MOST_APART:
        raise FormatError(
            folder,
            f"its *.safetensors hold {own / 1e9:.4g} GB of weights and its config.json describes"
            f" {counted / 1e9:.4g} GB: files are missing, or of another model",
        )
    return replace(model, stored_bytes=float(own))
