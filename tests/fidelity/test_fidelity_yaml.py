from __future__ import annotations

from infermodel.fidelity.yaml_text import borrowed, calibrated, dropped, with_constants, with_engine_figures


def test_figures_as_they_stand_in_the_catalog() -> None:
    assert calibrated("gemm_floor_s", 3.354e-6, 6.66e-8, "kernels") == (
        "{value: 3.354 us, kind: calibrated, fit: kernels, standard_error: 0.067 us, date: 2026}"
    )
    assert (
        borrowed("link_efficiency", 0.5, "as A", alike=True)
        == '{value: 0.5, kind: derived, source: "as A", date: 2026}'
    )
    assert "range: [0.35, 0.65]" in borrowed("link_efficiency", 0.5, "as A", alike=False)
    assert "range: [0.63, 1]" in borrowed("link_efficiency", 0.9, "as A", alike=False)  # a share ends at all of it
    assert dropped("all_reduce_gpu_s", 6.34e-7, "tables") == (
        '{value: 0 us, kind: assumed, range: [0 us, 0.63 us], source: "not told from zero by tables", date: 2026}'
    )


def test_other_constants_and_what_follows_stay() -> None:
    text = "device: x\nconstants:\n  a: {value: 1}\n  b: {value: 2}\npower: 3\n"
    assert with_constants(text, {"b": "{value: 5}", "c": "{value: 6}"}) == (
        "device: x\nconstants:\n  a: {value: 1}\n  b: {value: 5}\n  c: {value: 6}\npower: 3\n"
    )


def test_fields_of_an_engine_stand_at_the_top() -> None:
    text = "engine: x\nhost_step: {value: 1 ms}\nhost_sequence: {value: 2 us}\n"
    assert with_engine_figures(text, {"host_step_s": "{value: 3 ms}", "launch_s": "{value: 4 us}"}) == (
        "engine: x\nhost_step: {value: 3 ms}\nhost_sequence: {value: 2 us}\nconstants:\n  launch_s: {value: 4 us}\n"
    )
