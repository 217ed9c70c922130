from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.cost.gpu_fixtures import H100

from infermodel import catalog
from infermodel.cost.constants import KernelConstants, kernel_constants
from infermodel.cost.kernels import all_reduce_s, all_to_all_s, elementwise, gemm, has_units, native_format
from infermodel.cost.work import LinearOperator, bytes_per_weight
from infermodel.hardware import GpuDevice

IDEAL = KernelConstants(
    gemm_floor_s=0.0,
    gemm_memory_efficiency=1.0,
    gemm_efficiency_16bit=1.0,
    gemm_tile_penalty=0.0,
    gemm_smoothness=64.0,
    all_reduce_floor_s=4e-6,
    all_reduce_gpu_s=0.5e-6,
    link_efficiency=0.8,
)


def test_a_gemm_of_one_token_reads_its_weights() -> None:
    # 8192 x 8192 x 2 bytes = 134.2 MB and 2 x 8192 x 2 bytes in and out, at 3.35 TB/s: 40.07 us.
    time = gemm(LinearOperator("o", 8192, 8192), 1, H100, IDEAL, weight_bytes=2.0, compute="bf16")
    assert time.total_s == pytest.approx(40.07e-6, rel=1e-3)
    assert (time.compute_s, time.floor_s) == (0.0, 0.0)


def test_a_gemm_of_many_tokens_is_bound_by_compute() -> None:
    # 2 x 8192^3 = 1.0995e12 FLOPs at 989e12: 1.1117 ms. Tiles start and end as long as they read 192 of 16,384 bytes of
    # each row: x 1.01171875.
    time = gemm(LinearOperator("o", 8192, 8192), 8192, H100, IDEAL, weight_bytes=2.0, compute="bf16")
    assert time.compute_s == pytest.approx(1.12476e-3, rel=1e-4)
    assert time.flops == 2 * 8192**3


def test_few_tiles_leave_multiprocessors_idle() -> None:
    # 128 rows by 2,048 columns: 16 tiles on 132 multiprocessors; penalty 0.5: compute x (1 + 0.5 x 132/16) = x 5.125.
    operator = LinearOperator("x", 65536, 2048)
    plain = gemm(operator, 128, H100, replace(IDEAL, gemm_memory_efficiency=1e6), weight_bytes=2.0, compute="bf16")
    tiled = gemm(
        operator,
        128,
        H100,
        replace(IDEAL, gemm_memory_efficiency=1e6, gemm_tile_penalty=0.5),
        weight_bytes=2.0,
        compute="bf16",
    )
    assert tiled.compute_s / plain.compute_s == pytest.approx(5.125)


def test_grouped_experts_read_those_hit() -> None:
    # 8 experts of 4096 x 28672, 4 tokens of 2: 8 x (1 - 0.75^4) = 5.469 experts x 234.9 MB; FLOPs of 8 rows.
    operator = LinearOperator("experts_gate_up", 4096, 28672, experts=8, experts_here=8, top_k=2)
    time = gemm(operator, 4, H100, IDEAL, weight_bytes=2.0, compute="bf16")
    activations = 8 * (4096 + 28672) * 2
    assert time.bytes == pytest.approx(5.46875 * 4096 * 28672 * 2 + activations)
    assert time.flops == 2 * 8 * 4096 * 28672


def test_experts_are_read_as_caches_are() -> None:
    # One token of 2 over 8 experts of 4096 x 4096 in 16 bits: 2 x 33.55 MB and 2 x (4096 + 4096) x 2 bytes, at 90 % of
    # 3.35 TB/s, not at the 50 % of dense matrices: 22.269 us.
    operator = LinearOperator("experts_down", 4096, 4096, experts=8, experts_here=8, top_k=2)
    constants = replace(IDEAL, gemm_memory_efficiency=0.5, decode_attention_efficiency_16bit=0.9)
    time = gemm(operator, 1, H100, constants, weight_bytes=2.0, compute="bf16")
    assert time.total_s == pytest.approx(22.269e-6, rel=1e-4)


