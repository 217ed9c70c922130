"""How much happens on the clock for each request: a request costs a few events, not one for each of its tokens."""

from __future__ import annotations

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import FINISHED
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import OpenTraffic


def test_a_request_of_256_tokens_takes_at_most_five_events_superseded_ones_included() -> None:
    engine = load_engine("vllm")
    deployment = Deployment(max_sequences=128, max_batched_tokens=engine.max_batched_tokens, max_context=8192)
    model = step_model(load_model("llama-3.1-8b"), load_system("dgx-h100"), deployment, engine)
    limits = Limits(deployment.max_sequences, deployment.max_batched_tokens, deployment.max_context)
    traffic = OpenTraffic(Poisson(6.0), Fixed(1024), Fixed(256))
    (record,) = simulate([one_pool("h100", model, traffic, limits)], 1, Horizon(requests=10_000))
    finished = int((record.requests.status == FINISHED).sum())
    assert finished == 10_000  # beside those that came while the last of them ran, whose events count too
    assert finished < record.events <= 5 * finished
