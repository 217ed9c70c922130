"""A user's own benchmark results as measured rows, so that an engine on his servers gets constants of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from infermodel import catalog
from infermodel.architecture import PRECISION_BYTES
from infermodel.fidelity import yaml_text
from infermodel.fidelity.engines import HOST, INGRESS, EngineFit
from infermodel.fidelity.rows import METRICS, Row
from infermodel.fidelity.server import OTHER_FORMATS
from infermodel.formats.columns import MOST_TOKENS
from infermodel.formats.results import read_folder
from infermodel.formats.results.documents import bare_name
from infermodel.formats.results.measured import Measured

BENCH_PARAMETERS = (*HOST, INGRESS)
"""What a user's own rows tell of an engine: the host's gap in a step, for a sequence, and the way in."""

MOST_PLAYED = 100_000
"""Requests of a run: a fit simulates it some thirty times."""

SOONEST_S, LATEST_S = 1e-6, 86400.0
"""Between which a latency is one that somebody waited."""

MOST_FAILED = 0.05
"""Share of a run's requests beyond which nobody knows what load the server saw."""

BINDING, FREE = 0.9, 0.5
"""Shares of a limit on requests in flight, as their mean: above the one it sets the load, below the other the rate."""

HELD_BACK = 0.5
"""Share of the asked rate below which a limit held requests back."""

UNNAMED = "names no model, and the folder holds runs of others: put it into a folder of its own"

MOST_ERROR = 0.25
"""Median error of a fit beyond which its constants are no engine's."""

_MARK = re.compile(r"\d{1,2}|\d+(x\d+)?b|a\d+b|distill")
"""What tells one model of a family from another: a version, a size, a smaller copy."""


@dataclass(frozen=True)
class Told:
    """A run of a folder, and its row or why it has none.

    Attributes:
        id: file, relative to the folder, and the run's number or name in it.
        why: empty where there is a row.
    """

    id: str
    run: Measured
    row: Row | None
    why: str = ""


def bench_runs(folder: Path, server: Row, asked_as: Collection[str] = ()) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """The runs in a folder of results of any mix of tools, in order of file name, and what was passed over and why.

    Args:
        folder: of result files, folders within it included.
        server: a row that names the GPU, layout, engine, model and formats that served them all.
        asked_as: names under which clients asked for that model; empty: names like the catalog's.

    Raises:
        FormatError: a file is a result that is broken.
        OSError: there is no file.
    """
    found = read_folder(folder)
    passed = tuple(f"{path.relative_to(folder)}: {why}" for path, why in found.passed_over)
    runs = [_told(folder, run, server, asked_as) for run in found.runs]
    if any(told.run.model and not _asks_for(told.run, server, asked_as) for told in runs):
        runs = [told if told.run.model else replace(told, row=None, why=told.why or UNNAMED) for told in runs]
    return tuple(runs), passed


def _told(folder: Path, run: Measured, server: Row, asked_as: Collection[str]) -> Told:
    file = run.files[0].relative_to(folder)
    name = f"{file.with_name(bare_name(file).rpartition('.')[0])}#{run.name or '0'}"
    why = unfit(run, server, asked_as)
    return Told(name, run, None if why else bench_row(run, replace(server, id=name)), why)


def unfit(run: Measured, server: Row, asked_as: Collection[str]) -> str:
    """Why a run is no row of what this server served; empty if it is one."""
    if run.model and not _asks_for(run, server, asked_as):
        return f"asked for {run.model!r}, which is not {server.model} (if it is: --asked-as {run.model})"
    if run.model and not asked_as and (packed := packed_as(run.model, server.weights_precision)):
        return f"asked for {run.model!r}, whose weights are {packed} and not {server.weights_precision} (--precision)"
    if not run.answered:
        return f"none of {run.requests} requests was answered"
    if run.failed > MOST_FAILED * run.requests:
        return f"{run.failed} of {run.requests} requests failed: what load the server saw is not known"
    if not run.load.known and not run.load.ramp:
        return "the file does not tell how requests were sent"
    if run.load.ramp:
        return f"{run.load.ramp}: one figure for many loads"
    if not run.load.burstiness > 0:
        return "the file does not tell how arrivals were spaced"
    if math.isnan(run.prompt.total) or math.isnan(run.output.total):
        return run.output.refused or run.prompt.refused or "the file does not tell the lengths of requests"
    if _sets(run) == "both":
        return f"{run.load}: the file does not tell whether the rate or the limit set the load"
    return unplayable(run)


def unplayable(run: Measured) -> str:
    """Why the simulator cannot play an answered run again, or would learn nothing from it; empty if it can."""
    if run.requests > MOST_PLAYED:
        return f"{run.requests} requests, more than {MOST_PLAYED}, take too long to play again"
    if run.load.rate_per_s == 0:
        return "requests came at a rate of zero"
    for name, lengths in (("prompts", run.prompt), ("answers", run.output)):
        if not 0.5 < lengths.total / run.answered <= MOST_TOKENS:
            return f"{name} of {lengths.total / run.answered:.3g} tokens"
    means = {kind: run.latencies[kind].figures_s.get("mean", 0.0) for kind in ("ttft", "tpot") if kind in run.latencies}
    for kind, mean_s in means.items():
        if mean_s and not SOONEST_S < mean_s < LATEST_S:
            return f"a mean {kind.upper()} of {mean_s:.3g} s is no time that anybody waited"
    return ""


