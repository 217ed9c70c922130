"""The command line: quick, clean errors, exit statuses."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from math import inf
from pathlib import Path
from time import monotonic

import click
import pytest
from click.testing import CliRunner, Result

import infermodel as im
from infermodel import cli
from infermodel.cli import COMMANDS, infermodel, progress

SCENARIO = """\
title: T
duration: 1 min
traffic:
  arrivals: {kind: poisson, rate: 30 /min}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 250}
services:
  - name: CS-3
    model: llama-3.1-8b
    fleet: {system: cs-3}
"""


def call(*args: str) -> Result:
    return CliRunner().invoke(infermodel, args)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # reports go to the current folder


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO)
    return str(path)


def test_help_lists_every_command_with_its_own_first_line() -> None:
    said = call("--help")
    assert said.exit_code == 0
    context = click.Context(infermodel)
    for name, line in COMMANDS.items():
        assert f"  {name} " in said.stdout
        command = infermodel.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert line


def test_runs_as_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "infermodel", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == call("--version").stdout


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    program = (
        "import sys, infermodel.cli as c\n"
        "try: c.infermodel.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'pydantic', 'yaml', 'simpy', 'rich', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert cpu_s < 1  # 0.2 s; the clock on the wall tells how busy the machine is


def test_a_dry_run_says_what_would_run(file: str) -> None:
    said = call("run", file, "--dry-run", "--set", "services.CS-3.fleet.systems=4", "--seed", "3")
    assert said.exit_code == 0
    assert "4 x Cerebras CS-3" in said.stdout
    assert said.stderr == ""
    assert call("run", file, "--dry-run", "--quiet").stdout == ""


def test_the_seed_of_the_command_line_wins(file: str) -> None:
    digests = {call("run", file, "--dry-run", *more).stdout[-20:] for more in ([], ["--seed", "1"], ["--seed", "2"])}
    assert len(digests) == 2  # the scenario's seed is 1 where it says nothing


TINY = ["--set", "duration=10 s", "--set", "warm_up=0 s", "--no-figures"]


def test_a_run_prints_its_answer(file: str) -> None:
    said = call("run", file, *TINY)
    assert said.exit_code == 0
    assert said.stderr == ""
    assert "At the offered load:" in said.stdout
    assert "CS-3" in said.stdout
    assert "largest load" not in said.stdout  # no objective, no capacity
    assert call("run", file, *TINY).stdout == said.stdout
    assert call("run", file, *TINY, "--seed", "2").stdout != said.stdout
    assert call("run", file, *TINY, "--quiet").stdout == ""


def test_a_run_leaves_a_report(file: str, tmp_path: Path) -> None:
    changed = "s-duration_10_s-warm_up_0_s"
    assert f"reports/{changed}/report.html" in call("run", file, *TINY).stdout
    assert call("run", file, *TINY, "--seed", "2", "--png").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "reports").glob("s*")) == [changed, f"{changed}-seed_2"]
    assert (tmp_path / "reports" / changed / "summary.csv").is_file()
    assert not list((tmp_path / "reports" / changed).glob("*.png"))
    drawn = (tmp_path / "reports" / f"{changed}-seed_2" / "latency.png").read_bytes()
    assert (drawn[:4], drawn[16:24]) == (b"\x89PNG", (1600).to_bytes(4) + (900).to_bytes(4))
    assert call("run", file, *TINY, "--out", "here").exit_code == 0
    assert (tmp_path / "here" / "report.html").is_file()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    for place, words in (("full", "no report"), ("s.yaml", "is a file"), ("s.yaml/below", "cannot be written")):
        said = call("run", file, *TINY, "--out", place)
        assert said.exit_code == 2
        assert words in said.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "here", "reports", "s.yaml"]


def test_a_run_finds_the_capacity_at_the_objectives(file: str) -> None:
    said = call("run", file, *TINY, "--set", "objectives.ttft_p90=2 s", "--set", "capacity.width=0.5")
    assert said.exit_code == 0
    assert "At the largest load that keeps the objectives:" in said.stdout


def test_claims_are_answered_and_those_that_cannot_be_asked_are_bad_input(file: str) -> None:
    claim = "{id: C01, statement: fast, published: 1800, unit: tok/s, source: launch, answer: {speed: {service: %s}}}"
    said = call("run", file, *TINY, "--set", f"claims=[{claim % 'CS-3'}]")
    assert said.exit_code == 0
    assert "C01    1,800      1,800     tok/s  1.00   follows" in said.stdout
    said = call("run", file, *TINY, "--set", f"claims=[{claim % 'CS-4'}]")
    assert said.exit_code == 2
    assert "claims.0.answer.speed.service: no service named 'CS-4'; did you mean 'CS-3'?" in said.stderr


@pytest.mark.parametrize(("limit", "status"), [("1 us", 1), ("1 h", 0)])
def test_check_tells_by_status_whether_objectives_are_met(file: str, limit: str, status: int) -> None:
    objective = ["--set", f"objectives.ttft_p90={limit}", "--set", "capacity=false"]
    assert call("run", file, *TINY, *objective, "--check").exit_code == status
    assert call("run", file, *TINY, *objective).exit_code == 0


def test_bad_input_is_exit_status_2_on_stderr(file: str) -> None:
    said = call("run", file, "--dry-run", "--set", "services.0.fleet.system=cs3")
    assert said.exit_code == 2
    assert said.stdout == ""
    assert said.stderr == (
        "--set services.0.fleet.system=cs3: services.0.fleet.system: no system named 'cs3'; did you mean 'cs-3'?\n"
    )
    Path(file).write_text(SCENARIO.replace("cs-3", "cs3"))
    said = call("run", file, "--dry-run")
    assert said.exit_code == 2
    assert said.stderr == (
        f"{file}:10:21: services.0.fleet.system: no system named 'cs3'; did you mean 'cs-3'?\n"
        "      10 |     fleet: {system: cs3}\n"
        "         |                     ^^^\n"
    )


def test_a_missing_file_a_folder_and_a_misspelt_command(tmp_path: Path) -> None:
    for args, words in [
        (["run", str(tmp_path / "none.yaml"), "--dry-run"], "no such file"),
        (["run", str(tmp_path), "--dry-run"], "is a folder"),
        (["rnu"], "did you mean 'run'?"),
        (["run"], "Missing argument 'SCENARIO'"),
        (["catalog", "system", "cs3"], "did you mean 'cs-3'?"),
        (["catalog", "sistems"], "did you mean 'systems'?"),
        (["catalog", "cs3"], "the catalog has no 'cs3'; did you mean 'cs-3'?"),
        (["catalog", "model", "lama-3.1-8b"], "no model named 'lama-3.1-8b'; did you mean 'llama-3.1-8b'?"),
        (["catalog", "meta-llama/Llama-3.1-8"], "did you mean 'meta-llama/Llama-3.1-8B'?"),
        (["catalog", "engines", "vlm"], "no engine named 'vlm'; did you mean 'vllm'?"),
        (["run", "s.yaml", "--repliactions", "2"], "(Did you mean one of: '--replay', '--replications'?)"),
        (["capacity", "s.yaml", "--time-limit", "5"], "'5' has no unit; a time reads like '10 min'"),
        (["capacity", "s.yaml", "--width", "200%"], "200% is not more than 0 and at most 1"),
        (["sweep", "s.yaml", "--shard", "9/8"], "'9/8' is no part such as 2/8, from 1/8 to 8/8"),
    ]:
        said = call(*args)
        assert said.exit_code == 2
        assert words in said.stderr
        assert said.stdout == ""


def test_new_writes_a_scenario_that_runs_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    assert call("new", str(path)).exit_code == 0
    assert call("run", str(path), "--dry-run").exit_code == 0
    path.write_text("mine")
    said = call("new", str(path))
    assert said.exit_code == 2
    assert "is there already" in said.stderr
    assert path.read_text() == "mine"
    assert call("new", str(tmp_path / "none" / "my.yaml")).exit_code == 2


def test_the_catalog_shows_figures_with_their_sources() -> None:
    assert "systems: " in call("catalog").stdout
    assert "Cerebras CS-3" in call("catalog", "systems").stdout
    assert "no price found; a scenario gives its own" in call("catalog", "system", "tpu7x-64").stdout
    assert "l4-hyperscaler-2026" in call("catalog", "l4-8").stdout
    both = call("catalog", "cs-3").stdout  # a system and its price: a name alone is looked for in every kind
    assert "Cerebras CS-3" in both
    assert "434.5 MUSD / 192 systems" in both
    said = call("catalog", "price", "cs-3").stdout
    assert "1 MUSD  0.45 MUSD to 2.26 MUSD  assumed" in said
    for kind in ("systems", "devices", "models", "engines", "prices"):
        for name in (line.split()[0] for line in call("catalog", kind).stdout.splitlines()[2:]):
            assert call("catalog", kind, name).exit_code == 0, name


def test_what_goes_on_is_told_in_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE_S", 0.01)
    told = ""
    for quiet in (True, False):
        with progress.progress_bar(quiet=quiet) as tell:
            tell(im.Progress("points", 3, 4))
            ends = monotonic() + 0.03 if quiet else inf
            while not told and monotonic() < ends:
                told = capsys.readouterr().err
        assert bool(told) is not quiet
    assert told.startswith("points (3 of 4, ")


def test_schema_prints_the_reference() -> None:
    assert "| `duration` |" in call("schema").stdout


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (click.Abort(), 130, "interrupted\n"),
        (
            ZeroDivisionError("division\x1b by zero"),
            70,
            "infermodel failed: ZeroDivisionError: division\\x1b by zero (set INFERMODEL_TRACEBACK=1 to see where)\n",
        ),
        (MemoryError(), 70, "infermodel failed: MemoryError:  (set INFERMODEL_TRACEBACK=1 to see where)\n"),
        (
            RecursionError("deep"),
            70,
            "infermodel failed: RecursionError: deep (set INFERMODEL_TRACEBACK=1 to see where)\n",
        ),
    ],
)
def test_no_traceback_reaches_a_user(
    raised: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(ctx: click.Context, args: list[str]) -> None:
        raise raised

    monkeypatch.delenv(cli.TRACEBACK_VARIABLE, raising=False)
    monkeypatch.setattr(infermodel, "resolve_command", broken)
    result = call("run")
    assert (result.exit_code, result.stderr) == (status, said)
    if status == 70:
        monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
        assert "Traceback" in call("run").stderr


@pytest.fixture
def heeded() -> Iterator[None]:
    """Ctrl-C as in a terminal: a shell has what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_an_interrupt_that_a_library_turns_into_an_error_of_its_own_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def wraps(ctx: click.Context, args: list[str]) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("error calling function: KeyboardInterrupt") from None

    monkeypatch.setattr(infermodel, "resolve_command", wraps)
    result = call("run")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("heeded")
def test_a_second_interrupt_while_a_command_ends_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(ctx: click.Context, args: list[str]) -> None:
        signal.raise_signal(signal.SIGINT)

    def say(message: str) -> None:
        signal.raise_signal(signal.SIGINT)
        said.append(message)

    said: list[str] = []
    monkeypatch.setattr(infermodel, "resolve_command", interrupted)
    monkeypatch.setattr(cli, "say", say)
    assert call("run").exit_code == 130
    assert said == ["interrupted"]


def test_an_interrupt_that_nobody_wants_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(infermodel, "resolve_command", lambda ctx, args: signal.raise_signal(signal.SIGINT))
        call("run")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
