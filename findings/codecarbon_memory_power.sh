#!/usr/bin/env bash
# codecarbon 3.3.2: a server's memory draws less power in the model when there is more of it.
#
# Expected: watts that grow with the gigabytes.
# Instead:  the number of modules is guessed as the largest standard size of which eight fit, so the guess halves when the
#           next size fits: 250 GB are 16 modules and 70 W, 256 GB eight and 38 W. Systems report a little less than what is
#           built in, so a machine of 256 GiB lands on the high side.
# Output:   128 GB 38 W, 130 GB 42 W, 250 GB 70 W, 256 GB 38 W, 1007 GB 70 W, 1024 GB 38 W
# Matters:  the same host differs twofold by how its memory is counted; the watts of memory per token follow.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check codecarbon==3.3.2
"$dir/venv/bin/python" - <<'EOF'
from codecarbon.external.ram import RAM

memory = RAM()
memory.is_arm_cpu = False
watts = {size: memory._calculate_ram_power(size) for size in (128, 130, 250, 256, 1007, 1024)}
print(", ".join(f"{size} GB {power:.0f} W" for size, power in watts.items()))
assert watts == {128: 38.0, 130: 42.0, 250: 70.0, 256: 38.0, 1007: 70.0, 1024: 38.0}
EOF
echo "as stated"
