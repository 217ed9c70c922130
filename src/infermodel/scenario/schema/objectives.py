"""Objectives: limits on percentiles, by names such as `ttft_p99`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic_core import PydanticCustomError

from infermodel.metrics.objectives import Objective, objective
from infermodel.scenario.errors import did_you_mean, named
from infermodel.scenario.schema.values import Kind, Quantity, Refusals, refusal, refuse, refuse_below, told
from infermodel.scenario.words import name_meant

_LIMITS = {
    "attainment": Quantity("share", above=0.0, at_most=1.0),
    "output_speed": Quantity("token_rate", "tok/s", above=0.0, at_most=1e9),
}
_LATENCY = Quantity("time", "s", above=0.0, at_most=1e9)
_USUAL = (
    *(f"{metric}_p{p}" for metric in ("ttft", "tpot", "itl", "e2e", "queue_time") for p in (50, 90, 95, 99)),
    "output_speed_p10",
    "output_speed_p5",
    "attainment",
)


def _quantity(metric: str) -> Quantity:
    return _LIMITS.get(metric, _LATENCY)


def _meant(name: str) -> str:
    """What to write for an objective that is named otherwise: `p99_ttft`, `latency_p99`.

    >>> _meant("p99_ttft"), _meant("latency_p95"), _meant("goodput"), _meant("x_p5")
    ("write 'ttft_p99'", "write 'e2e_p95'", "write 'attainment'", '')
    """
    found = re.fullmatch(r"(?P<before>p\d+[_ ])?(?P<metric>[a-z0-9_ ]+?)(?P<after>[_ ]?p\d+)?", name.lower())
    if found is None:
        return ""
    percentile = ((found["before"] or "") + (found["after"] or "")).strip("_ ")
    metric = name_meant("objective", found["metric"]) or found["metric"]
    meant = "_".join(filter(None, (metric, "" if metric == "attainment" else percentile)))
    try:
        return told(objective(meant, 0.0).name)
    except ValueError:
        return ""


class ObjectivesKind(Kind):
    """Names of objectives to limits."""

    def read(self, value: Any) -> tuple[Objective, ...]:
        """The objectives in order of name."""
        if not isinstance(value, dict):
            refuse(f"expected a mapping such as {{ttft_p99: 1 s}}, got {named(value)}")
        found: list[Objective] = []
        said: Refusals = []
        for name, limit in value.items():
            try:
                asked = objective(name, 0.0)
            except ValueError:
                hint = _meant(name) or did_you_mean(name, _USUAL)
                usual = "<metric>_p<percent> of ttft, tpot, itl, e2e, queue_time, output_speed; <time>_mean; attainment"
                said.append(((name,), refusal(f"no objective named {named(name)}", hint or f"they are {usual}")))
                continue
            try:
                found.append(objective(name, _quantity(asked.metric).read(limit)))
            except PydanticCustomError as error:
                said.append(((name,), error))
        if said:
            refuse_below(said)
        return tuple(sorted(found, key=lambda each: each.name))

    def write(self, value: tuple[Objective, ...]) -> dict[str, Any]:
        """Names to limits in SI."""
        return {each.name: _quantity(each.metric).write(each.limit) for each in value}

    def unit(self) -> str:
        """For the reference table."""
        return "mapping of names such as `ttft_p99` to limits"


Objectives = Annotated[tuple[Objective, ...], ObjectivesKind()]
