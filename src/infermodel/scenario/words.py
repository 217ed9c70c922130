"""Keys and names that people type and the language has not: what it calls the thing, or that it is not modelled."""

from __future__ import annotations

from collections.abc import Mapping

KNOWN_AS: Mapping[str, tuple[str, ...]] = {
    "services.fleet.systems": (
        "nodes", "num_nodes", "nnodes", "servers", "instances", "count", "boxes", "gpu_count", "num_gpus", "n_gpus",
    ),
    "services.fleet.tensor_parallel": (
        "tp", "tp_size", "tensor_parallel_size", "tensor_parallelism", "parallelism", "parallel",
    ),
    "services.fleet.pipeline_parallel": ("pp", "pp_size", "pipeline_parallel_size", "pipeline_parallelism"),
    "services.fleet.expert_parallel": ("ep", "ep_size", "expert_parallel_size", "enable_expert_parallel"),
    "services.fleet.data_parallel": ("dp", "dp_size", "data_parallel_size", "enable_dp_attention"),
    "services.fleet.replicas": ("num_replicas", "copies"),
    "services.queue": ("scheduler", "scheduling", "queue_policy", "discipline"),
    "services.router": ("routing", "load_balancer", "lb"),
    "services.speculation": ("speculative", "speculative_decoding", "spec_decode", "speculative_config"),
    "services.fleet.pools": (
        "disaggregation", "disaggregated", "prefill", "decode", "prefill_pool", "decode_pool", "role",
    ),
    "services.fleet.system": ("gpu", "gpus", "gpu_type", "hardware", "accelerator", "device", "node", "machine"),
    "services.limits.max_sequences": (
        "max_num_seqs", "max_running_requests", "max_batch_size", "batch_size", "batch_limit", "max_batch", "seats",
    ),
    "services.limits.max_batched_tokens": ("max_num_batched_tokens", "chunked_prefill_size", "max_num_tokens"),
    "services.limits.max_context": ("max_model_len", "max_seq_len", "context_length", "context", "context_window"),
    "services.limits.memory_utilisation": (
        "gpu_memory_utilization", "gpu_memory_utilisation", "mem_fraction_static", "memory_utilization",
        "kv_cache_free_gpu_memory_fraction",
    ),
    "services.precision.weights": ("quantization", "quantisation", "dtype", "torch_dtype", "weight_dtype"),
    "services.precision.kv_cache": ("kv_cache_dtype", "kv_dtype", "kv"),
    "services.front_end.api_servers": ("api_server_count", "api_workers", "workers"),
    "services.engine_settings.long_prompt_tokens": ("long_prefill_token_threshold",),
    "services.engine_settings.mixes_prompts": ("enable_mixed_chunk", "mixed_chunk"),
    "services.engine_settings.receive_interval": ("scheduler_recv_interval",),
    "services.engine_settings.ranks_wait_steps": ("timeout_iters", "enable_balance", "attention_dp_config"),
    "services.engine_settings.cuda_graphs": ("enforce_eager", "eager", "disable_cuda_graph", "use_cuda_graph"),
    "services.prefix_caching": ("enable_prefix_caching", "prefix_cache", "radix_cache", "caching"),
    "services.price.rental": ("rent", "rental_price", "gpu_hour", "hourly", "price_per_hour"),
    "services.price.purchase": ("capex", "cost", "purchase_price", "buy"),
    "traffic.prompt_tokens": ("input_tokens", "input_len", "input_length", "prompt_len", "prompt_length", "isl"),
    "traffic.output_tokens": (
        "output_len", "output_length", "answer_tokens", "completion_tokens", "max_tokens", "osl",
    ),
    "traffic.arrivals.rate": ("rps", "qps", "rpm", "request_rate", "requests_per_second", "requests_per_minute"),
    "traffic.arrivals.users": ("concurrency", "max_concurrency", "clients", "concurrent_users"),
    "traffic.prompt_tokens.mean": ("avg", "average", "mu"),
    "traffic.prompt_tokens.cv": ("std", "stddev", "std_dev", "stdev", "sigma", "variance", "var"),
    "services.autoscaling": ("autoscale", "autoscaler", "scaling", "hpa", "keda"),
    "services.autoscaling.min": ("min_replicas", "minreplicas"),
    "services.autoscaling.max": ("max_replicas", "maxreplicas"),
    "services.failures": ("failure", "availability", "reliability"),
    "services.failures.mtbf": ("mttf", "time_between_failures", "rate", "failure_rate"),
    "services.failures.mttr": ("repair_time", "time_to_repair"),
    "services.failures.rack": ("racks", "power_domain", "failure_domain"),
    "objectives": ("slo", "slos", "sla", "slas", "targets", "goals"),
    "duration": ("time", "run_time", "length", "minutes"),
}  # fmt: skip
"""Path of a key in a scenario: what other tools and people call it, wherever they write it."""

