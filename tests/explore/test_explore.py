"""The explorer's server: questions are answered as the command line answers them, and nobody else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.explore.explored_services import APART, BOUGHT, RENTED

import infermodel as im
from infermodel.explore.answers import first_answer
from infermodel.explore.controls import controls
from infermodel.explore.server import PAGES, Explorer
from infermodel.serve.host import own_names

FASTER = {"traffic.arrivals.rate": "300 /min", "services.0.fleet.systems": 2}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(BOUGHT + RENTED)
    return path


def asked(file: Path, work: Callable[[TestClient[Any, Any]], Awaitable[None]]) -> None:
    """Work with a client of a server on loopback."""

    async def between() -> None:
        explorer = Explorer(im.load(file), own_names())
        async with TestClient(TestServer(explorer.application())) as client:
            await work(client)

    asyncio.run(between())


def test_controls_are_the_keys_of_the_file(file: Path) -> None:
    """Every control, set to the value that it shows, leaves the scenario as it is."""
    base = im.load(file)
    found = {each.path: each for each in controls(base)}
    assert (found["traffic.arrivals.rate"].value, found["traffic.arrivals.rate"].unit) == (120.0, "/min")
    assert found["services.1.traffic.arrivals.users"].value == 8
    assert found["objectives.tpot_p99"].value == 50.0
    assert found["services.1.price.rental"].value == 2.0
    assert found["services.0.prices.life"].value == 4.0
    for each in found.values():
        if "price" in each.path:
            continue  # a price of the catalog has a name and a range, a figure has neither
        said = each.value if isinstance(each.value, str) else f"{each.value:g} {each.unit}".strip()
        said = int(said) if each.whole or said.isdigit() else said
        assert base.changed({each.path: said}).digest == base.digest, each


def test_another_system_comes_with_its_own_price(tmp_path: Path) -> None:
    """Of the catalog, where the file names one; a pool has a price of its own."""
    (tmp_path / "apart.yaml").write_text(BOUGHT + APART)
    base = im.load(tmp_path / "apart.yaml")
    found = {each.path: each for each in controls(base)}
    bought, pool = found["services.0.fleet.system"], "services.1.fleet.pools.0."
    readers, writers = found[f"{pool}system"], found["services.1.fleet.pools.1.system"]
    assert (bought.value, readers.value, writers.value) == ("dgx-h100", "dgx-h100", "hgx-h200")
    assert "cs-3" not in bought.choices
    assert bought.beside["hgx-h200"] == {"services.0.price.purchase": "hgx-h200"}
    assert bought.beside["l40s-8"] == {"services.0.price.purchase": None}  # which the catalog has none of
    assert readers.beside["hgx-h200"] == {f"{pool}price.rental": "h200-sxm-neocloud-2026-09"}
    assert found[f"{pool}price.rental"].label == "readers: Rent of a device"
    assert found["services.1.fleet.pools.1.price.purchase"].label == "writers: Price of a system"
    for control in (bought, readers):
        after = base.changed({control.path: "hgx-h200", **control.beside["hgx-h200"]})
        told = {each["service"]: each["figures"] for each in first_answer(after)["services"]}
        before = {each["service"]: each["figures"] for each in first_answer(base)["services"]}
        for service, figures in told.items():
            moved = figures["usd_per_h"]["value"] != before[service]["usd_per_h"]["value"]
            assert moved is (service == control.group)


def test_a_sketch_comes_at_once(file: Path) -> None:
    """Processor time, of which a slider's move may take 0.3 s: 0.02 s for a service once the catalog has been read."""
    base = im.load(file)
    took = []
    for rate in (100, 200, 300):
        began_s = process_time()
        first_answer(base.changed({"traffic.arrivals.rate": f"{rate} /min"}))
        took.append(process_time() - began_s)
    assert min(took) < 0.3


