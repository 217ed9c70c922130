"""The record of experiments is that of the page on accuracy, and what services are said to rest on follows from it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from infermodel.catalog import load_engine, load_system
from infermodel.experiment.trust import rests_on
from infermodel.pages.experiments import record

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"

TABLE = """before
<!-- table: group -->

| group | TPOT | E2E | TTFT | offline |
|---|---|---|---|---|
| one h100-sxm vllm llama-2-7b | 2.0 %, +1.0 %, 3 | 9.0 %, +1.0 %, 9 |  |  |
| two h100-sxm vllm llama-2-7b | 6.0 %, -6.0 %, 1 |  |  |  |
| two l40s tensorrt-llm qwen3-8b |  |  | 5.0 %, +5.0 %, 2 | 8.0 %, -8.0 %, 4 |

<!-- end -->
| three h100-sxm vllm other | 1.0 %, +1.0 %, 3 |  |  |  |
<!-- table: further -->

| group | in a fit | TPOT: error, signed, rows | TTFT below the knee | offline throughput |
|---|---|---|---|---|
| h100-sxm vllm qwen3-8b |  | 5.0 %, +5.0 %, 2 | 1.0 %, -1.0 %, 2 |  |
| h100-sxm vllm qwen3-8b, ranks of attention | yes | 90.0 %, +90.0 %, 7 |  |  |

<!-- end -->
"""


def test_groups_of_a_device_and_engine_are_one_line() -> None:
    assert record(TABLE).splitlines()[1:] == [
        "h100-sxm,vllm,TPOT,13,4,0.0550",
        "l40s,tensorrt-llm,throughput,4,1,0.0800",
    ]


def test_the_record_in_the_package_is_that_of_the_page() -> None:
    kept = resources.files("infermodel.catalog").joinpath("experiments.csv").read_text(encoding="utf-8")
    renewed = "python -m infermodel.pages.experiments docs/accuracy.md src/infermodel/catalog/experiments.csv"
    assert kept == record(PAGE.read_text(encoding="utf-8")), f"renew it: {renewed}"


@pytest.mark.parametrize(
    ("system", "engine", "words"),
    [
        ("dgx-h100", "vllm-0.14", "experiments on this device and engine, median error of TPOT"),
        ("l40s-8", "tensorrt-llm-0.17", "35 experiments on this device and engine, median error of throughput"),
        ("rtx-pro-6000-8", "vllm", "measured: 1 experiment on this device and engine"),
        ("hgx-b300", "vllm", "constants of a sister device, NVIDIA B200 180 GB; never held against a server"),
        ("mi300x-8", "sglang", "constants of a sister device, NVIDIA H100 SXM 80 GB; never held against a server"),
        ("dgx-b200", "vllm", "measured: 88 experiments on this device and engine, median error of TPOT 7.2 %"),
        ("mi355x-8", "atom", "measured: 20 experiments on this device and engine"),
        ("tpu7x-64", "vllm", "never held against a server; constants assumed"),
        ("groq-rack", "groq", "never held against a server; fitted to published speeds"),
    ],
)
def test_a_service_says_what_it_rests_on(system: str, engine: str, words: str) -> None:
    assert words in rests_on(load_system(system).device, load_engine(engine))
