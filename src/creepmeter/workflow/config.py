"""The run file: its sections, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from creepmeter.errors import ConfigError
from creepmeter.imagery.access import without_secrets
from creepmeter.imagery.options import SceneFetchOptions
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions
from creepmeter.inversion.options import COHERENCE_WEIGHTS, InvertOptions, needs_coherence
from creepmeter.io.text import read_page
from creepmeter.model.options import Options
from creepmeter.pairs.options import PairOptions
from creepmeter.stack.options import StableOptions
from creepmeter.tracking.options import TrackOptions
from creepmeter.velocity.options import VelocityOptions


class ImagesSection(Options):
    """Which images, and what in them is missing."""

    files: tuple[str, ...] = Field(
        min_length=1, description="Images on one grid: pattern such as scenes/*.tif, or list; relative to this file"
    )
    dates_pattern: str | None = Field(
        None,
        description="How the date is written in the names, as in strptime (%Y%m%d); default YYYYMMDD[THHMMSS]",
    )
    pixel_size_m: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Edge of a pixel, metres; needed for images without georeference"
    )
    nodata: float | None = Field(None, description="Value that means missing, where the files do not say it themselves")
    band: int | None = Field(None, ge=1, description="Band to track, counted from 1; default the mean of all bands")
    exclude: tuple[str, ...] = Field(
        (),
        description="What is missing (cloud, shadow): polygons or raster, nonzero is left out. One file for all, "
        "or a pattern of one mask per image, matched by date",
    )
    bad_images: Literal["stop", "skip"] = Field(
        "stop", description="An image that cannot be read, is constant or all missing: stop, or leave it out and say so"
    )

    @field_validator("files", "exclude", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ScenesSection(SceneSearchOptions):
    """Which scenes are searched for and fetched, in place of `images`; needs `years` or `dates`."""

    area: str | None = Field(
        None,
        description="Area to cut out: vector file, WKT, or box W,S,E,N in degrees; default that around stable.moving",
    )
    buffer_m: float = Field(0.0, ge=0, allow_inf_nan=False, description="Ground to take in around the area, metres")
    area_crs: str | None = Field(
        None, description="Reference system of a box, of WKT and of files that have none; default degrees (WGS 84)"
    )
    allow_host: tuple[str, ...] = Field(
        (),
        description="Hosts, HOST or HOST:PORT, that may be asked though they are not public, over plain HTTP as well",
    )
    allow_folder: tuple[str, ...] = Field(
        (), description="Folders on this machine, besides the catalogue's own, that a catalogue may refer to"
    )
    dem: bool | str = Field(
        default=False,
        description="Fetch heights of the area too, for output.dem where none is given: true (cop-dem-glo-30), or the "
        "name of a collection of the catalogue",
    )
    select: SelectOptions = SelectOptions()
    read: SceneFetchOptions = SceneFetchOptions()

    @field_validator("area", mode="before")
    @classmethod
    def _box(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return ",".join(str(part) for part in value)
        return value

    @field_validator("years", mode="before")
    @classmethod
    def _one_year(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value

    @field_validator("allow_host", "allow_folder", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class TrackSection(TrackOptions):
    """How offsets between two images are measured, and where."""

    within: str | None = Field(None, description="Polygons or raster: measure only chips centred where it is nonzero")


class StableSection(StableOptions):
    """How stable ground corrects each pair; needs `moving` or `stable`."""

    moving: str | None = Field(None, description="Moving ground, polygons or raster (nonzero): all else is stable")
    stable: str | None = Field(None, description="Stable ground, polygons or raster (nonzero), in place of `moving`")


class InvertSection(InvertOptions):
    """How displacement per pair becomes displacement per date."""

    @field_validator("weights", mode="before")
    @classmethod
    def _offsets_have_no_coherence(cls, value: object) -> object:
        if value in COHERENCE_WEIGHTS:
            raise ValueError(needs_coherence(str(value)))
        return value


class OutputSection(Options):
    """What is written, and where."""

    folder: str = Field("run", description="Folder of the results, relative to where the command is called")
    title: str = Field("Ground motion", description="Heading of the report")
    geotiff: bool = Field(True, description="Write the velocity maps as GeoTIFF as well")
    dem: str | None = Field(
        None,
        description="Heights, a raster in m: shaded behind the maps of the report in place of an image; and motion "
        "down the slope of each polygon",
    )
    polygons: str | None = Field(
        None, description="Polygons whose motion is written (polygons.gpkg, .csv); default those of stable.moving"
    )
    detect: bool = Field(
        default=False, description="Write areas that move faster than their errors allow (inventory.gpkg, .csv)"
    )


class ComputeSection(Options):
    """What the run may use of the machine."""

    memory_gb: float = Field(4.0, gt=0, allow_inf_nan=False, description="Memory to keep within, gigabytes")
    threads: int | None = Field(None, ge=1, description="Threads; default all cores")


class RunConfig(Options):
    """A whole run of path A, images (of one's own, or scenes of a catalogue) to velocity."""

    images: ImagesSection | None = None
    scenes: ScenesSection | None = None
    pairs: PairOptions = PairOptions()
    track: TrackSection = TrackSection()
    stable: StableSection = StableSection()
    invert: InvertSection = InvertSection()
    velocity: VelocityOptions = VelocityOptions()
    output: OutputSection = OutputSection()
    compute: ComputeSection = ComputeSection()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.images is None) == (self.scenes is None):
            message = "give either images (files: ...) or scenes (area: ..., years: ...)"
            raise ValueError(message)
        if self.scenes is not None and self.scenes.area is None and self.stable.moving is None:
            message = "scenes: give area, or polygons of the moving ground (stable.moving) to search around"
            raise ValueError(message)
        return self


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file.

    Parameters
    ----------
    path : path
        YAML; plain values only.
    overrides : sequence of str
        ``section.option=value`` each, value in YAML; replaces what the file says.

    Raises
    ------
    ConfigError
        Unreadable, not YAML, an unknown key or a value out of bounds; key and line are named.
    """
    if not Path(path).is_file():
        message = f"{path}: no such run file; `creepmeter demo` makes an example"
        raise ConfigError(message)
    values, lines = _parse(read_page(Path(path), "a run file is a page of YAML"), str(path))
    for item in overrides:
        _override(values, item)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as problem:
        raise ConfigError(_explain(problem, lines, str(path))) from problem


def config_text(config: RunConfig) -> str:
    """Return a configuration as YAML, with every option that differs from its default, but without what is secret."""
    given = config.model_dump(mode="json", exclude_defaults=True)
    if config.scenes is not None and "catalogue" in given["scenes"]:
        given["scenes"]["catalogue"] = without_secrets(config.scenes.catalogue)
    return yaml.safe_dump(given, sort_keys=False, allow_unicode=True)


Lines = dict[tuple[str, ...], int]


def _parse(text: str, name: str) -> tuple[dict[str, Any], Lines]:
    """Return the values, and the line of every key."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            message = f"{name}: YAML references (*name) are not allowed: put a pattern such as '*.tif' in quotes"
            raise ConfigError(message)
        node = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        message = f"{name} is not plain YAML: {problem}"
        raise ConfigError(message) from problem
    if not isinstance(values, dict):
        message = f"{name} holds no sections: the smallest run file is `images: {{files: 'scenes/*.tif'}}`"
        raise ConfigError(message)
    lines: Lines = {}
    _note_lines(node, (), lines, name)
    return values, lines


