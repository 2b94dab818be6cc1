"""A ground that can be imaged from anywhere: band-limited, and rendered at any sub-pixel position.

The ground is a periodic quintic spline on a grid finer than the pixel. The optics are a Gaussian point spread with a
modulation of 0.25 at the Nyquist frequency of the pixel, so the fine grid sees next to nothing at its own Nyquist
frequency and the spline is exact for all practical purposes: no interpolator of the pixel grid is favoured.
Because the modulation does not vanish at the Nyquist frequency, images carry the slight aliasing of real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from creepmeter.errors import ImageError

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

MEAN_DN = 2200.0
STD_DN = 280.0
MTF_NYQUIST = 0.25
MARGIN_PX = 12  # ground beyond the frame, so that what moves in is not what moved out on the other side
SUN_AZIMUTH_DEG = 150.0
SUN_ELEVATION_DEG = 50.0

_SMALLEST_TILE_PX = 192  # so that the texture of a small image is that of a large one
_OUTER_SCALE_PX = 320.0
_COVER_SLOPE = 1.3
_SHADE_SLOPE = 0.95
_SHADE_SHARE = 0.4  # of the variance, at the usual sun
_CHANGE_SLOPE = 0.9
_RIDGE_SLOPE = 2.0  # beyond that of the rough relief
_RIDGE_SCALE_PX = 45.0
_RIDGE_SHARE = 0.8  # slope of the ridges over that of the rough relief
_PATCH_SLOPE = 1.0  # beyond that of the rough cover
_PATCH_SCALE_PX = 60.0
_FOREST_LEVEL = 0.3  # standard deviations of the patches
_FOREST_EDGE = 0.12
_FOREST_DEPTH = 1.3  # standard deviations of the rough cover
_FAR_PX = 1237  # fine cells by which one random field is moved so as to serve as another
_SPLINE_ORDER = 5
_LEAST_OVERSAMPLE = 3  # the optics leave 1 % at the Nyquist frequency of a grid of 2 per pixel
_SMALLEST_SUN_DEG = 5.0


@dataclass(frozen=True)
class Surface:
    """A ground under one light, ready to be imaged.

    Parameters
    ----------
    coefficients : array, (fine rows, fine columns) float32
        Quintic B-spline coefficients on the fine grid, periodic, point spread included, DN.
    shape : (int, int)
        Rows and columns of the image it was made for.
    oversample : int
        Fine cells per pixel and axis.
    """

    coefficients: Image
    shape: tuple[int, int]
    oversample: int = 4

    def at(self, rows: npt.ArrayLike, columns: npt.ArrayLike) -> Image:
        """Return brightness at ground positions.

        Parameters
        ----------
        rows, columns : array
            Positions in pixels of the undisplaced image; 0 is the centre of its first pixel.

        Returns
        -------
        array of float32
            DN, shape of `rows` and `columns` broadcast together.
        """
        both = np.broadcast_arrays(np.asarray(rows, np.float64), np.asarray(columns, np.float64))
        fine = [(position + MARGIN_PX) * self.oversample for position in both]
        values = ndimage.map_coordinates(
            self.coefficients, fine, output=np.float32, order=_SPLINE_ORDER, mode="grid-wrap", prefilter=False
        )
        return np.asarray(values, dtype=np.float32)

    def image(self, dx: float = 0.0, dy: float = 0.0) -> Image:
        """Return the image in which every ground feature has moved by (`dx`, `dy`) pixels (right, down)."""
        rows, columns = np.indices(self.shape, dtype=np.float64)
        return self.at(rows - dy, columns - dx)


@dataclass(frozen=True)
class Ground:
    """Ground cover and relief, to be lit from any side.

    Parameters
    ----------
    cover : array, (fine rows, fine columns) float32
        Spline coefficients of the brightness of level ground, DN.
    east, south : array, like `cover`
        Spline coefficients of the brightness gained per unit of slope down toward east and toward south, DN.
    change : array, like `cover`
        Spline coefficients of a change of the cover, standard deviation 1.
    shape : (int, int)
        Rows and columns of the image.
    oversample : int
        Fine cells per pixel and axis.
    """

    cover: Image
    east: Image
    south: Image
    change: Image
    shape: tuple[int, int]
    oversample: int = 4

    def lit(
        self,
        azimuth_deg: float = SUN_AZIMUTH_DEG,
        elevation_deg: float = SUN_ELEVATION_DEG,
        *,
        change: Image | None = None,
    ) -> Surface:
        """Return the ground under a sun at `azimuth_deg` (clockwise from north) and `elevation_deg`.

        Notes
        -----
        Lambert's law over a gentle relief, divided by that of level ground: ``1 + cot(e) (s_e sin(a) - s_s cos(a))``
        with the slopes `s_e` down toward east and `s_s` down toward south.
        """
        low = np.tan(np.radians(max(elevation_deg, _SMALLEST_SUN_DEG)))
        from_east = np.float32(np.sin(np.radians(azimuth_deg)) / low)
        from_south = np.float32(-np.cos(np.radians(azimuth_deg)) / low)
        coefficients = self.cover + from_east * self.east
        coefficients += from_south * self.south
        if change is not None:
            coefficients += change
        return Surface(coefficients, self.shape, self.oversample)

    def changed(self, rng: np.random.Generator, std_dn: float) -> Image:
        """Return a change of the cover of `std_dn`, independent of earlier ones: the one pattern, rolled far away."""
        rows, columns = self.change.shape
        shift = (int(rng.integers(rows)), int(rng.integers(columns)))
        return np.roll(self.change, shift, axis=(0, 1)) * np.float32(std_dn)


def ground(shape: tuple[int, int], seed: int, oversample: int = 4) -> Ground:
    """Return fractal ground cover and relief for an image of `shape`, deterministic by `seed`.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    seed : int
        Seed of the random numbers.
    oversample : int
        Fine cells per pixel and axis, at least 3.

    Raises
    ------
    ImageError
        The shape is empty or `oversample` is below 3.
    """
    if min(shape) < 1 or oversample < _LEAST_OVERSAMPLE:
        message = (
            f"a ground needs a shape of at least 1 x 1 and an oversample of at least 3, got {shape} and {oversample}"
        )
        raise ImageError(message)
    rng = np.random.default_rng(seed)
    wave = _Waves.of(_fine_shape(shape, oversample), oversample)
    east, south = _slopes(wave, rng)
    usual = np.tan(np.radians(SUN_ELEVATION_DEG))
    towards = np.radians(SUN_AZIMUTH_DEG)
    shade = np.float32(np.sin(towards) / usual) * east - np.float32(np.cos(towards) / usual) * south
    gain = np.float32(STD_DN * np.sqrt(_SHADE_SHARE) / shade.std(dtype=np.float64))
    cover = _cover(wave, rng) * np.float32(STD_DN * np.sqrt(1.0 - _SHADE_SHARE))
    cover += np.float32(MEAN_DN)
    change = _unit(wave.synthesis(wave.noise(rng) * wave.fractal(_CHANGE_SLOPE)))
    return Ground(cover, east * gain, south * gain, change, shape, oversample)


def _slopes(wave: _Waves, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return slopes down toward east and south of a fractal relief with ridges, as spline coefficients.

    The ridges are the kinks of ``-|g|`` for a smooth random `g`.
    """
    rough = wave.noise(rng) * wave.fractal(_SHADE_SLOPE + 1.0)
    smooth = wave.field(rough * wave.fractal(_RIDGE_SLOPE, _RIDGE_SCALE_PX))
    ridges = wave.transform(-np.abs(np.roll(smooth, _FAR_PX, axis=(0, 1))))
    ridges *= np.float32(_RIDGE_SHARE * _power(rough, wave) / _power(ridges, wave))
    relief = rough + ridges
    # slopes DOWN are minus the derivative of the height
    turn = np.complex64(-2j * np.pi)
    return wave.synthesis(relief * (turn * wave.column)), wave.synthesis(relief * (turn * wave.row))


