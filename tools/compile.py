"""Compile the inner loops of this checkout, once for its sources; `make compile` does.

    python tools/compile.py [--again] [--within SECONDS]

`--again` tries once more where that has been tried for these sources. Whatever stands in the way, this ends well and
says so in a line: plain Python gives the same results.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from infermodel.compiled import PLAIN_VARIABLE, WHY_NOT, products

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 60.0
UNFINISHED = "unfinished-"


def lacking() -> str:
    """What compiling needs and this machine has not; empty: nothing."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are not installed"
    return "" if find_spec("mypyc") else "mypy is not installed"


def build(into: Path, longest_s: float) -> str:
    """Let setuptools build the extensions; returns why that failed, empty if it did not."""
    with TemporaryDirectory() as scratch:
        command = [sys.executable, "setup.py", "-q", "build_ext", f"--build-lib={into}", f"--build-temp={scratch}"]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            said, _ = process.communicate(timeout=longest_s)
        except subprocess.TimeoutExpired:
            return f"compiling took longer than {longest_s:g} s (`make compile` waits longer)"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the compilers that it started, too
                process.wait()
    if process.returncode:
        return "compiling failed: " + (said.strip().splitlines() or ["no reason given"])[-1]
    return ""


def compile_once(place: Path, longest_s: float) -> str:
    """Put the extensions in their place; returns why that failed, empty if it did not or had been tried before.

    Raises:
        OSError: nothing can be written there.
    """
    if place.exists():
        return ""
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=UNFINISHED) as unfinished:
        made = Path(unfinished, "made")
        made.mkdir()
        why_not = lacking()
        if not why_not:
            said = f"compiling the inner loops, once for these sources (at most {longest_s:g} s) ..."
            print(said, file=sys.stderr, flush=True)
            why_not = build(made, longest_s)
        if why_not:
            shutil.rmtree(made)
            made.mkdir()
            (made / WHY_NOT).write_text(why_not, encoding="utf-8")
        for other in place.parent.iterdir():  # of sources that are no more
            if not other.name.startswith(UNFINISHED):
                shutil.rmtree(other, ignore_errors=True)
        made.rename(place)
    return why_not


def main() -> None:
    """Compile, and say in a line if that failed."""
    arguments = ArgumentParser(description="Compile the inner loops.")
    arguments.add_argument("--again", action="store_true", help="also where it has been tried for these sources")
    arguments.add_argument("--within", type=float, default=LONGEST_S, metavar="SECONDS", help="give up after that")
    asked = arguments.parse_args()
    if os.environ.get(PLAIN_VARIABLE):
        return
    place = products()
    if asked.again:
        shutil.rmtree(place, ignore_errors=True)
    try:
        why_not = compile_once(place, asked.within)
    except OSError as error:
        why_not = f"{error.filename} cannot be written ({error.strerror})"
    if why_not:
        print(f"the inner loops run in plain Python: {why_not}", file=sys.stderr)


if __name__ == "__main__":
    main()
