"""Files that are no files, files of nothing and of everything: each is refused in words, soon and in little memory."""

from __future__ import annotations

import os
import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infermodel.cli import infermodel
from infermodel.scenario import ScenarioErrors, load

SCENARIO = """\
title: T
requests: 3
traffic:
  arrivals: {kind: trace, file: FILE, format: FORMAT}
services:
  - {name: CS-3, model: MODEL, fleet: {system: cs-3}, limits: {max_context: 8192}}
"""
LOG = "arrived_at_s,prompt_tokens,output_tokens\n0,1,1\n1,2,2\n2,3,3\n"
BIG = 200_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("special")
    (folder / "empty").write_bytes(b"")
    (folder / "blank").write_text("\n \n\t\n")
    (folder / "binary").write_bytes(bytes(range(256)) * 100)
    (folder / "big").touch()
    os.truncate(folder / "big", BIG)  # all zero bytes, and no disk
    with (folder / "line").open("wb") as file:
        for _ in range(BIG // 10_000_000):
            file.write(b"1," * 5_000_000)
    (folder / "deep").write_text('{"a": ' + "[" * 100_000)
    (folder / "digits").write_text('{"hidden_size": ' + "9" * 10_000 + "}")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    (folder / "log.csv").write_text(LOG)
    (folder / "link").symlink_to("log.csv")
    (folder / 'quo"te; $(touch x) =1+1 中文.csv').write_text(LOG)
    yield folder
    (folder / "line").unlink()


def said_of(desk: Path, arguments: list[str]) -> Result:
    """What a command says, in less than 200 MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    tracemalloc.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        result = CliRunner().invoke(infermodel, arguments)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 200e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 30
    return result


BAD = ["pipe", "empty", "blank", "binary", "big", "line", "deep", "folder", "loop", "dangling", "/dev/zero", "x" * 110]


@pytest.mark.parametrize("name", [*BAD, "none", "x" * 300])
def test_as_a_scenario(desk: Path, name: str) -> None:
    result = said_of(desk, ["run", name, "--dry-run"])
    assert result.exit_code == 2
    assert result.stderr.startswith(name)


@pytest.mark.parametrize("form", ["azure", "burstgpt", "mooncake", "requests"])
@pytest.mark.parametrize("name", [*BAD, "digits"])
def test_as_a_log(desk: Path, name: str, form: str) -> None:
    (desk / "s.yaml").write_text(
        SCENARIO.replace("FILE", name).replace("FORMAT", form).replace("MODEL", "llama-3.1-8b"), encoding="utf-8"
    )
    result = said_of(desk, ["run", "s.yaml", "--dry-run"])
    assert result.exit_code == 2
    assert "traffic.arrivals.file: " in result.stderr


def test_kept_results_that_are_no_files(desk: Path, tmp_path: Path) -> None:
    """Pipes where a folder of benchmarks or of a report has its files."""
    for name in ("a.json", "manifest.json", "summary.csv"):
        os.mkfifo(tmp_path / name)
    served = ["--served", "llama-3.1-8b", "h100-sxm", "vllm"]
    for arguments in (["compare", str(tmp_path), str(tmp_path)], ["calibrate", "--bench", str(tmp_path), *served]):
        result = said_of(desk, arguments)
        assert result.exit_code == 2, result.stderr
        assert str(tmp_path) in result.stderr


@pytest.mark.parametrize("name", [*BAD, "digits", "x" * 300])
def test_as_a_models_configuration(desk: Path, name: str) -> None:
    text = SCENARIO.replace("FILE", "log.csv").replace("FORMAT", "requests").replace("MODEL", f"{{config: {name}}}")
    (desk / "s.yaml").write_text(text)
    result = said_of(desk, ["run", "s.yaml", "--dry-run"])
    assert result.exit_code == 2
    assert "services.0.model" in result.stderr


@pytest.mark.parametrize("name", ["pipe", "empty", "blank", "binary", "line", "deep", "folder", "loop", "dangling"])
@pytest.mark.parametrize("command", ["validate", "calibrate", "sweep", "plan", "claims", "capacity", "compare"])
def test_as_anything_else(desk: Path, name: str, command: str) -> None:
    result = said_of(desk, [command, name, *(["folder"] if command == "compare" else [])])
    assert result.exit_code == 2, result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["link", 'quo"te; $(touch x) =1+1 中文.csv'])
def test_a_link_and_an_odd_name_are_files_like_others(desk: Path, name: str) -> None:
    quoted = "'" + name + "'"
    text = SCENARIO.replace("FILE", quoted).replace("FORMAT", "requests").replace("MODEL", "llama-3.1-8b")
    (desk / "s.yaml").write_text(text, encoding="utf-8")
    assert said_of(desk, ["run", "s.yaml", "--dry-run"]).exit_code == 0
    assert not (desk / "x").exists()


@pytest.mark.parametrize(
    "evil",
    [
        "!!python/object/apply:os.system ['touch evil']",
        "!!python/object/new:os.system ['touch evil']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object:infermodel.units.parse {}",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch evil']",
        "__import__('os').system('touch evil')",
        "{{ ''.__class__.__mro__ }}",
        "${PATH}",
        "$(touch evil)",
        "`touch evil`",
    ],
)
def test_no_code_of_a_scenario_is_ever_run(tmp_path: Path, evil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = SCENARIO.replace("MODEL", "llama-3.1-8b").replace("FORMAT", "requests").replace("FILE", "log.csv")
    Path("log.csv").write_text(LOG)
    Path("s.yaml").write_text(text.replace("title: T", f"title: {evil}"))
    try:
        title = load("s.yaml").title
    except ScenarioErrors as refused:
        title = evil if str(refused).startswith("s.yaml:1:") else ""
    assert title == evil  # refused where it stands, or words
    assert not Path("evil").exists()
