#!/usr/bin/env bash
# tpu-info 0.14.2: `hbm_gib` is the memory of one of a chip's two devices for a TPU v2 and v3, of the whole chip for a TPU7x.
#
# Expected: one meaning in a table of chips: by its place there the memory of a chip, to be shared by `devices_per_chip`.
# Instead:  8 and 16 GiB for v2 and v3, whose chips of two devices have 16 and 32 by Google's pages of them; 192 GiB for
#           TPU7x, which is the chip, with two devices as well.
# Output:   v2 8 GiB x 2, v3 16 GiB x 2, v5p 95 GiB x 1, 7x 192 GiB x 2
# Matters:  one rule for the whole table is wrong by two for one of them: times the devices a TPU7x holds 384 GiB, as read
#           a v3 holds half the weights that it does.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" download --no-deps --only-binary=:all: tpu-info==0.14.2 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib.util
import sys

spec = importlib.util.spec_from_file_location("device", f"{sys.argv[1]}/tpu_info/device.py")
device = sys.modules["device"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(device)

table = {chip.value.name: (chip.value.hbm_gib, chip.value.devices_per_chip) for chip in device.TpuChip}
shown = ("v2", "v3", "v5p", "7x")
print(", ".join(f"{name} {table[name][0]} GiB x {table[name][1]}" for name in shown))
assert [table[name] for name in shown] == [(8, 2), (16, 2), (95, 1), (192, 2)]
EOF
echo "as stated"
