"""The run file: its sections, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from creepmeter.errors import ConfigError
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
        None, description="Heights, a raster in metres: shaded behind the maps of the report, in place of an image"
    )


class ComputeSection(Options):
    """What the run may use of the machine."""

    memory_gb: float = Field(4.0, gt=0, allow_inf_nan=False, description="Memory to keep within, gigabytes")
    threads: int | None = Field(None, ge=1, description="Threads; default all cores")


class RunConfig(Options):
    """A whole run of path A, images to velocity."""

    images: ImagesSection
    pairs: PairOptions = PairOptions()
    track: TrackSection = TrackSection()
    stable: StableSection = StableSection()
    invert: InvertSection = InvertSection()
    velocity: VelocityOptions = VelocityOptions()
    output: OutputSection = OutputSection()
    compute: ComputeSection = ComputeSection()


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
    """Return a configuration as YAML, with every option that differs from its default."""
    given = config.model_dump(mode="json", exclude_defaults=True)
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
    section, dot, option = name.strip().partition(".")
    if not joint or not dot:
        message = f"--set {item!r}: write section.option=value, such as track.chip_px=64"
        raise ConfigError(message)
    inner = values.get(section)
    if inner is None:
        inner = values[section] = {}
    if not isinstance(inner, dict):
        message = f"--set {item!r}: {section!r} is no section of the run file"
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
        model = RunConfig if len(path) == 1 else RunConfig.model_fields[path[0]].annotation
        names = ", ".join(getattr(model, "model_fields", {}))
        return f"unknown key {path[-1]!r}; known here are: {names}"
    if error["type"] == "missing":
        return "is missing"
    return f"{error['msg']} (got {error['input']!r})"
