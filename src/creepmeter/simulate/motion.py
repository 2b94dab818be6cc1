"""Known motion of the ground: slides with a smooth rim, moving in time as slides do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.model.epoch import Epoch, EpochLike, Epochs, as_epoch, as_epochs, years_since
from creepmeter.model.grid import Grid

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Displace = Callable[[Floats, Floats], tuple[Floats, Floats]]

_MOST_ROUNDS = 60


@dataclass(frozen=True)
class Slide:
    """An elliptical slide: it moves as one in its core and fades to rest at its outline (raised cosine).

    Parameters
    ----------
    centre : (float, float)
        Map coordinates x (east) and y (north), metres. On the local grid of an image y is negative below its top.
    semi_axes : (float, float)
        Along and across `azimuth_deg`, metres.
    speed : float
        Metres per year at the origin of time of the field.
    direction_deg : float
        Where the ground moves to, clockwise from north.
    azimuth_deg : float, optional
        Of the first axis, clockwise from north; default `direction_deg`.
    core : float
        Share of the radius that moves at full speed, 0 to 1.
    acceleration : float
        Metres per year per year.
    annual : float
        Amplitude of a yearly sine (zero on 1 January), metres.
    steps : tuple of (date, float)
        Sudden motion on a date, metres along the direction.
    """

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    speed: float
    direction_deg: float = 0.0
    azimuth_deg: float | None = None
    core: float = 0.65
    acceleration: float = 0.0
    annual: float = 0.0
    steps: tuple[tuple[EpochLike, float], ...] = ()

    def __post_init__(self) -> None:
        if min(self.semi_axes) <= 0 or not 0.0 <= self.core < 1.0:
            message = (
                f"a slide needs positive semi_axes and a core from 0 to below 1, got {self.semi_axes} and {self.core}"
            )
            raise InputError(message)

    @classmethod
    def from_velocity(
        cls, centre: tuple[float, float], semi_axes: tuple[float, float], velocity: tuple[float, float]
    ) -> Slide:
        """Return a slide of a given velocity (east, north) in metres per year."""
        east, north = velocity
        return cls(centre, semi_axes, float(np.hypot(east, north)), float(np.degrees(np.arctan2(east, north))))

    @property
    def unit(self) -> Floats:
        """Direction of motion (east, north), length 1."""
        angle = np.radians(self.direction_deg)
        return np.array([np.sin(angle), np.cos(angle)])

    @property
    def velocity(self) -> Floats:
        """Velocity (east, north) of the core, metres per year, without the annual and sudden parts."""
        return self.speed * self.unit

    def _radius(self, x: Floats, y: Floats) -> Floats:
        angle = np.radians(self.direction_deg if self.azimuth_deg is None else self.azimuth_deg)
        east, north = x - self.centre[0], y - self.centre[1]
        along = (east * np.sin(angle) + north * np.cos(angle)) / self.semi_axes[0]
        across = (east * np.cos(angle) - north * np.sin(angle)) / self.semi_axes[1]
        return np.asarray(np.sqrt(along**2 + across**2))

    def share(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Return the share of the full motion at map positions: 1 in the core, 0 outside."""
        radius = np.atleast_1d(self._radius(np.asarray(x, np.float64), np.asarray(y, np.float64)))
        weight = (radius <= self.core).astype(np.float64)
        rim = (radius > self.core) & (radius < 1.0)
        weight[rim] = 0.5 + 0.5 * np.cos(np.pi * (radius[rim] - self.core) / (1.0 - self.core))
        return weight.reshape(np.broadcast(x, y).shape)

    def contains(self, x: npt.ArrayLike, y: npt.ArrayLike, *, core: bool = False) -> Bools:
        """Tell which map positions lie inside the outline, or inside the core."""
        radius = self._radius(np.asarray(x, np.float64), np.asarray(y, np.float64))
        return np.asarray(radius <= (self.core if core else 1.0))

    def travelled(self, times: Epochs, origin: Epoch) -> Floats:
        """Return metres along the direction since `origin`, shape of `times`."""
        years = years_since(times, origin)
        path = self.speed * years + 0.5 * self.acceleration * years**2
        if self.annual:
            path = path + self.annual * (_sine(times) - _sine(np.array([origin])))
        for when, size in self.steps:
            path = path + size * (times >= as_epoch(when)) - size * float(origin >= as_epoch(when))
        return np.asarray(path)

    def outline(self, points: int = 72, *, scale: float = 1.0) -> Floats:
        """Return the outline as map coordinates, (points, 2), closed by its first point."""
        angle = np.radians(self.direction_deg if self.azimuth_deg is None else self.azimuth_deg)
        turn = np.linspace(0.0, 2.0 * np.pi, points)
        along = scale * self.semi_axes[0] * np.cos(turn)
        across = scale * self.semi_axes[1] * np.sin(turn)
        east = along * np.sin(angle) + across * np.cos(angle)
        north = along * np.cos(angle) - across * np.sin(angle)
        ring = np.stack([self.centre[0] + east, self.centre[1] + north], axis=1)
        ring[-1] = ring[0]
        return ring


