"""What a wheel has, and `make compile` makes: the inner loops, compiled by mypyc. All else stands in pyproject.toml.

A wheel of which they cannot be compiled has the sources alone; an editable installation never has them beside the
sources, where they would go on running after the sources have changed.

How long that takes counts, since somebody waits for it. Most of it is the C compiler's time, so it gets one file for
each core, where mypyc would have one for each module and a library for each of them beside; and the type checker sees
the packages that are needed and no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
WHEEL = "bdist_wheel" in sys.argv
CORES = os.cpu_count() or 1

FLAGS = [] if os.name == "nt" else ["-g0", "-ffp-contract=off"]
"""No product is added without being rounded first, so that the bits are those of plain Python on every processor."""

FROM_GCC = ["-fno-ipa-pure-const", "-fno-ipa-modref", "-fno-tree-pta", "-fno-tree-dominator-opts", "-fno-if-conversion",
            "-fno-if-conversion2"]  # fmt: skip
"""Passes of gcc at -O1 that take a fifth of its time and make nothing faster that could be measured."""

ENTRY = """
#define ENTRY(name) PyObject *CPyInit_##name(void); PyMODINIT_FUNC PyInit_##name(void) { return CPyInit_##name(); }
"""
"""Python may ask the library for a module under this name."""

SEEING = """
[mypy]
follow_imports = skip
no_site_packages = True
ignore_missing_imports = True
[mypy-{seen}]
follow_imports = silent
"""
"""Of mypy: types of other packages are not looked at, which takes most of its time and gains nothing here."""


def extension(scratch: Path) -> list[Extension]:
    """The inner loops as C, for a wheel none where that fails.

    Raises:
        SystemExit: they could not be translated, and no wheel is asked for; mypyc has said why.
    """
    compiled = run_path(str(ROOT / "src" / "infermodel" / "compiled.py"))
    seen = ",".join(["infermodel", "infermodel.compiled", *(f"infermodel.{name}.*" for name in compiled["SEEN"])])
    seeing = scratch / "mypy.ini"
    seeing.write_text(SEEING.format(seen=seen), encoding="utf-8")
    options = [f"--config-file={seeing}", f"--cache-dir={os.devnull}"]
    os.chdir(ROOT / "src")
    try:
        from mypyc.build import mypycify  # an editable installation does without

        library, *_ = mypycify(
            [*options, *compiled["sources"]()],
            opt_level="1",
            debug_level="0",
            multi_file=True,
            target_dir=str(scratch),
            group_name=compiled["LIBRARY"].removesuffix("__mypyc"),
        )
    except (ImportError, SystemExit):
        if WHEEL:
            return []
        raise
    finally:
        os.chdir(ROOT)
    entries = [compiled["entry"](f"infermodel.{name}") for name in compiled["HOT"]]
    parts = joined([Path(file).resolve() for file in library.sources], scratch, entries)
    library.sources[:] = [os.path.relpath(file, ROOT) for file in parts]  # setuptools takes no others
    library.depends.clear()
    library.extra_compile_args += FLAGS
    library.optional = WHEEL
    return [library]


def joined(files: Sequence[Path], scratch: Path, entries: Sequence[str]) -> list[Path]:
    """The same in one file for each core, about as long as each other; the first can be asked for each module."""
    parts: list[list[Path]] = [[] for _ in range(CORES)]
    lengths = [0] * CORES
    for file in sorted(files, key=lambda file: (-file.stat().st_size, file)):
        shortest = lengths.index(min(lengths))
        parts[shortest].append(file)
        lengths[shortest] += file.stat().st_size
    texts = ["".join(f'#include "{file.name}"\n' for file in part) for part in parts if part]
    texts[0] += ENTRY + "".join(f"ENTRY({entry})\n" for entry in entries)
    made = [scratch / f"part_{number}.c" for number in range(len(texts))]
    for file, text in zip(made, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return made


def is_gcc(command: Sequence[str]) -> bool:
    """Whether a compiler is there and is gcc; what others make of its options is not known."""
    try:
        said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False  # setuptools says so in a moment, and a wheel does without
    return "Free Software Foundation" in said.stdout


class OnAllCores(build_ext):
    """As setuptools' own, which compiles the files of one extension one after the other."""

    def build_extensions(self) -> None:
        """Compile as many files at once as there are cores."""
        compile_in_turn: Callable[..., list[str]] = self.compiler.compile
        if os.name != "nt" and is_gcc(self.compiler.compiler):
            for each in self.extensions:
                each.extra_compile_args += FROM_GCC
        with ThreadPoolExecutor(CORES) as pool:

            def compile_at_once(files: list[str], *arguments: object, **named: object) -> list[str]:
                found = pool.map(lambda file: compile_in_turn([file], *arguments, **named), files)
                return [each for of_file in found for each in of_file]

            self.compiler.compile = compile_at_once
            super().build_extensions()


if WHEEL or "build_ext" in sys.argv:
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as scratch:
        setup(ext_modules=extension(Path(scratch)), cmdclass={"build_ext": OnAllCores})
else:
    setup()
