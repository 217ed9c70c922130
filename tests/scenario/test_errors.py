"""An error shows the place and a suggestion."""

from infermodel.scenario.errors import Mark, ScenarioError, ScenarioErrors, did_you_mean, excerpt


def test_an_error_reads_as_documented() -> None:
    line = "  system: cs3"
    shown = excerpt(line, Mark(14, 11, 3))
    error = ScenarioError(
        "scenarios/my.yaml", 14, 11, "fleet.0.system", "no system named 'cs3'", "did you mean 'cs-3'?", shown
    )
    assert str(error) == (
        "scenarios/my.yaml:14:11: fleet.0.system: no system named 'cs3'; did you mean 'cs-3'?\n"
        "      14 |   system: cs3\n"
        "         |           ^^^"
    )


def test_errors_come_in_order_of_line_and_once() -> None:
    late, early = ScenarioError("f", 9, 1, "", "late"), ScenarioError("f", 2, 1, "", "early")
    assert [e.message for e in ScenarioErrors([late, early, late]).errors] == ["early", "late"]


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert did_you_mean("quantum-9000", [f"system-{i}" for i in range(100)]) == ""
    assert did_you_mean("", []) == ""
    assert did_you_mean("LLAMA-3.1-8B", ["llama-3.1-8b", "llama-3.1-70b"]) == "did you mean 'llama-3.1-8b'?"