KNOWN_HERE: Mapping[str, tuple[str, ...]] = {
    "services.outages.system": ("replica", "node", "server", "machine", "index", "id"),
    "services.outages.at": ("start", "starts", "begin", "begins", "from", "time"),
    "services.outages.for": ("duration", "lasts", "length", "until", "end", "ends", "to"),
}
"""The same for words that mean it in its own mapping only."""

ADDED: Mapping[str, str] = {
    "traffic.arrivals.users": ", with 'kind: closed'",
    "traffic.prompt_tokens.cv": ", the standard deviation over the mean",
    "services.engine_settings.cuda_graphs": ": false launches every kernel by itself",
    "services.fleet.systems": ", of whole systems; replicas follow from them and from the parallelism",
    "services.outages.system": ", its number from 0",
    "services.outages.for": ", the time from then until it is up again",
    "services.fleet.pools": ", one of role prefill and one of role decode, or some of role both",
    "services.fleet.system": " with the name of what one buys ('infermodel catalog systems' lists them), and 'systems'",
}
"""What more is to be said of some."""

UNLIKE = (
    "unlike devices in one replica are not modelled; give each kind a pool: of role both, or to prefill and to decode"
)

NOT_MODELLED: Mapping[str, tuple[str, ...]] = {
    "LoRA adapters are not modelled; play the base model, and take their memory off limits.memory_utilisation": (
        "lora", "loras", "adapters", "lora_rank", "max_loras", "enable_lora",
    ),
    "one sequence's attention over several GPUs is not modelled; raise tensor_parallel": (
        "context_parallel", "cp", "decode_context_parallel", "sequence_parallel", "dcp",
    ),
    UNLIKE: ("mixed", "heterogeneous", "mixed_gpus", "gpu_mix", "gpu_types", "second_system"),
    "links between devices are those of the system: 'infermodel catalog' with its name shows them": (
        "nvlink", "interconnect", "infiniband", "network", "topology", "nics",
    ),
    "spot instances are not modelled; give the rental price that you pay, and as 'failures' how often you lose one": (
        "spot", "preemptible", "interruptible", "spot_price",
    ),
    "KV cache outside the device's memory is not modelled": (
        "kv_offload", "cpu_offload", "cpu_offload_gb", "swap_space", "kv_tiers", "lmcache", "offload",
    ),
    "write 'mean', of a lognormal law the median times sqrt(1 + cv^2)": ("median", "p50"),
    "sound and film are not modelled; count their tokens into the prompts": ("audio", "video", "videos", "sound"),
}  # fmt: skip
"""What to say of keys that ask for what no scenario can have, and what to do instead."""


NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "precision": {
        "fp8": ("float8", "e4m3", "e5m2", "fp8_e4m3", "fp8_e5m2"), "fp16": ("half", "float16"),
        "bf16": ("bfloat16",), "fp32": ("float", "float32"), "fp4": ("float4",),
        "int8": ("w8a8", "w8a16", "q8"), "int4": ("awq", "gptq", "w4a16", "q4", "4bit"),
    },
    "kind of arrivals": {
        "constant": ("uniform", "regular", "fixed", "even"), "poisson": ("open", "random", "exponential"),
        "gamma": ("burst", "bursty"), "profile": ("diurnal", "daily", "schedule", "steps"),
        "closed": ("concurrency", "concurrent", "users"), "offline": ("batch",), "trace": ("log", "replay", "csv"),
    },
    "kind of lengths": {
        "lognormal": ("normal", "gaussian", "exponential"), "fixed": ("constant",),
        "table": ("histogram", "empirical", "list", "choice"),
    },
    "router": {
        "least_outstanding": ("least_loaded", "least_connections", "least_requests", "least_busy"),
        "prefix_aware": ("kv_aware", "cache_aware", "prefix"), "two_choices": ("power_of_two", "p2c"),
        "shared_queue": ("central_queue", "global_queue"),
        "session_affinity": ("sticky", "consistent_hash", "affinity"),
    },
    "queue policy": {"fcfs": ("fifo", "first_come_first_served"), "fair": ("wfq", "drr")},
    "system": {
        "cs-3": ("cerebras", "wse-3", "wse3"), "groq-rack": ("groq", "lpu", "groqrack"),
        "dgx-a100": ("p4de.24xlarge", "a2-ultragpu-8g", "nd96amsr_a100_v4"),
        "dgx-h100": ("p5.48xlarge", "a3-highgpu-8g", "a3-megagpu-8g", "nd96isr_h100_v5"),
        "hgx-h200": ("p5e.48xlarge", "p5en.48xlarge", "a3-ultragpu-8g", "nd96isr_h200_v5"),
        "dgx-b200": ("p6-b200.48xlarge", "a4-highgpu-8g"), "l40s-8": ("g6e.48xlarge",),
        "mi300x-8": ("nd96isr_mi300x_v5",), "l4-8": ("g6.48xlarge", "g2-standard-96"),
        "groq-3-lpx": ("lpx", "groq_lpx"), "tpu7x-64": ("ironwood",), "helios-72": ("helios",),
    },
    "objective": {
        "e2e": ("latency", "response_time", "e2e_latency"), "ttft": ("time_to_first_token", "first_token"),
        "tpot": ("time_per_output_token", "inter_token"), "output_speed": ("speed", "throughput", "tps"),
        "attainment": ("goodput", "slo_attainment"),
    },
}  # fmt: skip
"""What is named, its names here, and what other tools, clouds and people call each."""

LONE: Mapping[str, str] = {"precision": "weights", "fleet": "system", "price": "rental", "speculation": "draft"}
"""Mappings for which people write one value, and the key that the value belongs to."""


def name_meant(noun: str, word: str) -> str:
    """The name that the language has for another tool's; empty where nobody can guess.

    >>> name_meant("router", "least-loaded"), name_meant("precision", "AWQ"), name_meant("router", "x")
    ('least_outstanding', 'int4', '')
    """
    said = word.strip().lower()
    known = NAMES.get(noun, {})
    return next((name for name, words in known.items() if said in words or said.replace("-", "_") in words), "")


def as_word(key: str) -> str:
    """A key as the lists above write it."""
    return key.strip().lower().replace("-", "_").lstrip("_")


def meant_here(key: str, here: str) -> str:
    """What to write for another tool's word for a key of this mapping; empty where it is none.

    >>> meant_here("start", "services.outages"), meant_here("start", "services")
    ("write 'at'", '')
    """
    word = as_word(key)
    known = {**KNOWN_AS, **KNOWN_HERE}
    paths = (path for path, words in known.items() if path.rpartition(".")[0] == here and word in words)
    return next((f"write '{path.rpartition('.')[-1]}'{ADDED.get(path, '')}" for path in paths), "")


def meant(key: str, here: str, free: tuple[str, ...]) -> str:
    """What to write for a key that the language has not; empty where nobody can guess.

    Args:
        key: as it was written.
        here: path of the mapping in which it stands, without numbers of items: `services.fleet`.
        free: keys that this mapping has and the scenario does not yet use.

    >>> meant("tp", "services.fleet", ("tensor_parallel",))
    "write 'tensor_parallel'"
    >>> meant("max_num_seqs", "services.fleet", ())
    "write 'max_sequences' under 'limits' of the service"
    >>> meant("spot", "services.price", ())[:31]
    'spot instances are not modelled'
    """
    word = as_word(key)
    for instead, words in NOT_MODELLED.items():
        if word in words:
            return instead
    if own := meant_here(key, here):
        return own
    paths = [path for path, words in KNOWN_AS.items() if word in words or path.endswith(f".{word}")]
    for path in paths:
        name = path.rpartition(".")[-1]
        if name in free and word not in free:
            return f"write '{name}'{ADDED.get(path, '')}"
    if not paths:
        return ""
    *above, name = paths[0].split(".")
    where = {"services": " of the service"}.get(above[0], "") if above else ""
    under = f" under '{above[-1]}'{where}" if len(above) > (1 if where else 0) else where or " at the top"
    return f"write '{name}'{under}{ADDED.get(paths[0], '')}"
