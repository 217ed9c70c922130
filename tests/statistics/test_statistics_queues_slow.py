"""Simulated queues in steady state against queueing theory.

Arrivals, lengths, pauses and priorities are drawn by the program's own laws. A request takes one step, of as many ticks
of 2^-20 s as its prompt has tokens; so service is as good as continuous. Each case is run `RUNS` times with seeds 0, 1,
..., and theory must lie in the 99.9 % interval of the runs' means (Student's t). A case proves nothing unless that
interval is narrow, which is tested too. Nothing here was tuned: with some forty comparisons a right simulator fails in
one set of seeds of twenty-five.

`python -m pytest -m slow -s tests/statistics` prints every figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from tests.kit.toy_models import AffineModel
from tests.statistics.queueing_theory import (
    cobham_s,
    erlang_c,
    exponential_server_s,
    finite_users_s,
    kingman_bound_s,
    many_fixed_servers_s,
    many_servers_s,
    pollaczek_khinchine_s,
    shorter_of_two_s,
    with_idle_s,
)

from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import RequestTable
from infermodel.workload.arrivals import Gamma, Poisson
from infermodel.workload.bodies import Priorities
from infermodel.workload.lengths import Fixed, Lengths, Lognormal, Table, Tokens, Uniform
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime, Traffic

pytestmark = pytest.mark.slow

RUNS, COUNT = 20, 15_000
WARM_UP = 3_000
"""Requests left out at the start. What is left of an empty start shrinks as exp(-(1 - sqrt(load))^2 t): at a load of
0.8 by e^-33 in 3,000 mean service times."""

WIDEST = 0.15
"""Half of an interval, as a share of theory, above which a case would prove nothing."""

SECOND = 1 << 20
"""Ticks of a second."""

ONE_STEP = AffineModel(0.0, per_prompt_token_s=1 / SECOND, kv_tokens=1 << 50)
ONE_AT_A_TIME = Limits(max_sequences=1, max_batched_tokens=1 << 40, max_context=1 << 40)


@dataclass(frozen=True)
class Exponential:
    """Exponential lengths, rounded up."""

    mean_tokens: float

    def mean(self) -> float:
        """Expected tokens, but for half a token of rounding."""
        return self.mean_tokens

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths."""
        return np.ceil(generator.standard_exponential(count) * self.mean_tokens).astype(np.int64)


EXPONENTIAL = Exponential(SECOND)
LAWS: dict[str, tuple[Lengths, float]] = {
    "exponential": (EXPONENTIAL, 2.0),
    "fixed": (Fixed(SECOND), 1.0),
    "uniform": (Uniform(1, 2 * SECOND - 1), 4 / 3),
    "lognormal": (Lognormal(SECOND, 1.5), 1 + 1.5**2),
    "two lengths": (Table((SECOND // 2, 3 * SECOND), (4, 1)), 0.8 * 0.5**2 + 0.2 * 3**2),
}
"""Laws of service with mean 1 s, and their mean square."""


def run(
    traffic: Traffic, seed: int, servers: int = 1, router: str = "shared_queue", queue: str = "fcfs"
) -> RequestTable:
    spec = one_pool("queue", ONE_STEP, traffic, ONE_AT_A_TIME, servers, router=router, queue=queue)
    return simulate([spec], seed, Horizon(requests=WARM_UP + COUNT))[0].requests


def waits(table: RequestTable) -> NDArray[np.float64]:
    waited: NDArray[np.float64] = (table.first_scheduled_at - table.arrived_at)[WARM_UP : WARM_UP + COUNT]
    return waited


def open_traffic(load: float, service: Lengths, servers: int = 1, priorities: Priorities | None = None) -> OpenTraffic:
    return OpenTraffic(Poisson(load * servers), service, Fixed(1), priorities=priorities)


def check(name: str, found: list[float], theory: float) -> None:
    """Theory lies in the 99.9 % interval of the runs' means, which is at most `WIDEST` of it to either side."""
    means = np.array(found)
    half = stats.t.ppf(0.9995, len(means) - 1) * means.std(ddof=1) / sqrt(len(means))
    deviation = means.mean() - theory
    print(f"{name}: theory {theory:.5g}, found {means.mean():.5g} +- {half:.2g}, {deviation / theory:+.2%}")
    assert half < WIDEST * theory, name
    assert abs(deviation) < half, name


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_server_waits_as_pollaczek_and_khinchine_say(load: float, law: str) -> None:
    """M/M/1, M/D/1 and three of M/G/1; a share `load` of the requests find the server busy, whatever the law."""
    service, square = LAWS[law]
    found = [waits(run(open_traffic(load, service), seed)) for seed in range(RUNS)]
    check(f"M/G/1 {law} {load} wait", [run.mean() for run in found], pollaczek_khinchine_s(load, 1.0, square))
    check(f"M/G/1 {law} {load} waits at all", [(run > 0).mean() for run in found], load)


def test_waits_of_one_server_are_distributed_as_theory_says() -> None:
    """M/M/1: P(wait > t) = load exp(-(1 - load) t)."""
    load = 0.7
    found = [waits(run(open_traffic(load, EXPONENTIAL), seed)) for seed in range(RUNS)]
    for t in (1.0, 3.0, 6.0):
        theory = load * np.exp(-(1 - load) * t)
        check(f"M/M/1 {load} waits over {t} s", [(run > t).mean() for run in found], theory)


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (4, 0.8), (16, 0.8)])
def test_several_servers_wait_as_erlang_says(servers: int, load: float) -> None:
    found = [waits(run(open_traffic(load, EXPONENTIAL, servers), seed, servers)) for seed in range(RUNS)]
    check(f"M/M/{servers} {load} wait", [run.mean() for run in found], many_servers_s(servers, load))
    check(f"M/M/{servers} {load} waits at all", [(run > 0).mean() for run in found], erlang_c(servers, load))


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (4, 0.8), (16, 0.8)])
def test_several_fixed_servers_wait_as_crommelin_says(servers: int, load: float) -> None:
    found = [waits(run(open_traffic(load, Fixed(SECOND), servers), seed, servers)).mean() for seed in range(RUNS)]
    check(f"M/D/{servers} {load} wait", found, many_fixed_servers_s(servers, load))


