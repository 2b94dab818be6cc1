"""Track two images given as arrays; this module loads no library of maps or files."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ImageError
from creepmeter.kernels.threads import together
from creepmeter.tracking.match import OffsetField, match, require_one_size
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import filter_seen, see_image
from creepmeter.tracking.tuning import tune

Bools: TypeAlias = npt.NDArray[np.bool_]


def track_arrays(
    ref: npt.ArrayLike,
    sec: npt.ArrayLike,
    *,
    exclude: Bools | tuple[Bools | None, Bools | None] | None = None,
    within: Bools | None = None,
    options: TrackOptions | None = None,
    **overrides: Any,  # noqa: ANN401 - the fields of TrackOptions, checked by it
) -> OffsetField:
    """Measure how far features moved from one image to another.

    Integer offsets come from the normalised cross-correlation of every chip over the search window; each is refined
    by Gauss-Newton on a quintic B-spline of the secondary image. Pixels that are missing in either image are left out
    of all sums.

    Parameters
    ----------
    ref, sec : array (rows, columns)
        The earlier and the later image on one grid. NaN = missing.
    exclude : bool (rows, columns), or one per image, optional
        True = treat as missing (cloud, shadow).
    within : bool (rows, columns), optional
        Measure only chips whose centre is true.
    options : TrackOptions, optional
        Chip, step, search radius (pixels), prefilter and limits of validity.
    **overrides
        Single options by name, such as ``chip_px=32, step_px=8, search_px=10``.

    Returns
    -------
    OffsetField
        ``row, col, dx, dy, correlation, sigma_dx, sigma_dy, valid, flag``, each (ny, nx). `dx` is positive toward
        larger column, `dy` toward larger row. The first chip covers pixels 0 to chip - 1.

    Raises
    ------
    ImageError
        An image is constant, all missing, smaller than a chip, or of another size than the other.
    ConfigError
        An unknown option or a value out of bounds.

    References
    ----------
    Lewis, J. P. (1995), Fast normalized cross-correlation. Baker, S. and Matthews, I. (2004), Lucas-Kanade 20 years on,
    doi 10.1023/B:VISI.0000011205.11775.fd.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(64, 64))
    >>> field = track_arrays(image[:, 2:], image[:, :-2], chip_px=16, step_px=16, search_px=4)
    >>> float(np.round(field.dx[1, 1], 3)), float(np.round(field.dy[1, 1], 3))
    (2.0, 0.0)
    """
    options = (options or TrackOptions()).override(overrides, step="tracking")
    masks = exclude if isinstance(exclude, tuple) else (exclude, exclude)
    first, second = together(
        lambda: see_image(ref, masks[0], options, name="the reference image"),
        lambda: see_image(sec, masks[1], options, name="the secondary image"),
    )
    require_one_size(first.values, second.values)
    if within is not None and np.shape(within) != first.values.shape:
        message = f"`within` has shape {np.shape(within)}, the images {first.values.shape}: give it on the image's grid"
        raise ImageError(message)
    tuned = tune(first, second, options)
    seen = {"ref": first, "sec": second}
    del first, second  # each is given up as soon as it is filtered
    prepared = together(
        lambda: filter_seen(seen.pop("ref"), options, tuned, "ref"),
        lambda: filter_seen(seen.pop("sec"), options, tuned, "sec"),
    )
    return match(*prepared, options, within)
