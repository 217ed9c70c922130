"""Robust fits of few constants, with standard errors that know which observations belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RIDGE = 0.02
"""Damping of a step that leaves observations out, over what all observations know of a value."""

HUBER = 0.1
"""Relative error beyond which an observation pulls less than in proportion."""


@dataclass(frozen=True)
class Parameter:
    """A constant to fit: where to start and what it may be."""

    name: str
    start: float
    low: float
    high: float


@dataclass(frozen=True)
class Fitted:
    """A fit's outcome.

    Attributes:
        values: by name.
        errors: standard error of each.
        residuals: log of predicted over measured, at the optimum.
        jacobian: of the residuals to each value over its scale, a column a parameter.
        scale: of each parameter, its start.
        bounds: of each parameter, low and high, over its scale.
        dropped: constants that could not be told from zero and are held there, with the largest value (two standard
            errors) that the observations allow.
    """

    values: dict[str, float]
    errors: dict[str, float]
    residuals: Values
    jacobian: Values
    scale: Values
    bounds: tuple[Values, Values]
    dropped: Mapping[str, float] = field(default_factory=dict)

    @property
    def constants(self) -> dict[str, float]:
        """Every constant by name, the dropped ones at zero."""
        return {**self.values, **dict.fromkeys(self.dropped, 0.0)}

    def without(self, left_out: NDArray[np.bool_]) -> tuple[dict[str, float], Values]:
        """Values that the observations would have given without some of them, and the residuals of those with these
        values: one step from the optimum of all, linear in the values, damped so that what the others do not tell
        stays where it was, and within the bounds.
        """
        kept = ~left_out
        weights = _weights(self.residuals[kept])
        jacobian = self.jacobian[kept]
        normal = jacobian.T @ (weights[:, None] * jacobian)
        damped = normal + RIDGE * np.diag(np.diag(self.jacobian.T @ self.jacobian))
        at = np.array(list(self.values.values())) / self.scale
        moved_to = at - np.linalg.pinv(damped) @ (jacobian.T @ (weights * self.residuals[kept]))
        step = np.clip(moved_to, *self.bounds) - at
        values = (at + step) * self.scale
        moved = self.residuals[left_out] + self.jacobian[left_out] @ step
        return dict(zip(self.values, (float(value) for value in values), strict=True)), moved

    def known_without(self, left_out: NDArray[np.bool_]) -> dict[str, float]:
        """Of what all observations know of each value, the share that is known without some of them."""
        knowledge = _weights(self.residuals)[:, None] * self.jacobian**2
        whole = knowledge.sum(axis=0)
        shares = np.divide(knowledge[~left_out].sum(axis=0), whole, out=np.zeros_like(whole), where=whole > 0)
        return dict(zip(self.values, map(float, shares), strict=True))

    @property
    def median_error(self) -> float:
        """Median of |predicted / measured - 1|."""
        return float(np.median(np.abs(np.expm1(self.residuals))))

    @property
    def p90_error(self) -> float:
        """90th percentile of |predicted / measured - 1|."""
        return float(np.percentile(np.abs(np.expm1(self.residuals)), 90))


def robust_fit(
    parameters: Sequence[Parameter],
    residuals: Callable[[Values], Values],
    groups: NDArray[Any] | None = None,
    *,
    iterations: int = 40,
    step: float = 1e-4,
    tolerance: float = 1e-5,
    worth: float = 0.0,
) -> Fitted:
    """Minimise the Huber loss of residuals by iteratively reweighted, damped Gauss-Newton steps.

    Works on the parameters in units of their starts, so that seconds and shares weigh alike. Standard errors are the
    sandwich (J'WJ)^-1 (sum over groups of u u') (J'WJ)^-1 with u the group's sum of J'w r (Liang and Zeger, 1986):
    a thousand rows of one shape count as one witness.

    Args:
        residuals: of the parameters' values, log(predicted / measured).
        groups: label of each residual; None: all independent.
        step: relative step of the numerical derivative.
        worth: share of the loss that a step must promise to be looked at, where a look takes long.

    >>> seen = np.array([3.0, 6.0])
    >>> fit = robust_fit([Parameter("slope", 1.0, 0.0, 10.0)], lambda p: np.log(p[0] * np.array([1.0, 2.0]) / seen))
    >>> round(fit.values["slope"], 4)
    3.0
    """
    scale = np.array([abs(parameter.start) for parameter in parameters])
    low = np.array([parameter.low for parameter in parameters]) / scale
    high = np.array([parameter.high for parameter in parameters]) / scale
    x = np.array([parameter.start for parameter in parameters]) / scale
    damping = 1e-3
    r = residuals(x * scale)
    loss = _huber(r)
    jacobian = _jacobian(residuals, x, scale, high, r, step)
    for _ in range(iterations):
        weights = _weights(r)
        normal = jacobian.T @ (weights[:, None] * jacobian)
        gradient = jacobian.T @ (weights * r)
        moved = False
        for _ in range(8):
            trial = np.clip(
                x - np.linalg.solve(normal + damping * (np.diag(np.diag(normal)) + 1e-12 * np.eye(len(x))), gradient),
                low,
                high,
            )
            if worth and gradient @ (x - trial) < worth * loss:
                break
            r_trial = residuals(trial * scale)
            if _huber(r_trial) < loss:
                moved = True
                break
            damping *= 10
        if not moved:
            break
        gain = loss - _huber(r_trial)
        x, r, loss, damping = trial, r_trial, loss - gain, damping / 10
        jacobian = _jacobian(residuals, x, scale, high, r, step)
        if gain < tolerance * loss:
            break
    return Fitted(
        values={parameter.name: float(value) for parameter, value in zip(parameters, x * scale, strict=True)},
        errors={
            parameter.name: float(error)
            for parameter, error in zip(parameters, _errors(jacobian, r, groups) * scale, strict=True)
        },
        residuals=r,
        jacobian=jacobian,
        scale=scale,
        bounds=(low, high),
    )


def significant_fit(
    parameters: Sequence[Parameter],
    residuals: Callable[[Values], Values],
    groups: NDArray[Any] | None = None,
    *,
    iterations: int = 40,
    step: float = 1e-4,
    tolerance: float = 1e-5,
    worth: float = 0.0,
) -> Fitted:
    """`robust_fit`, after which constants that may be zero and lie within two standard errors of it are held there and
    the others fitted again: a constant that the observations do not show is not kept.

    >>> rate, floor = Parameter("rate", 1.0, 0.1, 10.0), Parameter("floor", 0.5, 0.0, 10.0)
    >>> n = np.array([1.0, 2.0, 3.0, 4.0])
    >>> fit = significant_fit([rate, floor], lambda p: np.log((p[0] * n + p[1]) / (2 * n)))
    >>> sorted(fit.values), sorted(fit.dropped), round(fit.values["rate"], 3)
    (['rate'], ['floor'], 2.0)
    """
    fit = robust_fit(parameters, residuals, groups, iterations=iterations, step=step, tolerance=tolerance, worth=worth)
    weak = {
        parameter.name: abs(fit.values[parameter.name]) + 2 * fit.errors[parameter.name]
        for parameter in parameters
        if parameter.low <= 0 and abs(fit.values[parameter.name]) <= 2 * fit.errors[parameter.name] + 1e-12
    }
    if not weak:
        return fit
    kept = np.array([parameter.name not in weak for parameter in parameters])
    starts = [replace(each, start=fit.values[each.name]) for each in parameters if each.name not in weak]

    def of_kept(x: Values) -> Values:
        whole = np.zeros(len(parameters))
        whole[kept] = x
        return residuals(whole)

    again = robust_fit(starts, of_kept, groups, iterations=iterations, step=step, tolerance=tolerance, worth=worth)
    return replace(again, dropped=weak)


def _huber(r: Values) -> float:
    size = np.abs(r)
    return float(np.where(size <= HUBER, 0.5 * r**2, HUBER * (size - 0.5 * HUBER)).sum())


def _weights(r: Values) -> Values:
    return np.asarray(HUBER / np.maximum(np.abs(r), HUBER))


def _jacobian(
    residuals: Callable[[Values], Values], x: Values, scale: Values, high: Values, r: Values, step: float
) -> Values:
    columns = []
    for i in range(len(x)):
        width = step * max(abs(x[i]), 1e-3)
        if x[i] + width > high[i]:
            width = -width
        moved = x.copy()
        moved[i] += width
        columns.append((residuals(moved * scale) - r) / width)
    return np.stack(columns, axis=1)


def _errors(jacobian: Values, r: Values, groups: NDArray[Any] | None) -> Values:
    weights = _weights(r)
    scores = jacobian * (weights * r)[:, None]
    if groups is not None:
        _, index = np.unique(groups, return_inverse=True)
        sums = np.zeros((index.max() + 1, jacobian.shape[1]))
        np.add.at(sums, index, scores)
        scores = sums
    bread = np.linalg.pinv(jacobian.T @ (weights[:, None] * jacobian))
    return np.asarray(np.sqrt(np.diag(bread @ (scores.T @ scores) @ bread)))
