"""What the explorer is shown: a service whose hardware is bought, and one beside it that is rented."""

from __future__ import annotations

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
