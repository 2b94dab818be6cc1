"""One image of the ground, before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass

from creepmeter.model.epoch import Epoch


@dataclass(frozen=True, order=True, slots=True)
class Scene:
    """An acquisition that can be read from `source`.

    Parameters
    ----------
    time : datetime64[ns]
        When the image was taken, UTC.
    source : str
        Path (or address) of the image.
    orbit : int, optional
        Relative orbit; images of different orbits see relief from different sides.
    tile : str, optional
        Tile of the grid that cut the image.
    cloud_fraction : float, optional
        0 to 1, as far as known.
    """

    time: Epoch
    source: str
    orbit: int | None = None
    tile: str | None = None
    cloud_fraction: float | None = None
