#!/usr/bin/env bash
# genz-llm 0.0.16: gigabytes a second are 2^30 bytes and tera-FLOP/s are 10^12, so memory is 7 % faster than its datasheet.
#
# Expected: 2,039 GB/s of an A100 are 2,039e9 bytes a second, as 312 TFLOP/s beside them are 312e12.
# Instead:  bandwidths, of memory and of links, and sizes are binary, FLOP/s are decimal.
# Output:   2,039 GB/s: 2189.4e9 bytes/s; 300 GB/s link: 322.1e9 bytes/s; 80 GB: 85.9e9 bytes; 312 TFLOP/s: 312.0e12
# Matters:  a step of decoding, bound by memory, is 7 % shorter than its bytes over the datasheet's bandwidth and one of
#           prefill is not: the ratio of the two, and the point where one bound gives way to the other, are off.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" install --no-deps genz-llm==0.0.16
"$dir/venv/bin/python" - <<'EOF'
import importlib.util
import sys
from types import ModuleType

package = ModuleType("GenZ")  # without its start, which imports its plots
(place,) = importlib.util.find_spec("GenZ").submodule_search_locations
package.__path__ = [place]
sys.modules["GenZ"] = package
from GenZ.system import System

chip = System(flops=312, offchip_mem_bw=2039, interchip_link_bw=300, off_chip_mem_size=80 * 1024)
print(f"2,039 GB/s: {chip.offchip_mem_bw / 1e9:.1f}e9 bytes/s; 300 GB/s link: {chip.interchip_link_bw / 1e9:.1f}e9 bytes/s; "
      f"80 GB: {chip.off_chip_mem_size / 1e9:.1f}e9 bytes; 312 TFLOP/s: {chip.flops / 1e12:.1f}e12")
assert chip.offchip_mem_bw == 2039 * 2**30 and chip.interchip_link_bw == 300 * 2**30
assert chip.off_chip_mem_size == 80 * 2**30 and chip.flops == 312e12
EOF
echo "as stated"
