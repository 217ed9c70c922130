#!/usr/bin/env bash
# pint 0.25.3: 600 rpm are 62.8 a second, in Hz as well.
#
# Expected: 10 a second, whether read as requests or as revolutions a minute.
# Instead:  a revolution is 2 pi radians and a radian is a number, so the conversion to 1/s multiplies by 2 pi and raises
#           no error; 600/minute are 10/s. The way back is as wrong: 10/s are 95 rpm.
# Output:   600 rpm: 62.83 1/s, 62.83 Hz; 600/minute: 10.00 1/s; 10 1/s: 95.49 rpm
# Matters:  rpm is how providers state their limits and planners their load. A fleet for a limit read with its unit is
#           six times too large, and nothing in the dimensions tells.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pint==0.25.3
"$dir/venv/bin/python" - <<'EOF'
from math import pi

import pint

units = pint.UnitRegistry()
rate, hertz = units("600 rpm").to("1/s").magnitude, units("600 rpm").to("Hz").magnitude
plain, back = units("600/minute").to("1/s").magnitude, units("10/s").to("rpm").magnitude
print(f"600 rpm: {rate:.2f} 1/s, {hertz:.2f} Hz; 600/minute: {plain:.2f} 1/s; 10 1/s: {back:.2f} rpm")
assert abs(rate - 20 * pi) < 1e-9 and abs(hertz - rate) < 1e-9
assert abs(plain - 10) < 1e-9 and abs(back - 300 / pi) < 1e-9
EOF
echo "as stated"
