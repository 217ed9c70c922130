"""Serving engines: what the software on a node adds to the hardware's time, and its default limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal

from infermodel.hardware import Device, Provenance

CONSTANTS = "constants."
"""What the names of further constants begin with in a provenance."""

Admission = Literal["first_chunk", "whole_prompt", "answer_share", "whole_answer"]
"""What must fit the free KV memory before a waiting request runs: the first chunk of its prompt; all of its prompt that
is not cached; that and a share of the answers still to come, its own and the running requests'; that and its whole
answer, so that nobody is ever preempted."""

Findable = Literal["scheduled", "computed", "prompt_done"]
"""From when on others find a prompt's block in the cache: its step is composed; the step is done; the prompt is."""

Preempted = Literal["latest", "shortest_answer"]
"""Whose memory is taken when none is left: who was admitted last; who has the shortest answer so far, of equals the
longest prompt."""


MemoryShare = Literal["device", "free", "static"]
"""What an engine's share of memory is of: of the device, for weights, activations and KV alike; of what weights and
activations leave; of the device, for weights and KV alone, activations and graphs having the rest."""


@dataclass(frozen=True, slots=True)
class OnDevices:
    """Figures that take the place of an engine's on some devices.

    Attributes:
        at_least_bytes, below_bytes: memory of such a device.
        named: beginnings of their names; none: any.
        figures: by field of the engine, or `constants.` and the name of one.
    """

    figures: Provenance
    at_least_bytes: float = 0.0
    below_bytes: float = inf
    named: tuple[str, ...] = ("",)

    def holds(self, device: Device) -> bool:
        """Whether a device is one of them."""
        return self.at_least_bytes <= device.memory_capacity_bytes < self.below_bytes and device.name.startswith(
            self.named
        )


RankRouting = Literal["in_flight", "weighted", "round_robin", "random"]
"""Which rank of data-parallel attention gets a request: the one with the fewest unfinished, ties in turn; the one with
the fewest, those that wait counted four times; each in turn; any with the same probability."""

Reserved = Literal["after_prefill", "before_prefill"]
"""Where one pool reads prompts for another: when blocks for a prompt are reserved where it will decode; when it has
been read, or before a prefilling replica sees it."""

Overlap = Literal["none", "chunks", "layers"]
"""What has crossed to the other pool when the last step of a prompt ends, as far as the link had time for it: nothing,
all but the last chunk, or all but the last layer."""

FirstToken = Literal["prefill", "arrival", "decode"]
"""Who gives the client its first token: the pool that read the prompt, at once; the one that decodes, when it takes the
request up, for the token comes with keys and values; or the same one by a step that computes the last token of the
prompt again."""

FrontEndOf = Literal["rank", "replica", "system"]
"""What has an API server process of its own: each copy of the attention in a replica, the replica, or the system with
all its replicas."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A habit of an engine's scheduler, and whose word it is.

    Attributes:
        value: true or false, one of a few words, or a list of sizes.
        source: the engine's name for it, and its version.
    """

    value: Any
    source: str
    date: str = ""
    note: str = ""


