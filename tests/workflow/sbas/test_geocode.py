"""Geocoding of products in MintPy's layout: against MintPy's own, and laws."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.workflow.sbas.samples import write_project, write_template

from creepmeter.errors import GridError, InputError
from creepmeter.geometry.options import GeocodeOptions
from creepmeter.geometry.sphere import LocalFrame
from creepmeter.io.mintpy.product import (
    list_datasets,
    read_attributes,
    read_map,
    read_tables,
    update_product,
    write_product,
)
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.geocoder import Geocoder
from creepmeter.workflow.sbas.run import run_sbas

pytestmark = pytest.mark.kernel
Values = npt.NDArray[Any]
GRID = ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")
MADE_SINCE = {"geo_maskTempCoh.h5"}  # MintPy makes this one from the geocoded coherence
NEEDED = 0.99


def layers(path: Path) -> dict[str, Values]:
    return {name: array.read() for name, array in arrays_of(path).items()}


def centres(path: Path) -> tuple[Values, Values]:
    attributes = read_attributes(path)
    west, north, wide, tall = (float(attributes[name]) for name in GRID)
    rows, columns = int(attributes["LENGTH"]), int(attributes["WIDTH"])
    latitude, longitude = np.meshgrid(
        north + (np.arange(rows) + 0.5) * tall, west + (np.arange(columns) + 0.5) * wide, indexing="ij"
    )
    return latitude, longitude


def alike(one: Values, other: Values) -> Values:
    """Return where all layers are the same, (y, x)."""
    same = one == other
    if one.dtype.kind == "f":
        same |= np.isnan(one) & np.isnan(other)
    return np.asarray(same.all(axis=0))


# ---------------------------------------------------------------------------------------------------- MintPy's results


@pytest.fixture(scope="module", params=["mintpy_full", "mintpy_tutorial"])
def runs(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folders of our geocoded products and of MintPy's."""
    theirs = shared / "golden" / "sbas_radar" / request.param
    ours = tmp_path_factory.mktemp("geo")
    geocoder = Geocoder(GeocodeOptions(), theirs.parent / "inputs" / "geometryRadar.h5")
    for path in sorted((theirs / "geo").glob("geo_*.h5")):
        name = path.name.removeprefix("geo_")
        source = next(folder / name for folder in (theirs, theirs.parent / "inputs") if (folder / name).is_file())
        geocoder.to_map(source, ours / path.name)
    return ours, theirs / "geo"


@pytest.mark.golden
def test_grid_dates_types_and_attributes_are_mintpys(runs: tuple[Path, Path]) -> None:
    ours, theirs = runs
    for path in sorted(theirs.glob("*.h5")):
        mine, known = read_attributes(ours / path.name), read_attributes(path)
        for name in GRID:
            assert abs(float(mine[name]) - float(known[name])) < 1e-9
        same = ["LENGTH", "WIDTH", "X_UNIT", "Y_UNIT", "FILE_TYPE", "UNIT", "REF_LAT", "REF_LON", "REF_DATE"]
        assert {name: mine.get(name) for name in same} == {name: known.get(name) for name in same}
        if path.name not in MADE_SINCE:
            assert mine["FILE_PATH"] == known["FILE_PATH"]
        assert list_datasets(ours / path.name) == list_datasets(path)
        tables = read_tables(path)
        assert set(tables) == set(read_tables(ours / path.name))
        for name, values in tables.items():
            np.testing.assert_array_equal(read_tables(ours / path.name)[name], values)


@pytest.mark.golden
def test_pixels_are_mintpys(runs: tuple[Path, Path]) -> None:
    ours, theirs = runs
    for path in sorted(theirs.glob("*.h5")):
        mine = layers(ours / path.name)
        for name, values in layers(path).items():
            assert alike(mine[name], values).mean() >= NEEDED, f"{path.name} {name}"


