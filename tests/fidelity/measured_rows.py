"""Rows of our own, so that nothing of the real measurements is needed."""

from __future__ import annotations

import math
from pathlib import Path

from infermodel.fidelity.rows import Row

HEADER = (
    "id,source_set,quality,gpu,gpus,tensor_parallel,pipeline_parallel,expert_parallel,engine,engine_version,weights_precision,"
    "kv_precision,model,load,concurrency,request_rate_per_s,requests,prompt_tokens,output_tokens,length_spread,requests_file,"
    "prefix_caching,distinct_prompts,max_batched_tokens,max_sequences,memory_utilisation,measured_ttft_mean_ms,"
    "measured_tpot_mean_ms,measured_output_tok_s\n"
)


def row(**fields: object) -> Row:
    """A closed load of four users of Llama 3.1 8B on an H100, but for `fields`."""
    values: dict[str, object] = {
        "id": "r",
        "source_set": "ours",
        "gpu": "h100-sxm",
        "gpus": 1,
        "tensor_parallel": 1,
        "pipeline_parallel": 1,
        "expert_parallel": 1,
        "engine": "vllm",
        "engine_version": "0.18.0",
        "weights_precision": "bf16",
        "kv_precision": "bf16",
        "model": "llama-3.1-8b",
        "load": "closed",
        "concurrency": 4.0,
        "request_rate_per_s": math.nan,
        "requests": 20.0,
        "prompt_tokens": 512.0,
        "output_tokens": 64.0,
        "length_spread": "uniform_0.8",
        "requests_file": "",
        "prefix_caching": False,
        "distinct_prompts": math.nan,
        "max_batched_tokens": math.nan,
        "max_sequences": math.nan,
        "memory_utilisation": math.nan,
        "measured": {},
    }
    return Row(**{**values, **fields})


def write_rows(path: Path, *lines: str) -> Path:
    """A measurement file with these lines."""
    path.write_text(HEADER + "".join(line + "\n" for line in lines))
    return path
