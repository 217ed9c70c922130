"""The explorer in a real browser: a slider is moved, and the figure read is what `infermodel run --set` says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from selenium import webdriver
from tests.explore.explored_services import BOUGHT

import infermodel as im

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


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of an explorer, and its scenario's file."""
    file = tmp_path / "one.yaml"
    file.write_text(BOUGHT)
    command = [sys.executable, "-m", "infermodel", "explore", str(file), "--no-browser", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = ""
        while not said.endswith("}\n") or said.count("{") != said.count("}"):
            said += server.stdout.readline()
        yield json.loads(said)["tables"]["server"][0]["url"], file
        server.terminate()


def until(browser: Any, state: str) -> None:
    """Wait until the table shows a run or a bracket."""
    ends = monotonic() + 120
    while browser.execute_script("return document.getElementById('table').dataset.state") != state:
        assert monotonic() < ends, browser.get_log("browser")
        sleep(0.1)


def shown(browser: Any, key: str) -> float:
    return float(browser.execute_script(f"return document.querySelector('td[data-key={key}]').dataset.value"))


def slide(browser: Any, path: str, share: float) -> None:
    """As a hand does: the slider goes there, and is let go."""
    script = """
        const slider = document.querySelector(`[data-path="${arguments[0]}"] input[type=range]`);
        slider.value = Math.round(arguments[1] * slider.max);
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        slider.dispatchEvent(new Event("change", {bubbles: true}));
        document.getElementById("table").dataset.state = "moved";
    """
    browser.execute_script(script, path, share)


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
    browser.execute_script("document.getElementById('table').dataset.state = 'moved'")
    until(browser, "run")
    assert shown(browser, "rpm") == before
    browser.find_element("id", "capacity").click()
    until(browser, "capacity")
    (bracket,) = im.run(file).capacities
    assert shown(browser, "most") == 60 * bracket.low
    assert len(browser.find_elements("css selector", "#latency .scatterlayer .trace")) == 1
    wrong = [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
    assert wrong == []


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
