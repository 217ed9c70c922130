"""Every file of the catalog loads, and every figure says where it comes from."""

from __future__ import annotations

import pytest

from infermodel import catalog
from infermodel.catalog import CatalogError, documents, quantities
from infermodel.hardware import Quantity

LOADERS = {
    "devices": catalog.load_device,
    "systems": catalog.load_system,
    "models": catalog.load_model,
    "engines": catalog.load_engine,
    "prices": catalog.load_price,
}
EVERYTHING = [(kind, name) for kind in LOADERS for name in catalog.names(kind)]
GOOD = {"value": "3 GB", "kind": "assumed", "range": ["2 GB", "4 GB"], "source": "a paper", "date": "2024"}


@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_loads_and_every_figure_has_a_source(kind: str, name: str) -> None:
    loaded = LOADERS[kind](name)
    assert loaded.name == name
    assert loaded.title
    assert loaded.provenance
    for where, figure in loaded.provenance.items():
        assert figure.source, where
        assert figure.date, where
        if figure.kind == "assumed":
            assert figure.low is not None, where
            assert figure.high is not None, where
            assert figure.low <= figure.value <= figure.high, where


def test_a_name_is_given_once_across_kinds_that_a_scenario_mixes() -> None:
    assert not set(catalog.names("devices")) & set(catalog.names("systems"))


def test_a_second_load_is_the_same_object() -> None:
    assert catalog.load_system("cs-3") is catalog.load_system("cs-3")
    assert catalog.load_system("cs-3").device is catalog.load_device("wse-3")


def test_figures_by_hand() -> None:
    wafer = catalog.load_device("wse-3")
    assert wafer.family == "wafer"
    assert wafer.memory_bandwidth == 21e15
    assert wafer.cores == 762 * 1172
    server = catalog.load_system("dgx-h100")
    assert server.devices == 8
    assert server.link.bandwidth == 450e9
    assert server.network.bandwidth == 400e9 / 8
    assert server.device.memory_capacity_bytes == pytest.approx(79.19 * 2**30, rel=1e-15)
    assert server.provenance["power_max_w"] == Quantity(
        10200.0, "kW", "datasheet", "NVIDIA DGX H100 data sheet", "2023"
    )
    assert catalog.load_price("us-industrial-2024").value == pytest.approx(0.0867 / 3.6e6, rel=1e-15)
    assert catalog.load_price("cerebras-2024-08").tokens("llama-3.1-70b").output.value == 6e-7


def test_what_a_new_device_is_and_borrows_by_hand() -> None:
    sold, shown = 270, 178.35 / 180  # GB of a B300, and what a B200's runtime shows of its 180
    b300, mi355x = catalog.load_device("b300"), catalog.load_device("mi355x")
    assert b300.memory_capacity_bytes / 2**30 == pytest.approx(sold * shown, abs=0.1)
    assert b300.constants == catalog.load_device("b200").constants
    assert catalog.load_system("gb300-nvl72").device.peak_flops["fp4"] == 15e15
    assert mi355x.constants == catalog.load_device("mi300x").constants
    assert catalog.load_system("mi355x-8").link.bandwidth == pytest.approx(7 * 76.8e9, rel=1e-3)
    assert {mi355x.provenance[f"constants.{name}"].kind for name in mi355x.constants} == {"assumed"}


@pytest.mark.parametrize(
    ("load", "name", "message"),
    [
        (catalog.load_system, "cs3", "no system named 'cs3'; did you mean 'cs-3'?"),
        (catalog.load_device, "h100", "no device named 'h100'; did you mean 'h100-nvl' or 'h100-pcie' or 'h100-sxm'?"),
        (catalog.load_model, "llama3.1-8b", "no model named 'llama3.1-8b'; did you mean 'llama-3.1-8b'?"),
        (catalog.load_engine, "vLLM", "no engine named 'vLLM'; did you mean 'vllm'?"),
        (catalog.load_price, "zzz", "no price named 'zzz'"),
        (catalog.names, "device", "the catalog has no 'device'; did you mean 'devices'?"),
        (catalog.load_price("cerebras-2024-08").tokens, "llama-3.1-80b", "has no 'llama-3.1-80b'; did you mean 'llama"),
    ],
)
def test_an_unknown_name_gets_the_nearest(load, name: str, message: str) -> None:
    with pytest.raises(CatalogError) as error:
        load(name)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "3 GBs"}, "here: unknown unit 'GBs'; did you mean 'GB/s'?"),
        ({"value": "3 s"}, "here: '3 s' is a time, not a bytes"),
        ({"kind": "guess"}, "here: kind 'guess' is none of measured, calibrated"),
        ({"range": ["4 GB", "5 GB"]}, "here: 3 GB lies outside its range"),
        ({"range": "2 GB"}, "here: "),
        ({"source": ""}, "here: a figure has a value and a source"),
        ({"sorce": "x"}, "here: unknown key 'sorce'; did you mean 'source'?"),
    ],
)
def test_a_wrong_figure_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises(CatalogError) as error:
        quantities.quantity(GOOD | change, "bytes", "here")
    assert str(error.value).startswith(message)


def test_an_assumed_figure_needs_a_range() -> None:
    with pytest.raises(CatalogError, match="an assumed figure has a range"):
        quantities.quantity({key: value for key, value in GOOD.items() if key != "range"}, "bytes", "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("price: other\n", "a file of this name starts with 'price: mine'"),
        ("price: mine\ntitle: a\ntitle: b\n", "key 'title' is given twice"),
        ("price: [\n", "mine.yaml"),
    ],
)
def test_a_broken_file_is_named(tmp_path, monkeypatch, text: str, message: str) -> None:
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "mine.yaml").write_text(text)
    monkeypatch.setattr(documents, "_FOLDER", tmp_path)
    documents.names.cache_clear()
    try:
        with pytest.raises(CatalogError, match=r"prices/mine\.yaml") as error:
            documents.read("prices", "mine")
    finally:
        documents.names.cache_clear()
    assert message in str(error.value)
