"""Keys that people type and the language has not: by what name it knows the thing, or that it is not modelled."""

from __future__ import annotations

from collections.abc import Mapping

KNOWN_AS: Mapping[str, tuple[str, ...]] = {
    "services.fleet.systems": ("nodes", "num_nodes", "nnodes", "servers", "instances", "count", "boxes"),
    "services.fleet.tensor_parallel": ("tp", "tp_size", "tensor_parallel_size", "tensor_parallelism"),
    "services.fleet.pipeline_parallel": ("pp", "pp_size", "pipeline_parallel_size", "pipeline_parallelism"),
    "services.fleet.expert_parallel": ("ep", "ep_size", "expert_parallel_size", "enable_expert_parallel"),
    "services.fleet.data_parallel": ("dp", "dp_size", "data_parallel_size", "enable_dp_attention"),
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
    "services.engine_settings.cuda_graphs": ("enforce_eager", "eager", "disable_cuda_graph", "use_cuda_graph"),
    "services.prefix_caching": ("enable_prefix_caching", "prefix_cache", "radix_cache", "caching"),
    "services.price.rental": ("rent", "rental_price", "gpu_hour", "hourly", "price_per_hour"),
    "services.price.purchase": ("capex", "cost", "purchase_price", "buy"),
    "traffic.prompt_tokens": ("input_tokens", "input_len", "input_length", "prompt_len", "prompt_length", "isl"),
    "traffic.output_tokens": ("output_len", "output_length", "answer_tokens", "max_tokens", "osl"),
    "traffic.arrivals.rate": ("rps", "qps", "rpm", "request_rate", "requests_per_second", "requests_per_minute"),
    "traffic.arrivals.users": ("concurrency", "max_concurrency", "clients", "concurrent_users"),
    "traffic.prompt_tokens.cv": ("std", "stddev", "std_dev", "stdev", "sigma"),
    "objectives": ("slo", "slos", "sla", "slas", "targets", "goals"),
    "duration": ("time", "run_time", "length", "minutes"),
}  # fmt: skip
"""Path of a key in a scenario: what other tools and people call it."""

ADDED: Mapping[str, str] = {
    "traffic.prompt_tokens.cv": ", the standard deviation over the mean",
    "services.engine_settings.cuda_graphs": ": false launches every kernel by itself",
    "services.fleet.systems": ", of whole systems; replicas follow from them and from the parallelism",
    "services.fleet.pools": ", one of role prefill and one of role decode",
    "services.fleet.system": " with the name of what one buys: 'infermodel catalog systems' lists them",
}
"""What more is to be said of some."""

NOT_MODELLED: Mapping[str, tuple[str, ...]] = {
    "LoRA adapters are not modelled; play the base model, and take their memory off limits.memory_utilisation": (
        "lora", "loras", "adapters", "lora_rank", "max_loras", "enable_lora",
    ),
    "one sequence's attention over several GPUs is not modelled; raise tensor_parallel": (
        "context_parallel", "cp", "decode_context_parallel", "sequence_parallel", "dcp",
    ),
    "spot instances are not modelled; give the rental price that you pay, and as 'outages' what you expect to lose": (
        "spot", "preemptible", "interruptible", "spot_price",
    ),
    "fleets that scale are not modelled; give a service for each size, and a 'profile' of arrivals": (
        "autoscaling", "autoscale", "min_replicas", "max_replicas", "scaling",
    ),
    "failures by chance are not modelled; name what is down and when under 'outages'": (
        "failures", "mtbf", "mttr", "availability",
    ),
    "KV cache outside the device's memory is not modelled": (
        "kv_offload", "cpu_offload", "cpu_offload_gb", "swap_space", "kv_tiers", "lmcache", "offload",
    ),
    "images and sound are not modelled; count their tokens into the prompts": ("images", "image_tokens", "audio"),
}  # fmt: skip
"""What to say of keys that ask for what no scenario can have, and what to do instead."""


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
    word = key.strip().lower().replace("-", "_").lstrip("_")
    for instead, words in NOT_MODELLED.items():
        if word in words:
            return instead
    paths = [path for path, words in KNOWN_AS.items() if word in words]
    for path in paths:
        block, _, name = path.rpartition(".")
        if block == here or (name in free and word not in free):
            return f"write '{name}'{ADDED.get(path, '')}"
    if not paths:
        return ""
    *above, name = paths[0].split(".")
    where = {"services": " of the service"}.get(above[0], "") if above else ""
    under = f" under '{above[-1]}'{where}" if len(above) > (1 if where else 0) else where or " at the top"
    return f"write '{name}'{under}{ADDED.get(paths[0], '')}"
