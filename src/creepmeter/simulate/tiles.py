"""Two images of any size, rendered window by window from one continuous ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.kernels.threads import in_threads
from creepmeter.model.epoch import EpochLike, Epochs, as_epochs
from creepmeter.model.grid import Grid, metres_per_pixel, pixel_grid
from creepmeter.simulate.motion import Bools, Floats, MotionField, Slide, map_position, origin_of
from creepmeter.simulate.options import TiledOptions
from creepmeter.simulate.scenes import chip_samples
from creepmeter.simulate.sky import CLOUD_DN, in_corner, opacity_above
from creepmeter.simulate.terrain import MEAN_DN, Image
from creepmeter.simulate.texture import Textures, level_above, textures_of

BLOCK_PX = 256  # what is rendered in one piece, so that a pixel is the same in any window
LAKE_DN = 900.0
_SHORE = 0.1  # rise from water to land, standard deviations of the field that lakes are cut from
_CORNER = 3  # lower left
_PIXEL_M = 10.0
_TOLERANCE_PX = 1e-5


@dataclass(frozen=True)
class TiledScene:
    """Two images of one moving ground, of any size: only the window asked for is rendered.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    seed : int
        Seed of the random numbers.
    motion : MotionField
        Motion of the ground in map coordinates of `grid`; positions are those in the reference image.
    times : (date, date)
        Of the reference and the secondary image.
    shift_px : (float, float)
        Shift (dx right, dy down) of the whole secondary image, pixels.
    grid : Grid, optional
        Grid of `shape`; default the local grid of `pixel_grid` with pixels of 10 m.
    options : TiledOptions
        Noise, change, lakes, clouds, missing corner.

    Raises
    ------
    InputError
        The shape is empty or not that of the grid, or the times do not increase.

    Notes
    -----
    Both images sample the same continuous ground, band-limited as in `terrain`: cover and relief are patchworks of two
    periodic textures whose patches differ in size and place, so that no place looks like another. A window gives the
    same pixels, bit for bit, however the scene is cut. Noise is drawn per block of 256 pixels from a counter.

    Examples
    --------
    >>> scene = TiledScene((10980, 10980), seed=1, shift_px=(0.37, -0.21))
    >>> scene.window(slice(5000, 5064), slice(7000, 7064), "sec").shape
    (64, 64)
    """

    shape: tuple[int, int]
    seed: int = 0
    motion: MotionField = field(default_factory=MotionField)
    times: tuple[EpochLike, EpochLike] = ("2020-08-01", "2021-08-01")
    shift_px: tuple[float, float] = (0.0, 0.0)
    grid: Grid | None = None
    options: TiledOptions = field(default_factory=TiledOptions)

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or tuple(self.place.shape) != tuple(self.shape):
            message = (
                f"a scene needs a shape of at least 1 x 1 and a grid of it, got {self.shape} on {self.place.shape}"
            )
            raise InputError(message)
        if not self.epochs[0] < self.epochs[1]:
            message = f"the times of the two images must increase, got {self.epochs[0]} and {self.epochs[1]}"
            raise InputError(message)

    @cached_property
    def place(self) -> Grid:
        """Grid of the images."""
        return pixel_grid(self.shape, _PIXEL_M) if self.grid is None else self.grid

    @cached_property
    def epochs(self) -> Epochs:
        """Dates of the two images."""
        return as_epochs(self.times)

    def window(self, rows: slice, columns: slice, which: str = "ref") -> Image:
        """Return a part of one image.

        Parameters
        ----------
        rows, columns : slice
            Without step; as in NumPy, what lies beyond the scene is left out.
        which : {"ref", "sec"}
            Image.

        Returns
        -------
        array of float32, (y, x)
            DN; NaN = missing.

        Raises
        ------
        InputError
            `which` is neither, or a slice has a step.
        """
        index = _index_of(which)
        (top, bottom), (left, right) = (
            _ends(part, size) for part, size in zip((rows, columns), self.shape, strict=True)
        )
        out = np.empty((bottom - top, right - left), np.float32)
        blocks = [(i, j) for i in _blocks(top, bottom) for j in _blocks(left, right)]
        made = textures_of(self.seed)

        def render(start: int, stop: int) -> None:
            for i, j in blocks[start:stop]:
                row, column = i * BLOCK_PX - top, j * BLOCK_PX - left
                part = self._block(made, index, i, j)[max(-row, 0) :, max(-column, 0) :]
                into = out[max(row, 0) : row + BLOCK_PX, max(column, 0) : column + BLOCK_PX]
                into[:] = part[: into.shape[0], : into.shape[1]]

        in_threads(render, len(blocks))
        return out

    def truth_offset_px(self, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int = 1) -> Floats:
        """Return the offset (dx right, dy down), pixels, that a tracker should find: motion and shift, (2, ...).

        Parameters
        ----------
        rows, columns : array
            Centres of chips in the reference image, pixels (0 = centre of the first pixel); broadcast together.
        chip_px : int
            Edge of a chip, pixels; the offset is the mean over it.
        """
        x, y = map_position(self.place, *chip_samples(rows, columns, chip_px))
        dx, dy = self._in_pixels(*self._moved(self.motion, x, y))
        return np.stack([dx.mean(axis=-1) + self.shift_px[0], dy.mean(axis=-1) + self.shift_px[1]])

    def moving(self, rows: npt.ArrayLike, columns: npt.ArrayLike) -> Bools:
        """Tell which positions of the reference image lie inside the outline of a slide."""
        positions = (np.asarray(part, np.float64) for part in (rows, columns))
        return self.motion.moving(*map_position(self.place, *positions))

    def _block(self, made: Textures, which: int, i: int, j: int) -> Image:
        """Return one block, rendered whole even where it sticks out of the scene."""
        rows, columns = np.indices((BLOCK_PX, BLOCK_PX), dtype=np.float64)
        rows, columns = rows + i * BLOCK_PX, columns + j * BLOCK_PX
        image = self._ground(made, *self._origin(which, rows, columns), which)
        if self.options.cloud_fraction:
            cloud = (made.ref_cloud, made.sec_cloud)[which]
            opacity = opacity_above(cloud.at(rows, columns), level_above(self.options.cloud_fraction))
            image += opacity * (np.float32(CLOUD_DN) - image)
        if self.options.noise_dn:
            rng = np.random.Generator(np.random.Philox(key=self._noise_key, counter=[0, i, j, which]))
            image += np.float32(self.options.noise_dn) * rng.standard_normal(image.shape, dtype=np.float32)
        if which and self.options.nodata_wedge:
            image[in_corner(rows, columns, self.shape, self.options.nodata_wedge, _CORNER)] = np.nan
        return image

    @cached_property
    def _noise_key(self) -> npt.NDArray[np.uint64]:
        return np.asarray(np.random.SeedSequence([self.seed, 7]).generate_state(2, np.uint64), np.uint64)

    def _ground(self, made: Textures, rows: Floats, columns: Floats, which: int) -> Image:
        """Return the ground at positions in the reference image."""
        image = made.cover.at(rows, columns) + made.shade.at(rows, columns)
        image += np.float32(MEAN_DN)
        if which and self.options.change_dn:
            image += np.float32(self.options.change_dn) * made.change.at(rows, columns)
        if self.options.lake_fraction:
            opacity = opacity_above(made.lake.at(rows, columns), level_above(self.options.lake_fraction), _SHORE)
            image += opacity * (np.float32(LAKE_DN) - image)
        return image

    def _origin(self, which: int, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Return where in the reference image the ground lay that an image shows at pixel positions."""
        if which == 0:
            return rows, columns
        rows, columns = rows - self.shift_px[1], columns - self.shift_px[0]
        x, y = map_position(self.place, rows, columns)
        near = MotionField(tuple(self._near(x, y)), origin=self.motion.origin)
        if not near.slides:
            return rows, columns
        tolerance = _TOLERANCE_PX * float(np.abs(metres_per_pixel(self.place)).max())
        before = origin_of(x, y, partial(self._moved, near), tolerance=tolerance)
        dx, dy = self._in_pixels(before[0] - x, before[1] - y)
        return rows + dy, columns + dx

    def _near(self, x: Floats, y: Floats) -> list[Slide]:
        """Return the slides whose ground may be seen in a block."""
        reach = sum(abs(self._path(slide)) for slide in self.motion.slides)
        middle = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
        radius = np.hypot(np.ptp(x), np.ptp(y)) / 2
        return [
            slide
            for slide in self.motion.slides
            if np.hypot(slide.centre[0] - middle[0], slide.centre[1] - middle[1])
            <= radius + max(slide.semi_axes) + reach
        ]

    def _path(self, slide: Slide) -> float:
        """Return the metres that a slide moves between the images."""
        start, end = slide.travelled(self.epochs, as_epochs([self.motion.origin])[0])
        return float(end - start)

    def _moved(self, motion: MotionField, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        east, north = motion.displacement(x, y, self.epochs[1:], since=self.epochs[0])[:, 0]
        return east, north

    def _in_pixels(self, east: Floats, north: Floats) -> tuple[Floats, Floats]:
        """Return map vectors as (right, down) in pixels."""
        back = ~self.place.affine
        return back.a * east + back.b * north, back.d * east + back.e * north


def _index_of(which: str) -> int:
    if which not in {"ref", "sec"}:
        message = f"which must be ref or sec, got {which!r}"
        raise InputError(message)
    return int(which == "sec")


def _ends(part: slice, size: int) -> tuple[int, int]:
    start, stop, step = part.indices(size)
    if step != 1:
        message = f"a window has no step, got {part}: take all its pixels and thin them out after"
        raise InputError(message)
    return start, max(start, stop)


def _blocks(start: int, stop: int) -> range:
    return range(start // BLOCK_PX, -(-stop // BLOCK_PX)) if stop > start else range(0)
