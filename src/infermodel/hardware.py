"""What one can buy: devices, the links between them, and the systems that hold them. SI units throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["measured", "calibrated", "datasheet", "derived", "assumed"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure and where it comes from.

    Attributes:
        value: the figure in SI units.
        unit: the unit it was written in, for printing.
        kind: how it was obtained; `assumed` needs a range.
        source: who published or measured it.
        date: of the source, `YYYY` or `YYYY-MM` or `YYYY-MM-DD`.
        low, high: range of the figure in SI units, where one is known.
        standard_error: of a calibrated figure, SI units.
        fit: name of the calibration, where the figure is calibrated.
    """

    value: float
    unit: str
    kind: Kind
    source: str
    date: str = ""
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    fit: str = ""
    note: str = ""


Provenance = Mapping[str, Quantity]
"""Where each field of a catalog object comes from: field name (`peak_flops.bf16` for a mapping) to its quantity."""


@dataclass(frozen=True, slots=True)
class Link:
    """A connection of one device to its peers.

    Attributes:
        bandwidth: bytes/s, one direction, of one device.
        latency_s: seconds of one small message.
    """

    bandwidth: float
    latency_s: float


@dataclass(frozen=True)
class GpuDevice:
    """A batch-synchronous device: all its units work on one operator at a time.

    Attributes:
        memory_capacity_bytes: HBM or GDDR that the driver shows.
        memory_bandwidth: peak, bytes/s.
        peak_flops: dense peak by precision name (`bf16`, `fp16`, `fp8`, `int8`, `fp4`), FLOP/s.
        multiprocessors: SMs or CUs, the unit of tile quantisation.
        power_idle_w, power_max_w: of one device on its own.
        constants: calibrated constants of the kernels on this device, by name (cost/gpu reads them), SI units.
    """

    name: str
    title: str
    memory_capacity_bytes: float
    memory_bandwidth: float
    peak_flops: Mapping[str, float]
    multiprocessors: int
    power_idle_w: float
    power_max_w: float
    constants: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=dict)
    family: Literal["gpu"] = "gpu"


@dataclass(frozen=True)
class WaferDevice:
    """A wafer of cores with SRAM; every layer of a model lives on its own region of cores.

    Attributes:
        cores: cores that programs can use.
        memory_capacity_bytes: SRAM of the wafer.
        memory_bandwidth: all SRAM together, peak, bytes/s.
        peak_flops: dense peak by precision name, FLOP/s.
        clock_hz: clock measured on a real wafer; gives the column without any fitted speed.
        effective_clock_hz: clock times kernel quality, fitted to one published speed.
        memory_usable_share: of the SRAM, for weights, KV, head, drafts and buffers.
        region_share: of the cores, in layer regions.
        cycles_fixed, cycles_per_side, cycles_per_mac: cycles of a layer = fixed +
            per_side x sqrt(cores) + per_mac x multiply-adds per core.
        mac_width_ratio: kappa, cycles of a multiply-add against the device that the law was fitted on.
        attention_mac_ratio: a, cost of an attention multiply-add against one of a linear operator.
        moe_cycles: extra cycles of a layer with experts.
        prompt_tokens_per_slot: g.
        prefill_share: of further slots that prompts may take beyond the idle ones.
        power_share_on: of the rated power, drawn whenever the wafer is on.
    """

    name: str
    title: str
    cores: int
    memory_capacity_bytes: float
    memory_bandwidth: float
    peak_flops: Mapping[str, float]
    clock_hz: float
    effective_clock_hz: float
    memory_usable_share: float
    region_share: float
    cycles_fixed: float
    cycles_per_side: float
    cycles_per_mac: float
    mac_width_ratio: float
    attention_mac_ratio: float
    moe_cycles: float
    prompt_tokens_per_slot: float
    prefill_share: float
    power_share_on: float
    provenance: Provenance = field(default_factory=dict)
    family: Literal["wafer"] = "wafer"


@dataclass(frozen=True)
class LpuDevice:
    """A chip of a deterministic pipeline; a layer is spread over several chips.

    Attributes:
        memory_capacity_bytes: SRAM of one chip.
        memory_bandwidth: SRAM, peak, bytes/s.
        weight_install_rate: bytes/s at which one chip feeds weights to its matrix unit.
        layer_fixed_s: seconds of a layer that do not depend on the model, fitted.
        moe_fixed_s: further fixed seconds of a layer with experts.
        memory_usable_share: of the SRAM, for weights and KV.
        prompt_tokens_per_slot, prefill_share, power_share_on: as for a wafer.
    """

    name: str
    title: str
    memory_capacity_bytes: float
    memory_bandwidth: float
    peak_flops: Mapping[str, float]
    weight_install_rate: float
    layer_fixed_s: float
    moe_fixed_s: float
    memory_usable_share: float
    prompt_tokens_per_slot: float
    prefill_share: float
    power_share_on: float
    provenance: Provenance = field(default_factory=dict)
    family: Literal["lpu"] = "lpu"


Device = GpuDevice | WaferDevice | LpuDevice


@dataclass(frozen=True)
class System:
    """What one buys: a CS-3, a DGX H100, an LPU rack.

    Attributes:
        device: what is inside.
        devices: how many of them.
        link: between devices inside the system (NVLink, C2C).
        network: between systems, per device for GPUs, per system for dataflow devices.
        power_max_w: rated power of the whole system.
        power_idle_w: drawn by the whole system, on and idle.
        rack_units: height; racks = rack_units / 42 where the system is not a rack itself.
    """

    name: str
    title: str
    device: Device
    devices: int
    link: Link
    network: Link
    power_max_w: float
    power_idle_w: float
    rack_units: float
    provenance: Provenance = field(default_factory=dict)
