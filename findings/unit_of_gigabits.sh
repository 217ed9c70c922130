#!/usr/bin/env bash
# pint 0.25.3, humanfriendly 10.0, bitmath 2.1.1: "400 Gb" of a network link is gilberts to one, bytes to the next.
#
# Expected: 400e9 bits, 50e9 bytes, or an error from a library that does not know bits.
# Instead:  pint reads Gb as the gilbert of magnetism, a current, while Gbit and Gbps are right; humanfriendly takes every
#           unit by its first letter, so bits are bytes; bitmath is right, but with `strict=False`, meant for what other
#           programs print, reads GiB.
# Output:   400 Gb in bytes: humanfriendly 400e9, bitmath 50e9, at strict=False 429.5e9; pint: 318.3 ampere
# Matters:  a link eight times too fast hides the transfer of the KV cache between prefill and decode altogether, and none
#           of the four says that it guessed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pint==0.25.3 humanfriendly==10.0 bitmath==2.1.1
"$dir/venv/bin/python" - <<'EOF'
import bitmath
import humanfriendly
import pint

link = "400 Gb"
units = pint.UnitRegistry()
current = units(link).to_base_units()
friendly, loose = humanfriendly.parse_size(link), bitmath.parse_string(link, strict=False).bytes
strict = bitmath.parse_string(link).bytes
print(f"400 Gb in bytes: humanfriendly {friendly / 1e9:g}e9, bitmath {strict / 1e9:g}e9, at strict=False "
      f"{loose / 1e9:.1f}e9; pint: {current.magnitude:.1f} {current.units}")
assert (friendly, strict, loose) == (400e9, 50e9, 400 * 2**30)
assert humanfriendly.parse_size("400 Gbit") == 400e9
assert str(current.units) == "ampere" and round(current.magnitude, 1) == 318.3
assert units("400 Gbit").to("byte").magnitude == 50e9
EOF
echo "as stated"