def test_a_run_is_what_the_library_says(file: Path) -> None:
    changed = im.load(file, set=FASTER)
    expected = im.run(changed.changed({"capacity": False})).summary.set_index("service")

    async def work(client: TestClient[Any, Any]) -> None:
        sketch = await (await client.post("/sketch", json={"changes": FASTER})).json()
        answer = await (await client.post("/run", json={"changes": FASTER})).json()
        assert sketch["digest"] == answer["digest"] == changed.digest[:16]
        for each, rough in zip(answer["services"], sketch["services"], strict=True):
            row, figures = expected.loc[each["service"]], each["figures"]
            for key, column in (("rpm", "rpm"), ("ttft_p99", "ttft_p99_s"), ("tpot_p50", "tpot_p50_s")):
                assert figures[key]["value"] == row[column]
            assert 0.4 < rough["figures"]["rpm"]["value"] / row["rpm"] < 2.5
            assert len(each["curves"]["ttft"]) == 101
        assert sketch["services"][0]["figures"]["rpm"]["value"] == pytest.approx(300)

    asked(file, work)


def test_capacity_is_a_bracket_and_a_move_gives_it_up(file: Path) -> None:
    async def work(client: TestClient[Any, Any]) -> None:
        waiting = asyncio.create_task(client.post("/capacity", json={"changes": {}}))
        await asyncio.sleep(0.3)
        assert (await client.post("/sketch", json={"changes": FASTER})).status == 200
        given_up = await waiting
        assert given_up.status == 409
        assert await given_up.json() == {"superseded": True}
        assert (await client.post("/run", json={"changes": FASTER})).status == 200

    asked(file, work)


def test_what_is_wrong_is_said_beside_its_key(file: Path) -> None:
    async def work(client: TestClient[Any, Any]) -> None:
        for path in ("/sketch", "/run", "/yaml"):
            refused = await client.post(path, json={"changes": {"traffic.arrivals.rate": "12 apples"}})
            assert refused.status == 422
            (error,) = (await refused.json())["errors"]
            assert error["change"].startswith("--set traffic.arrivals.rate=")
            assert "apples" in error["message"]

    asked(file, work)


def test_yaml_is_the_scenario_with_the_changes(file: Path, tmp_path: Path) -> None:
    async def work(client: TestClient[Any, Any]) -> None:
        told = await (await client.post("/yaml", json={"changes": FASTER})).json()
        (tmp_path / "copied.yaml").write_text(told["whole"])
        assert im.load(tmp_path / "copied.yaml").digest == im.load(file, set=FASTER).digest
        assert "traffic.arrivals.rate: 300 /min" in told["changed"]

    asked(file, work)


def test_only_those_who_call_it_by_its_name_are_answered(file: Path) -> None:
    async def work(client: TestClient[Any, Any]) -> None:
        for host in ("evil.example", "evil.example:8020", "127.0.0.1.evil.example"):
            for path in ("/", "/scenario", "/plotly.js"):
                assert (await client.get(path, headers={"Host": host})).status == 403
            assert (await client.post("/sketch", json={"changes": {}}, headers={"Host": host})).status == 403
        body = json.dumps({"changes": {}})
        assert (await client.post("/sketch", data=body, headers={"Content-Type": "text/plain"})).status == 415

    asked(file, work)


def test_no_request_names_a_file(file: Path) -> None:
    async def work(client: TestClient[Any, Any]) -> None:
        for path in (
            "/two.yaml",
            "/explore.html",
            "/../server.py",
            "/%2e%2e/server.py",
            "/etc/passwd",
            f"/static{file}",
        ):
            assert (await client.get(path)).status == 404
        for bad in ({"scenario": "/etc/passwd"}, {"changes": [1]}, {"changes": {"a": {"b": 1}}}, []):
            assert (await client.post("/sketch", json=bad)).status == 400

    asked(file, work)


def test_pages_load_nothing_from_elsewhere(file: Path) -> None:
    async def work(client: TestClient[Any, Any]) -> None:
        for path in PAGES:
            answer = await client.get(path)
            assert answer.status == 200
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
            if path != "/plotly.js":  # which knows of maps that nobody asks for; the policy keeps it from them
                assert "//" not in (await answer.text()).replace("// ", "")

    asked(file, work)
