"""Search for optical scenes: any STAC API, or a static catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from creepmeter.blocks import Progress
from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.attempts import Clock
from creepmeter.imagery.catalogue import gather
from creepmeter.imagery.found import FoundScene, scene_of
from creepmeter.imagery.query import Gathered, Query, plain_item
from creepmeter.imagery.scene_options import SceneSearchOptions
from creepmeter.imagery.sensors import sensor_named


@dataclass(frozen=True)
class Found:
    """What a search found.

    Parameters
    ----------
    scenes : tuple of FoundScene
        In order of time and name; each item once.
    cover : dict of str to float
        Share of the area within each scene, by its name.
    left_out : tuple of str
        What could not be used or was not seen to the end, and why.
    source : str
        Address or file of the catalogue.
    """

    scenes: tuple[FoundScene, ...]
    cover: dict[str, float] = field(repr=False)
    left_out: tuple[str, ...]
    source: str


def search_scenes(
    area: AreaOfInterest,
    options: SceneSearchOptions,
    *,
    policy: AccessPolicy | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> Found:
    """Return the scenes of an area and a time.

    Parameters
    ----------
    area : AreaOfInterest
        Where.
    options : SceneSearchOptions
        Catalogue, sensor, dates, limits.
    policy : AccessPolicy, optional
        Hosts and folders, besides the catalogue's own, that the catalogue may lead to.
    clock : Clock, optional
        For tests.
    progress : Progress, optional
        Counts spans of days.

    Raises
    ------
    ServiceError
        The catalogue does not answer, refuses, or is none.
    InputError
        It has no collection of the sensor.
    """
    usual = sensor_named(options.sensor).collections
    query = Query(options.catalogue, area, options.windows, options.sensor, options.collections, usual)
    gathered = _GatheredScenes(area, options)
    source = gather(query, gathered, options, policy=policy, clock=clock, progress=progress)
    return gathered.result(source)


class _GatheredScenes(Gathered):
    """Scenes as they come in."""

    def __init__(self, area: AreaOfInterest, options: SceneSearchOptions) -> None:
        super().__init__(options.most)
        self._area, self._options = area, options
        self._sensor = sensor_named(options.sensor)
        self._scenes: dict[str, FoundScene] = {}
        self._cover: dict[str, float] = {}

    @property
    def count(self) -> int:
        return len(self._scenes)

    def consider(self, item: Mapping[str, Any], base: str) -> None:
        one = scene_of(item)
        if one.sensor != self._sensor or not any(window.holds(one.moment) for window in self._options.windows):
            return
        cover = self._area.covered_by(one.footprint)
        if cover <= 0 or one.name in self._scenes:
            return
        one = replace(one, item=plain_item(item, base))
        if self.is_full:
            self.leave_out(f"more than {self.most} scenes: the others are not listed (--most)")
            return
        self._scenes[one.name], self._cover[one.name] = one, cover

    def result(self, source: str) -> Found:
        """Return what was found."""
        scenes = sorted(self._scenes.values(), key=lambda one: (one.moment, one.name))
        return Found(tuple(scenes), self._cover, self.left_out, source)
