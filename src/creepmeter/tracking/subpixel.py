"""Other ways to the fraction of a pixel: chips refitted by weighted or strained ground, or by phase."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels.affine import AFFINE, SHIFT, refit_chips
from creepmeter.kernels.chip import DONE, LOST
from creepmeter.kernels.refine import FIELDS
from creepmeter.tracking.frequency import frequency_offsets
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import PreparedImage

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Prepared: TypeAlias = tuple[PreparedImage, PreparedImage]
Corner: TypeAlias = tuple[int, int]


def refit(
    fine: Floats, images: Prepared, peaks: Floats, options: TrackOptions, corner: Corner, least: float, reach: float
) -> None:
    """Replace refined chips, in place, where the fit that the options ask for converges.

    Parameters
    ----------
    fine : float32 (ny, nx, FIELDS)
        As from `refine_chips`; NaN where not wanted.
    images : (ref, sec)
        Prepared images.
    peaks : float32 (ny, nx, 7)
        As from `search_chips`.
    options : TrackOptions
        Chip, step, model, robust.
    corner : (y, x)
        Corner of the first chip, pixels.
    least, reach : float
        Fewest common pixels of a chip; how far the result may lie from its start, pixels.
    """
    ref, sec = images
    wanted = np.isin(fine[..., 5], (DONE, LOST))
    found, start = fine[wanted], peaks[wanted][:, 5:7]
    places = np.empty((len(found), 4))
    places[:, :2] = np.argwhere(wanted) * options.step_px + corner
    # what does not fit has drawn the shift aside, so that weights start from the peak
    trusted = (found[:, 5] == DONE) & (not options.robust)
    places[:, 2:] = np.where(trusted[:, None], found[:, :2], start)
    way = options.chip_px, AFFINE if options.model == "affine" else SHIFT, options.robust
    kernel_images = (ref.values, ref.solid.view(np.uint8), sec.coefficients, sec.spline_solid.view(np.uint8))
    better = refit_chips(kernel_images, places, way, least, reach)[:, :FIELDS]
    fine[wanted] = np.where((better[:, 5] == DONE)[:, None], better, found)


def refine_by_phase(images: Prepared, peaks: Floats, wanted: Bools, options: TrackOptions, corner: Corner) -> Floats:
    """Return the fields of `refine_chips` (ny, nx, FIELDS), measured by `frequency_offsets` from the same peaks.

    Parameters
    ----------
    images : (ref, sec)
        Prepared images.
    peaks : float32 (ny, nx, 7)
        As from `search_chips`.
    wanted : bool (ny, nx)
        Chips to measure.
    options : TrackOptions
        Chip and step.
    corner : (y, x)
        Corner of the first chip, pixels.

    Notes
    -----
    Coherence stands for correlation, also that of parts; chips with missing pixels are lost.
    """
    ref, sec = (np.where(image.valid, image.values, np.float32(np.nan)) for image in images)
    rows, cols = (np.argwhere(wanted) * options.step_px + corner).T
    start = peaks[wanted]
    found = frequency_offsets(ref, sec, rows, cols, options.chip_px, start[:, 0], start[:, 1])
    state = np.where(found.converged, DONE, LOST)
    support = found.converged.astype(float)
    fields = (found.dy, found.dx, found.coherence, found.sigma_dy, found.sigma_dx, state, support, found.coherence)
    fine = np.full((*wanted.shape, FIELDS), np.nan, np.float32)
    fine[wanted] = np.stack(fields, axis=1)
    return fine
