"""Surveys of pegs on ground whose motion is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from creepmeter.model.epoch import EpochLike, as_epochs
from creepmeter.simulate.motion import MotionField


def survey_columns(
    motion: MotionField,
    pegs: Mapping[str, tuple[float, float]],
    times: Sequence[EpochLike],
    *,
    sigma_m: float = 0.02,
    corner: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> dict[str, list[str]]:
    """Return the table that surveyors of some pegs would write: name, date, east, north.

    Parameters
    ----------
    motion : MotionField
        How the ground moves.
    pegs : mapping of str to (x, y)
        Where each peg stood at the origin of the motion, coordinates of the motion, metres.
    times : sequence of dates
        Of the surveys.
    sigma_m : float
        Standard error of a coordinate.
    corner : (float, float)
        Map coordinates of the origin of the motion's coordinates.
    seed : int
        Seed of the random numbers.

    Examples
    --------
    >>> from creepmeter.simulate.demo import DEMO_MOTION
    >>> table = survey_columns(DEMO_MOTION, {"P1": (1650.0, -1750.0)}, ["2017-08-01", "2018-08-01"], sigma_m=0.0)
    >>> round(float(table["east"][1]) - float(table["east"][0]), 2)  # 3 m/yr towards 118 degrees
    2.65
    """
    random = np.random.default_rng(seed)
    stamps = as_epochs(list(times))
    table: dict[str, list[str]] = {"name": [], "date": [], "east": [], "north": []}
    for name, (x, y) in pegs.items():
        moved = motion.displacement(x, y, stamps, since=motion.origin)
        for k, stamp in enumerate(stamps):
            error = sigma_m * random.standard_normal(2)
            table["name"].append(name)
            table["date"].append(str(stamp)[:10])
            table["east"].append(f"{corner[0] + x + float(moved[0, k]) + error[0]:.4f}")
            table["north"].append(f"{corner[1] + y + float(moved[1, k]) + error[1]:.4f}")
    return table
