"""Services as command lines of the engines that would serve them: every flag by the engine's own name for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import yaml

from infermodel.architecture import ModelArchitecture
from infermodel.cost.speculative import Speculation
from infermodel.deploy.command import INDEX, LEADER, PORT, Command, Flag, Nodes
from infermodel.scenario.resolved import ResolvedPool, ResolvedService

CHECKED: Mapping[str, str] = {"vllm": "vLLM 0.33.0", "sglang": "SGLang 0.5.23", "tensorrt-llm": "TensorRT-LLM 1.2"}
"""The version of each engine whose names of arguments the commands use."""

CONFIG_FILE = "/etc/infermodel/engine.yaml"
"""Where the container of an engine that needs one finds its configuration."""

PORT_OF_NODES = 29500

NIXL: Mapping[str, dict[str, str]] = {
    role: {"kv_connector": "NixlConnector", "kv_role": f"kv_{words}"}
    for role, words in (("prefill", "producer"), ("decode", "consumer"))
}
"""How vLLM is told to send keys and values, or to fetch them."""

RESERVES: Mapping[str, str] = {
    "whole_prompt": "--scheduler-reserve-full-isl",
    "first_chunk": "--no-scheduler-reserve-full-isl",
}
"""How vLLM is told by which rule to admit requests."""

NODE_DEVICES: Mapping[str, int] = dict.fromkeys(("gb200-nvl72", "gb300-nvl72", "vr-nvl72", "helios-72"), 4)
"""GPUs of a node where the system that one buys is several nodes: racks of 72 have 18 trays of 4."""


@dataclass(frozen=True)
class Asked:
    """What a pool of a service asks of its engine.

    Attributes:
        service: resolved.
        pool: of it, whose replicas are started.
        repository: of its weights, or where they lie.
        nodes: of a replica.
    """

    service: ResolvedService
    pool: ResolvedPool
    repository: str
    nodes: int

    @property
    def of_stage(self) -> int:
        """GPUs of a pipeline stage."""
        return self.pool.deployment.tensor_parallel * self.pool.deployment.data_parallel


def command_of(service: ResolvedService, pool: ResolvedPool) -> Command | None:
    """How one replica of a pool is started; None where no engine whose arguments are known here runs on its devices."""
    name = next((each for each in CHECKED if pool.engine.name.startswith(each)), None)
    if name is None or not (on_amd(pool) or on_nvidia(pool)):
        return None
    each = NODE_DEVICES.get(pool.system.name, pool.system.devices)
    nodes = -(-pool.devices_per_replica // each)
    asked = Asked(service, pool, repository_of(service), nodes)
    command = LAUNCHED[name](asked)
    return replace(command, notes=(*notes_of(asked, name), *command.notes))


def repository_of(service: ResolvedService) -> str:
    """Where the weights are; a model of a file of one's own has a place to fill in."""
    return service.architecture.repository or f"./{service.architecture.name}"


def notes_of(asked: Asked, engine: str) -> list[str]:
    """What no flag of the engine does, in sentences."""
    service, pool, deployment = asked.service, asked.pool, asked.pool.deployment
    notes = []
    if pool.engine.name not in (engine, f"{engine}-0.33"):
        notes.append(f"modelled as {pool.engine.title}; the names of arguments are those of {CHECKED[engine]}")
    weights, published = deployment.precision.weights, service.architecture.default_precision
    if weights != published and (weights, engine) not in (("fp8", "vllm"), ("fp8", "sglang")):
        notes.append(f"weights in {weights}: take a checkpoint in that format, {asked.repository} is in {published}")
    if deployment.precision.kv_cache not in ("bf16", "fp16", "fp8"):
        notes.append(f"a KV cache in {deployment.precision.kv_cache} is not asked for")
    if asked.repository.startswith("./"):
        notes.append(f"{asked.repository} stands for the folder of the weights")
    admission = _admission_set(pool)
    if admission and not (engine == "vllm" and admission in RESERVES):
        notes.append(f"no flag has {CHECKED[engine]} admit requests by {admission}")
    if pool.queue == "fair":
        notes.append("a queue that is fair to keys is a gateway's matter")
    if service.rate_limits is not None:
        notes.append("quotas of keys are a gateway's matter")
    if pool.role != "both":
        notes.append("a router sends each request to a replica of one pool and then to one of the other")
        if engine == "tensorrt-llm":
            notes.append("what crosses between the pools is set in the configuration file, which leaves it out")
    elif len(asked.service.pools) > 1:
        notes.append("a router sends each request to one of the pools: a gateway's matter")
    if pool.replicas > 1:
        notes.append(f"requests are spread over {pool.replicas} replicas by {pool.router}: a gateway's matter")
    if pool.devices_per_replica % asked.nodes:
        notes.append(f"{pool.devices_per_replica} devices do not share out over {asked.nodes} nodes evenly")
    return notes


