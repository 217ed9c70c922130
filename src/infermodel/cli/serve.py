"""`infermodel serve`."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import click

from infermodel.cli.told import Told, json_option, quiet_option, set_option
from infermodel.scenario import ResolvedScenario, load, resolve
from infermodel.scenario.errors import did_you_mean
from infermodel.scenario.resolved import ResolvedService
from infermodel.serve.host import LOOPBACK, own_names
from infermodel.workload.lengths import Lengths, table_of
from infermodel.workload.traffic import OpenTraffic, TraceTraffic

if TYPE_CHECKING:
    from infermodel.serve.fleet import Fleet

TOLD_EVERY_S = 10.0


@click.command()
@click.argument("scenario", type=click.Path())
@click.option("--service", "name", default="", help="Which one; may be left out where there is only one.")
@set_option
@click.option("--speed", type=click.FloatRange(0.001, 1000), default=1.0, show_default=True, help="Of time.")
@click.option("--background", type=click.FloatRange(0, min_open=True), help="Play the scenario's traffic, too: 1, 0.5.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--called", multiple=True, help="Another name under which this server may be called.")
@click.option("--bytes-per-token", type=click.FloatRange(0.5, 100), default=4.0, show_default=True, help="Of prompts.")
@click.option("--grace", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds to end in.")
@click.option("--seed", type=click.IntRange(0), help="Seed of all random numbers, instead of the scenario's.")
@json_option
@quiet_option
def serve(
    scenario: str,
    name: str,
    changes: tuple[str, ...],
    speed: float,
    background: float | None,
    host: str,
    port: int,
    called: tuple[str, ...],
    bytes_per_token: float,
    grace: float,
    seed: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Answer HTTP requests as a service of SCENARIO would, in real time, as OpenAI does."""
    resolved = resolve(load(scenario, changes))
    service = chosen(resolved, name)
    if len(service.pools) > 1:
        pool, number = service.decode_pool, resolved.services.index(service)
        one = f"{{system: {pool.system.name}, tensor_parallel: {pool.deployment.tensor_parallel}}}"
        said = f"serve plays services of one, such as --set 'services.{number}.fleet={one}'"
        raise click.UsageError(f"{service.name} has {len(service.pools)} pools: {said}; 'infermodel run' plays pools")
    try:
        from infermodel.serve import api
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"needs {missing.name}: install infermodel[serve]") from None
    from infermodel.serve.fleet import Fleet
    from infermodel.serve.keys import Keys
    from infermodel.serve.loop import precise_loop
    from infermodel.simulation.streams import named_streams

    seed = resolved.seed if seed is None else seed
    fleet = Fleet(service, seed=seed, speed=speed, background=others(service, background))
    model, repository = service.architecture.name, service.architecture.repository
    served = api.Served(
        names=tuple(dict.fromkeys(filter(None, (repository, model)))),
        context=fleet.service.most_tokens,
        answers=answers_of(service),
        caches=service.prefill_pool.limits.prefix_caching,
        bytes_per_token=bytes_per_token,
        hosts=own_names(host, *called),
    )
    random = named_streams(seed, "serve")("output_tokens")
    server = api.Api(fleet, served, Keys(service.rate_limits), random)
    if host not in LOOPBACK:
        click.echo(f"warning: {host} may be reached from other machines, and nothing is asked of them", err=True)

    told = Told("serve", as_json=as_json, quiet=quiet)

    def ready(at: int) -> None:
        url = f"http://{host}:{at}/v1"
        told.text(f"{service.name} answers as {' and '.join(served.names)} at {url}")
        told.text(f"time goes {speed:g} times as fast; Ctrl-C ends it")
        told.table("server", [{"service": service.name, "url": url, "models": served.names, "speed": speed}])
        told.end()

    try:
        with asyncio.Runner(loop_factory=precise_loop) as runner:
            left = runner.run(until_interrupted(server, fleet, host, port, grace, ready))
    except OSError as error:
        raise click.UsageError(f"{host}:{port} cannot be listened on: {error.strerror}") from None
    lag = fleet.lag
    told.text(f"late by {lag.worst_s * 1e3:.1f} ms at worst; {lag.late} of {lag.noted} times by 10 ms or more")
    if left:
        raise click.ClickException(f"{left} requests were not answered within the {grace:g} s after the end")


async def until_interrupted(server: Any, fleet: Fleet, host: str, port: int, grace_s: float, ready: Any) -> int:
    """Serve until Ctrl-C or a request to end; say on stderr when the server falls behind."""
    from infermodel.serve import api

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    watching = loop.create_task(watch(fleet))
    try:
        return await api.run(server, fleet, host, port, grace_s=grace_s, stop=stop, ready=ready)
    finally:
        watching.cancel()


async def watch(fleet: Fleet) -> None:
    """Say how late the server is, as long as it is."""
    from infermodel.serve.lag import LATE_S

    told = 0
    while True:
        await asyncio.sleep(TOLD_EVERY_S)
        if fleet.lag.late > told and fleet.lag.recent_s >= LATE_S:
            click.echo(f"warning: this machine is behind by up to {fleet.lag.recent_s * 1e3:.0f} ms", err=True)
        told = fleet.lag.late


def chosen(scenario: ResolvedScenario, name: str) -> ResolvedService:
    """The service that is asked for, or the only one."""
    names = [each.name for each in scenario.services]
    if name:
        if name not in names:
            raise click.UsageError(f"no service named {name!r}; {did_you_mean(name, names)}")
        return scenario.services[names.index(name)]
    if len(names) > 1:
        raise click.UsageError(f"say which service: --service one of {', '.join(map(repr, names))}")
    return scenario.services[0]


def others(service: ResolvedService, share: float | None) -> OpenTraffic | TraceTraffic | None:
    """The load of others, so many times the scenario's."""
    if share is None:
        return None
    traffic = service.traffic
    if service.sessions is not None or not isinstance(traffic, OpenTraffic | TraceTraffic):
        raise click.UsageError("--background plays arrivals of a law or a trace, not users or questions")
    if isinstance(traffic, TraceTraffic) and traffic.requests.after is not None:
        raise click.UsageError("--background plays no trace whose requests follow answers")
    return traffic if share == 1 else traffic.at_rate(share * traffic.mean_rate_per_s)


def answers_of(service: ResolvedService) -> Lengths:
    """The law of an answer's length where the client asks for none: the scenario's."""
    traffic = service.traffic
    if isinstance(traffic, TraceTraffic):
        return traffic.output or table_of(traffic.requests.output_tokens)
    return traffic.output
