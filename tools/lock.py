"""Write requirements.lock, requirements-dev.lock and requirements-clients.lock: the exact versions that pip finds now
for pyproject.toml, and for the load generators that the stand-in server is tried with.

Each stands with the SHA-256 of every file of its release, so that any platform installs what was locked and nothing
else. With `--keep` the versions stay and only their hashes are asked for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from pip._internal.models.index import PyPI  # pip's own default: it names the index nowhere else

ROOT = Path(__file__).parents[1]

BUILD = ("setuptools>=77", "mypy>=1.15")
"""What an installation without build isolation needs beside the project's own requirements."""

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")

JSON_PAGE = "application/vnd.pypi.simple.v1+json"
"""An index's page of a project as JSON (PEP 691); it lists every file with its hashes."""


def resolved(*wanted: str) -> dict[str, str]:
    """Name and version of everything that pip would install for `wanted` into an empty environment."""
    asked = [*PIP, "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run([*asked, *wanted], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = (each["metadata"] for each in json.loads(report)["install"])
    return {each["name"]: each["version"] for each in found if each["name"] != "infermodel"}


def locked(path: Path) -> dict[str, str]:
    """Name and version of everything that a lock file holds."""
    pins = (
        line.split(" ")[0].partition("==") for line in path.read_text(encoding="utf-8").splitlines() if "==" in line
    )
    return {name: version for name, _, version in pins}


def index() -> str:
    """The address of the index that pip is set up to ask."""
    asked = subprocess.run([*PIP, "config", "list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    settings = dict(line.split("=", 1) for line in asked.splitlines())
    said = (settings.get(f"{where}.index-url", "") for where in (":env:", "install", "global"))
    return next((address.strip("'") for address in said if address), PyPI.simple_url).rstrip("/")


def hashes(address: str, name: str, version: str) -> list[str]:
    """SHA-256 of every file of a release, wheels of all platforms and the sources.

    Raises:
        SystemExit: the index has no file of it.
    """
    page = Request(f"{address}/{name.lower().replace('_', '-').replace('.', '-')}/", headers={"Accept": JSON_PAGE})
    with urlopen(page, timeout=60) as answer:
        files = json.load(answer)["files"]
    found = {each["hashes"]["sha256"] for each in files if version_of(each["filename"]) == version}
    if not found:
        raise SystemExit(f"the index has no file of {name} {version}")
    return sorted(found)


def version_of(filename: str) -> str:
    """The version in the name of a wheel or of sources.

    >>> version_of("a_b-1.2-py3-none-any.whl"), version_of("a-b-1.2.tar.gz"), version_of("a.zip")
    ('1.2', '1.2', '')
    """
    if filename.endswith(".whl"):
        return filename.split("-")[1]
    for ending in (".tar.gz", ".zip"):
        if filename.endswith(ending):
            return filename.removesuffix(ending).rpartition("-")[2] if "-" in filename else ""
    return ""


def write(path: Path, versions: dict[str, str], address: str) -> None:
    """`name==version` and the hashes of its files, by name."""
    entries = [
        " \\\n    ".join(
            [f"{name}=={versions[name]}", *(f"--hash=sha256:{each}" for each in hashes(address, name, versions[name]))]
        )
        for name in sorted(versions, key=str.lower)
    ]
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")


RUNTIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
CLIENTS = ROOT / "requirements-clients.lock"

LOAD_GENERATORS = ("aiperf==0.13.0", "guidellm==0.8.1", "setuptools>=77")
"""An environment of their own (6.5 GB): one of them needs PyTorch."""


def main(keep: bool) -> None:
    """Write all files; the second holds what only development needs."""
    if keep:
        runtime, everything = locked(RUNTIME), locked(RUNTIME) | locked(DEVELOPMENT)
        clients = locked(CLIENTS)
    else:
        everything = resolved(".[dev]", *BUILD)
        runtime = {name: everything[name] for name in resolved(".[serve,explore]", *BUILD)}
        clients = resolved(*LOAD_GENERATORS)
    address = index()
    write(RUNTIME, runtime, address)
    write(DEVELOPMENT, {name: everything[name] for name in everything.keys() - runtime.keys()}, address)
    write(CLIENTS, clients, address)


if __name__ == "__main__":
    main(keep="--keep" in sys.argv[1:])