@dataclass(frozen=True)
class Engine:
    """The software that turns a device into a server.

    Attributes:
        family: `batch` engines run continuous batching on GPUs; `dataflow` runtimes fill slots of a pipeline.
        host_step_s: host gap of every step (c0).
        host_sequence_s: further host gap per sequence in the step (c1).
        ingress_s: from the client until the scheduler sees a lone request, the front end's own work included.
        egress_s: from the step's end until the client sees the token.
        max_sequences: default limit of running sequences of a replica.
        max_batched_tokens: default token budget of a step.
        kv_block_tokens: tokens of a KV block.
        memory_utilisation: default share of device memory that the engine may use.
        memory_share: what that share is of.
        context_must_fit: whether the engine starts only if one sequence of the served context fits the KV memory.
        graph_sizes: sizes of steps that are captured, as (from, step): 8, 16, 24 ... up to the next pair's first; none:
            steps are not padded.
        memory_reserve_bytes: of one device: runtime, graphs, activations beyond those computed from the batch.
        chunked_prefill: whether a prompt may be split over steps and mixed with decode.
        mixes_prompts: whether a step may hold pieces of prompts beside decoding sequences; else prompts hold them up.
        schedules_ahead: whether the next step is composed while one runs.
        admission: what must fit before a waiting request runs.
        preempted: who gives way when no memory is left.
        prefix_caching: whether prompts use blocks that earlier ones with the same beginning left, where the scenario
            does not say.
        blocks_findable: from when on they do.
        front_end: what has an API server process of its own, where nothing else is said.
        rank_router: which rank of data-parallel attention gets a request.
        ranks_share_limits: whether the limits that are said, and the default token budget, are of all ranks together.
        long_prompt_tokens: of a prompt a step takes at most so many while other requests run or wait; 0: no such bound.
        receive_interval: after so many steps of decoding alone the scheduler looks for newcomers; after others, always.
        ranks_wait_steps: for so many steps at most a rank of data-parallel attention that has a prompt waits until all
            ranks have one; 0: it does not.
        batch_wait_steps: for so many steps at most prompts wait beside decoding until they fill `batch_wait_share` of
            a step's budget; 0: they do not.
        answers_in_step: whether what the host does for a sequence between steps is to make its answer, which is spared
            where several tokens are streamed together.
        caches_answers: whether blocks of answers are found too, by prompts that go on where they ended.
        handover_reserved, handover_overlap, handover_first_token: where one pool reads prompts for another, when blocks
            are reserved there, what crosses meanwhile, and who gives the first token out.
        handover_rank_router: which rank gets a prompt that is read for another pool; None: as `rank_router` says.
        handover_kept_free_tokens: of memory, for each request that a decoding replica has, which no reservation takes.
        constants: further calibrated constants by name: `launch_s`, of the host to launch a kernel outside of a
            captured graph; `graph_tokens`, up to which steps replay one, `graph_sequences`, up to which steps of
            decoding alone do (`graph_sequences_wide`: on four GPUs and more); `tokenise_s`, of the server to turn text
            into a token of a prompt; `fused_kernels`, of a layer done within its all-reduces; `expert_layer_s` and
            `latent_layer_s`, of the small kernels of a layer with experts or latent attention;
            `narrow_expert_efficiency`, of experts in mxfp4 whose tokens it multiplies in 8 bits where the device has no
            units for 4, against dense multiplications in 16; `own_blocks_efficiency`, of its kernels for weights scaled
            by blocks, where they are not those that told the device's; `narrow_cache_efficiency`, at which share of the
            device's own rate its kernels read keys and values of 8 bits, on GPUs before Blackwell. Of `admission:
            answer_share`: `answer_share` of the answers still to come that is kept free at first, `answer_share_least`
            to which it sinks in even steps over `answer_share_steps` steps; `answer_share_steps_ahead` that it is set
            to see ahead after a preemption; `longest_answer`, tokens of an answer beyond which nobody reckons. Of an
            API server process: `front_end_request_s` for every request, `front_end_token_s` for each token that it
            streams, `front_end_pixel_s` for each pixel of an image.
        since: the first version that is like this.
        extends: the entry of the catalog whose figures it has where it has none of its own.
        on_devices: figures that take the place of these on some devices, later ones over earlier ones.
        rules: whose word the fields of habits are, by field, and that of `since`.
    """

    name: str
    title: str
    family: Literal["batch", "dataflow"]
    host_step_s: float
    host_sequence_s: float
    ingress_s: float
    egress_s: float
    max_sequences: int
    max_batched_tokens: int
    kv_block_tokens: int
    memory_utilisation: float
    memory_reserve_bytes: float
    chunked_prefill: bool = True
    mixes_prompts: bool = True
    schedules_ahead: bool = False
    admission: Admission = "first_chunk"
    preempted: Preempted = "latest"
    prefix_caching: bool = False
    blocks_findable: Findable = "prompt_done"
    caches_answers: bool = False
    long_prompt_tokens: int = 0
    receive_interval: int = 1
    ranks_wait_steps: int = 0
    batch_wait_steps: int = 0
    batch_wait_share: float = 0.0
    answers_in_step: bool = False
    front_end: FrontEndOf = "replica"
    rank_router: RankRouting = "in_flight"
    ranks_share_limits: bool = False
    memory_share: MemoryShare = "device"
    context_must_fit: bool = False
    graph_sizes: tuple[tuple[int, int], ...] = ()
    handover_reserved: Reserved = "after_prefill"
    handover_overlap: Overlap = "none"
    handover_first_token: FirstToken = "arrival"
    handover_rank_router: RankRouting | None = None
    handover_kept_free_tokens: int = 0
    constants: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=dict)
    on_devices: tuple[OnDevices, ...] = ()
    since: tuple[int, ...] = (0,)
    extends: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def on(self, device: Device) -> Engine:
        """The engine with the defaults that it has on a device."""
        figures = {
            name: each for entry in self.on_devices if entry.holds(device) for name, each in entry.figures.items()
        }
        fields = {name: each.value for name, each in figures.items() if not name.startswith(CONSTANTS)}
        constants = {name.removeprefix(CONSTANTS): each.value for name, each in figures.items() if name not in fields}
        counted: dict[str, Any] = {
            name: int(value) if isinstance(getattr(self, name), int) else value for name, value in fields.items()
        }
        return replace(
            self,
            constants={**self.constants, **constants},
            provenance={**self.provenance, **figures},
            on_devices=(),
            **counted,
        )

    def streaming(self, tokens: int) -> Engine:
        """The engine where so many tokens of an answer are streamed together.

        >>> engine = Engine("e", "E", "batch", 0, 0.25, 0, 0, 1, 1, 1, 1, 0, answers_in_step=True)
        >>> engine.streaming(2).host_sequence_s
        0.125
        """
        return replace(self, host_sequence_s=self.host_sequence_s / tokens) if self.answers_in_step else self

    @property
    def that_reads(self) -> Engine:
        """The engine where it reads prompts for another pool."""
        return replace(self, rank_router=self.handover_rank_router or self.rank_router)

    @property
    def reserves_output(self) -> bool:
        """Whether a request is admitted only when memory for its whole answer is left."""
        return self.admission == "whole_answer"

    @property
    def tokenise_s(self) -> float:
        """On top of `ingress_s` for each token of a prompt."""
        return self.constants.get("tokenise_s", 0.0)

    @property
    def front_end_pixel_s(self) -> float:
        """Of an API server process for each pixel of an image."""
        return self.constants.get("front_end_pixel_s", 0.0)
