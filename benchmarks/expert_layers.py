"""Time the experts of a decoding step on the GPU at hand, and write rows that `infermodel calibrate` reads.

    python benchmarks/expert_layers.py h100_sxm KERNELS/experts.csv.gz

Layers as gpt-oss-20b and Qwen3-30B-A3B have them, 1 to 512 tokens, in bf16 and fp8, by PyTorch's grouped
multiplications within a captured graph. Without PyTorch 2.8 and a GPU it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

COLUMNS = ("sys", "framework", "moe_dtype", "tokens", "hidden", "intermediate", "experts", "top_k", "latency_ms")
TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
DTYPES = ("bfloat16", "fp8")
REPLAYS = 50


class Layer(NamedTuple):
    """Experts: `top_k` of `experts`, each of two matrices to and from `intermediate`, the first one twice as wide."""

    hidden: int
    intermediate: int
    experts: int
    top_k: int


LAYERS = (Layer(2880, 2880, 32, 4), Layer(2048, 768, 128, 8))
"""gpt-oss-20b; Qwen3-30B-A3B."""


def main() -> None:
    """Measure and write, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", help="as the kernel tables call it: a100_sxm, l40s, h100_sxm, b200_sxm")
    parser.add_argument("out", type=Path, help="table to write")
    asked = parser.parse_args()
    missing = what_is_missing()
    if missing:
        print(f"nothing measured: {missing}")
        return
    rows = list(measured(asked.device))
    with gzip.open(asked.out, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} rows written to {asked.out}")


def what_is_missing() -> str:
    """Of what a measurement needs; empty where all is there."""
    if find_spec("torch") is None:
        return "PyTorch is not installed"
    import torch

    if not torch.cuda.is_available():
        return "there is no GPU"
    return "" if hasattr(torch, "_grouped_mm") else f"PyTorch {torch.__version__} has no grouped multiplication"


def measured(device: str) -> Iterator[tuple[object, ...]]:
    """A row of `COLUMNS` for each layer, format and number of tokens."""
    import torch

    for layer in LAYERS:
        for dtype in DTYPES:
            for tokens in TOKENS:
                latency_ms = graph_ms(experts_of(layer, dtype, tokens))
                yield device, f"torch {torch.__version__}", dtype, tokens, *layer, f"{latency_ms:.6g}"


def experts_of(layer: Layer, dtype: str, tokens: int) -> Callable[[], Any]:
    """What a layer's experts do with so many tokens, each sent to `top_k` experts drawn at random."""
    import torch

    torch.manual_seed(tokens)
    chosen = torch.rand(tokens, layer.experts, device="cuda").topk(layer.top_k, dim=1).indices
    ends = torch.bincount(chosen.flatten(), minlength=layer.experts).cumsum(0).to(torch.int32)
    rows = tokens * layer.top_k
    sizes = ((layer.hidden, 2 * layer.intermediate), (layer.intermediate, layer.hidden))
    inputs = [torch.randn(rows, inner, device="cuda", dtype=torch.bfloat16) for inner, _ in sizes]
    weights = [torch.randn(layer.experts, outer, inner, device="cuda", dtype=torch.bfloat16) for inner, outer in sizes]
    if dtype == "bfloat16":
        wide = [each.transpose(1, 2) for each in weights]
        return lambda: [torch._grouped_mm(a, b, offs=ends) for a, b in zip(inputs, wide, strict=True)]
    narrow = [each.to(torch.float8_e4m3fn) for each in inputs]
    kept = [each.to(torch.float8_e4m3fn).transpose(1, 2) for each in weights]
    scales = [(torch.ones(rows, device="cuda"), torch.ones(layer.experts, outer, device="cuda")) for _, outer in sizes]
    return lambda: [
        torch._scaled_grouped_mm(a, b, of_a, of_b, offs=ends, out_dtype=torch.bfloat16)
        for a, b, (of_a, of_b) in zip(narrow, kept, scales, strict=True)
    ]


def graph_ms(work: Callable[[], Any]) -> float:
    """Median milliseconds of a captured graph of it, its weights pushed out of the cache before each replay."""
    import torch

    work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    other = torch.empty(256 << 20, dtype=torch.int8, device="cuda")
    times_ms = []
    for _ in range(REPLAYS):
        other.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times_ms.append(begin.elapsed_time(end))
    return median(times_ms)


if __name__ == "__main__":
    main()
