r"""Stacks of unwrapped interferograms with known motion.

The phase of a pair is :math:`-4\pi/\lambda` times the difference of what two dates see,

.. math:: s(t) = d(t) + \frac{B_\perp(t)}{r \sin\theta} \delta z + k(t) \frac{h}{\cos\theta} + \text{turbulence} +
   \text{ramp},

plus phase noise, whole cycles on regions that were unwrapped wrongly, and a constant of the pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.model.epoch import Epochs, years_since
from creepmeter.model.grid import Grid, map_position
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.simulate.networks import nearest_pairs, regular_times
from creepmeter.simulate.options import options_from
from creepmeter.simulate.radar_ground import RadarGround, make_ground, rough_field
from creepmeter.simulate.radar_options import RadarOptions

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

PIXEL_DEG = 1 / 1200
WEST, NORTH = -122.9, 38.6
SATELLITE_HEIGHT_M = 705_000.0
EARTH_RADIUS_M = 6_371_000.0
HEADING_DEG = -12.0
CENTRE_LINE_UTC = 7200.0
_GROUND, _DATE, _PAIR = 11, 12, 13  # streams of random numbers


@dataclass(frozen=True)
class RadarTruth:
    """What went into a stack.

    Parameters
    ----------
    epochs : array of datetime64, (time,)
        Dates.
    displacement : array, (time, y, x)
        Motion toward the satellite since the first date, metres.
    delay : array, (time, y, x)
        Atmosphere and error of the heights, as they look: metres toward the satellite.
    velocity : array, (y, x)
        Steady part of the motion, metres per year.
    cycles : array of int, (pair, y, x)
        Whole cycles by which the phase was unwrapped wrongly.
    """

    epochs: Epochs
    displacement: Image
    delay: Image
    velocity: Image
    cycles: npt.NDArray[np.int8]


@dataclass(frozen=True)
class RadarStack:
    """Interferograms as numbers, before they are written in the layout of a processor.

    Parameters
    ----------
    pairs : tuple of Pair
        The network.
    phase, coherence : array of float32, (pair, y, x)
        Radians, displacement = -wavelength / (4 pi) * phase, 0 = no data; 0 to 1.
    component : array of int, (pair, y, x)
        Connected components of the unwrapping, 0 = none.
    bperp : array, (pair,)
        Perpendicular baselines, metres.
    height, incidence_deg, azimuth_deg, slant_range_m : array, (y, x)
        Metres, degrees, degrees (from the ground to the satellite, from north, anticlockwise), metres.
    water : array of bool, (y, x)
        True = land, as in MintPy's water mask.
    grid : Grid or None
        None in radar coordinates.
    latitude, longitude : array, (y, x)
        Degrees.
    attributes : dict
        MintPy's attributes of the stack.
    truth : RadarTruth
        What went in.
    """

    pairs: tuple[Pair, ...]
    phase: Image
    coherence: Image
    component: npt.NDArray[np.int16]
    bperp: Floats
    height: Image
    incidence_deg: Image
    azimuth_deg: Image
    slant_range_m: Image
    water: Bools
    grid: Grid | None
    latitude: Floats
    longitude: Floats
    attributes: dict[str, str]
    truth: RadarTruth


@dataclass(frozen=True)
class PairLayers:
    """One interferogram: phase, coherence, connected components, and the cycles that are wrong; all (y, x)."""

    phase: Image
    coherence: Image
    component: npt.NDArray[np.int16]
    cycles: npt.NDArray[np.int8]


class RadarScene:
    """A simulation that makes one interferogram at a time, so that large stacks need little memory.

    Parameters
    ----------
    options : RadarOptions
        What to simulate.
    seed : int
        The same seed gives the same numbers, whichever pairs are made.
    """

    def __init__(self, options: RadarOptions, seed: int = 0) -> None:
        self.options = options
        self._seed = seed
        self.shape = (options.rows, options.columns)
        self.epochs = regular_times(options.dates, options.start, options.days)
        self.network: Network = nearest_pairs(self.epochs, options.connections)
        self.years = years_since(self.epochs, self.epochs[0])
        rng = np.random.default_rng([seed, _GROUND])
        self.ground: RadarGround = make_ground(options, rng)
        self.baselines = np.concatenate([[0.0], rng.normal(0.0, options.baseline_m, options.dates - 1)])
        self._signals: dict[int, Image] = {}

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs."""
        return self.network.pairs

    @property
    def bperp(self) -> Floats:
        """Perpendicular baselines of the pairs, (pair,), metres."""
        return np.asarray(self.baselines[self.network.sec_index] - self.baselines[self.network.ref_index], np.float64)

    @property
    def grid(self) -> Grid:
        """Geographic grid; in radar coordinates that of the outer box."""
        return GeoBox(self.shape, Affine(PIXEL_DEG, 0.0, WEST, 0.0, -PIXEL_DEG, NORTH), "EPSG:4326")

    @cached_property
    def incidence_deg(self) -> Image:
        """Incidence angle, (y, x), degrees: 31 at the near to 46 at the far edge."""
        row = np.linspace(31.0, 46.0, self.shape[1], dtype=np.float32)
        return np.broadcast_to(row, self.shape).copy()

    @cached_property
    def slant_range_m(self) -> Image:
        """Slant range, (y, x), metres, on a sphere."""
        angle = np.radians(self.incidence_deg.astype(np.float64))
        orbit = EARTH_RADIUS_M + SATELLITE_HEIGHT_M
        across = EARTH_RADIUS_M * np.cos(angle)
        return np.asarray(np.sqrt(across**2 + orbit**2 - EARTH_RADIUS_M**2) - across, np.float32)

    @property
    def azimuth_deg(self) -> Image:
        """Direction from the ground to a satellite that looks right, (y, x), degrees from north, anticlockwise."""
        return np.full(self.shape, 90.0 - HEADING_DEG, np.float32)

    def motion(self, date: int) -> Image:
        """Return the motion toward the satellite since the first date, (y, x), metres."""
        ground, year = self.ground, self.years[date]
        season = np.float32(np.sin(2 * np.pi * year))
        moved = ground.velocity * np.float32(year) + ground.seasonal * season
        return moved + ground.step if date > self.options.dates // 2 else moved

    def delay(self, date: int) -> Image:
        """Return atmosphere and height error of a date, (y, x), metres toward the satellite."""
        options, ground = self.options, self.ground
        rng = np.random.default_rng([self._seed, _DATE, date])
        slope = rng.normal(0.0, options.stratified) / 1000
        tilt = rng.normal(0.0, options.ramp_m, 2)
        angle = np.radians(self.incidence_deg)
        total = ground.dem_error * np.float32(self.baselines[date]) / (self.slant_range_m * np.sin(angle))
        total += np.float32(slope) * ground.height / np.cos(angle)
        if options.turbulence_m:
            total += np.float32(options.turbulence_m) * rough_field(self.shape, 8 / 3, rng)
        total += (tilt[0] * np.linspace(-0.5, 0.5, self.shape[0])).astype(np.float32)[:, None]
        total += (tilt[1] * np.linspace(-0.5, 0.5, self.shape[1])).astype(np.float32)
        return np.asarray(total, np.float32)

    def _signal(self, date: int) -> Image:
        if date not in self._signals:
            if len(self._signals) > 2 * self.options.connections + 2:
                del self._signals[min(self._signals)]
            self._signals[date] = self.motion(date) + self.delay(date)
        return self._signals[date]

    def pair(self, index: int) -> PairLayers:
        """Return one interferogram."""
        options, ground = self.options, self.ground
        rng = np.random.default_rng([self._seed, _PAIR, index])
        ref, sec = int(self.network.ref_index[index]), int(self.network.sec_index[index])
        decay = np.exp(-self.pairs[index].days / options.decay_days)
        coherence = np.clip(ground.coherence * np.float32(decay), 0.02, 0.99)
        phase = np.float32(-4 * np.pi / options.wavelength_m) * (self._signal(sec) - self._signal(ref))
        if options.noise:
            phase += phase_noise(coherence, options.looks, rng)
        cycles = self._wrong_cycles(rng)
        phase += np.float32(2 * np.pi) * cycles
        phase += np.float32(rng.uniform(-20, 20) if options.constants else 0.0)
        filled = self._filled(rng)
        blank = np.float32(0.0)
        return PairLayers(
            np.where(filled, phase, blank),
            np.where(filled, coherence, blank),
            np.where(filled, ground.region, 0).astype(np.int16),
            np.where(filled, cycles, 0).astype(np.int8),
        )

    def _wrong_cycles(self, rng: np.random.Generator) -> npt.NDArray[np.int8]:
        count = int(self.ground.region.max()) + 1
        home = int(self.ground.region[self.reference])
        wrong = rng.random(count) < self.options.cycle_chance
        shift = np.where(wrong, rng.choice([-2, -1, 1, 2], count), 0).astype(np.int8)
        shift[[0, home]] = 0
        return np.asarray(shift[self.ground.region], np.int8)

    def _filled(self, rng: np.random.Generator) -> Bools:
        if rng.random() >= self.options.missing_stripes:
            return self.ground.filled
        filled = self.ground.filled.copy()
        filled[: max(self.shape[0] // 15, 1)] = False
        return filled

    @property
    def reference(self) -> tuple[int, int]:
        """A pixel (row, column) of the largest region that hardly moves."""
        ground = self.ground
        sizes = np.bincount(ground.region.ravel())
        sizes[0] = 0
        good = (ground.region == sizes.argmax()) & ground.filled
        cost = np.where(good, np.abs(ground.velocity) / max(self.options.velocity_m, 1e-9) - ground.coherence, np.inf)
        row, column = np.unravel_index(int(np.argmin(cost)), self.shape)
        return int(row), int(column)

    @cached_property
    def lonlat(self) -> tuple[Floats, Floats]:
        """Longitude and latitude of the pixel centres, (y, x); turned by the heading in radar coordinates."""
        rows, columns = np.indices(self.shape, dtype=np.float64)
        if not self.options.geocoded:
            turn = np.radians(HEADING_DEG)
            down, across = self.shape[0] - 1 - rows, columns  # an ascending orbit images the south first
            rows = down * np.cos(turn) + across * np.sin(turn)
            columns = across * np.cos(turn) - down * np.sin(turn)
        return map_position(self.grid, columns + 0.5, rows + 0.5)

    def attributes(self) -> dict[str, str]:
        """Return MintPy's attributes of the stack."""
        options = self.options
        longitude, latitude = self.lonlat
        corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
        found: dict[str, Any] = {
            "ALOOKS": 5, "RLOOKS": 10, "NCORRLOOKS": options.looks, "ANTENNA_SIDE": -1, "AZIMUTH_PIXEL_SIZE": 70.25,
            "RANGE_PIXEL_SIZE": 23.29562, "CENTER_LINE_UTC": CENTRE_LINE_UTC, "DATA_TYPE": "float32",
            "EARTH_RADIUS": EARTH_RADIUS_M, "HEIGHT": SATELLITE_HEIGHT_M, "HEADING": HEADING_DEG,
            "ORBIT_DIRECTION": "ASCENDING", "PLATFORM": "Sen", "POLARIZATION": "VV", "PRF": 486.486,
            "PROCESSOR": "isce", "STARTING_RANGE": float(self.slant_range_m[0, 0]), "WAVELENGTH": options.wavelength_m,
            "LENGTH": self.shape[0], "WIDTH": self.shape[1], "trackNumber": 1, "PROJECT_NAME": "SimulatedSenAT1",
        }  # fmt: skip
        for number, (row, column) in enumerate(corners, 1):
            found[f"LAT_REF{number}"] = latitude[row, column]
            found[f"LON_REF{number}"] = longitude[row, column]
        if options.geocoded:
            found |= {"X_FIRST": WEST, "Y_FIRST": NORTH, "X_STEP": PIXEL_DEG, "Y_STEP": -PIXEL_DEG}
            found |= {"X_UNIT": "degrees", "Y_UNIT": "degrees"}
        return {name: str(value) for name, value in found.items()}

    def stack(self) -> RadarStack:
        """Return all pairs at once."""
        layers = [self.pair(index) for index in range(len(self.pairs))]
        dates = range(len(self.epochs))
        longitude, latitude = self.lonlat
        truth = RadarTruth(
            self.epochs,
            np.stack([self.motion(date) for date in dates]),
            np.stack([self.delay(date) for date in dates]),
            self.ground.velocity,
            np.stack([layer.cycles for layer in layers]),
        )
        return RadarStack(
            pairs=self.pairs,
            phase=np.stack([layer.phase for layer in layers]),
            coherence=np.stack([layer.coherence for layer in layers]),
            component=np.stack([layer.component for layer in layers]),
            bperp=self.bperp,
            height=self.ground.height,
            incidence_deg=self.incidence_deg,
            azimuth_deg=self.azimuth_deg,
            slant_range_m=self.slant_range_m,
            water=self.ground.land,
            grid=self.grid if self.options.geocoded else None,
            latitude=latitude,
            longitude=longitude,
            attributes=self.attributes(),
            truth=truth,
        )


def phase_noise(coherence: Image, looks: int, rng: np.random.Generator) -> Image:
    r"""Return phase noise with the distribution of `looks` independent looks at the given coherence, radians.

    Notes
    -----
    With the power S of one image in all looks, the other image adds
    :math:`\gamma S + \sqrt{(1 - \gamma^2) S}\, n` with n complex Gaussian:
    only S, which is gamma distributed, and n are drawn.
    """
    amplitude = np.sqrt(rng.standard_gamma(looks, coherence.shape, dtype=np.float32))
    spread = np.sqrt((1 - coherence**2) / 2)
    real = coherence * amplitude + spread * rng.standard_normal(coherence.shape, dtype=np.float32)
    return np.arctan2(spread * rng.standard_normal(coherence.shape, dtype=np.float32), real)


def simulate_radar(
    options: RadarOptions | None = None,
    *,
    seed: int = 0,
    **settings: Any,  # noqa: ANN401 - checked by RadarOptions
) -> RadarStack:
    """Return a simulated stack of interferograms.

    Parameters
    ----------
    options : RadarOptions, optional
        What to simulate.
    seed : int
        Same seed, same stack.
    **settings
        Single options by name.

    Raises
    ------
    ConfigError
        A setting is unknown or out of bounds.

    Examples
    --------
    >>> stack = simulate_radar(rows=20, columns=30, dates=4, connections=2)
    >>> stack.phase.shape
    (5, 20, 30)
    """
    return RadarScene(options_from(RadarOptions, options, settings), seed).stack()
