#!/usr/bin/env bash
# zeus 0.16.0: the `total_energy` of a measurement is the energy of the GPUs.
#
# Expected: the total of what was measured: GPUs, processors and memory, which the same object holds one by one.
# Instead:  the sum over GPUs. Processors and memory are left out, and on a machine without a measured GPU it is zero.
# Output:   GPUs 3000 J, processors 1500 J, memory 300 J: total 3000 J
# Matters:  energy a token and watts a server come out low by a third here, and a CPU baseline uses none.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: zeus==0.16.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import sys
import types
from unittest.mock import MagicMock

for name in ("zeus", "zeus.monitor"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
for name in ("zeus.device", "zeus.device.cpu", "zeus.device.gpu", "zeus.device.soc", "zeus.device.soc.common",
             "zeus.device.gpu.common", "zeus.device.cpu.common", "zeus.monitor.power", "zeus.utils",
             "zeus.utils.framework", "zeus.utils.multiprocessing", "zeus.utils.logging", "zeus.utils.env"):
    sys.modules[name] = MagicMock()  # what the module imports; not used by the class below
from zeus.monitor.energy import Measurement

parts = {"gpu_energy": {0: 1800.0, 1: 1200.0}, "cpu_energy": {0: 1500.0}, "dram_energy": {0: 300.0}}
gpu, cpu, dram = (sum(part.values()) for part in parts.values())
total, without_gpu = (Measurement(time=10.0, **part).total_energy for part in (parts, parts | {"gpu_energy": {}}))
print(f"GPUs {gpu:.0f} J, processors {cpu:.0f} J, memory {dram:.0f} J: total {total:.0f} J")
assert total == gpu and without_gpu == 0
EOF
echo "as stated"