def test_narrow_rows_start_as_often_and_take_longer() -> None:
    # 192 bytes of rows of 512 weights: x 1.1875 in 16 bits, x 1.375 in 8 bits, which are read twice as quickly.
    quick = replace(IDEAL, gemm_memory_efficiency=1e6, gemm_efficiency_8bit=1.0)
    for format_, number, start in (("bf16", 2.0, 1.1875), ("fp8", 1.0, 1.375)):
        time = gemm(LinearOperator("o", 512, 8192), 8192, H100, quick, weight_bytes=number, compute=format_)
        flops = 2 * 8192 * 512 * 8192
        assert time.compute_s == pytest.approx(start * flops / H100.peak_flops[format_], rel=1e-6)


def test_the_weights_of_70b_on_eight_h100() -> None:
    # 140 GB less embedding and head, over 8 x 3.35 TB/s: (70.55e9 - 2 x 1.05e9) x 2 / 26.8e12 = 5.11 ms a token.
    shards = [(8192, 1280), (1024, 8192), (8192, 7168), (3584, 8192)]
    seconds = sum(
        gemm(LinearOperator("x", k, n), 1, H100, IDEAL, weight_bytes=2.0, compute="bf16").total_s for k, n in shards
    )
    assert 80 * seconds == pytest.approx(5.11e-3, rel=2e-3)


def test_an_all_reduce_by_hand() -> None:
    # 8 GPUs, 1 MiB: 4 us + 8 x 0.5 us + 2 x 7/8 x 1048576 / (450e9 x 0.8) = 8 us + 5.097 us.
    assert all_reduce_s(1048576, 8, 450e9, 0.0, IDEAL) == pytest.approx(13.097e-6, rel=1e-4)
    assert all_reduce_s(1048576, 1, 450e9, 0.0, IDEAL) == 0.0
    # Each of 8 sends 7/8 of its MiB: half of the all-reduce's traffic.
    assert all_to_all_s(1048576, 8, 450e9, 1e-6, IDEAL) == pytest.approx(9e-6 + 2.5487e-6, rel=1e-4)
    assert all_to_all_s(1048576, 1, 450e9, 0.0, IDEAL) == 0.0


def test_a_large_all_reduce_pays_more_at_the_start_and_then_less_a_byte() -> None:
    # 8 GPUs, 128 MiB: 20 us + 1.75 x 134217728 / (450e9 x 0.9) = 599.9 us, where the small way takes 660.4 us.
    bulk = replace(IDEAL, bulk_floor_s=20e-6, bulk_efficiency=0.9)
    assert all_reduce_s(134217728, 8, 450e9, 0.0, bulk) == pytest.approx(599.95e-6, rel=1e-4)
    assert all_reduce_s(1048576, 8, 450e9, 0.0, bulk) == pytest.approx(13.097e-6, rel=1e-4)


def test_grouped_multiplications_reach_less_and_less_still_where_weights_are_widened() -> None:
    # 2,048 tokens of 2 over 8 experts of 1024 x 1024, weights too quick to matter: 2 x 4096 x 1024^2 FLOPs at a half,
    # and at a quarter of 989e12. Rows of 2,048 bytes: x (1 + 192 / 2048) = x 1.09375 for the start of tiles. Each
    # expert has 512 rows, and half a tile of 64 more that nobody wants: x 1.125.
    operator = LinearOperator("experts_gate_up", 1024, 1024, experts=8, experts_here=8, top_k=2)
    constants = replace(
        IDEAL, decode_attention_efficiency_16bit=1e6, grouped_efficiency=0.5, grouped_converted_efficiency=0.25
    )
    for converted, share in ((False, 0.5), (True, 0.25)):
        time = gemm(operator, 2048, H100, constants, weight_bytes=0.5, compute="bf16", converted=converted)
        assert time.compute_s == pytest.approx(1.125 * 1.09375 * 2 * 4096 * 1024**2 / (989e12 * share), rel=1e-6)


def test_experts_work_on_whole_tiles() -> None:
    # 128 experts of 4: 1,024 tokens bring each 32 rows, which tiles make 64; 8,192 bring 256, which become 320; 4
    # tokens hit 128 x (1 - (31/32)^4) = 15.27 experts with about one row each, which becomes 12.
    operator = LinearOperator("experts_gate_up", 2880, 2880, experts=128, experts_here=128, top_k=4)
    constants = replace(IDEAL, decode_attention_efficiency_16bit=1e6, grouped_efficiency=0.5)
    started = 2 * 2880**2 * (1 + 192 / 5760) / (989e12 * 0.5)
    for tokens, rows in ((1024, 128 * 64), (8192, 128 * 320), (4, 15.27 * 12)):
        time = gemm(operator, tokens, H100, constants, weight_bytes=0.5, compute="bf16")
        assert time.compute_s == pytest.approx(rows * started, rel=1e-3)


