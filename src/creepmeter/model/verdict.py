"""What became of a scene that was found: kept or dropped, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from creepmeter.model.scene import Scene

Cause = Literal["kept", "cloud", "further", "cover", "group", "duplicate", "unreadable"]


@dataclass(frozen=True)
class Verdict:
    """One scene and the choice about it; shares are 0 to 1, NaN where they are not known.

    Parameters
    ----------
    scene : Scene
        Name of the item, time, orbit, tile, and the cloud that the catalogue says.
    cause : str
        ``kept``, or what it was dropped for: ``cloud`` too little is seen, ``further`` another one is nearer or
        clearer, ``cover`` it reaches too little, ``group`` another orbit or tile, ``duplicate``, ``unreadable``.
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
    cause: Cause
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
    def kept(self) -> bool:
        """Whether it is used."""
        return self.cause == "kept"

    @property
    def measured(self) -> bool:
        """Whether the mask was read."""
        return not math.isnan(self.cloud)