@dataclass(frozen=True)
class MotionField:
    """Slides on ground at rest.

    Parameters
    ----------
    slides : tuple of Slide
        Motion adds up where they overlap.
    origin : date
        When `Slide.speed` holds, for slides that accelerate.
    """

    slides: tuple[Slide, ...] = ()
    origin: EpochLike = "2015-01-01"

    def displacement(
        self, x: npt.ArrayLike, y: npt.ArrayLike, times: Sequence[EpochLike] | Epochs, *, since: EpochLike | None = None
    ) -> Floats:
        """Return displacement in metres (east, north) of ground that was at map positions (x, y).

        Parameters
        ----------
        x, y : array
            Map coordinates, metres; broadcast together.
        times : sequence of dates
            When.
        since : date, optional
            Displacement counts from here; default the first of `times`.

        Returns
        -------
        array, (2, time, ...)
            East and north, metres.
        """
        epochs = as_epochs(times)
        start = as_epochs([epochs[0] if since is None else since])
        total = np.zeros((2, len(epochs), *np.broadcast(x, y).shape))
        for slide in self.slides:
            path = slide.travelled(epochs, as_epoch(self.origin)) - slide.travelled(start, as_epoch(self.origin))
            total += np.multiply.outer(np.multiply.outer(slide.unit, path), slide.share(x, y))
        return total

    def velocity(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Return the steady velocity (east, north) at map positions, metres per year, shape (2, ...)."""
        total = np.zeros((2, *np.broadcast(x, y).shape))
        for slide in self.slides:
            total += np.multiply.outer(slide.velocity, slide.share(x, y))
        return total

    def moving(self, x: npt.ArrayLike, y: npt.ArrayLike, *, core: bool = False) -> Bools:
        """Tell which map positions lie inside the outline (or the core) of a slide."""
        inside = np.zeros(np.broadcast(x, y).shape, bool)
        for slide in self.slides:
            inside |= slide.contains(x, y, core=core)
        return inside

    def outlines(self) -> list[Floats]:
        """Return the outline of each slide, map coordinates (points, 2)."""
        return [slide.outline() for slide in self.slides]


def map_position(grid: Grid, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Return map coordinates (x, y) of pixel positions; 0 is the centre of the first pixel."""
    affine, right, down = grid.affine, columns + 0.5, rows + 0.5
    return affine.a * right + affine.b * down + affine.c, affine.d * right + affine.e * down + affine.f


def cell_centres(grid: Grid) -> tuple[Floats, Floats]:
    """Return map coordinates (x, y) of all cell centres of a grid, each (rows, columns)."""
    rows, columns = np.meshgrid(np.arange(float(grid.shape[0])), np.arange(float(grid.shape[1])), indexing="ij")
    return map_position(grid, rows, columns)


def origin_of(x: Floats, y: Floats, displace: Displace, tolerance: float = 1e-5) -> tuple[Floats, Floats]:
    """Return where the ground seen at (x, y) came from: X with ``X + D(X) = (x, y)``, by fixed-point iteration.

    Parameters
    ----------
    x, y : array
        Positions after the motion.
    displace : callable
        ``(x, y) -> (dx, dy)``, displacement of ground by its position before the motion, in the units of `x`.
    tolerance : float
        Largest change of a position in the last round, in the units of `x`.

    Raises
    ------
    InputError
        The motion folds the ground, so that the iteration does not settle.
    """
    before_x, before_y = x, y
    for _ in range(_MOST_ROUNDS):
        dx, dy = displace(before_x, before_y)
        next_x, next_y = x - dx, y - dy
        change = max(_largest(next_x - before_x), _largest(next_y - before_y))
        before_x, before_y = next_x, next_y
        if change < tolerance:
            return before_x, before_y
    message = (
        f"the motion folds the ground (change {change:.2g} after {_MOST_ROUNDS} rounds): make its rim wider or slower"
    )
    raise InputError(message)


def _largest(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))


def _sine(times: Epochs) -> Floats:
    year = times.astype("datetime64[Y]").astype("datetime64[ns]")
    return np.sin(2.0 * np.pi * np.asarray((times - year) / np.timedelta64(1, "D"), np.float64) / 365.25)
