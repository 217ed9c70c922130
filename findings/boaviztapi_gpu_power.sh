#!/usr/bin/env bash
# boaviztapi 2.5.0: eight H100s in a server draw no power.
#
# Expected: electricity of a server with accelerators far above the same without, as for processors and memory, whose power
#           is modelled from their names and sizes.
# Instead:  the GPUs are known by name, and making them is counted; for their use there is no model, so that is 0 W unless
#           `usage.avg_power` of the GPU is given. No warning comes with the result.
# Output:   power of the server 730 W, with eight H100s 730 W, with eight told to draw 700 W each 8178 W; emissions of a
#           year's use 630, 630 and 7000 kg, of making its share 1400, 2500 and 2500 kg
# Matters:  a report of such a server says that making it outweighs running it four times over; it is the other way round,
#           and the carbon of a token is missing nine tenths of its electricity.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6 pandas==3.1.1 pydantic==2.14.4 pydantic-settings==2.16.3 pyyaml==6.0.4 rapidfuzz==3.14.6 \
    toml==0.10.2 scipy==1.17.1 fastapi==0.165.0
"${pip[@]}" install --no-deps boaviztapi==2.5.0
"$dir/venv/bin/python" - <<'EOF'
from boaviztapi import config
from boaviztapi.compute.impacts_computation import compute_impacts
from boaviztapi.data.archetype import get_server_archetype
from boaviztapi.dto.device import Server
from boaviztapi.dto.device.device import mapper_server

HOURS_OF_A_YEAR = 8760


def server(**gpu):
    """Power of the server in W, emissions of a year's use and of a year's share of making it in kg."""
    parts = {"cpu": {"units": 2, "name": "Xeon Platinum 8480"}, "ram": [{"units": 16, "capacity": 128}],
             "disk": [{"units": 8, "type": "ssd", "capacity": 3840}]} | gpu
    described = Server(configuration=parts, usage={"usage_location": "FRA"})
    model = mapper_server(described, archetype=get_server_archetype(config.default_server))
    impacts = compute_impacts(model=model, selected_criteria=["gwp"], duration=HOURS_OF_A_YEAR)["gwp"]
    return model.usage.avg_power.value, impacts["use"]["value"], impacts["embedded"]["value"]


eight = {"units": 8, "name": "NVIDIA H100 SXM 80GB"}
power, use, making = zip(server(), server(gpu=eight), server(gpu=eight | {"usage": {"avg_power": 700}}), strict=True)
print("power of the server {:.0f} W, with eight H100s {:.0f} W, with eight told to draw 700 W each {:.0f} W; ".format(*power)
      + "emissions of a year's use {:.0f}, {:.0f} and {:.0f} kg, ".format(*use)
      + "of making its share {:.0f}, {:.0f} and {:.0f} kg".format(*making))
assert power[0] == power[1] < 800 and power[2] > 8_000
assert use[0] == use[1] and use[2] > 10 * use[1] and making[1] > 1.5 * making[0]
EOF
echo "as stated"
