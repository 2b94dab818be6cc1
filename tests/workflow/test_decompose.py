"""East, north and up from files: tracks in MintPy's layout and image offsets in a store, on different grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage, stats

import creepmeter as cm
from creepmeter.errors import ConfigError, InputError
from creepmeter.geometry.decompose_options import DecomposeOptions
from creepmeter.interferograms.attributes import grid_attributes
from creepmeter.io.mintpy.product import list_datasets, read_map, write_product
from creepmeter.io.store import write
from creepmeter.model.grid import Grid, centre_positions, grid_of
from creepmeter.model.line_of_sight import look_vector
from creepmeter.model.schema import map_dataset
from creepmeter.workflow.decompose import decompose_files

Floats = npt.NDArray[np.float64]
FINE = GeoBox((60, 70), Affine(40.0, 0.0, 400_000.0, 0.0, -40.0, 5_000_000.0), "EPSG:32633")
SHIFTED = GeoBox((50, 60), Affine(40.0, 0.0, 400_090.0, 0.0, -40.0, 4_999_870.0), "EPSG:32633")
TRACKS = {"asc": ("-12.0", 35.0), "desc": ("-168.0", 40.0)}
SPREAD, WIDE = 0.002, 0.01


def motion(grid: Grid) -> Floats:
    """Return the motion of the ground, (3, y, x), m/yr: planes, so that nothing is lost between cells."""
    x, y = centre_positions(grid)
    x, y = (x - 401_400) / 2800, (y - 4_998_800) / 2400
    return np.stack([0.05 * x + 0.01, 0.03 * y - 0.02 * x, -0.04 * y])


def write_track(folder: Path, name: str, grid: Grid, noise: float = SPREAD, **more: str) -> Path:
    heading, incidence = TRACKS[name]
    direction = look_vector(incidence, 90.0 - float(heading))
    random = np.random.default_rng(len(name))
    along = np.einsum("i,iyx->yx", direction, motion(grid)) + noise * random.normal(size=grid.shape)
    maps = {"velocity": along.astype(np.float32), "velocityStd": np.full(grid.shape, SPREAD, np.float32)}
    facts = {"FILE_TYPE": "velocity", "UNIT": "m/year", "HEADING": heading, "START_DATE": "20180105",
             "CENTER_INCIDENCE_ANGLE": str(incidence), **grid_attributes(grid), **more}  # fmt: skip
    write_product(folder / f"{name}.h5", maps, facts)
    return folder / f"{name}.h5"


def write_offsets(folder: Path, grid: Grid, noise: float = WIDE) -> Path:
    random = np.random.default_rng(9)
    values = motion(grid)[:2] + noise * random.normal(size=(2, *grid.shape))
    dims = ("component", "term", "y", "x")
    variables: dict[str, Any] = {
        "value": (dims, values[:, None].astype(np.float32), {}),
        "sigma": (dims, np.full((2, 1, *grid.shape), WIDE, np.float32), {}),
    }
    coords = {"component": ["east", "north"], "term": ["rate"], "unit": ("term", ["m/yr"])}
    write(map_dataset(variables, coords, grid, kind="MotionModel"), folder / "offsets.zarr")
    return folder / "offsets.zarr"


def options(**changes: Any) -> DecomposeOptions:  # noqa: ANN401 - fields of the options
    return DecomposeOptions.model_validate(changes)


def test_tracks_and_offsets_together_recover_the_motion(tmp_path: Path) -> None:
    files = [write_track(tmp_path, "asc", FINE), write_track(tmp_path, "desc", FINE), write_offsets(tmp_path, FINE)]
    told = decompose_files(files, tmp_path / "enu.zarr", options())
    found = cm.open(tmp_path / "enu.zarr")
    assert found["component"].values.tolist() == ["east", "north", "up"]
    assert (found["looks"] == 4).all()
    truth, value = motion(FINE), found["value"].sel(term="rate").values
    error = np.moveaxis(value - truth, 0, -1)
    inverse = np.linalg.inv(np.moveaxis(found["covariance"].values.astype(np.float64), (0, 1), (-2, -1)))
    squares = np.einsum("yxi,yxij,yxj->yx", error, inverse, error)
    count = squares.size
    low, high = stats.chi2.ppf([0.001, 0.999], 3 * count)
    assert low < squares.sum() < high
    low, high = stats.chi2.ppf([0.001, 0.999], count)
    assert low < float(found["reduced_chi2"].sum()) < high
    assert told[0].startswith(f"{tmp_path / 'enu.zarr'}: east, north, up from 4 maps at 100.0 %")
    assert "reduced chi-square" in told[-1]


def test_maps_on_another_grid_are_brought_to_that_of_the_first(tmp_path: Path) -> None:
    coarse = GeoBox((20, 25), Affine(120.0, 0.0, 399_950.0, 0.0, -120.0, 5_000_030.0), "EPSG:32633")
    files = [
        write_track(tmp_path, "asc", FINE, 0.0),
        write_track(tmp_path, "desc", SHIFTED, 0.0),
        write_offsets(tmp_path, coarse, 0.0),
    ]
    decompose_files(files, tmp_path / "enu.zarr", options())
    found = cm.open(tmp_path / "enu.zarr")
    assert grid_of(found) == FINE
    value = found["value"].sel(term="rate").values
    known = np.isfinite(value).all(axis=0)
    assert 0.9 < known.mean() < 1  # offsets and one track suffice where the other has none
    # at its border a map goes on level for half a cell
    inner = ndimage.binary_erosion(found["looks"].values == 4, iterations=3)
    assert inner.mean() > 0.5
    np.testing.assert_allclose(value[:, inner], motion(FINE)[:, inner], atol=5e-7)
    decompose_files(files, tmp_path / "coarse.zarr", options(), like=files[2])
    assert grid_of(cm.open(tmp_path / "coarse.zarr")) == coarse


def test_two_tracks_give_east_and_up_where_nothing_moves_north(tmp_path: Path) -> None:
    files = [write_track(tmp_path, name, FINE, 0.0) for name in TRACKS]
    with pytest.raises(ConfigError, match="cannot determine 3"):
        decompose_files(files, tmp_path / "eu.h5", options())
    decompose_files(files, tmp_path / "eu.h5", options(components=("east", "up")))
    names = {"east", "up", "eastStd", "upStd", "covariance_east_up", "reduced_chi2", "looks"}
    assert set(list_datasets(tmp_path / "eu.h5")) == names
    # by hand: both equations solved
    rows, right = [], []
    for name, (heading, incidence) in TRACKS.items():
        east, _, up = look_vector(incidence, 90.0 - float(heading))
        rows.append([east, up])
        right.append(read_map(tmp_path / f"{name}.h5", "velocity")[7, 9])
    found = [read_map(tmp_path / "eu.h5", name)[7, 9] for name in ("east", "up")]
    np.testing.assert_allclose(found, np.linalg.solve(rows, right), atol=1e-8)
    spread = [read_map(tmp_path / "eu.h5", f"{name}Std")[7, 9] for name in ("east", "up")]
    np.testing.assert_allclose(spread, SPREAD * np.linalg.norm(np.linalg.inv(rows), axis=1), rtol=1e-6)


def test_a_geometry_beside_or_named_counts_more_than_constants(tmp_path: Path) -> None:
    asc = write_track(tmp_path, "asc", FINE, 0.0)
    other = tmp_path / "other"
    other.mkdir()
    desc = write_track(other, "desc", FINE, 0.0, CENTER_INCIDENCE_ANGLE="10.0")
    angles = {"incidenceAngle": np.full(FINE.shape, 40.0, np.float32),
              "azimuthAngle": np.full(FINE.shape, 258.0, np.float32)}  # fmt: skip
    write_product(other / "geometryGeo.h5", angles, {"FILE_TYPE": "geometry", **grid_attributes(FINE)})
    chosen = options(components=("east", "up"))
    write_track(tmp_path, "desc", FINE, 0.0)
    decompose_files([asc, tmp_path / "desc.h5"], tmp_path / "right.zarr", chosen)
    decompose_files([asc, desc], tmp_path / "beside.zarr", chosen)
    right, beside = (cm.open(tmp_path / f"{name}.zarr")["value"].values for name in ("right", "beside"))
    np.testing.assert_allclose(beside, right, atol=1e-7)
    with pytest.raises(ConfigError, match="1 geometries"):
        decompose_files([asc, desc], tmp_path / "no.zarr", chosen, geometries=[other / "geometryGeo.h5"])


def test_all_maps_are_zero_at_the_reference(tmp_path: Path) -> None:
    files = [write_track(tmp_path, name, FINE, 0.0) for name in TRACKS]
    place = (45.145, 13.74)
    chosen = options(components=("east", "up"), ref_lalo=place)
    decompose_files(files, tmp_path / "eu.zarr", chosen)
    value = cm.open(tmp_path / "eu.zarr")["value"].values[:, 0]
    zero = (np.abs(value) < 1e-9).all(axis=0)
    assert zero.sum() == 1
    with pytest.raises(InputError, match="another --ref-lalo"):
        decompose_files(files, tmp_path / "no.zarr", chosen.model_copy(update={"ref_lalo": (50.0, 13.0)}))


def test_what_is_not_known_is_asked_for(tmp_path: Path) -> None:
    asc = write_track(tmp_path, "asc", FINE)
    bare = tmp_path / "bare.h5"
    facts = {"FILE_TYPE": "velocity", "UNIT": "m/year", "START_DATE": "20180105", **grid_attributes(FINE)}
    write_product(bare, {"velocity": read_map(asc, "velocity")}, facts)
    chosen = options(components=("east", "up"))
    with pytest.raises(InputError, match="HEADING"):
        decompose_files([asc, bare], tmp_path / "no.zarr", chosen)
    write_product(
        bare, {"velocity": read_map(asc, "velocity")}, {**facts, "HEADING": "-168", "CENTER_INCIDENCE_ANGLE": "40"}
    )
    with pytest.raises(ConfigError, match="--sigma"):
        decompose_files([asc, bare], tmp_path / "no.zarr", chosen)
    decompose_files([asc, bare], tmp_path / "yes.zarr", chosen.model_copy(update={"sigma": 0.005}))
    with pytest.raises(ConfigError, match="no term 'annual_cos'"):
        decompose_files([asc, bare], tmp_path / "no.zarr", chosen.model_copy(update={"term": "annual_cos"}))
