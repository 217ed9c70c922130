"""A folder of a user's own benchmarks: what served them, and what each file is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infermodel.answers.answer import Part, text
from infermodel.errors import InputError
from infermodel.fidelity import bench
from infermodel.fidelity.rows import Row
from infermodel.fidelity.server import server_of


@dataclass(frozen=True)
class Served:
    """What served the runs of a folder; names are those of the catalog.

    Attributes:
        model, gpu, engine: names.
        engine_version: of the engine, such as 0.18.0; empty: any.
        tensor_parallel: GPUs that share each layer.
        precision, kv_precision: of weights, and of keys and values.
        asked_as: names under which clients asked for the model; empty: names like its own.
    """

    model: str
    gpu: str
    engine: str
    engine_version: str = ""
    tensor_parallel: int = 1
    precision: str = "bf16"
    kv_precision: str = "bf16"
    asked_as: tuple[str, ...] = ()


def own_runs(folder: Path, served: Served) -> tuple[tuple[Row, ...], list[Part]]:
    """The runs in a folder of results of load generators that this server served, and what each file is, to be read.

    Raises:
        InputError: a name is not in the catalog, a result is broken, there is no file or no run of this server.
    """
    formats = served.precision, served.kv_precision
    version, ways = served.engine_version, served.tensor_parallel
    server = bench.served_by(served.model, served.gpu, served.engine, version, ways, *formats)
    server_of(server)
    try:
        runs, passed = bench.bench_runs(folder, server, served.asked_as)
    except FileNotFoundError as missing:
        raise InputError(str(missing)) from None
    told = [("run", "tool", "model", "load", "answered", "taken"), *map(_line, runs)]
    said: list[Part] = [told] if runs else []
    said += ["\n".join(f"passed over: {each}" for each in passed)] if passed else []
    rows = tuple(each.row for each in runs if each.row is not None)
    if not rows:
        raise InputError(f"no run in {folder} tells of {served.model} on this server\n\n{text(said)}")
    return rows, said


def _line(told: bench.Told) -> tuple[str, ...]:
    run = told.run
    answered = f"{run.answered} of {run.requests}" if run.failed else str(run.answered)
    taken = "yes" if run.model else "yes, on your word: the file names no model"
    return (told.id, f"{run.tool} {run.version}", run.model or "not told", str(run.load), answered, told.why or taken)
