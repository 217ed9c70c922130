"""What serves: model, hardware, engine, limits."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field

from infermodel.engine import Admission
from infermodel.scenario.errors import named
from infermodel.scenario.schema.types import (
    MODEL,
    SYSTEM,
    Degree,
    Flag,
    Index,
    Name,
    PositiveSeconds,
    PositiveShare,
    PrecisionName,
    Seconds,
    Tokens,
)
from infermodel.scenario.schema.values import Block, Choice, Kind, Whole, refuse

MOST_REPLICAS = 100_000

Systems = Annotated[int, Whole(at_most=1_000_000)]


class ModelConfig(Block):
    """A model that is not in the catalog."""

    config: Name = Field(
        description="path of a Hugging Face `config.json` or of a checkpoint's folder, beside the scenario or from here"
    )


class ModelKind(Kind):
    """A name of the catalog or a `config.json` on disk."""

    def read(self, value: Any) -> str | ModelConfig:
        """The name or the file."""
        if isinstance(value, dict):
            return ModelConfig.model_validate(value)
        if not isinstance(value, str):
            refuse(f"expected the name of a model or {{config: path}}, got {named(value)}")
        return MODEL.read(value)

    def write(self, value: str | ModelConfig) -> Any:
        """The name or the file as a tree."""
        return value if isinstance(value, str) else value.model_dump()

    def unit(self) -> str:
        """For the reference table."""
        return "model of the catalog or its repository on Hugging Face, or `{config: path}`"


class Fleet(Block):
    """Systems, and how replicas lie on them."""

    system: Annotated[str, SYSTEM] = Field(description="what one buys")
    systems: Systems = Field(default=1, description="how many")
    devices_per_replica: Degree | None = Field(
        default=None,
        description="wafers or chips of a replica; all, over as many replicas as fit, if omitted",
    )
    tensor_parallel: Degree = Field(default=1, description="GPUs that share each layer")
    pipeline_parallel: Degree = Field(default=1, description="groups of GPUs that share out the layers")
    expert_parallel: Degree = Field(default=1, description="GPUs that share out the experts")
    data_parallel: Degree = Field(default=1, description="ranks of attention in a replica, each a scheduler")
    replicas: Annotated[int, Whole(at_most=MOST_REPLICAS)] | None = Field(
        default=None, description="scheduled copies; as many as the systems hold if omitted"
    )


class Precision(Block):
    """Number formats."""

    weights: PrecisionName | None = Field(default=None, description="as the model is published if omitted")
    kv_cache: PrecisionName | None = Field(default=None, description="bf16 if omitted")
    compute: PrecisionName | None = Field(
        default=None, description="fp8 or int8 for such weights, else bf16, if omitted"
    )


class Limits(Block):
    """What a replica takes on at once; with `data_parallel`, each of its ranks."""

    max_sequences: Systems | None = Field(default=None, description="requests; the engine's default if omitted")
    max_batched_tokens: Tokens | None = Field(default=None, description="of a step; the engine's default if omitted")
    max_context: Tokens | None = Field(default=None, description="prompt and answer; the model's if omitted")
    memory_utilisation: PositiveShare | None = Field(
        default=None, description="of device memory, for weights and KV; the engine's default if omitted"
    )


class EngineSettings(Block):
    """How the engine is started, where not as it comes."""

    admission: Annotated[str, Choice("admission rule", get_args(Admission))] | None = Field(
        default=None,
        description="what must fit the KV memory before a request runs: the first chunk of its prompt, the whole"
        " prompt, that and a share of the answers to come, that and its whole answer; as the engine does if omitted",
    )
    mixes_prompts: Flag | None = Field(
        default=None,
        description="whether a step takes prompts beside decoding; else prompts hold answers up (SGLang's"
        " `enable_mixed_chunk`); as the engine does if omitted",
    )
    long_prompt_tokens: Tokens | None = Field(
        default=None,
        description="of a prompt a step takes at most so many while other requests run or wait (vLLM's"
        " `long_prefill_token_threshold`); no bound if omitted",
    )
    receive_interval: Annotated[int, Whole(at_most=1000)] | None = Field(
        default=None,
        description="decoding steps after which newcomers are looked for (SGLang's `scheduler_recv_interval`)",
    )
    cuda_graphs: Flag | None = Field(
        default=None,
        description="`false` launches every kernel of every step by itself (`enforce_eager`, `disable_cuda_graph`)",
    )


class FrontEnd(Block):
    """API server processes in front of the replicas."""

    api_servers: Degree | None = Field(
        default=None, description="processes of a server; as many as the engine starts if omitted"
    )
    stream_interval: Degree = Field(default=1, description="tokens of an answer that are streamed together")


class Outage(Block):
    """A system that is down for a while."""

    system: Index = Field(description="which one, from 0")
    at: Seconds = Field(description="when it goes down")
    length: PositiveSeconds = Field(alias="for", description="for how long")
