"""A user's own benchmark results as measured rows, so that an engine on his servers gets constants of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from infermodel import catalog
from infermodel.fidelity import yaml_text
from infermodel.fidelity.engines import HOST, INGRESS, EngineFit
from infermodel.fidelity.rows import Row
from infermodel.formats.vllm_bench import BenchResult, read

BENCH_PARAMETERS = (*HOST, INGRESS)
"""What a user's own rows tell of an engine: the host's gap in a step, for a sequence, and the way in."""


def bench_rows(folder: Path, server: Row) -> tuple[Row, ...]:
    """One row for each run in the JSON files of a folder, in order of file name.

    Args:
        folder: of files that `vllm bench serve --save-result` wrote.
        server: a row that names the GPU, layout, engine, model and formats that served them all.

    Raises:
        FormatError: a file is no such result.
        OSError: there is no file.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise FileNotFoundError(f"no JSON files in {folder}")
    return tuple(
        bench_row(result, replace(server, id=f"{path.stem}#{number}"))
        for path in paths
        for number, result in enumerate(read(path))
    )


def bench_row(result: BenchResult, server: Row) -> Row:
    """A run as a row: as many users where its concurrency was limited and nothing else, else arrivals at its rate, or
    all at once. Lengths are the means of the completed requests.

    Args:
        server: what served it, and the row's name.
    """
    answered = max(1, result.completed)
    users = result.max_concurrency if math.isinf(result.request_rate_per_s) else None
    names = {"mean_ttft": "ttft_mean_ms", "mean_tpot": "tpot_mean_ms", "mean_e2el": "e2e_mean_ms"}
    names |= {f"p{share}_{kind}": f"{kind}_p{share}_ms" for kind in ("ttft",) for share in (90, 99)}
    measured = {metric: 1e3 * result.latency_s[name] for name, metric in names.items() if name in result.latency_s}
    return replace(
        server,
        load="closed" if users else "poisson",
        concurrency=float(users) if users else math.nan,
        request_rate_per_s=math.nan if users else result.request_rate_per_s,
        requests=float(result.requests),
        prompt_tokens=float(round(result.input_tokens / answered)),
        output_tokens=float(round(result.output_tokens / answered)),
        measured={**measured, "output_tok_s": result.output_tokens / result.duration_s},
    )


def served_by(
    model: str, gpu: str, engine: str, version: str, tensor_parallel: int, precision: str, kv_precision: str
) -> Row:
    """A row that says what served a folder of runs, and nothing of the runs themselves."""
    nothing = math.nan
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
