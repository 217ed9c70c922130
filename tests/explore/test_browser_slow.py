"""The explorer in a real browser: a slider is moved, and the figure read is what `infermodel run --set` says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import Select, WebDriverWait
from tests.explore.explored_services import BOUGHT, write_sweep

import infermodel as im
from infermodel.explore.export import sweep_file

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM.exists() and DRIVER.exists()), reason=f"needs {CHROMIUM} and {DRIVER}"),
]

FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for each in (*FLAGS, f"user-data-dir={tmp_path / 'profile'}", "window-size=1280,900"):
        options.add_argument(f"--{each}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield found
    found.quit()


LOOP = """
title: Users
seed: 1
duration: 40 s
traffic:
  arrivals: {kind: closed, users: 8}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 50}
objectives: {tpot_mean: 8 ms}
services:
  - {name: A, model: llama-3.1-8b, fleet: {system: dgx-h100, tensor_parallel: 1, replicas: 1}, price: {rental: 2 USD/h}}
"""
"""Whose bracket of 2 % is two numbers of users that follow each other."""


@pytest.fixture
def page(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """Address of an explorer, and its scenario's file."""
    file = tmp_path / "one.yaml"
    file.write_text(getattr(request, "param", BOUGHT))
    command = [sys.executable, "-m", "infermodel", "explore", str(file), "--no-browser", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = ""
        while not said.endswith("}\n") or said.count("{") != said.count("}"):
            said += server.stdout.readline()
        yield json.loads(said)["tables"]["server"][0]["url"], file
        server.terminate()


def until(browser: Any, state: str, within_s: float = 120.0) -> None:
    """Wait until the table shows a run or a bracket."""
    ends = monotonic() + within_s
    while browser.execute_script("return document.getElementById('table').dataset.state") != state:
        assert monotonic() < ends, browser.get_log("browser")
        sleep(0.1)


def shown(browser: Any, key: str) -> float:
    return float(browser.execute_script(f"return document.querySelector('td[data-key={key}]').dataset.value"))


def moved(browser: Any) -> None:
    """Forget what is shown, so that `until` waits for the next answer."""
    browser.execute_script("document.getElementById('table').dataset.state = 'moved'")


def slide(browser: Any, path: str, share: float) -> None:
    """As a hand does: the slider goes there, and is let go."""
    script = """
        const slider = document.querySelector(`[data-path="${arguments[0]}"] input[type=range]`);
        slider.value = Math.round(arguments[1] * slider.max);
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        slider.dispatchEvent(new Event("change", {bubbles: true}));
    """
    browser.execute_script(script, path, share)
    moved(browser)


def test_a_slider_moves_the_answer_to_what_run_says(browser: Any, page: tuple[str, Path], tmp_path: Path) -> None:
    url, file = page
    browser.get(url)
    until(browser, "run")
    before = shown(browser, "rpm")
    slide(browser, "traffic.arrivals.rate", 0.8)
    until(browser, "run")
    entry = browser.find_element("css selector", '[data-path="traffic.arrivals.rate"] input[type=text]')
    rate = float(entry.get_attribute("value"))
    assert rate > 300
    command = [sys.executable, "-m", "infermodel", "run", str(file), "--set", f"traffic.arrivals.rate={rate:g} /min"]
    command += ["--set", "capacity=false", "--json", "--no-figures", "--out", str(tmp_path / "report")]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ).stdout
    (row,) = json.loads(said)["tables"]["summary"]
    for key, column in (("rpm", "rpm"), ("tpm", "tpm"), ("ttft_p99", "ttft_p99_s"), ("tpot_p50", "tpot_p50_s")):
        assert shown(browser, key) == row[column]
    browser.find_element("id", "undo").click()
    moved(browser)
    until(browser, "run")
    assert shown(browser, "rpm") == before
    browser.find_element("id", "capacity").click()
    until(browser, "capacity")
    (bracket,) = im.run(file).capacities
    assert shown(browser, "most") == 60 * bracket.low
    assert len(browser.find_elements("css selector", "#latency .scatterlayer .trace")) == 1
    wrong = [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
    assert wrong == []


def test_another_system_is_chosen_and_the_scenario_copied(browser: Any, page: tuple[str, Path], tmp_path: Path) -> None:
    url, file = page
    browser.get(url)
    until(browser, "run")
    browser.execute_script(
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }"
    )
    Select(browser.find_element("css selector", '[data-path="services.0.fleet.system"] select')).select_by_value(
        "hgx-h200"
    )
    moved(browser)
    until(browser, "run")
    changed = im.load(file, set={"services.0.fleet.system": "hgx-h200", "services.0.price.purchase": "hgx-h200"})
    browser.find_element("id", "copy-whole").click()
    WebDriverWait(browser, 20).until(lambda browser: browser.execute_script("return window.copied"))
    (tmp_path / "copied.yaml").write_text(browser.execute_script("return window.copied"))
    assert im.load(tmp_path / "copied.yaml").digest == changed.digest
    prices = im.run(changed.changed({"capacity": False})).table("prices")
    assert [shown(browser, "usd_per_h")] == list(prices.query("item == 'hourly.total'").mid)
    browser.find_element("id", "undo").click()
    moved(browser)
    until(browser, "run")
    assert browser.execute_script("return document.getElementById('table').dataset.digest") == im.load(file).digest[:16]


@pytest.mark.parametrize("page", [LOOP], indirect=True)
def test_the_exact_bracket_comes_to_its_end(browser: Any, page: tuple[str, Path]) -> None:
    browser.get(page[0])
    until(browser, "run")
    browser.find_element("id", "exact").click()
    until(browser, "capacity", 600.0)
    said = browser.find_element("css selector", "td[data-key=most] span").text
    low, high = (int(each) for each in re.findall(r"\d+", said)[:2])
    assert (high, shown(browser, "most")) == (low + 1, low)
    (bracket,) = im.run(page[1]).capacities  # to 10 %, of few requests
    assert 0.9 * bracket.low <= low <= 1.1 * bracket.high


def test_a_sweep_in_one_file_is_chosen_from(browser: Any, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path)
    page = tmp_path / "page.html"
    page.write_text(sweep_file(im.sweep(sweep)))
    browser.get(page.as_uri())
    assert browser.execute_script("return document.querySelectorAll('#table tbody tr').length") == 4
    Select(browser.find_element("id", "measure")).select_by_value("offered_rpm")
    Select(browser.find_element("id", "axis-1")).select_by_index(2)
    cells = [each.text for each in browser.find_elements("css selector", "#table td[data-key=offered_rpm]")]
    assert cells == ["120", "120"]
    assert len(browser.find_elements("css selector", "#chart .scatterlayer .trace")) == 1
    assert [each for each in browser.get_log("browser") if each["level"] == "SEVERE"] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_what_is_wrong_stands_beside_its_control(browser: Any, page: tuple[str, Path]) -> None:
    browser.get(page[0])
    until(browser, "run")
    entry = browser.find_element("css selector", '[data-path="traffic.arrivals.rate"] input[type=text]')
    entry.clear()
    entry.send_keys("12 apples\t")
    ends = monotonic() + 20
    said = ""
    while "apples" not in said:
        assert monotonic() < ends
        said = browser.find_element("css selector", '[data-path="traffic.arrivals.rate"] .wrong').text
        sleep(0.1)