def _cover(wave: _Waves, rng: np.random.Generator) -> Image:
    """Return fractal ground cover with patches of forest, as spline coefficients of mean 0 and standard deviation 1."""
    rough = wave.noise(rng) * wave.fractal(_COVER_SLOPE)
    tone = wave.field(rough)
    tone /= tone.std()
    patch = wave.field(rough * wave.fractal(_PATCH_SLOPE, _PATCH_SCALE_PX))
    patch = np.roll(patch / patch.std(), _FAR_PX, axis=(0, 1))
    tone -= np.float32(_FOREST_DEPTH) * np.clip((patch - _FOREST_LEVEL) / _FOREST_EDGE, 0.0, 1.0, dtype=np.float32)
    return _unit(wave.synthesis(wave.transform(tone)))


def _power(spectrum: Spectrum, wave: _Waves) -> float:
    """Return the root mean square slope of a relief as far as the optics see it (up to a constant)."""
    some = slice(None, None, 4)  # every fourth row tells enough of two random fields
    steep = np.abs(spectrum[some]) ** 2 * (wave.row[some] ** 2 + wave.column**2) * wave.optics[some] ** 2
    return float(np.sqrt(steep.sum(dtype=np.float64)))


def _unit(coefficients: Image) -> Image:
    # the spline prefilter hardly touches the frequencies that carry the variance
    return coefficients / np.float32(coefficients.std(dtype=np.float64))