@pytest.mark.parametrize("cv", [0.5, 2.0])
def test_gamma_arrivals_at_an_exponential_server(cv: float) -> None:
    """GI/M/1; gamma gaps of shape k = 1 / cv^2 transform to (1 + s / (k rate))^-k."""
    load, shape = 0.7, 1 / cv**2
    theory = exponential_server_s(lambda s: (1 + s / (shape * load)) ** -shape)
    traffic = OpenTraffic(Gamma(load, cv), EXPONENTIAL, Fixed(1))
    found = [waits(run(traffic, seed)).mean() for seed in range(RUNS)]
    check(f"GI/M/1 cv {cv} wait", found, theory)


@pytest.mark.parametrize(
    ("load", "law"), [(0.8, "fixed"), (0.8, "uniform"), (0.8, "exponential"), (0.5, "lognormal"), (0.7, "lognormal")]
)
@pytest.mark.parametrize("gaps_cv", [0.5, 2.0])
def test_nobody_waits_longer_than_kingman_allows(gaps_cv: float, load: float, law: str) -> None:
    """The interval ends below the bound, and what is left to it is what Marshall's identity says."""
    service, square = LAWS[law]
    traffic = OpenTraffic(Gamma(load, gaps_cv), service, Fixed(1))
    tables = [run(traffic, seed) for seed in range(RUNS)]
    means = np.array([waits(table).mean() for table in tables])
    half = stats.t.ppf(0.9995, len(means) - 1) * means.std(ddof=1) / sqrt(len(means))
    bound = kingman_bound_s(load, load, gaps_cv, sqrt(square - 1))
    print(f"GI/G/1 cv {gaps_cv} {law} {load}: found {means.mean():.4g} +- {half:.2g}, at most {bound:.4g}")
    assert means.mean() + half < bound
    found = [float(mean) + left_to_kingman_s(table) for mean, table in zip(means, tables, strict=True)]
    theory = with_idle_s(load, load, gaps_cv, sqrt(square - 1))
    check(f"GI/G/1 cv {gaps_cv} {law} {load} wait and idle", found, theory)


def left_to_kingman_s(table: RequestTable) -> float:
    """E[I^2] / (2 E[I]) of the times in which the server has nothing to do."""
    kept = slice(WARM_UP, WARM_UP + COUNT)
    idle_s = np.maximum(table.arrived_at[kept] - table.finished_at[WARM_UP - 1 : WARM_UP + COUNT - 1], 0.0)
    return float((idle_s**2).sum() / (2 * idle_s.sum()))


