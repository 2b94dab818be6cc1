"""Scenes for Kite (Pyrocko): displacement, direction to the satellite, and where the pixels lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError
from creepmeter.io.npzfile import write_npz
from creepmeter.io.swap import write_text
from creepmeter.model.grid import system_of
from creepmeter.products.displacement import Displacement, displacement_of
from creepmeter.products.gbis import angle_of
from creepmeter.products.mapfile import WHOLE, MapFile
from creepmeter.products.places import Places

_ENDINGS = (".npz", ".yml")
_DAY = 8
Floats32 = npt.NDArray[np.float32]


def save_kite(
    source: str | Path,
    target: str | Path,
    name: str | None = None,
    *,
    geometry: str | Path,
    mask: str | Path | None = None,
) -> list[Path]:
    """Write displacement as a scene that ``kite.Scene.load`` and ``spool`` open.

    ``NAME.npz`` holds displacement (metres toward the satellite), theta (elevation of the satellite above the horizon)
    and phi (its direction, counterclockwise from east; radians), rows from south to north; ``NAME.yml`` holds the frame
    and what is known of the scene. The rate of a velocity stays a rate: its displacement is that of one year.

    Parameters
    ----------
    source : path
        Velocity or series, on a map.
    target : path
        Name of both files, with or without ending.
    name : str, optional
        Map and dates, such as ``velocity``, ``step20190704``, ``20180105_20180117``.
    geometry : path
        Incidence and azimuth angles on the same grid.
    mask : path, optional
        Only pixels where it is nonzero have a value.

    Returns
    -------
    list of Path
        Both files.

    Raises
    ------
    GridError
        The product is in radar coordinates.
    InputError
        The map is no displacement, or the geometry lacks angles.
    """
    file = MapFile.open(source)
    file.require_map("Kite")
    moved, keep, about = displacement_of(file, name), file.mask(mask), file.beside(geometry)
    a, b, _, d, e, _ = file.grid.affine[:6]
    if b or d or not a > 0 > e:
        message = f"{file.path}: its rows and columns do not run along east and north, which a scene of Kite needs"
        raise GridError(message)
    per_year = moved.layer.unit.endswith(("/yr", "/year"))
    values = moved.layer.floats() if per_year else moved.metres()
    shown = np.where(keep.read(WHOLE, WHOLE), values, np.nan)
    theta = np.pi / 2 - np.radians(angle_of(about, "incidenceAngle").floats())
    phi = np.radians(angle_of(about, "azimuthAngle").floats() + 90.0)
    phi = (phi + np.pi) % (2 * np.pi) - np.pi
    stem = Path(target).with_suffix("") if Path(target).suffix in _ENDINGS else Path(target)
    data, config = (stem.with_name(f"{stem.name}{ending}") for ending in _ENDINGS)
    write_npz(data, [_northward(item) for item in (shown, theta, phi)])
    write_text(config, _config(file, moved))
    return [data, config]


def _northward(values: npt.NDArray[np.float64]) -> Floats32:
    return np.ascontiguousarray(values[::-1], np.float32)


def _config(file: MapFile, moved: Displacement) -> str:
    """Return the YAML of a scene: objects of Kite are told by their tags."""
    told = file.attributes
    orbit = {"A": "Ascending", "D": "Descending"}.get(told.get("ORBIT_DIRECTION", "")[:1].upper(), "Undefined")
    longitude, latitude = Places(file.grid).of(np.array([0.0]), np.array([float(file.shape[0])]))
    geographic = system_of(file.grid).geographic
    lines = [
        "# kite.Scene YAML Config",
        "--- !kite.scene.SceneConfig",
        "meta: !kite.scene.Meta",
        f"  scene_title: {_quoted(told.get('PROJECT_NAME', file.path.stem))}",
        f"  scene_id: {_quoted(told.get('trackNumber', 'None'))}",
        f"  satellite_name: {_quoted(told.get('PLATFORM', 'Undefined Mission'))}",
        *([f"  wavelength: {moved.wavelength!r}"] if moved.wavelength > 0 else []),
        f"  orbital_node: {orbit}",
        *[f"  {key}: {text}" for key, text in _times(moved).items()],
        "  extra: {}",
        "frame: !kite.scene.FrameConfig",
        f"  llLat: {float(latitude[0])!r}",
        f"  llLon: {float(longitude[0])!r}",
        f"  dN: {float(-file.grid.affine.e)!r}",
        f"  dE: {float(file.grid.affine.a)!r}",
        f"  spacing: {'degree' if geographic else 'meter'}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(str(text))  # text in quotes means the same in YAML


def _times(moved: Displacement) -> dict[str, str]:
    if not (moved.first and moved.last):
        return {}
    days = (f"{text[:4]}-{text[4:6]}-{text[6:_DAY]} 00:00:00" for text in (moved.first, moved.last))
    return dict(zip(("time_master", "time_slave"), days, strict=True))
