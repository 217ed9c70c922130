"""Planted bugs are caught; see `tests/mutants.py`."""

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant, judged


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_each_text_stands_once(mutant: Mutant) -> None:
    times = (ROOT / "src/infermodel" / mutant.file).read_text().count(mutant.text)
    told = f"stands {times} times in {mutant.file}, not once: in tests/mutants.py, point the bug at its line again"
    assert times == 1, f"{mutant.text!r} {told}"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_is_caught(mutant: Mutant) -> None:
    assert judged(mutant) == "caught"