@pytest.mark.parametrize("law", ["exponential", "two lengths"])
def test_priorities_wait_as_cobham_says(law: str) -> None:
    """One server, three classes: W0 = rate E[S^2] / 2."""
    load, shares, (service, square) = 0.75, (0.2, 0.3, 0.5), LAWS[law]
    traffic = open_traffic(load, service, priorities=Priorities((0, 1, 2), shares))
    tables = [run(traffic, seed, queue="priority") for seed in range(RUNS)]
    theory = cobham_s(load * square / 2, [load * share for share in shares])
    for level, expected in enumerate(theory):
        means = [waits(t)[t.priority[WARM_UP : WARM_UP + COUNT] == level].mean() for t in tables]
        check(f"M/G/1 {law} priority {level} wait", means, expected)


def test_priorities_of_several_servers_wait_as_cobham_says() -> None:
    """Four servers: W0 = Erlang's C / c, the mean until one of c busy ones is free."""
    servers, load, shares = 4, 0.8, (0.5, 0.5)
    traffic = open_traffic(load, EXPONENTIAL, servers, Priorities((0, 1), shares))
    tables = [run(traffic, seed, servers, queue="priority") for seed in range(RUNS)]
    theory = cobham_s(erlang_c(servers, load) / servers, [load * share for share in shares])
    for level, expected in enumerate(theory):
        means = [waits(t)[t.priority[WARM_UP : WARM_UP + COUNT] == level].mean() for t in tables]
        check(f"M/M/4 priority {level} wait", means, expected)


def test_routers_split_arrivals_as_theory_says() -> None:
    """By chance: each replica is an M/M/1. In turn: c-th arrivals, Erlang gaps (1 + s / (c load))^-c. To the shorter of
    two: the balance equations.
    """
    servers, load = 2, 0.7
    theories = {
        "random": pollaczek_khinchine_s(load, 1.0, 2.0),
        "round_robin": exponential_server_s(lambda s: (1 + s / (servers * load)) ** -servers),
        "least_outstanding": shorter_of_two_s(load),
    }
    traffic = open_traffic(load, EXPONENTIAL, servers)
    for router, theory in theories.items():
        found = [waits(run(traffic, seed, servers, router)).mean() for seed in range(RUNS)]
        check(f"2 x M/M/1 {router} wait", found, theory)


@pytest.mark.parametrize(("users", "pause_s"), [(3, 2.0), (20, 15.0)])
def test_users_who_wait_for_their_answers(users: int, pause_s: float) -> None:
    """A closed loop with exponential pauses and service: the machine-repair model."""
    traffic = ClosedTraffic(users, EXPONENTIAL, Fixed(1), ThinkTime(pause_s, "exponential"))
    found = [waits(run(traffic, seed)).mean() for seed in range(RUNS)]
    check(f"{users} users, pauses of {pause_s} s, wait", found, finite_users_s(users, pause_s))


@pytest.mark.parametrize("law", ["exponential", "fixed", "two lengths"])
def test_a_shared_step_is_processor_sharing(law: str) -> None:
    """Steps that take as long as they have sequences, a token for each: M/G/1 with processor sharing.

    A request of x seconds' work stays x / (1 - load) on average, whatever the law of the others (Kleinrock, 1967). A
    request is cut into 4,096 tokens a second; that moves its stay by less than the steps in which it begins and ends.
    """
    load, tokens = 0.7, 4096
    service = {
        "exponential": Exponential(tokens),
        "fixed": Fixed(tokens),
        "two lengths": Table((tokens // 2, 3 * tokens), (4, 1)),
    }[law]
    model = AffineModel(0.0, per_sequence_s=1 / tokens, per_prompt_token_s=1 / tokens, kv_tokens=1 << 50)
    spec = one_pool("shared", model, OpenTraffic(Poisson(load), Fixed(1), service), Limits(1 << 30, 1 << 40, 1 << 40))
    stays: dict[int, list[float]] = {}
    for seed in range(RUNS):
        table = simulate([spec], seed, Horizon(requests=WARM_UP + COUNT))[0].requests
        kept = slice(WARM_UP, WARM_UP + COUNT)
        stay, length = (table.finished_at - table.arrived_at)[kept], table.output_tokens[kept]
        groups = [0] if law != "two lengths" else [tokens // 2, 3 * tokens]
        for group in groups:
            stays.setdefault(group, []).append(float(stay[length == group].mean() if group else stay.mean()))
    for group, found in stays.items():
        work_s = group / tokens if group else 1.0
        check(f"M/G/1 shared {law} {work_s} s stay", found, work_s / (1 - load))
