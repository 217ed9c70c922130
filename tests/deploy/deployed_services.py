"""Services of every kind that an engine can be started for, and the words of their command lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from infermodel.deploy import CHECKED, command_of
from infermodel.deploy.command import Command
from infermodel.scenario import ResolvedScenario, load, resolve
from infermodel.scenario.resolved import ResolvedService

ENGINES = Path(os.environ.get("INFERMODEL_ENGINES", ""))

SETTINGS = {
    "vllm": "{admission: first_chunk, long_prompt_tokens: 2048, cuda_graphs: false}",
    "sglang": "{mixes_prompts: true, receive_interval: 4, cuda_graphs: false}",
    "tensorrt-llm": "{ranks_wait_steps: 60}",
}
"""How an engine is started, of what its entry knows."""

HEAD = """
title: Everything that a command may say
requests: 10
traffic:
  arrivals: {kind: poisson, rate: 1 /s}
  prompt_tokens: {kind: fixed, tokens: 500}
  output_tokens: {kind: fixed, tokens: 30}
services:
"""

SERVICES = {
    "plain": "{model: qwen3-8b, fleet: {system: dgx-h100}}",
    "everything": "{model: llama-3.1-70b, precision: {weights: fp8, kv_cache: fp8}, queue: priority,"
    " prefix_caching: false, front_end: {api_servers: 4, stream_interval: 8}, limits: {max_sequences: 200,"
    " max_batched_tokens: 4096, max_context: 16384, memory_utilisation: 0.8},"
    " speculation: {draft: llama-3.2-1b, tokens: 3, acceptance: 0.7},"
    " fleet: {system: dgx-h100, systems: 2, tensor_parallel: 4}}",
    "looked up": "{model: gpt-oss-120b, speculation: {draft: ngram, tokens: 5, acceptance: 0.5},"
    " fleet: {system: dgx-h100, tensor_parallel: 2}}",
    "stages over nodes": "{model: deepseek-r1, limits: {max_context: 32768},"
    " fleet: {system: dgx-h100, systems: 4, tensor_parallel: 8, pipeline_parallel: 2}}",
    "ranks over nodes": "{model: deepseek-r1, limits: {max_context: 32768, max_sequences: 100},"
    " fleet: {system: hgx-h200, systems: 2, tensor_parallel: 2, data_parallel: 8, expert_parallel: 16}}",
    "trays": "{model: deepseek-r1, limits: {max_context: 32768},"
    " fleet: {system: gb200-nvl72, tensor_parallel: 8, expert_parallel: 8}}",
    "bounded": "{model: qwen3-8b, engine_settings: {long_prompt_tokens: 2048, admission: first_chunk,"
    " cuda_graphs: false}, fleet: {system: dgx-h100}}",
    "mixed": "{model: qwen3-8b, engine_settings: {mixes_prompts: true, receive_interval: 4, admission: whole_prompt,"
    " cuda_graphs: false}, fleet: {system: dgx-h100}}",
    "started": "{model: qwen3-8b, fleet: {system: dgx-h100}}",
    "apart": "{model: qwen3-8b, fleet: {pools: [{name: a, role: prefill, system: dgx-h100},"
    " {name: b, role: decode, system: hgx-h200, tensor_parallel: 2}]}}",
    "AMD": "{model: qwen3-32b, fleet: {system: mi300x-8}}",
}

ONLY = {"bounded": "vllm", "mixed": "sglang"}
"""Whose settings a service has."""


def scenario(folder: Path, *services: str, engine: str = "vllm") -> ResolvedScenario:
    started = (
        f"engine: {engine}, engine_settings: {SETTINGS[engine]}," if "started" in services else f"engine: {engine},"
    )
    entries = [f"  - {{name: '{each}', {started} {SERVICES[each][1:]}" for each in services]
    path = folder / "deployed.yaml"
    path.write_text(HEAD + "\n".join(entries) + "\n")
    return resolve(load(path))


def service(folder: Path, name: str, engine: str = "vllm") -> ResolvedService:
    return scenario(folder, name, engine=engine).services[0]


def command_of_only_pool(service: ResolvedService) -> Command | None:
    """How one of its replicas is started."""
    return command_of(service, service.pool)


def lines(folder: Path, name: str, engine: str = "vllm", *, first: bool = True) -> list[list[str]]:
    """The command line of each of its pools."""
    asked = service(folder, name, engine)
    commands = [command_of(asked, pool) for pool in asked.pools]
    return [command.arguments(first=first) for command in commands if command is not None]


def words(folder: Path, name: str, engine: str = "vllm", *, first: bool = True) -> list[str]:
    """Of each of its pools, one after the other."""
    return [word for line in lines(folder, name, engine, first=first) for word in line]


def served() -> Iterator[tuple[str, str]]:
    for name in SERVICES:
        for engine in CHECKED:
            if (name, engine) != ("AMD", "tensorrt-llm") and ONLY.get(name, engine) == engine:
                yield name, engine