def surface(shape: tuple[int, int], seed: int, oversample: int = 4) -> Surface:
    """Return a ground under the usual sun: mean about 2200 DN, standard deviation about 280 DN.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    seed : int
        Seed of the random numbers.
    oversample : int
        Fine cells per pixel and axis, at least 3.

    Examples
    --------
    >>> ground = surface((64, 64), seed=1)
    >>> ground.image(dx=0.37, dy=-0.21).shape
    (64, 64)
    """
    return ground(shape, seed, oversample).lit()


def _fine_shape(shape: tuple[int, int], oversample: int) -> tuple[int, int]:
    rows, columns = (
        fft.next_fast_len(max(size + 2 * MARGIN_PX, _SMALLEST_TILE_PX) * oversample, real=True) for size in shape
    )
    return rows, columns


@dataclass(frozen=True)
class _Waves:
    """Frequencies of the fine grid, cycles per pixel, and the filters that depend on them."""

    shape: tuple[int, int]
    row: Image
    column: Image
    optics: Image

    @classmethod
    def of(cls, shape: tuple[int, int], oversample: int) -> _Waves:
        row = (fft.fftfreq(shape[0]) * oversample).astype(np.float32)[:, None]
        column = (fft.rfftfreq(shape[1]) * oversample).astype(np.float32)[None, :]
        optics = _optics(row, oversample) * _optics(column, oversample)
        return cls(shape, row, column, optics)

    def noise(self, rng: np.random.Generator) -> Spectrum:
        return self.transform(rng.standard_normal(self.shape, dtype=np.float32))

    def transform(self, field: Image) -> Spectrum:
        return np.asarray(fft.rfft2(field), dtype=np.complex64)

    def field(self, spectrum: Spectrum) -> Image:
        spectrum[0, 0] = 0.0
        return np.asarray(fft.irfft2(spectrum, s=self.shape), dtype=np.float32)

    def fractal(self, slope: float, scale_px: float = _OUTER_SCALE_PX) -> Image:
        power = self.row**2 + self.column**2 + np.float32(scale_px**-2)
        return np.asarray(np.exp(np.log(power) * np.float32(-slope / 2.0)), dtype=np.float32)

    def synthesis(self, spectrum: Spectrum) -> Image:
        """Return spline coefficients of the field seen through the optics; its mean is zero."""
        return self.field(spectrum * self.optics)


def _optics(frequency: Image, oversample: int) -> Image:
    """Return point spread over spline sampling filter, along one axis; frequency in cycles per pixel."""
    mtf = MTF_NYQUIST ** ((2.0 * frequency.astype(np.float64)) ** 2)
    turn = 2.0 * np.pi * frequency.astype(np.float64) / oversample
    sampled = (66.0 + 52.0 * np.cos(turn) + 2.0 * np.cos(2.0 * turn)) / 120.0  # quintic B-spline at the integers
    return np.asarray(mtf / sampled, dtype=np.float32)