@pytest.mark.golden
def test_where_pixels_differ_ours_are_those_of_the_nearer_neighbour(runs: tuple[Path, Path]) -> None:
    ours, theirs = (folder / "geo_geometryRadar.h5" for folder in runs)
    frame = LocalFrame(37.0, -122.4)
    cells = frame.points(*centres(theirs))
    apart = [
        np.linalg.norm(frame.points(read_map(path, "latitude"), read_map(path, "longitude")) - cells, axis=1)
        for path in (ours, theirs)
    ]
    # latitude and longitude as geocoded tell which neighbour each of the two took
    differ = ~alike(
        *(np.stack([read_map(path, name) for name in ("latitude", "longitude")]) for path in (ours, theirs))
    )
    assert differ.any()
    one, other = (distances[differ.ravel()] for distances in apart)
    assert (np.isnan(other) | (one < other)).all()
    for path in sorted(runs[1].glob("*.h5")):
        if path.name in MADE_SINCE:
            continue
        mine = layers(runs[0] / path.name)
        for name, values in layers(path).items():
            assert not (~alike(mine[name], values) & ~differ).any(), f"{path.name} {name}"


@pytest.mark.golden
def test_at_the_reference_pixel_the_series_is_zero(runs: tuple[Path, Path]) -> None:
    ours, theirs = (next(folder.glob("geo_timeseries*.h5")) for folder in runs)
    mine, known = (tuple(int(read_attributes(path)[name]) for name in ("REF_Y", "REF_X")) for path in (ours, theirs))
    assert (layers(ours)["timeseries"][:, mine[0], mine[1]] == 0).all()
    assert np.abs(np.subtract(mine, known)).max() <= 1  # MintPy rounds the corner of the cell


