"""Extensions of a wheel, and of `make compile`: the inner loops, compiled by mypyc. All else stands in pyproject.toml.

A wheel of which they cannot be compiled has the sources alone; an editable installation never has them beside the
sources, where they would go on running after the sources have changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
WHEEL = "bdist_wheel" in sys.argv

FLAGS = [] if os.name == "nt" else ["-g0", "-ffp-contract=off"]
"""No product is added without being rounded first, so that the bits are those of plain Python on every processor."""

BLIND = ["--config-file=", f"--cache-dir={os.devnull}", "--follow-imports=silent", "--no-site-packages",
         "--ignore-missing-imports"]  # fmt: skip
"""Of mypy: other packages' types are not looked at, which takes three quarters of its time and gains nothing here."""


def extensions(scratch: str) -> list[Extension]:
    """The inner loops as C, for a wheel none where that fails.

    Raises:
        SystemExit: they could not be translated, and no wheel is asked for; mypyc has said why.
    """
    sources = run_path(str(ROOT / "src" / "infermodel" / "compiled.py"))["sources"]
    os.chdir(ROOT / "src")
    try:
        from mypyc.build import mypycify  # an editable installation does without

        made = mypycify([*BLIND, *sources()], opt_level="1", debug_level="0", multi_file=True, target_dir=scratch)
    except (ImportError, SystemExit):
        if WHEEL:
            return []
        raise
    finally:
        os.chdir(ROOT)
    for extension in made:
        for files in extension.sources, extension.depends:
            files[:] = [os.path.relpath(file, ROOT) for file in files]  # setuptools takes no others
        extension.extra_compile_args += FLAGS
        extension.optional = WHEEL
    return made


class OnAllCores(build_ext):
    """As setuptools' own, which compiles the files of one extension one after the other."""

    def build_extensions(self) -> None:
        """Compile as many files at once as there are cores."""
        compile_in_turn: Callable[..., list[str]] = self.compiler.compile
        with ThreadPoolExecutor(os.cpu_count()) as pool:

            def compile_at_once(files: list[str], *arguments: object, **named: object) -> list[str]:
                found = pool.map(lambda file: compile_in_turn([file], *arguments, **named), files)
                return [each for of_file in found for each in of_file]

            self.compiler.compile = compile_at_once
            super().build_extensions()


if WHEEL or "build_ext" in sys.argv:
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as scratch:
        setup(ext_modules=extensions(scratch), cmdclass={"build_ext": OnAllCores})
else:
    setup()