def vllm(asked: Asked) -> Command:
    """`vllm serve`. Its limits are of a rank of attention, as the scenario's."""
    pool, deployment = asked.pool, asked.pool.deployment
    longest = pool.limits.long_prompt_tokens
    flags: list[Flag] = [
        ("--host", "0.0.0.0"),
        ("--port", str(PORT)),
        *_degrees(("--tensor-parallel-size", deployment.tensor_parallel)),
        *_degrees(("--pipeline-parallel-size", deployment.pipeline_parallel)),
        *_degrees(("--data-parallel-size", deployment.data_parallel)),
        *_when(deployment.expert_parallel > 1, "--enable-expert-parallel"),
        ("--max-model-len", str(deployment.max_context)),
        ("--max-num-seqs", str(deployment.max_sequences)),
        ("--max-num-batched-tokens", str(deployment.max_batched_tokens)),
        ("--gpu-memory-utilization", f"{deployment.memory_utilisation:g}"),
        *_when(_to_8_bits(asked), "--quantization", "fp8"),
        *_when(deployment.precision.kv_cache == "fp8", "--kv-cache-dtype", "fp8"),
        ("--enable-prefix-caching" if pool.limits.prefix_caching else "--no-enable-prefix-caching", ""),
        *_when(pool.queue == "priority", "--scheduling-policy", "priority"),
        *_when(longest > 0, "--long-prefill-token-threshold", str(longest)),
        *_when(_has_no_graphs(pool), "--enforce-eager"),
        *_when(pool.stream_interval > 1, "--stream-interval", str(pool.stream_interval)),
        *_when(pool.role != "both", "--kv-transfer-config", json.dumps(NIXL.get(pool.role))),
    ]
    admission = _admission_set(pool)
    if admission in RESERVES:
        flags.append((RESERVES[admission], ""))
    if pool.speculation is not None:
        drafted = {"num_speculative_tokens": pool.speculation.drafted}
        flags.append(("--speculative-config", json.dumps({**_drafts(pool.speculation), **drafted})))
    notes = []
    if deployment.expert_parallel not in (1, asked.of_stage):
        notes.append(
            f"vLLM shares experts out over all {asked.of_stage} GPUs of a stage, not {deployment.expert_parallel}"
        )
    nodes = None
    servers = _when(pool.api_servers is not None, "--api-server-count", str(pool.api_servers))
    if asked.nodes > 1:
        common = (("--nnodes", str(asked.nodes)), ("--master-addr", LEADER), ("--master-port", str(PORT_OF_NODES)))
        others = (*common, ("--node-rank", INDEX), ("--headless", ""))
        nodes = Nodes(asked.nodes, (*servers, *common, ("--node-rank", "0")), others)
    else:
        flags += servers
    image = "vllm/vllm-openai-rocm:v0.33.0" if on_amd(pool) else "vllm/vllm-openai:v0.33.0"
    words = ("vllm", "serve", asked.repository)
    return Command(words, tuple(flags), image, _of_node(asked), nodes, notes=tuple(notes))


