#!/usr/bin/env bash
# nvidia-ml-py 13.615.71: the architecture numbers of NVML look like compute capabilities and are one off before Ada.
#
# Expected: NVML_DEVICE_ARCH_* 7 is compute capability 7, Volta and Turing; 8 is Ampere.
# Instead:  a running count: Volta 5, Turing 6, Ampere 7 (capability 8.0 and 8.6), Ada 8 (8.9). From Hopper 9 and Blackwell
#           10 on the two happen to agree, then 11 and 12 are deep-learning accelerators and Rubin is 13.
# Output:   VOLTA 5, TURING 6, AMPERE 7, ADA 8, HOPPER 9, BLACKWELL 10, DLA 11, DLA2 12, RUBIN 13
# Matters:  a test for "at least 8" on this number leaves out the A100; tried on H100 and B200 it looks right.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check nvidia-ml-py==13.615.71
"$dir/venv/bin/python" - <<'EOF'
import pynvml

names = ("VOLTA", "TURING", "AMPERE", "ADA", "HOPPER", "BLACKWELL", "DLA", "DLA2", "RUBIN")
numbers = [getattr(pynvml, f"NVML_DEVICE_ARCH_{name}") for name in names]
print(", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True)))
assert numbers == list(range(5, 14))
EOF
echo "as stated"