def test_more_tokens_never_take_experts_less_time() -> None:
    operator = LinearOperator("experts_gate_up", 2880, 2880, experts=32, experts_here=8, top_k=4)
    for device in (H100, catalog.load_system("dgx-b200").device):
        assert isinstance(device, GpuDevice)
        constants = kernel_constants(device)
        times = [
            gemm(operator, n, device, constants, weight_bytes=0.53, compute="bf16").total_s for n in range(1, 3000)
        ]
        assert all(a <= b * (1 + 1e-12) for a, b in pairwise(times))


def test_scales_by_blocks_slow_multiplications_down() -> None:
    # 8,192 rows of 8,192 x 8,192 in 8 bits: 1.0995e12 FLOPs at 0.6 of 1,979e12, x (1 + 192 / 8192).
    operator = LinearOperator("gate_up", 8192, 8192)
    constants = replace(IDEAL, gemm_efficiency_8bit=1.0, block_scaled_efficiency=0.6)
    times = [
        gemm(operator, 8192, H100, constants, weight_bytes=1.0, compute="fp8", blocks=blocks).compute_s
        for blocks in (False, True)
    ]
    assert times[1] == pytest.approx(2 * 8192**3 * (1 + 192 / 8192) / (0.6 * 1979e12), rel=1e-6)
    assert times[1] == pytest.approx(times[0] / 0.6, rel=1e-9)


def test_floating_formats_of_four_bits_share_their_units() -> None:
    b200 = replace(H100, peak_flops={**H100.peak_flops, "fp4": 9e15})
    assert [has_units(name, b200) for name in ("mxfp4", "nvfp4", "fp8", "int4")] == [True, True, True, False]
    assert [has_units(name, H100) for name in ("mxfp4", "nvfp4", "fp8", "bf16")] == [False, False, True, True]


def test_what_is_published_in_four_bits_keeps_parts_in_sixteen() -> None:
    # gpt-oss: experts alone are narrow. DeepSeek R1 in nvfp4: the projections around the latent are not.
    experts = LinearOperator("experts_down", 2880, 2880, experts=128, experts_here=128, top_k=4)
    assert [bytes_per_weight(experts, name) for name in ("mxfp4", "nvfp4")] == [4.25 / 8, 4.5 / 8]
    assert bytes_per_weight(LinearOperator("o", 4096, 2880), "mxfp4") == 2.0
    assert bytes_per_weight(LinearOperator("kv_up", 512, 32768), "nvfp4") == 2.0
    assert bytes_per_weight(LinearOperator("o", 16384, 7168), "nvfp4") == 4.5 / 8


def test_elementwise_kernels_have_floors() -> None:
    # Two kernels of 3 us that move 3.35 GB at full bandwidth: 6 us + 1 ms.
    time = elementwise(6e-6, 3.35e9, H100, IDEAL)
    assert time.total_s == pytest.approx(1.006e-3)


def test_formats_fall_back_to_the_next_wider() -> None:
    a100 = replace(H100, name="a100", peak_flops={"bf16": 312e12, "fp16": 312e12, "int8": 624e12})
    assert native_format("fp8", a100) == "bf16"
    assert native_format("nvfp4", a100) == "bf16"
    assert native_format("nvfp4", H100) == "fp8"
    assert native_format("fp16", replace(a100, peak_flops={"bf16": 312e12})) == "bf16"
    with pytest.raises(ValueError, match="no peak for bf16"):
        native_format("bf16", replace(a100, peak_flops={"fp8": 1e15}))


def test_constants_are_named_after_equations() -> None:
    assert kernel_constants(replace(H100, constants={"gemm_floor_s": 5e-6})).gemm_floor_s == 5e-6
    with pytest.raises(ValueError, match="h100-sxm: no equation uses the constants gemm_flor_s"):
        kernel_constants(replace(H100, constants={"gemm_flor_s": 5e-6}))
