"""What the explorer is shown: a service whose hardware is bought; beside it one that is rented, or one of two pools."""

from __future__ import annotations

from pathlib import Path

BOUGHT = """
title: What the explorer shows
seed: 1
duration: 40 s
traffic:
  arrivals: {kind: poisson, rate: 120 /min}
  prompt_tokens: {kind: lognormal, mean: 900, cv: 0.5, max: 4000}
  output_tokens: {kind: fixed, tokens: 100}
objectives: {ttft_p99: 2 s, tpot_p99: 50 ms}
services:
  - name: bought
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 1, tensor_parallel: 1}
    limits: {max_context: 8192, max_sequences: 64}
    price: {purchase: dgx-h100}
"""
APART = """\
  - name: apart
    model: llama-3.1-8b
    fleet:
      pools:
        - {name: readers, role: prefill, system: dgx-h100, replicas: 1}
        - {name: writers, role: decode, system: hgx-h200, replicas: 1, price: {purchase: hgx-h200}}
    limits: {max_context: 8192}
    price: {rental: h100-sxm-neocloud-2026-09}
"""
RENTED = """\
  - name: rented
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 1, tensor_parallel: 2, replicas: 1}
    limits: {max_context: 8192}
    traffic:
      arrivals: {kind: closed, users: 8, think_time: 1 s}
      prompt_tokens: {kind: fixed, tokens: 500}
      output_tokens: {kind: fixed, tokens: 50}
    price: {rental: 2 USD/h}
"""
BASE = """
title: One </script> two
seed: 1
duration: 20 s
capacity: false
traffic:
  arrivals: {kind: poisson, rate: 120 /min}
  prompt_tokens: {kind: fixed, tokens: 200}
  output_tokens: {kind: fixed, tokens: 40}
services:
  - {name: a </script> b, model: llama-3.1-8b, fleet: {system: dgx-h100, systems: 1}, price: {rental: 2 USD/h}}
"""
SWEEP = """
title: Batches
base: base.yaml
axes:
  - {name: batch, path: services.0.limits.max_sequences, values: [8, 32]}
  - {name: rate, path: traffic.arrivals.rate, values: [60 /min, 120 /min]}
"""


def write_sweep(folder: Path) -> Path:
    """A sweep of two axes and its base, as files; the path of the first."""
    (folder / "base.yaml").write_text(BASE)
    (folder / "sweep.yaml").write_text(SWEEP)
    return folder / "sweep.yaml"
