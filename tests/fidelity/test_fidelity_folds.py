"""Rows left out in turn: which go together, what constants become without them, and how the errors are counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.fidelity.measured_rows import row

from infermodel.cost.constants import KernelConstants
from infermodel.fidelity.accuracy import Prediction
from infermodel.fidelity.calibrate import FIRST, SHARED_ROOT, Calibration
from infermodel.fidelity.coverage import FOLDS, family_of
from infermodel.fidelity.devices import DeviceFit
from infermodel.fidelity.engines import CONVERTED, GROUPED, HOST, EngineFit, Observation
from infermodel.fidelity.fit import Parameter, robust_fit
from infermodel.fidelity.folds import OTHERS, FoldScore, constants_on, fold_scores, folds
from infermodel.fidelity.page import put
from infermodel.fidelity.replay import Replayed
from infermodel.fidelity.untold import without


def fit_of(rows, columns: tuple[Parameter, ...], effects, seen) -> EngineFit:
    """A fit of constants whose residuals are linear: what each row has of each constant, and how far off it was."""
    effects, seen = np.array(effects, float), np.array(seen, float)
    scale = np.array([each.start for each in columns])
    fit = robust_fit(columns, lambda x: effects @ (x / scale - 1.0) - seen)
    return EngineFit(fit, tuple(rows), tuple(Observation(n, "tpot_mean_ms", 1.0, 1.0) for n in range(len(rows))), {})


def told() -> tuple[Calibration, list]:
    """Mixtral tells how quick experts are, three rows of Llama and two of gpt-oss a host's time, gpt-oss alone how
    quickly experts are widened."""
    mixtral = [row(id="m", model="mixtral-8x7b")]
    served = [row(id=f"l{n}", model="llama-3.1-8b") for n in range(3)]
    served += [row(id=f"g{n}", model="gpt-oss-20b") for n in range(2)]
    first = fit_of(mixtral, (GROUPED,), [[1.0]], [0.02])
    engine = fit_of(
        served, (HOST[0], CONVERTED), [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], [0.02, 0.02, 0.02, 0.05, 0.05]
    )
    return Calibration((), {"vllm-0.14": engine}, {FIRST: first}), [*mixtral, *served]


def test_a_constant_that_only_the_rows_left_out_told_is_taken_by_rule() -> None:
    found, rows = told()
    whole = found.engines["vllm-0.14"].fit.values
    assert whole["host_step_s"] == pytest.approx(HOST[0].start * 1.02, rel=1e-3)
    assert whole["grouped_converted_efficiency"] == pytest.approx(CONVERTED.start * 1.03, rel=1e-2)

    left = without(found, [each for each in rows if each.model == "gpt-oss-20b"])
    values = left.engines["vllm-0.14"].fit.values
    assert values["host_step_s"] == pytest.approx(HOST[0].start * 1.02, rel=1e-3)
    # Nobody is left who widens experts: they are as quick as those of 16 bits.
    assert values["grouped_converted_efficiency"] == left.served[FIRST].fit.values["grouped_efficiency"]
    assert left.served[FIRST].fit.values["grouped_efficiency"] == pytest.approx(GROUPED.start * 1.02, rel=1e-3)

    nobody = without(found, rows)
    assert nobody.engines["vllm-0.14"].fit.values == {
        "host_step_s": HOST[0].start,
        "grouped_converted_efficiency": KernelConstants().grouped_efficiency,
    }
    assert without(found, [row(id="another")]) == found


def test_a_gpu_without_its_tables_has_its_sisters_constants() -> None:
    a100 = DeviceFit("a100-sxm-80gb", {"gemm_efficiency_16bit": 0.87}, {}, {"link_sharing": 0.1}, {})
    h100 = DeviceFit("h100-sxm", {"gemm_efficiency_16bit": 0.84, "gemm_efficiency_8bit": 0.71}, {}, {}, {})
    l40s = DeviceFit("l40s", {"gemm_efficiency_16bit": 0.64, "link_sharing": 0.16}, {}, {}, {})
    found = Calibration((a100, h100, l40s), {})

    # No tables of an A100 tell of 8 bits: what a GPU has that nobody calibrated.
    untold = {"gemm_efficiency_8bit": KernelConstants().gemm_efficiency_8bit}
    sister = DeviceFit("h100-sxm", {"gemm_efficiency_16bit": 0.87, **untold, "link_sharing": 0.0}, {}, {}, {})
    assert without(found, [], ["h100-sxm"]).devices == (a100, sister, l40s)
    (*_, alone) = without(found, [], ["l40s"]).devices
    assert alone.values == {"gemm_efficiency_16bit": 0.84, "gemm_efficiency_8bit": 0.71, "link_sharing": SHARED_ROOT}


def test_a_row_is_played_with_what_its_engine_was_left() -> None:
    found, rows = told()
    assert constants_on(rows[1], found) == {"host_step_s": found.engines["vllm-0.14"].fit.values["host_step_s"]}
    assert constants_on(row(engine="vllm", engine_version="0.10.2"), found) == {}


def test_gpus_of_few_rows_are_left_out_together() -> None:
    rows = [row(id=str(n), gpu=gpu) for n, gpu in enumerate(["b200"] * 10 + ["l40s"] * 9 + ["gh200"])]
    assert {name: len(own) for name, own in folds(rows, FOLDS["GPU"]).items()} == {"b200": 10, OTHERS: 10}
    assert family_of("codellama-34b") == FOLDS["family of models"](row(model="llama-2-7b"))


def test_errors_are_medians_over_rows_and_over_groups() -> None:
    def seen(model: str, error: float, **fields) -> Prediction:
        measured = {"tpot_mean_ms": 10.0, "ttft_mean_ms": 400.0, "ttft_p50_ms": 200.0}
        predicted = {"tpot_mean_ms": 10 * (1 + error), "ttft_mean_ms": 400.0, "ttft_p50_ms": 100.0}
        return Prediction(row(model=model, measured=measured, **fields), Replayed(predicted, "", 100.0), knee_ms=300.0)

    few, many = [seen("llama-2-7b", 0.5)], [seen("qwen2.5-7b", error) for error in (-0.1, 0.1, 0.1, 0.2)]
    tpot, ttft = fold_scores("llama", [*few, *many])
    assert tpot == FoldScore("llama", "TPOT", 5, 2, pytest.approx(0.1), pytest.approx(0.3))
    # The mean, 400 ms, is past the knee, the median is not, and it is what counts.
    assert ttft == FoldScore("llama", "TTFT below the knee", 5, 2, 0.5, 0.5)
    # Of requests that come all at once, TPOT says how many fit into the memory.
    assert [each.metric for each in fold_scores("llama", [seen("llama-2-7b", 0.5, load="offline")])] == [ttft.metric]
    assert fold_scores("llama", [Prediction(few[0].row, None, "skipped", knee_ms=math.inf)]) == ()


def test_tables_go_between_their_marks(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table: folds -->\nold\n<!-- end -->\nb\n<!-- table: others -->\nkept\n<!-- end -->\n")
    put(page, {"folds": [[("x",), ("1",)], [("y",), ("2",)]]})
    assert page.read_text() == (
        "a\n<!-- table: folds -->\n\n| x |\n|---|\n| 1 |\n\n| y |\n|---|\n| 2 |\n\n<!-- end -->\nb\n"
        "<!-- table: others -->\nkept\n<!-- end -->\n"
    )
