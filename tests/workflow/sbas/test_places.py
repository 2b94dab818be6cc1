from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.interferograms.processors import RADAR, found_in
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import ConfigError, InputError
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.products.options import ViewOptions
from creepmeter.simulate.layouts.gamma import lookup_grid, write_gamma
from creepmeter.workflow.pictures import cell_of, open_to_draw, profile_ends, with_area
from creepmeter.workflow.sbas.places import box_of_product, pixel_box, pixel_of_product

FIRST, LOOKS = (5, 3), (2, 3)
SUBSET = {"subset_yx": (5, 19, 3, 24)}
DEGREES = {"X_FIRST": "-122.0", "Y_FIRST": "38.0", "X_STEP": "0.01", "Y_STEP": "-0.01", "X_UNIT": "degrees"}


@pytest.mark.parametrize("looks", [(1, 1), LOOKS])
def test_a_place_is_found_by_table_in_a_part_with_looks(tmp_path: Path, looks: tuple[int, int]) -> None:
    settings = write_gamma(RADAR, tmp_path)
    given = LoadOptions.model_validate(
        {**settings, **SUBSET, "multilook_y": looks[0], "multilook_x": looks[1], "multilook_method": "mean"}
    )
    stack = load(found_in(tmp_path, settings), given, tmp_path / "work").stack
    rows, columns = 14 // looks[0], 21 // looks[1]
    grid = lookup_grid(RADAR)
    found = set()
    for row, column in list(np.ndindex(*grid.shape))[::5]:
        # the table holds row + 1 and column + 1
        wanted = (row + 1 - FIRST[0]) // looks[0], (column + 1 - FIRST[1]) // looks[1]
        place = grid.affine.f + (row + 0.5) * grid.affine.e, grid.affine.c + (column + 0.5) * grid.affine.a
        if 0 <= wanted[0] < rows and 0 <= wanted[1] < columns:
            assert pixel_of_product(stack, place) == wanted
            found.add(wanted)
        else:
            with pytest.raises(InputError, match="lies outside the map"):
                pixel_of_product(stack, place)
    assert len(found) > 20


def test_a_table_and_its_subset_agree_as_mintpy_reads_them(tmp_path: Path) -> None:
    settings = write_gamma(RADAR, tmp_path)
    given = LoadOptions.model_validate({**settings, **SUBSET, "multilook_y": 2, "multilook_x": 3})
    stack = load(found_in(tmp_path, settings), given, tmp_path / "work").stack
    facts = read_attributes(stack)
    table = read_map(stack.with_name("geometryGeo.h5"), "azimuthCoord")
    pixel = table[:, 0] - int(facts["SUBSET_YMIN"])  # row of the stack = value of the table - SUBSET_YMIN
    np.testing.assert_allclose(pixel, (np.arange(len(pixel)) + 1 - FIRST[0] - 0.5) / 2, atol=1e-5)


