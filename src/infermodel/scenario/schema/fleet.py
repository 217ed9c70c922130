"""What serves: model, hardware, engine, limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from infermodel.engine import Admission, FirstToken, Overlap, Reserved
from infermodel.scenario.errors import did_you_mean, named
from infermodel.scenario.schema.first_router import FIRST_ROUTERS, ByPromptLength, ByTenant
from infermodel.scenario.schema.money import Price
from infermodel.scenario.schema.types import (
    ENGINE,
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
    Systems,
    Tokens,
)
from infermodel.scenario.schema.upkeep import Autoscaling, Failures
from infermodel.scenario.schema.values import (
    Block,
    ByKind,
    Choice,
    Kind,
    Quantity,
    Whole,
    refusal,
    refuse,
    refuse_below,
)
from infermodel.simulation.handover import Role
from infermodel.simulation.pool.router import ROUTER_NAMES
from infermodel.simulation.replica.queues import QUEUES

MOST_REPLICAS = 100_000
MOST_POOLS = 16


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
    ranks_wait_steps: Annotated[int, Whole(at_most=1000)] | None = Field(
        default=None,
        description="steps for which a rank of attention with a prompt waits at most until all have one (TensorRT-LLM's"
        " `attention_dp_config`: `enable_balance`, `timeout_iters`)",
    )
    cuda_graphs: Flag | None = Field(
        default=None,
        description="`false` launches every kernel of every step by itself (`enforce_eager`, `disable_cuda_graph`)",
    )


class Layout(Block):
    """Systems, and how replicas lie on them."""

    system: Annotated[str, SYSTEM] | None = Field(default=None, description="what one buys; required without `pools`")
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


class Outage(Block):
    """A system that is down for a while."""

    system: Index = Field(description="which one, from 0")
    at: Seconds = Field(description="when it goes down")
    length: PositiveSeconds = Field(alias="for", description="for how long")


class Pool(Layout):
    """Alike replicas that read prompts for others, decode what others have read, or do all of a request."""

    system: Annotated[str, SYSTEM] = Field(description="what one buys")
    name: Name = Field(description="unlike every other pool's of the service")
    role: Annotated[Role, Choice("role", get_args(Role))] = Field(
        description="whether it reads prompts, makes the tokens after the first, or both"
    )
    engine: Annotated[str, ENGINE] | None = Field(default=None, description="the service's if omitted")
    engine_settings: EngineSettings | None = Field(default=None, description="the service's if omitted")
    precision: Precision | None = Field(default=None, description="the service's if omitted")
    limits: Limits | None = Field(default=None, description="the service's if omitted")
    queue: Annotated[str, Choice("queue policy", tuple(QUEUES))] | None = Field(
        default=None, description="the service's if omitted"
    )
    router: Annotated[str, Choice("router", ROUTER_NAMES)] | None = Field(
        default=None, description="the service's if omitted"
    )
    signals_every: PositiveSeconds | None = Field(default=None, description="the service's if omitted")
    outages: tuple[Outage, ...] | None = Field(default=None, description="systems of it that go down")
    failures: Failures | None = Field(default=None, description="of its systems, by chance; the service's if omitted")
    autoscaling: Autoscaling | None = Field(
        default=None, description="its replicas that start and stop; the service's if omitted"
    )
    price: Price | None = Field(default=None, description="what a system of it costs; the service's if omitted")


class PoolLink(Block):
    """What keys and values cross from the pool that reads prompts to the one that decodes."""

    bandwidth: Annotated[float, Quantity("bandwidth", "B/s", above=0.0, at_most=1e18)] | None = Field(
        default=None,
        description="of the network card of each device, at both ends; that of the systems' network if omitted",
    )
    shared_bandwidth: Annotated[float, Quantity("bandwidth", "B/s", above=0.0, at_most=1e18)] | None = Field(
        default=None, description="of a line that all transfers share, such as one between halls; none if omitted"
    )
    latency: Seconds = Field(
        default=0.001, description="of a transfer beside its bytes: asking, the way, the notice (assumed)"
    )
    hop: Seconds = Field(default=0.002, description="of a request from one pool to the other, by its router (assumed)")
    reserved: Annotated[Reserved, Choice("moment", get_args(Reserved))] | None = Field(
        default=None, description="when memory is set aside where it will decode; as the engine does if omitted"
    )
    overlap: Annotated[Overlap, Choice("overlap", get_args(Overlap))] | None = Field(
        default=None, description="what crosses while the prompt is being read; as the engine does if omitted"
    )
    first_token: Annotated[FirstToken, Choice("giver", get_args(FirstToken))] | None = Field(
        default=None,
        description="who gives it out: the pool that read the prompt, the one that decodes with what came over the"
        " link, or that one by a step of its own; as the engine does if omitted",
    )


def one_of_each(roles: Sequence[str]) -> None:
    """Refuse pools other than one that prefills and one that decodes."""
    if sorted(roles) != ["decode", "prefill"]:
        said = f"pools of the roles {', '.join(roles) or 'none'}"
        refuse_below([(("pools",), refusal(said, "one of role prefill and one of role decode, or all of role both"))])


class Fleet(Layout):
    """Systems, and how replicas lie on them; or pools of them: one that reads prompts and one that decodes, or several
    that each do all of a request.
    """

    pools: tuple[Pool, ...] | None = Field(
        default=None,
        max_length=MOST_POOLS,
        description="instead of `system`: one of role prefill and one of role decode, or some of role both",
    )
    link: PoolLink | None = Field(default=None, description="from the pool that reads prompts to the one that decodes")
    first_router: Annotated[Block, ByKind("first router", FIRST_ROUTERS)] | None = Field(
        default=None, description="which of several pools of role both gets a request; each in turn if omitted"
    )

    @model_validator(mode="after")
    def _systems_or_pools(self) -> Self:
        if self.pools is None:
            if self.system is None:
                refuse("the key 'system' is missing", "such as system: dgx-h100")
            if self.link is not None:
                refuse_below([(("link",), refusal("leads nowhere: the fleet has no 'pools'"))])
            if self.first_router is not None:
                refuse_below([(("first_router",), refusal("has no choice: the fleet has no 'pools'"))])
            return self
        beside = sorted(self.model_fields_set - {"pools", "link", "first_router"})
        if beside:
            said = f"'{beside[0]}' stands beside 'pools'"
            refuse_below([((beside[0],), refusal(said, "write it in each pool"))])
        if not self.pools or {pool.role for pool in self.pools} != {"both"}:
            one_of_each([pool.role for pool in self.pools])
            if self.first_router is not None:
                refuse_below([(("first_router",), refusal("is for pools of role both"))])
        elif self.link is not None:
            refuse_below([(("link",), refusal("leads nowhere: each of the pools does all of a request"))])
        names = [pool.name for pool in self.pools]
        for place, name in enumerate(names):
            if name in names[:place]:
                refuse_below([(("pools", place, "name"), refusal("is the name of another pool already"))])
        rule = self.first_router
        if isinstance(rule, ByPromptLength) and len(rule.bounds) + 1 != len(names):
            said = f"{len(rule.bounds)} bounds for {len(names)} pools"
            refuse_below([(("first_router", "bounds"), refusal(said, "one fewer than there are pools"))])
        if isinstance(rule, ByTenant):
            for tenant, pool in rule.pools.items():
                if pool not in names:
                    unknown = refusal(f"no pool named {named(pool)}", did_you_mean(pool, names))
                    refuse_below([(("first_router", "pools", tenant), unknown)])
        return self

    @model_serializer(mode="wrap")
    def _without_defaults_beside_pools(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        beside = ("pools", "link", "first_router")
        return written if self.pools is None else {key: written[key] for key in beside if key in written}

    @property
    def answering(self) -> str:
        """The system that makes the tokens of answers."""
        system = self.by_role[-1][1].system if self.pools else self.system
        assert system is not None  # one of the two is said
        return system

    @property
    def by_role(self) -> tuple[tuple[int, Pool], ...]:
        """Its pools with their places in the list, the one that reads prompts first."""
        return tuple(sorted(enumerate(self.pools or ()), key=lambda each: each[1].role != "prefill"))


class FrontEnd(Block):
    """API server processes in front of the replicas."""

    api_servers: Degree | None = Field(
        default=None, description="processes of a server; as many as the engine starts if omitted"
    )
    stream_interval: Degree = Field(default=1, description="tokens of an answer that are streamed together")
