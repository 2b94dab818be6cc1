"""Sums, differences and other arithmetic of maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

OPERATORS: Mapping[str, str] = MappingProxyType({"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "^": "pow"})
_APPLY: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}
)


def add_maps(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Return the sum of two maps; where only one was measured (the other is NaN), it stands alone."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    total = one + two
    return np.where(np.isnan(one), two, np.where(np.isnan(two), one, total))


def subtract_maps(first: Values, second: Values) -> Values:
    """Return the difference of two maps; of masks, where the first holds and the second does not."""
    if first.dtype.kind == "b":
        return np.asarray(first & (second == 0))
    return np.asarray(first.astype(np.float64) - second)


def calculate(values: npt.ArrayLike, operator: str, operand: npt.ArrayLike) -> Floats:
    """Return ``values operator operand``; what has no finite result is NaN.

    Parameters
    ----------
    values : array
        Any shape.
    operator : {"+", "-", "*", "/", "^"}
        What to do.
    operand : number or array
        Of a shape that fits.

    Raises
    ------
    ConfigError
        The operator is not known, or the operand is the number 0 of a division.

    Examples
    --------
    >>> calculate([1.0, 2.0], "^", 2).tolist()
    [1.0, 4.0]
    """
    if operator not in _APPLY:
        message = f"operator {operator!r} is not known: use one of {' '.join(_APPLY)}"
        raise ConfigError(message)
    other = np.asarray(operand, np.float64)
    if operator == "/" and other.ndim == 0 and other == 0:
        message = "a division by 0 has no result: give another operand"
        raise ConfigError(message)
    with np.errstate(all="ignore"):
        found = _APPLY[operator](np.asarray(values, np.float64), other)
    return np.where(np.isfinite(found), found, np.nan)