def _note_lines(node: yaml.Node | None, path: tuple[str, ...], lines: Lines, name: str) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        place = (*path, str(key.value))
        line = key.start_mark.line + 1
        if place in lines:
            message = f"{name}, line {line}: {'.'.join(place)} is given twice (first in line {lines[place]})"
            raise ConfigError(message)
        lines[place] = line
        _note_lines(value, place, lines, name)


def _override(values: dict[str, Any], item: str) -> None:
    name, joint, text = item.partition("=")
    *sections, option = name.strip().split(".")
    if not joint or not sections:
        message = f"--set {item!r}: write section.option=value, such as track.chip_px=64"
        raise ConfigError(message)
    inner = values
    for depth, section in enumerate(sections, start=1):
        if inner.get(section) is None:
            inner[section] = {}
        inner = inner[section]
        if not isinstance(inner, dict):
            message = f"--set {item!r}: {'.'.join(sections[:depth])!r} is no section of the run file"
            raise ConfigError(message)
    inner[option] = _plain_value(text.strip())


def _plain_value(text: str) -> object:
    """Return what YAML makes of a value; text that is no YAML (``*.tif``, ``A: B``) is text."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return text
    return text if isinstance(value, dict) and not text.startswith("{") else value


def _explain(problem: ValidationError, lines: Lines, name: str) -> str:
    """Say what is wrong, key by key, with the line of the file."""
    parts = []
    for error in problem.errors():
        path = tuple(str(part) for part in error["loc"])
        known = next((path[:size] for size in range(len(path), 0, -1) if path[:size] in lines), None)
        where = f", line {lines[known]}" if known else ""
        parts.append(f"{name}{where}: {'.'.join(path)}: {_reason(error, path)}")
    return "\n".join(parts)


def _reason(error: Mapping[str, Any], path: tuple[str, ...]) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key {path[-1]!r}; known here are: {', '.join(_section(path[:-1]).model_fields)}"
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "value_error" and isinstance(error["input"], Mapping):
        return str(error["ctx"]["error"])  # of a whole section: what it holds is in the file
    return f"{error['msg']} (got {error['input']!r})"


def _section(path: Sequence[str]) -> type[Options]:
    """Return the model of a section of a run file, or of a section in it."""
    model: type[Options] = RunConfig
    for name in path:
        annotation = model.model_fields[name].annotation
        model = next(
            one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and one is not type(None)
        )
    return model