# --------------------------------------------------------------------------------------------------------------- laws


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return the folder of a project in radar coordinates."""
    write_project(tmp_path, geocoded=False)
    return tmp_path


def write_fields(work: Path, **attributes: str) -> tuple[Path, Values, Values]:
    """Write maps of the places of the pixels as a velocity."""
    geometry = work / "inputs" / "geometryRadar.h5"
    latitude, longitude = (read_map(geometry, name) for name in ("latitude", "longitude"))
    held = {**read_attributes(geometry), "FILE_TYPE": "velocity", "UNIT": "m/year", **attributes}
    path = work / "velocity.h5"
    write_product(path, {"velocity": latitude, "velocityStd": longitude}, held)
    return path, latitude, longitude


def test_linear_is_nearer_to_a_smooth_field_than_nearest(work: Path) -> None:
    source, _, _ = write_fields(work)
    errors = {}
    for method in ("nearest", "linear"):
        target = Geocoder(GeocodeOptions(interp_method=method)).to_map(source, work / f"{method}.h5")
        north, _ = centres(target)
        errors[method] = np.nanmedian(np.abs(read_map(target, "velocity") - north))
    resolution = np.spacing(np.float32(37.0))
    assert errors["linear"] <= resolution
    assert errors["nearest"] > 10 * resolution


def test_there_and_back_is_the_pixel_itself_on_a_fine_grid(work: Path) -> None:
    source, latitude, _ = write_fields(work)
    options = GeocodeOptions(lalo_step=(0.00015, 0.00015))
    geo = Geocoder(options).to_map(source, work / "geo.h5")
    lookup = work / "inputs" / "geometryRadar.h5"
    back = Geocoder(GeocodeOptions(), lookup).to_radar(geo, work / "back.h5")
    assert "Y_FIRST" not in read_attributes(back)
    np.testing.assert_array_equal(read_map(back, "velocity"), latitude)


def test_linear_from_the_map_gives_back_a_smooth_field(work: Path) -> None:
    source, latitude, _ = write_fields(work)
    options = GeocodeOptions(interp_method="linear")
    geo = Geocoder(options).to_map(source, work / "geo.h5")
    back = Geocoder(options, work / "inputs" / "geometryRadar.h5").to_radar(geo, work / "back.h5")
    error = np.abs(read_map(back, "velocity") - latitude)[2:-2, 2:-2]
    assert np.nanmax(error) <= 2 * np.spacing(np.float32(37.0))


def test_there_and_back_across_180_degrees(work: Path) -> None:
    geometry = work / "inputs" / "geometryRadar.h5"
    maps = {name: read_map(geometry, name) for name in list_datasets(geometry)}
    east = maps["longitude"] - np.median(maps["longitude"]) + 180.0
    maps["longitude"] = np.where(east > 180.0, east - 360.0, east).astype(np.float32)
    write_product(geometry, maps, read_attributes(geometry))
    source, latitude, _ = write_fields(work)
    geo = Geocoder(GeocodeOptions()).to_map(source, work / "geo.h5")
    back = Geocoder(GeocodeOptions(interp_method="linear"), geometry).to_radar(geo, work / "back.h5")
    inside = np.isfinite(read_map(back, "velocity"))[2:-2, 2:-2]
    assert inside.mean() > 0.99
    assert np.nanmax(np.abs(read_map(back, "velocity") - latitude)) < 0.01


def test_pixels_all_at_one_place_need_steps(work: Path) -> None:
    held = {"FILE_TYPE": "velocity", "UNIT": "m/year"}
    source, table = work / "one.h5", work / "table.h5"
    write_product(source, {"velocity": np.ones((1, 1), np.float32)}, held)
    place = {"latitude": np.full((1, 1), 37.0), "longitude": np.full((1, 1), -122.0)}
    write_product(table, place, {**held, "FILE_TYPE": "geometry"})
    with pytest.raises(GridError, match="give steps"):
        Geocoder(GeocodeOptions(), table).to_map(source, work / "geo.h5")
    given = GeocodeOptions(lalo_step=(0.001, 0.001))
    assert read_map(Geocoder(given, table).to_map(source, work / "geo.h5"), "velocity").tolist() == [[1.0]]


def test_outside_is_filled_and_masks_are_false(work: Path) -> None:
    source, latitude, _ = write_fields(work)
    area = (float(latitude.max()) + 0.1, float(latitude.max()) + 0.12, -122.6, -122.5)
    options = GeocodeOptions(snwe=area, lalo_step=(0.001, 0.001), fill_value=-7.0)
    geocoder = Geocoder(options)
    assert (read_map(geocoder.to_map(source, work / "v.h5"), "velocity") == -7.0).all()
    mask = work / "maskTempCoh.h5"
    write_product(mask, {"mask": np.ones(latitude.shape, bool)}, {**read_attributes(source), "FILE_TYPE": "mask"})
    written = read_map(geocoder.to_map(mask, work / "m.h5"))
    assert written.dtype == np.bool_
    assert not written.any()


def test_a_stack_keeps_pairs_types_and_zeros(work: Path) -> None:
    source = work / "inputs" / "ifgramStack.h5"
    target = Geocoder(GeocodeOptions(interp_method="linear"), memory_gb=1e-4).to_map(source, work / "geo_stack.h5")
    before, after = list_datasets(source), list_datasets(target)
    assert {name: kind for name, (_, kind) in after.items()} == {name: kind for name, (_, kind) in before.items()}
    for name, values in read_tables(source).items():
        np.testing.assert_array_equal(read_tables(target)[name], values)
    phase, missing = layers(target)["unwrapPhase"], layers(source)["unwrapPhase"]
    assert (phase == 0).any() == (missing == 0).any()


def test_a_reference_pixel_off_the_map_is_dropped(work: Path) -> None:
    source, latitude, longitude = write_fields(work, REF_Y="3", REF_X="4")
    lat, lon = float(latitude[3, 4]), float(longitude[3, 4])
    away = GeocodeOptions(snwe=(lat - 0.02, lat - 0.005, lon - 0.02, lon + 0.02), lalo_step=(0.001, 0.001))
    assert "REF_Y" not in read_attributes(Geocoder(away).to_map(source, work / "away.h5"))
    attributes = read_attributes(Geocoder(GeocodeOptions()).to_map(source, work / "near.h5"))
    assert (attributes["REF_LAT"], attributes["REF_LON"]) == (str(latitude[3, 4]), str(longitude[3, 4]))


def test_what_cannot_be_done_says_why(work: Path) -> None:
    source, _, _ = write_fields(work)
    geo = Geocoder(GeocodeOptions()).to_map(source, work / "geo.h5")
    with pytest.raises(InputError, match="geocoded already"):
        Geocoder(GeocodeOptions()).to_map(geo, work / "again.h5")
    with pytest.raises(InputError, match="radar coordinates already"):
        Geocoder(GeocodeOptions(), work / "inputs" / "geometryRadar.h5").to_radar(source, work / "again.h5")
    with pytest.raises(InputError, match="needs the lookup table"):
        Geocoder(GeocodeOptions()).to_radar(geo, work / "again.h5")
    shutil.rmtree(work / "inputs")
    with pytest.raises(InputError, match="neither latitude and longitude nor a lookup table"):
        Geocoder(GeocodeOptions()).to_map(source, work / "again.h5")


# --------------------------------------------------------------------------------------------- a table on a map (GAMMA)


@pytest.fixture
def gamma(work: Path) -> Path:
    """Return the folder of a project whose lookup table lies on a map, and no longer in radar coordinates."""
    radar = work / "inputs" / "geometryRadar.h5"
    rows, columns = read_map(radar, "latitude").shape
    held = read_attributes(radar)
    numbers = np.meshgrid(np.arange(1.0, rows + 1), np.arange(1.0, columns + 1), indexing="ij")
    numbered = work / "numbers.h5"
    write_product(numbered, {"down": numbers[0], "across": numbers[1]}, {**held, "FILE_TYPE": "velocity"})
    options = GeocodeOptions(interp_method="linear", fill_value=0)
    geo = Geocoder(options).to_map(numbered, work / "geo.h5")
    table = {key: read_map(geo, name) - 1 for key, name in (("azimuthCoord", "down"), ("rangeCoord", "across"))}
    outside = read_map(geo, "down") == 0
    for values in table.values():
        values[outside] = 0
    write_product(work / "inputs" / "geometryGeo.h5", table, {**read_attributes(geo), "FILE_TYPE": "geometry"})
    height = read_map(radar, "height")
    np.savez(work / "places.npz", latitude=read_map(radar, "latitude"), longitude=read_map(radar, "longitude"))
    write_product(radar, {"height": height}, held)
    return work


def test_a_table_on_a_map_brings_products_to_its_grid(gamma: Path) -> None:
    table = gamma / "inputs" / "geometryGeo.h5"
    places = np.load(gamma / "places.npz")
    source = gamma / "velocity.h5"
    held = {
        **read_attributes(gamma / "inputs" / "geometryRadar.h5"),
        "FILE_TYPE": "velocity",
        "REF_Y": "8",
        "REF_X": "9",
    }
    write_product(source, {"velocity": places["latitude"]}, held)
    target = Geocoder(GeocodeOptions(interp_method="linear")).to_map(source, gamma / "geo_velocity.h5")
    for name in GRID:
        assert float(read_attributes(target)[name]) == float(read_attributes(table)[name])
    north, east = centres(target)
    error = np.abs(read_map(target) - north)
    assert np.nanmedian(error) <= 2 * np.spacing(np.float32(37.0))
    row, column = (int(read_attributes(target)[name]) for name in ("REF_Y", "REF_X"))
    step = abs(float(read_attributes(target)["Y_STEP"]))
    assert abs(north[row, column] - places["latitude"][8, 9]) <= step
    assert abs(east[row, column] - places["longitude"][8, 9]) <= 2 * step
    with pytest.raises(InputError, match="leave the steps out"):
        Geocoder(GeocodeOptions(lalo_step=(0.1, 0.1))).to_map(source, gamma / "no.h5")


def test_the_table_that_is_named_is_taken(gamma: Path) -> None:
    table, radar = gamma / "inputs" / "geometryGeo.h5", gamma / "inputs" / "geometryRadar.h5"
    held, height = read_attributes(radar), read_map(radar, "height")
    elsewhere = {"latitude": 1 + height / 1e6, "longitude": 2 + height.T.reshape(height.shape) / 1e6}
    write_product(radar, {"height": height, **elsewhere}, held)
    source = gamma / "velocity.h5"
    write_product(source, {"velocity": height}, {**held, "FILE_TYPE": "velocity"})
    geo = Geocoder(GeocodeOptions(), table).to_map(source, gamma / "geo.h5")
    assert {name: float(read_attributes(geo)[name]) for name in GRID} == {
        name: float(read_attributes(table)[name]) for name in GRID
    }


def test_a_table_on_a_map_leads_back_to_radar(gamma: Path) -> None:
    table = gamma / "inputs" / "geometryGeo.h5"
    north, _ = centres(table)
    source = gamma / "geo_dem.h5"
    write_product(source, {"dem": north.astype(np.float32)}, {**read_attributes(table), "FILE_TYPE": "dem"})
    back = Geocoder(GeocodeOptions(interp_method="linear"), table).to_radar(source, gamma / "dem.h5")
    expected = np.load(gamma / "places.npz")["latitude"]
    error = np.abs(read_map(back) - expected)[2:-2, 2:-2]
    assert np.nanmedian(error) <= 2 * np.spacing(np.float32(37.0))


def test_a_subset_of_the_table(gamma: Path) -> None:
    table = gamma / "inputs" / "geometryGeo.h5"
    whole, places = read_attributes(table), np.load(gamma / "places.npz")
    source = gamma / "velocity.h5"
    held = {**read_attributes(gamma / "inputs" / "geometryRadar.h5"), "FILE_TYPE": "velocity"}
    write_product(source, {"velocity": places["latitude"]}, held)
    north, west, tall, wide = (float(whole[name]) for name in ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP"))
    options = GeocodeOptions(snwe=(north + 12 * tall, north + 4 * tall, west + 3 * wide, west + 13 * wide))
    part = Geocoder(options).to_map(source, gamma / "part.h5")
    full = Geocoder(GeocodeOptions()).to_map(source, gamma / "full.h5")
    np.testing.assert_array_equal(read_map(part), read_map(full)[4:12, 3:13])
    assert float(read_attributes(part)["Y_FIRST"]) == pytest.approx(north + 4 * tall, abs=1e-12)


# ---------------------------------------------------------------------------------------------------- the step geocode


def test_the_step_makes_mintpys_files_and_keeps_what_is_up_to_date(work: Path) -> None:
    template = write_template(work, "mintpy.geocode = yes\nmintpy.geocode.interpMethod = nearest\n")
    result = run_sbas(template, folder=work, end="geocode")
    names = ["avgSpatialCoh", "geometryRadar", "maskTempCoh", "temporalCoherence", "timeseries", "velocity"]
    assert sorted(path.name for path in (work / "geo").glob("*.h5")) == [f"geo_{name}.h5" for name in names]
    assert "geocode" in result.made
    grids = {tuple(read_attributes(path)[name] for name in GRID) for path in (work / "geo").glob("*.h5")}
    assert len(grids) == 1
    again = run_sbas(template, folder=work, end="geocode")
    assert "geocode" in again.fresh
    update_product(work / "velocity.h5", attributes={"NOTE": "changed"})
    third = run_sbas(template, folder=work, dostep="geocode")
    assert third.made == ("geocode",)
    assert read_attributes(work / "geo" / "geo_velocity.h5")["NOTE"] == "changed"


def test_without_a_lookup_table_the_step_is_left_out_and_says_so(work: Path) -> None:
    geometry = work / "inputs" / "geometryRadar.h5"
    maps = {name: read_map(geometry, name) for name in list_datasets(geometry) if name not in ("latitude", "longitude")}
    write_product(geometry, maps, read_attributes(geometry))
    result = run_sbas(write_template(work, "mintpy.geocode = yes\n"), folder=work, end="geocode")
    assert any("lookupYFile" in text for text in result.left_out)
    assert not (work / "geo").exists()


def test_a_stack_on_a_map_needs_no_geocoding(tmp_path: Path) -> None:
    write_project(tmp_path)
    result = run_sbas(write_template(tmp_path, "mintpy.geocode = yes\n"), folder=tmp_path, end="geocode")
    assert not result.left_out
    assert "geocode" not in result.made
