"""Names of arguments that the engines' released sources have, of those that our commands use, and how to look again.

Read from the sources of vLLM 0.33.0 and SGLang 0.5.23 and from TensorRT-LLM's published source of its 1.2 line, whose
package on the index holds none. With the environment variable INFERMODEL_ENGINES at a folder in which the packages of
the first two are unpacked (`vllm/vllm`, `sglang/sglang`) the names are read from there anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

NAMES = {
    "vllm": """--host --port --tensor-parallel-size --pipeline-parallel-size --data-parallel-size
        --enable-expert-parallel --max-model-len --max-num-seqs --max-num-batched-tokens
        --gpu-memory-utilization --quantization --kv-cache-dtype --enable-prefix-caching
        --no-enable-prefix-caching --scheduling-policy --stream-interval --api-server-count
        --long-prefill-token-threshold --no-scheduler-reserve-full-isl --enforce-eager
        --kv-transfer-config --speculative-config --nnodes --node-rank --master-addr --master-port --headless""",
    "sglang": """--model-path --host --port --tp-size --pp-size --attn-dp-size --ep-size --context-length
        --max-running-requests --chunked-prefill-size --mem-fraction-static --quantization
        --kv-cache-dtype --disable-radix-cache --enable-priority-scheduling
        --schedule-low-priority-values-first --tokenizer-worker-num --stream-interval
        --speculative-algorithm --speculative-draft-model-path --speculative-num-steps
        --speculative-eagle-topk --speculative-num-draft-tokens --nnodes --node-rank
        --dist-init-addr --enable-mixed-chunk --scheduler-recv-interval --cuda-graph-backend-decode
        --cuda-graph-backend-prefill --disaggregation-mode""",
    "tensorrt-llm": """--host --port --tp_size --pp_size --ep_size --max_batch_size --max_num_tokens --max_seq_len
        --kv_cache_free_gpu_memory_fraction --enable_chunked_prefill --gpus_per_node
        --extra_llm_api_options""",
}

RECORDED = {engine: frozenset(names.split()) for engine, names in NAMES.items()}


def vllm_names(folder: Path) -> set[str]:
    """What its parsers add, each flag that is true or false with its `--no-` form, and the front end's fields."""
    names = set()
    for path in ("engine/arg_utils.py", "entrypoints/common/cli_args.py"):
        tree = ast.parse((folder / "vllm/vllm" / path).read_text())
        names |= set(_added(tree))
        if path.startswith("entrypoints"):
            names |= {_flag(field) for field in _fields(tree)}
    return names | {f"--no-{name[2:]}" for name in names}


def sglang_names(folder: Path) -> set[str]:
    """Fields of its namespaces of arguments and the aliases that they are given."""
    names = set()
    for path in sorted((folder / "sglang/sglang/srt/arg_groups/fields").glob("*.py")):
        tree = ast.parse(path.read_text())
        names |= {_flag(field) for field in _fields(tree)}
        names |= {text for text in _strings(tree) if text.startswith("--") and " " not in text}
    return names


def _added(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            yield from (each.value for each in node.args if isinstance(each, ast.Constant))


def _fields(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                named = isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
                if named and "no_cli=True" not in ast.unparse(each):
                    yield each.target.id


def _strings(tree: ast.AST) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")