def test_a_part_of_a_part_goes_by_the_same_table(tmp_path: Path) -> None:
    settings = write_gamma(RADAR, tmp_path)
    once = LoadOptions.model_validate({**settings, **SUBSET, "multilook_y": 2})
    first = load(found_in(tmp_path, settings), once, tmp_path / "first")
    again = {"processor": "mintpy", "unw_file": str(first.stack), "subset_yx": "1:7,4:16", "multilook_x": 3}
    second = load(found_in(tmp_path, again), LoadOptions.model_validate(again), tmp_path / "second")
    assert {path.name for path in second.geometry} == {"geometryRadar.h5", "geometryGeo.h5"}
    grid = lookup_grid(RADAR)
    place = grid.affine.f + 9.5 * grid.affine.e, grid.affine.c + 13.5 * grid.affine.a  # row 10, column 14 of the whole
    assert pixel_of_product(first.stack, place) == ((10 - 5) // 2, 14 - 3)
    assert pixel_of_product(second.stack, place) == ((10 - 5) // 2 - 1, (14 - 3 - 4) // 3)


@pytest.mark.parametrize("geocoded", [True, False])
def test_longitudes_may_count_from_0_to_360(tmp_path: Path, *, geocoded: bool) -> None:
    made = write_project(tmp_path, geocoded=geocoded)
    stack = tmp_path / "inputs" / "ifgramStack.h5"
    place = float(made.latitude[7, 9]), float(made.longitude[7, 9])
    assert pixel_of_product(stack, place) == pixel_of_product(stack, (place[0], place[1] + 360.0)) == (7, 9)


def test_an_area_by_table_holds_all_that_lies_in_it(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :50].astype(np.float32)
    turned = 60 + 0.7 * y - 0.8 * x, 5 + 0.8 * y + 0.7 * x  # north is not up: corners do not tell the extent
    table = {"azimuthCoord": turned[0], "rangeCoord": turned[1]}
    write_product(tmp_path / "geometryGeo.h5", table, {**DEGREES, "FILE_TYPE": "geometry"})
    area = (38.0 - 0.30, 38.0 - 0.10, -122.0 + 0.10, -122.0 + 0.40)
    top, bottom, left, right = pixel_box({}, (100, 90), tmp_path / "stack.h5", None, area)
    pixels = np.mgrid[:100, :90].reshape(2, -1).astype(np.float64)
    place = np.linalg.solve(np.array([[0.7, -0.8], [0.8, 0.7]]), pixels - np.array([[60.0], [5.0]]))
    latitude, longitude = 38.0 - 0.01 * (place[0] + 0.5), -122.0 + 0.01 * (place[1] + 0.5)
    inside = (latitude >= area[0]) & (latitude <= area[1]) & (longitude >= area[2]) & (longitude <= area[3])
    ends = pixels[:, inside].min(axis=1), pixels[:, inside].max(axis=1)
    assert top <= ends[0][0]
    assert left <= ends[0][1]
    assert bottom > ends[1][0]
    assert right > ends[1][1]
    assert (bottom - top) * (right - left) < 1.5 * np.prod(ends[1] - ends[0] + 1)
    with pytest.raises(InputError, match="lies outside"):
        pixel_box({}, (100, 90), tmp_path / "stack.h5", None, (10.0, 11.0, 10.0, 11.0))


def test_a_subset_in_degrees_may_go_by_table(tmp_path: Path) -> None:
    settings = write_gamma(RADAR, tmp_path)
    grid = lookup_grid(RADAR)
    south, north = (grid.affine.f + row * grid.affine.e for row in (12, 4))
    west, east = (grid.affine.c + column * grid.affine.a for column in (6, 15))
    given = LoadOptions.model_validate({**settings, "subset_lalo": (south, north, west, east)})
    stack = load(found_in(tmp_path, settings), given, tmp_path / "work").stack
    facts = {name: int(read_attributes(stack)[f"SUBSET_{name}"]) for name in ("YMIN", "YMAX", "XMIN", "XMAX")}
    rows, columns = range(facts["YMIN"], facts["YMAX"]), range(facts["XMIN"], facts["XMAX"])
    assert set(range(5, 13)) <= set(rows) <= set(range(3, 15))  # cells 4 to 11, tables count from 1
    assert set(range(7, 16)) <= set(columns) <= set(range(5, 18))
    away = LoadOptions.model_validate({**settings, "subset_lalo": (1.0, 2.0, 3.0, 4.0)})
    with pytest.raises(ConfigError, match="holds no pixel of the interferograms"):
        load(found_in(tmp_path, settings), away, tmp_path / "other")


def test_figures_find_places_in_radar_coordinates(tmp_path: Path) -> None:
    made = write_project(tmp_path, geocoded=False)
    series = tmp_path / "timeseries.h5"
    facts = {**made.attributes, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    write_product(series, {"velocity": made.height}, facts)
    latitude, longitude = made.latitude, made.longitude
    for row, column in ((0, 0), (11, 23), (35, 43)):
        place = float(latitude[row, column]), float(longitude[row, column])
        assert cell_of(series, open_to_draw(series), place) == (row, column)
    ends = [(float(latitude[k, 2 * k]), float(longitude[k, 2 * k])) for k in (3, 17)]
    assert profile_ends(series, None, None, ends[0], ends[1]) == ((3.0, 6.0), (17.0, 34.0))
    window = latitude[8:20, 10:30], longitude[8:20, 10:30]
    (south, west), (north, east) = ([float(part.min()) for part in window], [float(part.max()) for part in window])
    found = with_area(series, ViewOptions(sub_lat=(south, north), sub_lon=(west, east)))
    assert found.sub_lat is None
    assert found.sub_lon is None
    assert found.sub_y is not None
    assert found.sub_x is not None
    box = (*found.sub_y, *found.sub_x)
    inside = (latitude >= south) & (latitude <= north) & (longitude >= west) & (longitude <= east)
    rows, columns = np.nonzero(inside)
    assert box == (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    assert box_of_product(series, (south, north, west, east)) == box
    half = with_area(series, ViewOptions(sub_lat=(south, north)))
    assert half.sub_x is not None
    assert half.sub_x[0] <= found.sub_x[0]
