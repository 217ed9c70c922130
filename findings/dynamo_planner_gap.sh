#!/usr/bin/env bash
# ai-dynamo 1.6.1: its planner takes an interval without a figure for an interval without load.
#
# Expected: a load that could not be read (nan, what an average over no samples is) is left out of a forecast, or the last
#           known one stands for it.
# Instead:  it counts as 0, and the predictor that says "the next load is the latest" says 0; only zeros before the first
#           load are passed over.
# Output:   rates 10, 12, nan: the constant predictor expects 0; 10, 12: 12; 0, 0, 10: remembers 10 alone
# Matters:  one missed scrape in a busy hour is a forecast of an idle fleet, and an autoscaler that trusts it takes replicas
#           away that take minutes to come back; a model of such a fleet has to play gaps in its signals as zeros.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check install numpy==2.3.5 pandas==2.3.3
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: ai-dynamo==1.6.1 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib.util
import sys
import types
from math import nan

for name, words in {  # which the constant predictor does not need
    "pmdarima": (), "filterpy": (), "filterpy.kalman": ("KalmanFilter",), "prophet": ("Prophet",),
    "dynamo": (), "dynamo.runtime": (), "dynamo.runtime.logging": ("configure_dynamo_logging",),
    "dynamo.planner": (), "dynamo.planner.config": (), "dynamo.planner.config.planner_config": ("PlannerConfig",),
}.items():
    module = sys.modules[name] = types.ModuleType(name)
    for word in words:
        setattr(module, word, lambda *_: None)
where = f"{sys.argv[1]}/dynamo/planner/core/load/predictors.py"
spec = importlib.util.spec_from_file_location("predictors", where)
predictors = importlib.util.module_from_spec(spec)
spec.loader.exec_module(predictors)


def seen(*rates: float) -> predictors.ConstantPredictor:
    predictor = predictors.ConstantPredictor(None)
    for rate in rates:
        predictor.add_data_point(rate)
    return predictor


gap, whole, idle = seen(10, 12, nan).predict_next(), seen(10, 12).predict_next(), seen(0, 0, 10).data_buffer
print(
    f"rates 10, 12, nan: the constant predictor expects {gap:g}; 10, 12: {whole:g}; "
    f"0, 0, 10: remembers {' and '.join(f'{each:g}' for each in idle)} alone"
)
assert (gap, whole, idle) == (0, 12, [10])
EOF
echo "as stated"
