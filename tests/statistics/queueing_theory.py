"""Mean waits of queues in steady state, from the literature. Nothing of the simulator is used here.

Seconds; `load` is the share of time that a server works, `servers` take from one queue unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import factorial

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.stats import poisson


def pollaczek_khinchine_s(rate: float, mean_s: float, mean_square_s2: float) -> float:
    """Mean wait of M/G/1: rate E[S^2] / (2 (1 - load)).

    >>> pollaczek_khinchine_s(0.5, 1.0, 2.0)  # M/M/1: load / (1 - load)
    1.0
    >>> pollaczek_khinchine_s(0.5, 1.0, 1.0)  # M/D/1: half of that
    0.5
    """
    return rate * mean_square_s2 / (2 * (1 - rate * mean_s))


def erlang_c(servers: int, load: float) -> float:
    """Probability that a request waits in M/M/c (Erlang, 1917).

    >>> erlang_c(1, 0.7), round(erlang_c(2, 0.5), 12)  # one server: the load; two: 2 load^2 / (1 + load)
    (0.7, 0.333333333333)
    """
    if servers == 1:
        return load
    offered = servers * load
    all_busy = offered**servers / factorial(servers) / (1 - load)
    return all_busy / (sum(offered**k / factorial(k) for k in range(servers)) + all_busy)


def many_servers_s(servers: int, load: float) -> float:
    """Mean wait of M/M/c with mean service 1 s: Erlang's C over c (1 - load)."""
    return erlang_c(servers, load) / (servers * (1 - load))


def many_fixed_servers_s(servers: int, load: float, most: int = 400) -> float:
    """Mean wait of M/D/c with service 1 s (Crommelin, 1932).

    Who is there a second later: those who waited before, less the c that were let in, and a Poisson number of new
    ones. The stationary law of that chain is that of the number in the system at any time; Little's law gives the wait.

    >>> round(many_fixed_servers_s(1, 0.5), 10)  # M/D/1
    0.5
    """
    new = poisson.pmf(np.arange(most), servers * load)
    chain = np.zeros((most, most))
    for present in range(most):
        left = max(present - servers, 0)
        chain[present, left:] = new[: most - left]
        chain[present, -1] += 1 - chain[present].sum()
    equations = chain.T - np.eye(most)
    equations[0] = 1.0  # one is implied by the others: all probabilities sum to one instead
    law = np.linalg.solve(equations, np.eye(most)[0])
    return float((law @ np.arange(most) - servers * load) / (servers * load))


def exponential_server_s(transform: Callable[[float], float]) -> float:
    """Mean wait of GI/M/1 with mean service 1 s: r / (1 - r), where r = A(1 - r) and A transforms the gaps' law.

    Source: Kleinrock, Queueing Systems I (1975), 6.4.

    >>> round(exponential_server_s(lambda s: 0.7 / (0.7 + s)), 12)  # Poisson arrivals: M/M/1
    2.333333333333
    """
    root = brentq(lambda r: transform(1 - r) - r, 0.0, 1 - 1e-6, xtol=1e-15)
    return float(root / (1 - root))


def cobham_s(wait_of_nobody_s: float, loads: Sequence[float]) -> list[float]:
    """Mean wait of each class, most urgent first, where nobody is interrupted: W0 / ((1 - s_before) (1 - s)), s the
    summed loads (Cobham, 1954). W0: how long until a server is free for whom everybody lets pass.

    >>> cobham_s(0.5, [0.25, 0.25])
    [0.6666666666666666, 1.3333333333333333]
    """
    sums = [0.0, *np.cumsum(loads).tolist()]
    return [wait_of_nobody_s / ((1 - before) * (1 - upto)) for before, upto in pairwise(sums)]


def kingman_bound_s(rate: float, load: float, gaps_cv: float, service_cv: float) -> float:
    """No GI/G/1 queue waits longer: rate (var gaps + var service) / (2 (1 - load)) (Kingman, 1962).

    >>> kingman_bound_s(0.5, 0.5, 1.0, 1.0)  # M/M/1 waits 1 s
    2.5
    """
    service_s = load / rate
    return rate * ((gaps_cv / rate) ** 2 + (service_cv * service_s) ** 2) / (2 * (1 - load))


def with_idle_s(rate: float, load: float, gaps_cv: float, service_cv: float) -> float:
    """Mean wait of GI/G/1 plus E[I^2] / (2 E[I]) of its idle times I: E[U^2] / (-2 E[U]), U = service - gap.

    Source: Marshall (1968), "Some inequalities in queuing"; it says how far below Kingman's bound a queue stays.

    >>> with_idle_s(0.5, 0.5, 1.0, 1.0)  # M/M/1 waits 1 s; idle times are exponential with mean 2 s: 8 / (2 x 2) = 2
    3.0
    """
    return kingman_bound_s(rate, load, gaps_cv, service_cv) + (1 - load) / (2 * rate)


def finite_users_s(users: int, pause_s: float) -> float:
    """Mean wait of `users` who pause for exponential times and share one exponential server of mean 1 s.

    n of them are at the server with p_n ~ users! / (users - n)! pause^-n; users / throughput is a whole cycle.

    >>> finite_users_s(1, 3.0), finite_users_s(2, 1e-9) > 0.999
    (0.0, True)
    """
    weights = [factorial(users) / factorial(users - n) * pause_s**-n for n in range(users + 1)]
    throughput = 1 - weights[0] / sum(weights)
    return users / throughput - pause_s - 1


def shorter_of_two_s(load: float, most: int = 80) -> float:
    """Mean wait where everyone joins the shorter of two M/M/1 queues; the balance equations, solved numerically.

    >>> many_servers_s(2, 0.7) < shorter_of_two_s(0.7) < 0.7 / 0.3  # worse than one queue, better than a coin
    True
    """
    side = np.arange(most)
    one, two = (grid.ravel() for grid in np.meshgrid(side, side, indexing="ij"))
    here, rate = one * most + two, 2 * load
    moves = [
        (rate * ((one < two) + (one == two) / 2), one + 1, two),
        (rate * ((one > two) + (one == two) / 2), one, two + 1),
        (1.0 * (one > 0), one - 1, two),
        (1.0 * (two > 0), one, two - 1),
    ]
    rows, columns, flows = [], [], []
    for flow, to_one, to_two in moves:
        inside = (flow > 0) & (to_one < most) & (to_two < most)
        there = to_one * most + to_two
        rows += [there[inside], here[inside]]
        columns += [here[inside], here[inside]]
        flows += [flow[inside], -flow[inside]]
    keep = np.concatenate(rows) != 0  # as above
    rows_kept = np.append(np.concatenate(rows)[keep], np.zeros(len(here), np.int64))
    columns_kept = np.append(np.concatenate(columns)[keep], here)
    flows_kept = np.append(np.concatenate(flows)[keep], np.ones(len(here)))
    balance = coo_array((flows_kept, (rows_kept, columns_kept)), shape=(len(here), len(here))).tocsc()
    law = spsolve(balance, np.append(1.0, np.zeros(len(here) - 1)))
    return float((law @ (one + two) - rate) / rate)
