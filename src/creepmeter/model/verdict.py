"""What became of a scene that was found: kept or dropped, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from creepmeter.model.scene import Scene


@dataclass(frozen=True)
class Verdict:
    """One scene and the choice about it; shares are 0 to 1, NaN where they are not known.

    Parameters
    ----------
    scene : Scene
        Name of the item, time, orbit, tile, and the cloud that the catalogue says.
    kept : bool
        Whether it is used.
    reason : str
        Why, in words.
    platform, baseline : str
        Satellite, and version of the processing.
    cover : float
        Share of the area that the scene reaches.
    cloud, shadow, snow, missing : float
        Shares inside the area, measured from the mask.
    unseen : float
        What counts against `max_cloud`: measured where it could be, else what the catalogue says.
    """

    scene: Scene
    kept: bool
    reason: str
    platform: str = ""
    baseline: str = ""
    cover: float = math.nan
    cloud: float = math.nan
    shadow: float = math.nan
    snow: float = math.nan
    missing: float = math.nan
    unseen: float = math.nan

    @property
    def measured(self) -> bool:
        """Whether the mask was read."""
        return not math.isnan(self.cloud)
