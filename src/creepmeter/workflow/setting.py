"""What every step of a run knows: configuration, folder, images, network."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter import __version__
from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import ConfigError
from creepmeter.io.provenance import digest_file
from creepmeter.io.rasterfile import is_raster
from creepmeter.io.store import open as open_product
from creepmeter.io.vector import burn_mask
from creepmeter.model.grid import Grid, chip_grid, metres_per_pixel
from creepmeter.model.network import Network
from creepmeter.stack.stable import stable_mask
from creepmeter.tracking.match import chip_shape
from creepmeter.workflow.config import RunConfig
from creepmeter.workflow.inputs import Images, find_file

Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Setting:
    """A run.

    Parameters
    ----------
    config : RunConfig
        All options.
    base : Path
        Folder that names in the configuration start from.
    folder : Path
        Where results go.
    images : Images
        Checked images.
    network : Network
        Pairs to measure.
    progress : Progress
        What shows how far the run has come.
    notes : list of str
        What a reader of the report should know; steps add to it.
    heights : Path or None
        Heights that were fetched with the images, where the configuration names none.
    """

    config: RunConfig
    base: Path
    folder: Path
    images: Images
    network: Network
    progress: Progress = field(default_factory=NullProgress)
    notes: list[str] = field(default_factory=list)
    heights: Path | None = None

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digests of images, masks and polygons by path."""
        named = (
            self.config.track.within,
            self.config.stable.moving,
            self.config.stable.stable,
            self.config.output.polygons,
        )
        extra = {str(path): digest_file(path) for name in named if name for path in [self._file(name)]}
        return {**self.images.digests(), **extra}

    @property
    def version(self) -> str:
        """Version of the program; another version makes products anew."""
        return __version__

    @cached_property
    def chips(self) -> Grid:
        """Grid of the chips, on which all products lie."""
        image, track = self.images.grid, self.config.track
        shape = chip_shape((image.shape[0], image.shape[1]), track.chip_px, track.step_px)
        return chip_grid(image, shape, track.chip_px, track.step_px)

    @cached_property
    def within(self) -> Bools | None:
        """Where to measure, on the grid of the images; None = everywhere."""
        name = self.config.track.within
        return None if name is None else burn_mask(self._file(name), self.images.grid, name="track.within")

    @cached_property
    def stable(self) -> Bools | None:
        """Stable ground on the grid of the chips; None = not known."""
        section = self.config.stable
        if section.stable is not None:
            return self._on_chips(section.stable, "stable.stable")
        if section.moving is None:
            return None
        size = metres_per_pixel(self.chips)
        cell = (abs(float(size[1, 1])), abs(float(size[0, 0])))
        return stable_mask(self._on_chips(section.moving, "stable.moving"), buffer_m=section.buffer_m, cell_m=cell)

    def _on_chips(self, name: str, option: str) -> Bools:
        return burn_mask(self._file(name), self.chips, name=option, image=self.images.grid)

    def _file(self, name: str) -> Path:
        return find_file(name, self.base, "run file")

    def moving_file(self) -> Path | None:
        """Return the file of the moving ground, if there is one."""
        return None if self.config.stable.moving is None else self._file(self.config.stable.moving)

    def polygon_file(self) -> Path | None:
        """Return the polygons whose motion is asked for: a vector file, or None."""
        name = self.config.output.polygons
        if name is not None:
            return self._file(name)
        moving = self.moving_file()
        return None if moving is None or is_raster(moving) else moving

    def relief_file(self) -> Path | None:
        """Return the file of the heights behind the maps of the report, if there is one."""
        return self.heights if self.config.output.dem is None else self._file(self.config.output.dem)

    def product(self, name: str) -> xr.Dataset:
        """Open a product of this run lazily."""
        return open_product(self.folder / name)


def require_chips(config: RunConfig, grid: Grid) -> None:
    """Raise `ConfigError` when a chip does not fit into the images."""
    if min(grid.shape) < config.track.chip_px:
        message = (
            f"track.chip_px is {config.track.chip_px}, but the images have {grid.shape[0]} x {grid.shape[1]} pixels: "
            "lower chip_px or take larger images"
        )
        raise ConfigError(message)
