from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import InputError
from creepmeter.imagery.radiometry import Radiometry, baseline_of, radiometry_of, reflectance

BANDS = {"nodata": 0, "data_type": "uint16", "spatial_resolution": 10, "scale": 0.0001}
LATE, EARLY = [{**BANDS, "offset": -0.1}], [{**BANDS, "offset": 0}]


def item(
    *, collection: str = "sentinel-2-l2a", bands: list[dict[str, Any]] | None = None, key: str = "nir", **facts: object
) -> dict[str, Any]:
    said = {name.replace("__", ":"): value for name, value in facts.items()}
    asset = {"href": "https://example.com/B08.tif", **({} if bands is None else {"raster:bands": bands})}
    return {"id": "scene", "collection": collection, "properties": said, "assets": {key: asset}}


# What an item says, and what is in the pixels: how much was added to 10000 x reflectance.
CASES = {
    "02.04, all items of the catalogue claim -0.1": (item(s2__processing_baseline="02.04", bands=LATE), 0),
    "02.12, flag false": (
        item(s2__processing_baseline="02.12", earthsearch__boa_offset_applied=False, bands=EARLY),
        0,
    ),
    "03.01, no flag": (item(s2__processing_baseline="03.01", bands=EARLY), 0),
    "04.00, taken out, raster:bands not corrected": (
        item(s2__processing_baseline="04.00", earthsearch__boa_offset_applied=True, bands=LATE),
        0,
    ),
    "05.00, taken out, raster:bands corrected": (
        item(s2__processing_baseline="05.00", earthsearch__boa_offset_applied=True, bands=EARLY),
        0,
    ),
    "05.09, flag false": (
        item(s2__processing_baseline="05.09", earthsearch__boa_offset_applied=False, bands=LATE),
        1000,
    ),
    "05.09, flag false, nothing of bands": (
        item(s2__processing_baseline="05.09", earthsearch__boa_offset_applied=False),
        1000,
    ),
    "04.00, older name of the flag": (
        item(sentinel__processing_baseline="04.00", sentinel__boa_offset_applied=True),
        0,
    ),
    "Collection 1, 2017 processed again": (
        item(
            collection="sentinel-2-c1-l2a",
            datetime="2017-07-25T10:00:00Z",
            s2__processing_baseline="05.00",
            bands=LATE,
        ),
        1000,
    ),
    "Planetary Computer 02.12": (item(key="B08", s2__processing_baseline="02.12"), 0),
    "Planetary Computer 04.00": (item(key="B08", s2__processing_baseline="04.00"), 1000),
    "Planetary Computer, 2019 processed again": (
        item(key="B08", s2__processing_baseline="05.00", datetime="2019-01-01T00:00:00Z"),
        1000,
    ),
    "a catalogue that says 0 of numbers without offset": (item(s2__processing_baseline="05.10", bands=EARLY), 0),
    "baseline in the name of the product only": (
        item(key="B08", s2__product_uri="S2A_MSIL2A_20170725T101031_N0500_R022_T33TVM_20230801T000000.SAFE"),
        1000,
    ),
    "baseline in the name of the product, early": (
        item(key="B08", s2__product_uri="S2A_MSIL2A_20170725T101031_N0205_R022_T33TVM_20170725T110000.SAFE"),
        0,
    ),
    "no baseline, bands with offset": (item(bands=LATE), 1000),
    "no baseline, bands without": (item(bands=EARLY), 0),
    "Copernicus, STAC 1.1": (
        {
            "id": "scene",
            "collection": "sentinel-2-l2a",
            "properties": {"processing:version": "05.11"},
            "assets": {"nir": {"href": "a.tif", "raster:scale": 0.0001, "raster:offset": -0.1}},
        },
        1000,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_ground_has_the_same_reflectance_in_every_catalogue(name: str) -> None:
    described, stored = CASES[name]
    ground = np.arange(1, 12_001, dtype=np.float64)  # 10000 x reflectance
    numbers = np.concatenate([[0], ground + stored]).astype(np.uint16)
    how = radiometry_of(described, next(iter(described["assets"])))
    found = reflectance(numbers[None], how)[0]
    assert np.isnan(found[0])
    plain = reflectance(np.arange(1, 12_001, dtype=np.uint16)[None], Radiometry(1e-4, 0.0, (0,), "plain"))[0]
    np.testing.assert_array_equal(found[1:], plain)  # the same bits, so that no step in time can come of it
    np.testing.assert_allclose(found[1:], ground / 10_000, rtol=1e-6)


def test_the_date_of_a_scene_does_not_count() -> None:
    for name, (described, _) in CASES.items():
        moved = [
            {**described, "properties": {**described["properties"], "datetime": when}}
            for when in ("2016-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
        ]
        first, second = (radiometry_of(one, next(iter(one["assets"]))) for one in moved)
        assert first == second, name


@given(st.integers(1, 65534), st.sampled_from([0, -1000]))
def test_only_zero_and_the_mark_of_saturation_are_missing(number: int, add: int) -> None:
    how = Radiometry(1e-4, float(add), (0, 65535), "test")
    found = reflectance(np.array([[0, number, 65535]], np.uint16), how)
    assert np.isnan(found).tolist() == [[True, False, True]]
    assert found[0, 1] == np.float32((number + add) * 1e-4)


def test_dark_ground_below_zero_stays_below_zero() -> None:
    how = radiometry_of(item(s2__processing_baseline="05.09", bands=LATE), "nir")
    assert reflectance(np.array([[900, 1000]], np.uint16), how).tolist() == [[np.float32(-0.01), 0.0]]


def test_what_the_file_marks_is_missing_too() -> None:
    how = radiometry_of(item(s2__processing_baseline="05.09", bands=LATE), "nir")
    valid = np.array([[True, False]])
    assert np.isnan(reflectance(np.array([[3500, 3500]], np.uint16), how, valid)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("described", "what"),
    [
        (item(key="B08"), "tells neither its processing baseline nor an offset"),
        (item(earthsearch__boa_offset_applied=False), "tells neither"),
        (item(earthsearch__boa_offset_applied="perhaps", s2__processing_baseline="05.00"), "neither true nor false"),
        (
            item(
                earthsearch__boa_offset_applied=True,
                sentinel__boa_offset_applied=False,
                s2__processing_baseline="05.00",
            ),
            "neither true nor false",
        ),
        (item(s2__processing_baseline="05.00", bands=[{"scale": 0, "offset": 0}]), "scale 0 .* is not positive"),
        (item(s2__processing_baseline="05.00", bands=[{"scale": "x"}]), "scale 'x' is no number"),
        (item(s2__processing_baseline="05.00", bands=[{"offset": float("nan")}]), "offset nan is no number"),
    ],
)
def test_an_item_that_does_not_say_enough_is_refused(described: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        radiometry_of(described, next(iter(described["assets"])))


def test_a_flag_as_text_is_read() -> None:
    described = item(earthsearch__boa_offset_applied="true", s2__processing_baseline="05.00", bands=LATE)
    assert radiometry_of(described, "nir").add == 0


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("05.09", (5, 9)),
        ("N0500", (5, 0)),
        ("2.12", (2, 12)),
        ("99.99", (99, 99)),
        ("x", None),
        (5.1, (5, 10)),  # a JSON number has lost its last zero
        (4.0, (4, 0)),
        (5, (5, 0)),
        (float("nan"), None),
    ],
)
def test_baselines_are_read_as_they_are_written(said: object, found: tuple[int, int] | None) -> None:
    assert baseline_of({"properties": {"s2:processing_baseline": said}}) == found


def test_landsat_surface_reflectance_is_that_of_its_guide() -> None:
    described = item(collection="landsat-c2-l2", key="nir08", bands=[{"scale": 2.75e-5, "offset": -0.2}])
    bare = item(collection="landsat-c2-l2", key="nir08")
    numbers = np.array([[0, 7273, 18639, 43636]], np.uint16)
    for one in (described, bare):
        found = reflectance(numbers, radiometry_of(one, "nir08"))[0]
        assert np.isnan(found[0])
        np.testing.assert_allclose(found[1:], numbers[0, 1:] * 2.75e-5 - 0.2, atol=1e-7)


def test_landsat_at_the_sensor_is_brought_to_the_sun_overhead() -> None:
    described = item(collection="landsat-c2-l1", key="pan", view__sun_elevation=30.0)
    found = reflectance(np.array([[15_000]], np.uint16), radiometry_of(described, "pan"))
    np.testing.assert_allclose(found, (15_000 * 2e-5 - 0.1) / 0.5, rtol=1e-6)
    with pytest.raises(InputError, match="view:sun_elevation"):
        radiometry_of(item(collection="landsat-c2-l1", key="pan"), "pan")
