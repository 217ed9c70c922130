#!/usr/bin/env bash
# slo-generator 2.6.0: a report of a past day holds what Prometheus says now.
#
# Expected: `--timestamp`, the end of the window by its help, goes to the server with the query, as it does with Datadog.
# Instead:  the Prometheus backend takes the time and does not pass it on, its client asks for the present moment, and the
#           report carries the time that was wanted. The good and the valid requests are two such queries, each at its own
#           moment.
# Output:   99 of 100 met last week, 50 of 100 today; report of last week: SLI 0.5, burn rate 50.0; asked for: 0 and 0 minutes ago
# Matters:  a year of weekly reports filled in after the event is the present week, written 52 times; the attainment that a
#           plan is held against was never that of the load it is laid beside.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install slo-generator==2.6.0 prometheus-http-client==1.0.0 requests==2.34.2
"$dir/venv/bin/python" - <<'EOF'
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from slo_generator.compute import compute

week = 7 * 24 * 3600
asked = []


class Prometheus(BaseHTTPRequestHandler):  # as the server does: at the time in the query, or now
    def do_GET(self):
        words = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        asked.append(words)
        past = float(words.get("time", time.time())) < time.time() - week / 2
        value = 100 if "count" in words["query"] else 99 if past else 50
        answer = {"status": "success", "data": {"resultType": "vector",
                                                "result": [{"metric": {}, "value": [time.time(), str(value)]}]}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Prometheus)
threading.Thread(target=server.serve_forever, daemon=True).start()
indicator = {"expression": 'ttft_seconds_bucket{model_name="m"}', "threshold_bucket": "1.0"}
objective = {"apiVersion": "sre.google.com/v2", "kind": "ServiceLevelObjective", "metadata": {"name": "ttft"},
             "spec": {"description": "first token within a second", "backend": "prometheus", "method": "distribution_cut",
                      "service_level_indicator": indicator, "goal": 0.99, "error_budget_policy": "default"}}
step = {"name": "a day", "window": 86_400, "burn_rate_threshold": 1, "alert": True, "message_alert": "", "message_ok": ""}
shared = {"backends": {"prometheus": {"url": f"http://127.0.0.1:{server.server_port}"}}, "exporters": {},
          "error_budget_policies": {"default": {"steps": [step]}}}
then = time.time() - week
(report,) = compute(objective, shared, timestamp=then)
server.shutdown()
ages = [round((time.time() - float(words["time"])) / 60) for words in asked]
print(f"99 of 100 met last week, 50 of 100 today; report of last week: SLI {report['sli_measurement']}, "
      f"burn rate {report['error_budget_burn_rate']}; asked for: {' and '.join(map(str, ages))} minutes ago")
assert report["valid"] and report["timestamp"] == int(then)
assert report["sli_measurement"] == 0.5 and report["error_budget_burn_rate"] == 50.0
assert ages == [0, 0]
EOF
echo "as stated"
