"""On how few systems a model fits, and how many users its memory holds: weights and keys and values counted by hand."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import infermodel as im
from infermodel.answers import fit
from infermodel.cli import infermodel


def test_a_small_model_on_one_server() -> None:
    found = im.fit("llama-3.1-8b", "dgx-h100", contexts=[8192]).summary
    assert list(found.tensor_parallel) == [1, 2, 4, 8]
    assert list(found.replicas) == [8, 4, 2, 1]
    # 8,030,261,248 weights in 16 bits (rows of norms stand on each GPU); 32 layers x 8 heads x 128 x 2 x 2 bytes.
    assert found.weights_bytes[0] == pytest.approx(2 * 8_030_261_248, rel=1e-3)
    assert list(found.kv_bytes_per_token) == [131_072] * 4
    for row in found.itertuples():
        assert row.users_at_8192 == row.replicas * (row.kv_tokens_per_replica // 8192)
    # 79.19 GiB x 0.92 less 16.06 GB of weights leaves less than 62.2 GB on each of eight GPUs: 474 thousand tokens.
    assert found.kv_tokens_per_replica[0] < (79.19 * 2**30 * 0.92 - 16.06e9) / 131_072


def test_a_model_that_no_server_holds_takes_two() -> None:
    found = im.fit("llama-3.1-405b", "dgx-h100", weights="bf16")
    assert 8 * 80e9 < 2 * 405.85e9 < 16 * 80e9
    smallest = found.smallest
    assert smallest is not None
    assert (smallest.pool.systems, smallest.pool.devices_per_replica) == (2, 16)
    assert "Smallest: 2 x NVIDIA DGX H100, one replica of 16 devices; a replica holds 811.8 GB of weights" in str(found)
    assert "Not on less: " in str(found)
    assert [bool(reason) for reason in found.summary.reason] == [True] * 4 + [False]


def test_wafers_of_44_gb() -> None:
    # 70,553,706,496 weights in 16 bits are 141.1 GB: more than three wafers of 44 GB.
    found = im.fit("llama-3.1-70b", "cs-3", max_context=8192)
    assert found.smallest is not None
    assert found.smallest.pool.systems == 4
    assert found.summary.users_at_32768.iloc[-1] == 0  # longer than any may be


def test_nothing_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "MOST_SYSTEMS", 1)
    found = im.fit("llama-3.1-405b", "rtx-4090-8", weights="bf16")  # 812 GB on eight of 24 GB
    assert found.smallest is None
    assert "does not fit" in str(found)


@pytest.mark.parametrize(
    ("model", "system", "said"),
    [("llama-3.1-8", "cs-3", "did you mean 'llama-3.1-8b'"), ("llama-3.1-8b", "cs3", "did you mean 'cs-3'")],
)
def test_a_name_that_is_not_known(model: str, system: str, said: str) -> None:
    with pytest.raises(im.InputError, match=said):
        im.fit(model, system)
    refused = CliRunner().invoke(infermodel, ["fit", model, system])
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_the_command_prints_the_answer() -> None:
    said = CliRunner().invoke(
        infermodel, ["fit", "llama-3.1-70b", "dgx-h100", "--context", "4096", "--kv-cache", "fp8"]
    )
    assert said.stdout == f"{im.fit('llama-3.1-70b', 'dgx-h100', contexts=[4096], kv_cache='fp8')}\n"
    assert "users at 4,096" in said.stdout
