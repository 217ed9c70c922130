"""The laws over whole tables are the laws of the cost engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infermodel import catalog
from infermodel.cost import kernels as cost
from infermodel.cost.constants import kernel_constants
from infermodel.cost.kernels import gemm_efficiency
from infermodel.cost.work import LinearOperator
from infermodel.fidelity import kernels
from infermodel.fidelity.devices import fit_all_reduce, fit_experts

H100 = catalog.load_system("dgx-h100")
CONSTANTS = kernel_constants(H100.device)


@pytest.mark.parametrize("tokens", [1, 64, 129, 1000, 8192])
@pytest.mark.parametrize(("compute", "weight_bytes"), [("bf16", 2.0), ("fp8", 1.0)])
def test_multiplications(tokens, compute, weight_bytes) -> None:
    one = cost.gemm(
        LinearOperator("x", 4096, 6144), tokens, H100.device, CONSTANTS, weight_bytes=weight_bytes, compute=compute
    )
    columns = {
        "m": np.array([tokens]),
        "n": np.array([6144]),
        "k": np.array([4096]),
        "weight_bytes": weight_bytes,
        "activation_bytes": weight_bytes,
        "peak": H100.device.peak_flops[compute],
    }
    table = kernels.gemm_s(columns, H100.device, CONSTANTS, np.array([gemm_efficiency(compute, CONSTANTS)]))
    assert table[0] == pytest.approx(one.total_s, rel=1e-12)


def test_all_reduces() -> None:
    table = kernels.all_reduce_s({"bytes": np.array([1e6]), "gpus": np.array([4.0])}, H100.link, CONSTANTS)
    assert table[0] == pytest.approx(cost.all_reduce_s(1e6, 4, H100.link.bandwidth, 0.0, CONSTANTS))
    # Eight that share a root complex have a quarter each of what two have; 100 MB go the bulk way.
    shared = replace(CONSTANTS, link_sharing=1.0)
    table = kernels.all_reduce_s({"bytes": np.array([1e8]), "gpus": np.array([8.0])}, H100.link, shared)
    assert table[0] == pytest.approx(cost.all_reduce_s(1e8, 8, H100.link.bandwidth / 4, 0.0, shared))


def test_attention_laws_by_hand() -> None:
    # 10 us + 3.35 GB / (3.35 TB/s x 0.8) = 1.26 ms; 10 us + 1 ms / 0.5 + 989 GFLOP / (989 TFLOP/s x 0.5) = 4.01 ms.
    assert kernels.decode_s({"bytes": np.array([3.35e9])}, H100.device, 10e-6, 0.8)[0] == pytest.approx(1.26e-3)
    columns = {"bytes": np.array([3.35e9]), "work": np.array([989e9])}
    assert kernels.prefill_s(columns, H100.device, 10e-6, 0.5, 0.5)[0] == pytest.approx(4.01e-3)


def test_tables_of_experts_tell_how_quick_they_are(tmp_path: Path) -> None:
    # What `benchmarks/expert_layers.py` would write on a device that takes 7 us besides, and how it is read again.
    truth = replace(CONSTANTS, grouped_efficiency=0.55)
    lines = ["sys,framework,moe_dtype,tokens,hidden,intermediate,experts,top_k,latency_ms"]
    for dtype, compute in (("bfloat16", "bf16"), ("fp8", "fp8")):
        for hidden, inner, experts, top_k in ((2880, 2880, 32, 4), (2048, 768, 128, 8)):
            for tokens in (1, 8, 64, 512):
                operators = (
                    LinearOperator("gate_up", hidden, 2 * inner, experts, experts, top_k),
                    LinearOperator("down", inner, hidden, experts, experts, top_k),
                )
                kept = {"weight_bytes": 2.0 if compute == "bf16" else 1.0, "compute": compute}
                times_s = [cost.gemm(each, tokens, H100.device, truth, **kept).total_s for each in operators]
                shape = f"{hidden},{inner},{experts},{top_k}"
                lines.append(f"h100_sxm,torch 2.8,{dtype},{tokens},{shape},{1e3 * (sum(times_s) + 7e-6)}")
    pd.DataFrame([line.split(",") for line in lines[1:]], columns=lines[0].split(",")).to_csv(
        tmp_path / "experts.csv.gz", index=False
    )
    table = kernels.experts_table(kernels.read_table(tmp_path, "experts"), "h100-sxm")
    fit = fit_experts(table, H100.device, H100.device.constants)
    assert fit is not None
    assert fit.values["grouped_efficiency"] == pytest.approx(0.55, rel=1e-3)
    assert fit.values["experts_floor_s"] == pytest.approx(7e-6, rel=1e-2)
    assert fit_experts(kernels.experts_table(kernels.read_table(tmp_path, "experts"), "b200"), H100.device, {}) is None


def test_a_fit_recovers_the_constants_of_a_made_up_device() -> None:
    known = {
        "all_reduce_floor_s": 7e-6,
        "all_reduce_gpu_s": 1e-6,
        "link_efficiency": 0.4,
        "bulk_floor_s": 40e-6,
        "bulk_efficiency": 0.8,
        "link_sharing": 0.5,
    }
    true = replace(CONSTANTS, **known)
    sizes, gpus = np.meshgrid(np.geomspace(2048, 2e8, 25), [2.0, 4.0, 8.0])
    columns = {"bytes": sizes.ravel(), "gpus": gpus.ravel()}
    table = kernels.KernelTable(columns, kernels.all_reduce_s(columns, H100.link, true), columns["gpus"])
    fit = fit_all_reduce(table, H100)
    assert fit.values == pytest.approx(known, rel=1e-3)


def test_what_the_tables_do_not_show_is_dropped() -> None:

    # Nothing a GPU, nothing shared, and a noise of 5 % that no constant explains.
    true = replace(CONSTANTS, all_reduce_gpu_s=0.0, link_sharing=0.0)
    sizes, gpus = np.meshgrid(np.geomspace(2048, 2e8, 25), [2.0, 4.0, 8.0])
    columns = {"bytes": sizes.ravel(), "gpus": gpus.ravel()}
    noise = np.exp(np.random.default_rng(1).normal(0, 0.05, sizes.size))
    seconds = kernels.all_reduce_s(columns, H100.link, true) * noise
    fit = fit_all_reduce(kernels.KernelTable(columns, seconds, np.arange(sizes.size)), H100)
    assert set(fit.dropped) == {"all_reduce_gpu_s", "link_sharing"}
    assert fit.constants["link_sharing"] == 0.0
    assert fit.values["bulk_efficiency"] == pytest.approx(true.bulk_efficiency, rel=0.05)