def _asks_for(run: Measured, server: Row, asked_as: Collection[str]) -> bool:
    """Whether a run that names its model names the one that was served."""
    return run.model in asked_as if asked_as else same_model(run.model, server.model)


def same_model(asked: str, model: str) -> bool:
    """Whether the name that a client asked for is that of a model of the catalog, however it was tuned or packed. A
    repository that the catalog holds is one model's and no other's.

    >>> same_model("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"), same_model("llama-3.1-70b", "llama-3.1-8b")
    (True, False)
    >>> same_model("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "deepseek-r1")
    False
    >>> same_model("deepseek-ai/DeepSeek-V3.1", "deepseek-v3")
    False
    """
    if asked in catalog.repository_ids():
        return catalog.repository_ids()[asked] == model
    words = re.split(r"[^a-z0-9]+", asked.rstrip("/").rpartition("/")[2].lower())
    known = re.split(r"[^a-z0-9]+", model.lower())
    for word in known:
        if word not in words:
            return False
        words.remove(word)
    return not any(_MARK.fullmatch(word) for word in words)


def packed_as(asked: str, precision: str) -> str:
    """The number format in a model's name where it is another than that of the weights; empty where none is.

    >>> packed_as("Llama-3.1-8B-Instruct-FP8", "bf16"), packed_as("Llama-3.1-8B-Instruct-AWQ", "int4")
    ('fp8', '')
    """
    known = {OTHER_FORMATS.get(word, word) for word in re.split(r"[^a-z0-9]+", asked.lower())} & set(PRECISION_BYTES)
    named = OTHER_FORMATS.get(precision, precision)
    return "" if not known or named in known else sorted(known)[0]


def _sets(run: Measured) -> str:
    """What sets the load: `users`, the `rate`, or `both` where it cannot be told."""
    load = run.load
    if load.concurrency is None:
        return "rate"
    held_back = run.answered < HELD_BACK * load.rate_per_s * run.duration_s
    if math.isinf(load.rate_per_s) or held_back or run.in_flight >= BINDING * load.concurrency:
        return "users"
    return "rate" if run.in_flight <= FREE * load.concurrency else "both"


def bench_row(run: Measured, server: Row) -> Row:
    """A run as a row: as many users where the limit on its concurrency sets the load, else arrivals at its rate, or all
    at once. Lengths are the means of the answered requests.

    Args:
        server: what served it, and the row's name.
    """
    answered = max(1, run.answered)
    users = run.load.concurrency if _sets(run) == "users" else None
    measured = {}
    for metric in METRICS:
        kind, _, statistic = metric.removesuffix("_ms").partition("_")
        figure = run.latencies[kind].figures_s.get(statistic) if kind in run.latencies else None
        if figure:
            measured[metric] = 1e3 * figure
    if run.duration_s > 0:
        measured["output_tok_s"] = run.output.total / run.duration_s
    return replace(
        server,
        load="closed" if users else "poisson",
        concurrency=float(users) if users else math.nan,
        request_rate_per_s=math.nan if users else run.load.rate_per_s,
        burstiness=1.0 if users else run.load.burstiness,
        requests=float(run.answered),
        prompt_tokens=float(round(run.prompt.total / answered)),
        output_tokens=float(round(run.output.total / answered)),
        measured=measured,
    )


def doubt(fitted: EngineFit) -> str:
    """Why the constants of a fit are not to be trusted; empty if they may be."""
    figures, constants = len(fitted.observations), len(fitted.fit.values) + len(fitted.fit.dropped)
    if figures < constants:
        return f"{constants} constants from {figures} figure{'s' if figures != 1 else ''} are no measurement"
    if fitted.fit.median_error > MOST_ERROR:
        return f"the fit misses its own figures by {100 * fitted.fit.median_error:.0f} % (median)"
    return ""


def served_by(
    model: str, gpu: str, engine: str, version: str, tensor_parallel: int, precision: str, kv_precision: str
) -> Row:
    """A row that says what served a folder of runs, and nothing of the runs themselves."""
    nothing = math.nan
    model = catalog.repository_ids().get(model, model)
    return Row(
        id="",
        source_set="own",
        gpu=gpu,
        gpus=tensor_parallel,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=1,
        expert_parallel=1,
        engine=engine,
        engine_version=version,
        weights_precision=precision,
        kv_precision=kv_precision,
        model=model,
        load="closed",
        concurrency=nothing,
        request_rate_per_s=nothing,
        requests=nothing,
        prompt_tokens=nothing,
        output_tokens=nothing,
        length_spread="fixed",
        requests_file="",
        prefix_caching=False,
        distinct_prompts=nothing,
        max_batched_tokens=nothing,
        max_sequences=nothing,
        memory_utilisation=nothing,
        measured={},
    )


def engine_file(fitted: EngineFit, entry: str, name: str) -> str:
    """A file of the catalog that extends an engine's with the constants of a fit, under a name of its own.

    Args:
        entry: the engine that the fit started from.
        name: of the new engine, and of the fit.
    """
    figures = {
        constant: yaml_text.calibrated(constant, value, fitted.fit.errors[constant], name)
        for constant, value in fitted.fit.values.items()
    } | {constant: yaml_text.dropped(constant, most, name) for constant, most in fitted.fit.dropped.items()}
    text = f"engine: {name}\ntitle: {catalog.load_engine(entry).title}, calibrated on own runs\nextends: {entry}\n"
    return yaml_text.with_engine_figures(text, figures)
