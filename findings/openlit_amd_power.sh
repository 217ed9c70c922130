#!/usr/bin/env bash
# openlit 1.45.0: the power of an AMD GPU is 0 W.
#
# Expected: `gpu.power.draw` and `gpu.power.limit` in watts for both makers.
# Instead:  both readings are divided by 1,000 and rounded down. NVIDIA's library says milliwatts, so that is right there;
#           AMD's says watts (amdsmi 7.0, `average_socket_power` and `power_limit`), and anything under a kilowatt is 0.
# Output:   one GPU at 280 of 300 W: nvidia 280 of 300, amd 0 of 0
# Matters:  energy a token and the cost of power of a mixed fleet come out as if its AMD half ran for nothing, and a gauge
#           of 0 looks like an idle card rather than like a missing one.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install opentelemetry-sdk==1.45.2 opentelemetry-instrumentation==0.66b2
"${pip[@]}" download --no-deps --only-binary=:all: openlit==1.45.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib
import sys
import types
from unittest.mock import MagicMock

for name in ("openlit", "openlit.instrumentation"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
# what the makers' libraries say of a card at 280 of 300 W, each in its own unit
amd = MagicMock(amdsmi_get_processor_handles=lambda: ["card"],
                amdsmi_get_power_info=lambda _: {"average_socket_power": 280, "power_limit": 300})
nvidia = MagicMock(nvmlDeviceGetCount=lambda: 1, nvmlDeviceGetPowerUsage=lambda _: 280_000,
                   nvmlDeviceGetEnforcedPowerLimit=lambda _: 300_000)
sys.modules |= {"amdsmi": amd, "pynvml": nvidia}
instrumentor = importlib.import_module("openlit.instrumentation.gpu").GPUInstrumentor()


def reading(maker, metric):
    instrumentor.gpu_type = maker
    (observation,) = instrumentor._collect_metric("default", "fleet", metric, None)
    return observation.value


watts = {maker: [reading(maker, metric) for metric in ("power_draw", "power_limit")] for maker in ("nvidia", "amd")}
print("one GPU at 280 of 300 W:", ", ".join(f"{maker} {draw:.0f} of {limit:.0f}" for maker, (draw, limit) in watts.items()))
assert watts == {"nvidia": [280.0, 300.0], "amd": [0.0, 0.0]}
EOF
echo "as stated"
