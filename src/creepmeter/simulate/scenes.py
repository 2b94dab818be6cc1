"""Images of one moving ground on several dates, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import EpochError
from creepmeter.model.epoch import EpochLike, Epochs, as_epochs, years_since
from creepmeter.model.grid import Grid, pixel_grid
from creepmeter.model.schema import make_image_cube
from creepmeter.simulate.motion import Bools, Floats, MotionField, Slide, map_position, origin_of
from creepmeter.simulate.options import SceneOptions, options_from
from creepmeter.simulate.sky import clouds, missing_corner, sun_position
from creepmeter.simulate.terrain import SUN_AZIMUTH_DEG, SUN_ELEVATION_DEG, Ground, Image, Surface, ground

_WEDGE_EVERY = 3
_TOLERANCE_PX = 1e-5
_SAMPLES = 8  # per axis of a chip, for averages of the truth


@dataclass(frozen=True)
class SimulatedScenes:
    """Images and the truth behind them.

    Parameters
    ----------
    images : array, (time, y, x) float32
        DN; NaN = missing. Clouds are left in.
    cloud : array, (time, y, x) bool
        True wherever there is cloud, however thin.
    times : array of datetime64[ns], (time,)
        Dates, increasing.
    jitter_px : array, (time, 2)
        Shift (dx right, dy down) of each whole image, pixels.
    pixel_size_m : float
        Edge of a pixel, metres.
    motion : MotionField
        Motion of the ground; positions are those on the first date.
    grid : Grid
        Grid of the images.
    """

    images: Image
    cloud: Bools
    times: Epochs
    jitter_px: Floats
    pixel_size_m: float
    motion: MotionField
    grid: Grid

    def image_cube(self, *, mask_cloud: bool = True) -> xr.Dataset:
        """Return the images as an ImageCube, clouds set missing by default."""
        images = np.where(self.cloud, np.float32(np.nan), self.images) if mask_cloud else self.images
        return make_image_cube(images, self.times, self.grid)

    def truth_displacement(
        self, ref: EpochLike | int, sec: EpochLike | int, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1
    ) -> Floats:
        """Return the ground's displacement from `ref` to `sec`, averaged over chips of the reference image.

        Parameters
        ----------
        ref, sec : date or int
            Dates, or indices of dates.
        rows, columns : array
            Centres of the chips in the reference image, pixels (0 = centre of the first pixel); broadcast together.
        chip_px : int
            Edge of a chip, pixels.

        Returns
        -------
        array, (2, ...)
            East and north, metres; without jitter.
        """
        both = np.array([self.times[self._index(ref)], self.times[self._index(sec)]])
        x, y = self.ground_at(self._index(ref), *chip_samples(rows, columns, chip_px))
        moved = self.motion.displacement(x, y, both, since=self.times[0])
        return np.asarray((moved[:, 1] - moved[:, 0]).mean(axis=-1))

    def truth_offset_px(
        self, ref: EpochLike | int, sec: EpochLike | int, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1
    ) -> Floats:
        """Return the offset (dx right, dy down), pixels, that a tracker should find: motion and jitter, (2, ...)."""
        east, north = self.truth_displacement(ref, sec, rows, columns, chip_px)
        jitter = self.jitter_px[self._index(sec)] - self.jitter_px[self._index(ref)]
        return np.stack([east / self.pixel_size_m + jitter[0], -north / self.pixel_size_m + jitter[1]])

    def truth_velocity(self, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1) -> Floats:
        """Return the steady velocity (east, north) averaged over chips, metres per year, (2, ...)."""
        return np.asarray(self.motion.velocity(*self._map(*chip_samples(rows, columns, chip_px))).mean(axis=-1))

    def inside(self, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1, *, core: bool = False) -> Bools:
        """Tell which chips lie wholly inside the outline (or the core) of a slide."""
        return np.asarray(self.motion.moving(*self._map(*_edges(rows, columns, chip_px)), core=core).all(axis=-1))

    def stable(self, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1) -> Bools:
        """Tell which chips lie wholly outside every slide."""
        return np.asarray(~self.motion.moving(*self._map(*_edges(rows, columns, chip_px))).any(axis=-1))

    def clear(self, index: int, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1) -> Floats:
        """Return the share of each chip that one image shows: neither cloud nor missing."""
        shown = np.isfinite(self.images[index]) & ~self.cloud[index]
        total = np.zeros((shown.shape[0] + 1, shown.shape[1] + 1))
        total[1:, 1:] = shown.cumsum(axis=0).cumsum(axis=1)
        half = (chip_px - 1) / 2
        top, left = (np.rint(np.asarray(centre, np.float64) - half).astype(int) for centre in (rows, columns))
        ends = [
            np.clip(start + size, 0, shown.shape[axis])
            for axis, start in ((0, top), (1, left))
            for size in (0, chip_px)
        ]
        counted = total[ends[1], ends[3]] - total[ends[0], ends[3]] - total[ends[1], ends[2]] + total[ends[0], ends[2]]
        return np.asarray(counted / chip_px**2)

    def _index(self, when: EpochLike | int) -> int:
        if isinstance(when, int | np.integer):
            return int(when)
        found = np.flatnonzero(self.times == as_epochs([when])[0])
        if found.size == 0:
            message = f"{when} is not a date of these scenes: {', '.join(str(time)[:10] for time in self.times)}"
            raise EpochError(message)
        return int(found[0])

    def _map(self, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
        return map_position(self.grid, rows, columns)

    def ground_at(self, index: int, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Return where the ground that image `index` shows at pixel positions lay on the first date, map (x, y)."""
        shift = self.jitter_px[index]
        x, y = self._map(rows - shift[1], columns - shift[0])
        if not self.motion.slides or index == 0:
            return x, y
        return origin_of(x, y, partial(self._moved, index), tolerance=_TOLERANCE_PX * self.pixel_size_m)

    def _moved(self, index: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        east, north = self.motion.displacement(x, y, self.times[[index]], since=self.times[0])[:, 0]
        return east, north


def scene_stack(
    times: Sequence[EpochLike] | Epochs,
    shape: tuple[int, int] = (512, 512),
    *,
    pixel_size_m: float = 10.0,
    motion: MotionField | Sequence[Slide] = (),
    seed: int = 0,
    options: SceneOptions | None = None,
    grid: Grid | None = None,
    **settings: Any,  # noqa: ANN401 - checked by SceneOptions
) -> SimulatedScenes:
    """Return images of one moving ground, deterministic by `seed`.

    Parameters
    ----------
    times : sequence of dates
        Increasing.
    shape : (int, int)
        Rows and columns.
    pixel_size_m : float
        Edge of a pixel, metres.
    motion : MotionField or sequence of Slide
        In map coordinates of `grid`; on the default grid x runs from 0 to the right and y from 0 down to negative.
    seed : int
        Seed of the random numbers.
    options : SceneOptions, optional
        Jitter, noise, light, clouds and so on.
    grid : Grid, optional
        North-up grid with `shape` and `pixel_size_m`; default the local grid of `pixel_grid`.
    **settings
        Fields of `SceneOptions`, over `options`.

    Returns
    -------
    SimulatedScenes
        Images, masks and truth.

    Raises
    ------
    EpochError
        The dates do not increase.
    ConfigError
        A setting is unknown or out of bounds.

    Examples
    --------
    >>> slide = Slide(centre=(640, -640), semi_axes=(400, 300), speed=3.0, direction_deg=90)
    >>> scenes = scene_stack(["20200801", "20210805"], (128, 128), motion=[slide], noise_dn=10)
    >>> scenes.images.shape
    (2, 128, 128)
    """
    epochs = as_epochs(times)
    if (np.diff(epochs) <= np.timedelta64(0, "ns")).any():
        message = "the dates of simulated scenes must increase: sort them and give each once"
        raise EpochError(message)
    chosen = options_from(SceneOptions, options, settings)
    field = motion if isinstance(motion, MotionField) else MotionField(tuple(motion), origin=epochs[0])
    place = pixel_grid(shape, pixel_size_m) if grid is None else grid
    rng = np.random.default_rng([seed, 1])
    jitter = chosen.jitter_px * rng.standard_normal((len(epochs), 2))
    bare = SimulatedScenes(
        np.empty((len(epochs), *shape), np.float32),
        np.zeros((len(epochs), *shape), bool),
        epochs,
        jitter,
        pixel_size_m,
        field,
        place,
    )
    _render(bare, ground(shape, seed), chosen, seed)
    for index in range(len(epochs)):
        _spoil(bare, index, chosen, np.random.default_rng([seed, 2, index]))
    return bare


def _render(scenes: SimulatedScenes, base: Ground, options: SceneOptions, seed: int) -> None:
    """Fill the images with the ground as the optics see it."""
    rng = np.random.default_rng([seed, 3])
    rows, columns = np.indices(base.shape, dtype=np.float64)
    years = years_since(scenes.times, scenes.times[0])
    change: Image | None = None
    for index, time in enumerate(scenes.times):
        if options.change_dn and index:
            grown = base.changed(rng, options.change_dn * float(np.sqrt(years[index] - years[index - 1])))
            change = grown if change is None else change + grown
        sun = _sun(time, options)
        seen = scenes.ground_at(index, rows, columns)
        scenes.images[index] = _image(base.lit(*sun, change=change), scenes.grid, *seen)


def _sun(time: np.datetime64, options: SceneOptions) -> tuple[float, float]:
    azimuth, elevation = sun_position(time, options.latitude_deg)
    share = options.seasonal_light
    return SUN_AZIMUTH_DEG + share * (azimuth - SUN_AZIMUTH_DEG), SUN_ELEVATION_DEG + share * (
        elevation - SUN_ELEVATION_DEG
    )


def _image(surface: Surface, grid: Grid, x: Floats, y: Floats) -> Image:
    back = ~grid.affine
    return surface.at(back.d * x + back.e * y + back.f - 0.5, back.a * x + back.b * y + back.c - 0.5)


def _spoil(scenes: SimulatedScenes, index: int, options: SceneOptions, rng: np.random.Generator) -> None:
    """Put light, clouds, noise and a missing corner over one image."""
    image = scenes.images[index]
    shape = (image.shape[0], image.shape[1])
    gain, right, down = options.illumination * rng.standard_normal(3)
    ramp = gain + right * np.linspace(-0.5, 0.5, shape[1])[None, :] + down * np.linspace(-0.5, 0.5, shape[0])[:, None]
    image *= (1.0 + ramp).astype(np.float32)
    fraction = options.cloud_fraction * 2.0 * rng.random()
    opacity, brightness = clouds(shape, min(fraction, 0.95), rng)
    image += opacity * (brightness - image)
    scenes.cloud[index] = opacity > 0
    image += np.float32(options.noise_dn) * rng.standard_normal(shape, dtype=np.float32)
    if options.nodata_wedge and index % _WEDGE_EVERY == 1:
        image[missing_corner(shape, options.nodata_wedge, int(rng.integers(4)))] = np.nan


def chip_samples(rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int) -> tuple[Floats, Floats]:
    """Return positions (rows, columns) spread evenly over each chip, (..., samples)."""
    count = min(chip_px, _SAMPLES)
    return _around(rows, columns, ((np.arange(count) + 0.5) / count - 0.5) * chip_px)


def _edges(rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int) -> tuple[Floats, Floats]:
    """Return the pixel centres of each chip that decide whether it lies in a slide: a lattice out to its edge."""
    half = (chip_px - 1) / 2
    return _around(rows, columns, np.linspace(-half, half, min(chip_px, _SAMPLES)))


def _around(rows: npt.ArrayLike, columns: npt.ArrayLike, offsets: Floats) -> tuple[Floats, Floats]:
    row, column = np.broadcast_arrays(np.asarray(rows, np.float64), np.asarray(columns, np.float64))
    down, right = np.meshgrid(offsets, offsets, indexing="ij")
    return row[..., None] + down.ravel(), column[..., None] + right.ravel()