def sglang(asked: Asked) -> Command:
    """`python -m sglang.launch_server`. Its limits are of all ranks of attention, the scenario's of one; its tensor
    parallelism counts all GPUs of a stage, ranks of attention among them.
    """
    pool, deployment = asked.pool, asked.pool.deployment
    flags: list[Flag] = [
        ("--host", "0.0.0.0"),
        ("--port", str(PORT)),
        *_degrees(("--tp-size", asked.of_stage), ("--pp-size", deployment.pipeline_parallel)),
        *_degrees(("--attn-dp-size", deployment.data_parallel), ("--ep-size", deployment.expert_parallel)),
        ("--context-length", str(deployment.max_context)),
        ("--max-running-requests", str(deployment.max_sequences * deployment.data_parallel)),
        ("--chunked-prefill-size", str(deployment.max_batched_tokens * deployment.data_parallel)),
        ("--mem-fraction-static", f"{deployment.memory_utilisation:g}"),
        *_when(_to_8_bits(asked), "--quantization", "fp8"),
        *_when(deployment.precision.kv_cache == "fp8", "--kv-cache-dtype", "fp8_e4m3"),
        *_when(not pool.limits.prefix_caching, "--disable-radix-cache"),
        *_when(pool.limits.mixes_prompts, "--enable-mixed-chunk"),
        *_when(pool.limits.receive_interval > 1, "--scheduler-recv-interval", str(pool.limits.receive_interval)),
        *_when(_has_no_graphs(pool), "--cuda-graph-backend-decode", "disabled"),
        *_when(_has_no_graphs(pool), "--cuda-graph-backend-prefill", "disabled"),
        *_when(pool.queue == "priority", "--enable-priority-scheduling"),
        *_when(pool.queue == "priority", "--schedule-low-priority-values-first"),
        *_when(pool.api_servers is not None, "--tokenizer-worker-num", str(pool.api_servers)),
        *_when(pool.stream_interval > 1, "--stream-interval", str(pool.stream_interval)),
        *_when(pool.role != "both", "--disaggregation-mode", pool.role),
    ]
    if pool.speculation is not None:
        drafted, draft = pool.speculation.drafted, pool.speculation.draft
        if draft is None:
            flags += [("--speculative-algorithm", "NGRAM"), ("--speculative-num-draft-tokens", str(drafted))]
        else:
            method = {"model": "STANDALONE", "mtp": "EAGLE", "eagle3": "EAGLE3"}[pool.speculation.by]
            flags += [
                ("--speculative-algorithm", method),
                *_when(pool.speculation.by != "mtp", "--speculative-draft-model-path", _weights(draft)),
                ("--speculative-num-steps", str(drafted)),
                ("--speculative-eagle-topk", "1"),
                ("--speculative-num-draft-tokens", str(drafted + 1)),
            ]
    nodes = None
    if asked.nodes > 1:
        common = (("--nnodes", str(asked.nodes)), ("--dist-init-addr", f"{LEADER}:{PORT_OF_NODES}"))
        nodes = Nodes(asked.nodes, (*common, ("--node-rank", "0")), (*common, ("--node-rank", INDEX)))
    words = ("python3", "-m", "sglang.launch_server", "--model-path", asked.repository)
    notes = ("on AMD's GPUs take SGLang's image for them",) if on_amd(pool) else ()
    return Command(words, tuple(flags), "lmsysorg/sglang:v0.5.23", _of_node(asked), nodes, notes=notes)


