"""Scenarios of one replica where memory for keys and values decides how much it holds, each a member of a kind."""

from __future__ import annotations

from collections.abc import Mapping

SCENARIO = """
title: {title}
requests: 400
seed: 3
traffic:
  arrivals: {{kind: poisson, rate: 13 /min}}
  prompt_tokens: {prompt}
  output_tokens: {output}
  priorities: {priorities}
objectives: {objectives}
services:
  - name: server
    queue: {queue}
    model: {model}
    precision: {{weights: fp8}}
    fleet: {fleet}
    limits: {limits}
    price: {{rental: 3 USD/h}}
"""

ALIKE = {"queue": "fcfs", "priorities": "{levels: [0]}"}
"""Requests of one priority, first come, first served."""

MEMORY_BOUND: Mapping[str, str] = {
    title: SCENARIO.format(**{"title": title, **ALIKE, **parts})
    for title, parts in {
        "long prompts on a nearly full cache": {
            "prompt": "{kind: lognormal, mean: 20000, cv: 0.5, max: 40000}",
            "output": "{kind: lognormal, mean: 500, cv: 0.5, max: 1500}",
            "objectives": "{ttft_p95: 20 s, tpot_p95: 100 ms}",
            "model": "llama-3.1-70b",
            "fleet": "{system: dgx-h100, tensor_parallel: 2, replicas: 1}",
            "limits": "{max_context: 65536, max_batched_tokens: 8192, memory_utilisation: 0.90}",
        },
        "the same prompts, answers of 60": {
            "prompt": "{kind: lognormal, mean: 20000, cv: 0.5, max: 40000}",
            "output": "{kind: uniform, low: 20, high: 100}",
            "objectives": "{ttft_p95: 30 s}",
            "model": "llama-3.1-70b",
            "fleet": "{system: dgx-h100, tensor_parallel: 2, replicas: 1}",
            "limits": "{max_context: 65536, max_batched_tokens: 8192, memory_utilisation: 0.78}",
        },
        "few long prompts among short ones": {
            "prompt": "{kind: table, tokens: [1000, 30000], weights: [4, 1]}",
            "output": "{kind: uniform, low: 50, high: 350}",
            "objectives": "{ttft_p95: 20 s}",
            "model": "llama-3.1-70b",
            "fleet": "{system: dgx-h100, tensor_parallel: 2, replicas: 1}",
            "limits": "{max_context: 40000, max_batched_tokens: 2048, memory_utilisation: 0.70}",
        },
        "answers that outgrow the memory": {
            "prompt": "{kind: uniform, low: 100, high: 900}",
            "output": "{kind: uniform, low: 250, high: 1250}",
            "objectives": "{ttft_p95: 20 s}",
            "model": "llama-3.1-8b",
            "fleet": "{system: rtx-4090-8, replicas: 1}",
            "limits": "{max_context: 4096, memory_utilisation: 0.48}",
        },
        "prompts of one length that fit twice": {
            "prompt": "{kind: fixed, tokens: 16000}",
            "output": "{kind: uniform, low: 50, high: 250}",
            "objectives": "{ttft_p95: 40 s}",
            "model": "llama-3.1-8b",
            "fleet": "{system: rtx-4090-8, replicas: 1}",
            "limits": "{max_context: 17000, max_batched_tokens: 4096, memory_utilisation: 0.62}",
        },
        "a queue in which one request of five is urgent": {
            "prompt": "{kind: lognormal, mean: 8000, cv: 0.7, max: 30000}",
            "output": "{kind: uniform, low: 50, high: 350}",
            "queue": "priority",
            "priorities": "{levels: [0, 1], shares: [1, 4]}",
            "objectives": "{ttft_p90: 15 s}",
            "model": "qwen3-32b",
            "fleet": "{system: dgx-h100, replicas: 1}",
            "limits": "{max_context: 32768, max_batched_tokens: 4096, memory_utilisation: 0.60}",
        },
    }.items()
}
