"""The ground of simulated interferograms: relief, water, regions, motion, coherence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from creepmeter.simulate.radar_options import RadarOptions

Image = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int16]

_SEA = 0.72  # share of the columns that are main land where there is a sea
_FOREST_COHERENCE = 0.3


@dataclass(frozen=True)
class RadarGround:
    """What does not change from date to date; all maps are (y, x).

    Parameters
    ----------
    height : array
        Metres.
    land : array of bool
        True = land.
    region : array of int
        Connected parts of the land from 1, 0 = water.
    velocity, seasonal, step, dem_error : array
        Metres per year, and metres; toward the satellite.
    coherence : array
        Of a pair without change in time.
    filled : array of bool
        False in the corner that no image covers.
    """

    height: Image
    land: Bools
    region: Labels
    velocity: Image
    seasonal: Image
    step: Image
    dem_error: Image
    coherence: Image
    filled: Bools


def rough_field(shape: tuple[int, int], slope: float, rng: np.random.Generator) -> Image:
    """Return a random map of mean 0 and standard deviation 1 whose power falls with wavenumber to the `slope`."""
    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    down = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    across = fft.rfftfreq(shape[1]).astype(np.float32)
    wave = np.hypot(down, across)
    wave[0, 0] = 1.0
    spectrum *= wave ** np.float32(-slope / 2)
    spectrum[0, 0] = 0.0
    field = fft.irfft2(spectrum, shape)
    return np.asarray(field / field.std(), np.float32)


def make_ground(options: RadarOptions, rng: np.random.Generator) -> RadarGround:
    """Return the ground of a simulation."""
    shape = (options.rows, options.columns)
    down, across = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")
    land = _land(options, down, across)
    region = np.asarray(ndimage.label(land)[0], np.int16)
    relief = rough_field(shape, 3.4, rng)
    height = np.where(land, _unit(relief) ** 2 * options.relief_m, 0.0)
    bowl = np.exp(-((down - 0.5) ** 2 + (across - 0.3) ** 2) / (2 * 0.13**2))
    swell = np.exp(-((down - 0.25) ** 2 + (across - 0.55) ** 2) / (2 * 0.1**2))
    forest = rough_field(shape, 3.0, rng) > 1.0
    coherence = np.where(forest, _FOREST_COHERENCE, options.coherence) + 0.04 * rough_field(shape, 1.5, rng)
    return RadarGround(
        height=height.astype(np.float32),
        land=land,
        region=region,
        velocity=(options.velocity_m * (0.4 * swell - bowl)).astype(np.float32),
        seasonal=(options.seasonal_m * swell).astype(np.float32),
        step=(options.step_m * bowl).astype(np.float32),
        dem_error=options.dem_error_m * rough_field(shape, 1.8, rng),
        coherence=np.clip(np.where(land, coherence, 0.05), 0.02, 0.99).astype(np.float32),
        filled=down + across >= options.nodata_corner,
    )


def _land(options: RadarOptions, down: npt.NDArray[np.float64], across: npt.NDArray[np.float64]) -> Bools:
    land = np.ones(down.shape, bool)
    if options.islands:
        land = across < _SEA + 0.03 * np.sin(9 * down)
        for island in range(options.islands):
            centre = (island + 0.5) / options.islands
            radius = min(0.09, 0.35 / options.islands)
            land |= (down - centre) ** 2 + (across - 0.88) ** 2 < radius**2
    if options.river:
        land &= np.abs(across - 0.45 - 0.05 * np.sin(5 * down)) > 3.0 / options.columns
    return land


def _unit(field: Image) -> Image:
    low, high = field.min(), field.max()
    return np.asarray((field - low) / (high - low), np.float32)