def tensorrt_llm(asked: Asked) -> Command:
    """`trtllm-serve` and its configuration file. Its tensor parallelism counts all GPUs of a stage; attention is of
    each GPU's own sequences or of none.
    """
    pool, deployment = asked.pool, asked.pool.deployment
    flags: list[Flag] = [
        ("--host", "0.0.0.0"),
        ("--port", str(PORT)),
        *_degrees(("--tp_size", asked.of_stage), ("--pp_size", deployment.pipeline_parallel)),
        *_degrees(("--ep_size", deployment.expert_parallel)),
        ("--max_batch_size", str(deployment.max_sequences)),
        ("--max_num_tokens", str(deployment.max_batched_tokens)),
        ("--max_seq_len", str(deployment.max_context)),
        ("--kv_cache_free_gpu_memory_fraction", f"{deployment.memory_utilisation:g}"),
        *_when(pool.limits.chunked_prefill, "--enable_chunked_prefill"),
        *_when(asked.nodes > 1, "--gpus_per_node", str(_of_node(asked))),
    ]
    cache: dict[str, bool | str] = {} if pool.limits.prefix_caching else {"enable_block_reuse": False}
    if deployment.precision.kv_cache == "fp8":
        cache |= {"dtype": "fp8"}
    waits = {"enable_balance": True, "timeout_iters": pool.limits.ranks_wait_steps, "batching_wait_iters": 0}
    settings = {
        **({"kv_cache_config": cache} if cache else {}),
        **({"enable_attention_dp": True} if deployment.data_parallel > 1 else {}),
        **({"attention_dp_config": waits} if deployment.data_parallel > 1 and pool.limits.ranks_wait_steps else {}),
        **({"stream_interval": pool.stream_interval} if pool.stream_interval > 1 else {}),
    }
    notes = []
    if deployment.data_parallel > 1 and deployment.tensor_parallel > 1:
        notes.append("TensorRT-LLM's attention parallelism leaves each GPU its own sequences: no tensors are shared")
    if pool.speculation is not None:
        notes.append("drafts are set in the configuration file, which leaves them out")
    if pool.api_servers is not None:
        notes.append("the number of API servers is not set")
    words: tuple[str, ...] = ("trtllm-serve", "serve", asked.repository)
    nodes = None
    if asked.nodes > 1:
        words = ("mpirun", "-n", str(pool.devices_per_replica), "trtllm-llmapi-launch", *words)
        nodes = Nodes(asked.nodes, (), ())
    if settings:
        flags.append(("--extra_llm_api_options", CONFIG_FILE))
    config = yaml.safe_dump(settings, sort_keys=True) if settings else ""
    image = "nvcr.io/nvidia/tensorrt-llm/release:1.2.1"
    return Command(words, tuple(flags), image, _of_node(asked), nodes, config, tuple(notes))


LAUNCHED: Mapping[str, Callable[[Asked], Command]] = {"vllm": vllm, "sglang": sglang, "tensorrt-llm": tensorrt_llm}


def _degrees(*degrees: tuple[str, int]) -> list[Flag]:
    """Degrees of parallelism other than one."""
    return [(name, str(degree)) for name, degree in degrees if degree > 1]


def _when(said: bool, name: str, value: str = "") -> list[Flag]:
    return [(name, value)] if said else []


def _has_no_graphs(pool: ResolvedPool) -> bool:
    """Whether the scenario has graphs switched off."""
    return pool.engine.constants.get("graph_tokens") == 0


def _drafts(speculation: Speculation) -> dict[str, str]:
    """Who drafts, in vLLM's words; an EAGLE-3 layer has a place to fill in."""
    if speculation.draft is None:
        return {"method": "ngram"}
    if speculation.by == "mtp":
        return {"method": "mtp"}
    method = "eagle3" if speculation.by == "eagle3" else "draft_model"
    return {"method": method, "model": _weights(speculation.draft)}


def _weights(draft: ModelArchitecture) -> str:
    return draft.repository or f"./{draft.name}"


def _admission_set(pool: ResolvedPool) -> str:
    """By what the scenario has the engine admit requests, where that is not the engine's own rule; else empty."""
    own = pool.engine.rules.get("admission")
    return "" if own is None or own.value == pool.engine.admission else pool.engine.admission


def _to_8_bits(asked: Asked) -> bool:
    """Whether weights published in 16 bits are made 8 bits wide as they are loaded."""
    published = asked.service.architecture.default_precision
    return asked.pool.deployment.precision.weights == "fp8" and published in ("bf16", "fp16")


def _of_node(asked: Asked) -> int:
    """GPUs of a node that a replica takes."""
    return -(-asked.pool.devices_per_replica // asked.nodes)


def on_amd(pool: ResolvedPool) -> bool:
    """Whether its devices are AMD's."""
    return pool.system.device.title.startswith("AMD ")


def on_nvidia(pool: ResolvedPool) -> bool:
    """Whether its devices are NVIDIA's."""
    return pool.system.device.title.startswith("NVIDIA ")
