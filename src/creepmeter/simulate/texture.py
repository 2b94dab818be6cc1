"""Ground without end: one periodic texture, cut into patches that lie in random order and blend into one another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from creepmeter.kernels.patchwork import pad_periodic, sample_patchwork
from creepmeter.simulate.motion import Floats
from creepmeter.simulate.sky import blotches
from creepmeter.simulate.terrain import MARGIN_PX, Image, ground

PERIOD_PX = 1024  # of the textures; no two patches that touch show the same place
_OVERSAMPLE = 3
_BLEND = 0.25  # of a patch
_PATCHES = 64  # per axis, before their order repeats: further than any scene
# Patches of cover and relief differ in size, so that nothing but their own patchworks repeats a place.
_COVER_PATCH_PX, _SHADE_PATCH_PX, _CHANGE_PATCH_PX = 448, 608, 512
_BLOT_CELL_PX = 8  # lakes and clouds are smooth: their texture is coarser than the pixel
_BLOT_CELLS = 2048  # the eye knows a lake again, so none returns within a scene
_BLOT_SCALE_CELLS = 6.0
_BLOT_PATCH_PX = 12000


@dataclass(frozen=True)
class Texture:
    """A patchwork of one periodic texture, of mean 0.

    Parameters
    ----------
    coefficients : array of float32
        Quintic B-spline coefficients, from `pad_periodic`.
    places : array of int64, (n, n, 2)
        Where in the texture each patch begins.
    cells_per_px : float
        Cells of the texture per pixel and axis.
    patch_px : float
        Distance of the patches, pixels.
    """

    coefficients: Image
    places: npt.NDArray[np.int64]
    cells_per_px: float
    patch_px: float

    def at(self, rows: Floats, columns: Floats) -> Image:
        """Return the texture at ground positions in pixels, (y, x)."""
        scale = self.cells_per_px
        return sample_patchwork(
            self.coefficients, self.places, rows * scale, columns * scale, self.patch_px * scale, _BLEND
        )

    def elsewhere(self, seed: int, salt: int) -> Texture:
        """Return the same texture in another order of patches."""
        return Texture(self.coefficients, _places(self.coefficients, seed, salt), self.cells_per_px, self.patch_px)


@dataclass(frozen=True)
class Textures:
    """All that a ground without end is made of.

    Parameters
    ----------
    cover, shade : Texture
        Brightness of level ground about its mean, and of the relief under the usual sun, DN.
    change : Texture
        A change of the cover, standard deviation 1.
    lake, ref_cloud, sec_cloud : Texture
        Smooth fields of standard deviation 1 that stand high where there is a lake or a cloud.
    """

    cover: Texture
    shade: Texture
    change: Texture
    lake: Texture
    ref_cloud: Texture
    sec_cloud: Texture


@lru_cache(maxsize=1)
def textures_of(seed: int) -> Textures:
    """Return the textures of a seed; this takes seconds, 150 MB, and for a moment 300 MB more, whatever the scene."""
    inner = PERIOD_PX - 2 * MARGIN_PX  # the ground adds the margin; together they are its period
    base = ground((inner, inner), seed, _OVERSAMPLE)
    cover = base.cover - np.float32(base.cover.mean(dtype=np.float64))
    shade = base.lit().coefficients - base.cover
    blots = _texture(_blots(np.random.default_rng([seed, 6])), 1.0 / _BLOT_CELL_PX, _BLOT_PATCH_PX, seed, 3)
    return Textures(
        _texture(cover, _OVERSAMPLE, _COVER_PATCH_PX, seed, 0),
        _texture(shade, _OVERSAMPLE, _SHADE_PATCH_PX, seed, 1),
        _texture(base.change, _OVERSAMPLE, _CHANGE_PATCH_PX, seed, 2),
        blots,
        blots.elsewhere(seed, 4),
        blots.elsewhere(seed, 5),
    )


def level_above(share: float) -> float:
    """Return the level that a field of standard deviation 1 exceeds on `share` of the ground."""
    return NormalDist().inv_cdf(1.0 - share)


def _texture(coefficients: Image, cells_per_px: float, patch_px: float, seed: int, salt: int) -> Texture:
    padded = pad_periodic(coefficients)
    return Texture(padded, _places(padded, seed, salt), cells_per_px, patch_px)


def _places(coefficients: Image, seed: int, salt: int) -> npt.NDArray[np.int64]:
    rng = np.random.default_rng([seed, 5, salt])
    return rng.integers(min(coefficients.shape), size=(_PATCHES, _PATCHES, 2))


def _blots(rng: np.random.Generator) -> Image:
    shape = (_BLOT_CELLS, _BLOT_CELLS)
    field = blotches(shape, _BLOT_SCALE_CELLS, rng)
    return field / np.float32(field.std(dtype=np.float64))
