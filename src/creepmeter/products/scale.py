"""Units for display: metres as centimetres, phase as radians, and values wrapped into fringes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError

Floats = npt.NDArray[np.float64]

_LENGTHS = {"m": 1.0, "cm": 100.0, "mm": 1000.0, "km": 1e-3, "ft": 1 / 0.3048}
_ANGLES = {"radian": 1.0, "rad": 1.0, "degree": 180 / np.pi, "deg": 180 / np.pi}
_PLAIN = {"degrees": "degree", "deg": "degree", "rad": "radian", "radians": "radian", "meter": "m", "metre": "m"}
_YEARS = {"yr", "year", "a"}


def factor_between(unit: str, wanted: str, *, cycle_m: float = 0.0) -> float:
    """Return the number by which values in `unit` are multiplied to be in `wanted`.

    Parameters
    ----------
    unit, wanted : str
        Such as ``m``, ``mm/yr``, ``radian``, ``degree``.
    cycle_m : float
        Metres per turn of phase, 0 where phase has no meaning; positive phase is away from the satellite.

    Raises
    ------
    ConfigError
        The two measure different things.

    Examples
    --------
    >>> factor_between("m/year", "mm/yr")
    1000.0
    """
    (have, have_rate), (want, want_rate) = _parts(unit), _parts(wanted)
    if have_rate == want_rate:
        for table in (_LENGTHS, _ANGLES):
            if have in table and want in table:
                return table[want] / table[have]
        if cycle_m > 0 and have in _LENGTHS and want in _ANGLES:
            return -2 * np.pi / (cycle_m * _LENGTHS[have]) * _ANGLES[want]
        if cycle_m > 0 and have in _ANGLES and want in _LENGTHS:
            return -cycle_m / (2 * np.pi * _ANGLES[have]) * _LENGTHS[want]
        if have == want:
            return 1.0
    message = (
        f"values in {unit or 'no unit'!r} cannot be drawn in {wanted!r}: choose one of {_choices(have, have_rate)}"
    )
    raise ConfigError(message)


def _parts(unit: str) -> tuple[str, bool]:
    name, _, rate = unit.strip().partition("/")
    return _PLAIN.get(name, name), rate in _YEARS


def _choices(name: str, rate: bool) -> str:  # noqa: FBT001 - private
    table = next((table for table in (_LENGTHS, _ANGLES) if name in table), {name: 1.0})
    return ", ".join(f"{each}/year" if rate else each for each in table if each)


def wrapped(values: Floats, interval: tuple[float, float]) -> Floats:
    """Return values modulo the length of an interval, within it.

    Raises
    ------
    ConfigError
        The interval is empty.

    Examples
    --------
    >>> wrapped(np.array([0.0, 4.0, -4.0]), (-3.0, 3.0)).tolist()
    [0.0, -2.0, 2.0]
    """
    low, high = interval
    if not high > low:
        message = f"--wrap-range {low:g} {high:g} is empty: give the lower end first"
        raise ConfigError(message)
    return np.asarray(low + np.mod(values - low, high - low), np.float64)
