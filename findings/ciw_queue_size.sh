#!/usr/bin/env bash
# ciw 3.2.7: `queue_size_at_arrival` of a record counts the customers in service.
#
# Expected: the number that wait, as `waiting_time` beside it is the time in the queue without the service.
# Instead:  the number at the node, waiting or served.
# Output:   8 servers, one arrival a second of 4.5 s each: everybody waits 0.0 s, queue size at arrival 4
# Matters:  a queue that is drawn from these records, or compared with an engine's count of waiting requests, stands at the
#           number of busy servers when nobody waits.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check ciw==3.2.7
"$dir/venv/bin/python" - <<'EOF'
import ciw

network = ciw.create_network(arrival_distributions=[ciw.dists.Deterministic(1.0)],
                             service_distributions=[ciw.dists.Deterministic(4.5)], number_of_servers=[8])
simulation = ciw.Simulation(network)
simulation.simulate_until_max_time(40)
records = [record for record in simulation.get_all_records() if record.arrival_date > 10]
waits, sizes = {record.waiting_time for record in records}, {record.queue_size_at_arrival for record in records}
print(f"8 servers, one arrival a second of 4.5 s each: everybody waits {max(waits):.1f} s,",
      f"queue size at arrival {max(sizes)}")
assert waits == {0} and sizes == {4}
EOF
echo "as stated"
