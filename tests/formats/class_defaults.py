"""Defaults of transformers' configuration classes, taken from a released wheel without running any of it.

    python tests/formats/class_defaults.py transformers-5.23.0-py3-none-any.whl

writes `src/infermodel/formats/hf/class_defaults.json`: of every family that is read, and of what wraps them or encodes
images and sound, the numbers, flags and lists that decide a model's size; nothing else of the classes.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from infermodel.formats.hf.families import FAMILIES
from infermodel.formats.hf.towers import TOWERS

TARGET = Path(__file__).parents[2] / "src/infermodel/formats/hf/class_defaults.json"
BESIDE = re.compile(
    r"token_id|dropout|initializer|_eps|epsilon|keys_to_ignore|_plan|use_cache|^output_|_coef|jitter|base_model|"
    r"_pdrop|std$|multiplier$|_act|activation_|scal|softcap|theta|alpha|beta|factor$|chunk_size$|drop|_token|norm_topk|"
    r"n_group$|topk_group|topk_method|is_decoder|pretraining|time_step_[mfsi]|_limit|feature_layer|image_seq_length|"
    r"logits_to_keep|loss|scoring|seed|kernels|mambapy|index$|summary|attn_impl|reorder|tokens_per|rescale|residual"
)
KEPT = {
    "attention_chunk_size",
    "block_ffn_dim_multiplier",
    "downsample_factor",
    "moe_layer_start_index",
    "qk_norm_type",
    "scale_factor",
    "use_post_norm",
}
"""Keys that the pattern of the others would leave out."""


def constant(node: ast.expr) -> Any:
    """The value of a literal or of plain arithmetic, None of anything else."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = constant(node.left), constant(node.right)
            return left * right if isinstance(left, int) and isinstance(right, int) else None
        return None


def sizes(value: Any) -> bool:
    """Whether a value may decide a size."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(sizes, value))
    return value == "auto" or isinstance(value, int | float | bool)


def parts(node: ast.expr) -> dict[str, dict[str, Any]]:
    """Of a wrapper each part that the file does not hold: its `model_type`, or the `class` of it, and its sizes."""
    found: dict[str, dict[str, Any]] = {}
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Name):
                found[str(key.value)] = {"class": value.id}
            if isinstance(key, ast.Constant) and isinstance(value, ast.Call):
                said = {keyword.arg: keyword.value for keyword in value.keywords}
                kind, model, own = said.get("config_class"), said.get("model_type"), said.get("init_kwargs")
                if isinstance(model, ast.Constant):
                    found[str(key.value)] = {"model_type": str(model.value), **kwargs_of(own)}
                elif isinstance(kind, ast.Name):
                    found[str(key.value)] = {"class": kind.id, **kwargs_of(own)}
    return found


def kwargs_of(node: ast.expr | None) -> dict[str, Any]:
    """Sizes among the keys of a literal object; what it sets to null counts."""
    said = constant(node) if node is not None else None
    found = said if isinstance(said, dict) else {}
    return {key: value for key, value in found.items() if value is None or (not BESIDE.search(key) and sizes(value))}


def classes(wheel: Path) -> dict[str, dict[str, Any]]:
    """Every configuration class by name: its bases and what it assigns."""
    found: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not re.fullmatch(r"transformers/models/\w+/configuration_\w+\.py", name):
                continue
            for node in ast.parse(archive.read(name)).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name] = {"bases": [ast.unparse(base) for base in node.bases], **assigned(node)}
    return found


def assigned(node: ast.ClassDef) -> dict[str, Any]:
    """Fields with their defaults, `renamed` keys and `parts`."""
    fields: dict[str, Any] = {}
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
            fields[each.target.id] = constant(each.value)
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            name = each.targets[0].id
            if name == "sub_configs_defaults":
                fields["parts"] = parts(each.value)
            else:
                fields["renamed" if name == "attribute_map" else name] = constant(each.value)
    return {"fields": fields}


def merged(name: str, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Fields of a class over those of its bases."""
    if name not in known:
        return {}
    found: dict[str, Any] = {}
    for base in known[name]["bases"]:
        found.update(merged(base, known))
    return {**found, **known[name]["fields"]}


def main() -> None:
    """Write the file."""
    wheel = Path(sys.argv[1])
    known = classes(wheel)
    rows = {}
    for name in known:
        fields = merged(name, known)
        family = fields.get("model_type")
        wanted = family in FAMILIES or family in TOWERS
        if not isinstance(family, str) or not wanted or "model_type" not in known[name]["fields"]:
            continue
        kept = {key: fields[key] for key in ("renamed", "parts") if fields.get(key)}
        for part, said in kept.get("parts", {}).items():
            if "class" in said:
                own = {key: value for key, value in said.items() if key != "class"}
                kept["parts"][part] = {"model_type": merged(said["class"], known).get("model_type", ""), **own}
        wanted_keys = [key for key in sorted(fields) if key in KEPT or (not BESIDE.search(key) and sizes(fields[key]))]
        kept.update({key: fields[key] for key in wanted_keys})
        rows[family] = kept
    version = wheel.name.split("-")[1]
    lines = ",\n".join(f"{json.dumps(family)}: {json.dumps(row)}" for family, row in sorted(rows.items()))
    source = f"configuration classes of transformers {version}"
    TARGET.write_text(f'{{"source": {json.dumps(source)}, "classes": {{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
