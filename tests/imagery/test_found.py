from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import InputError
from creepmeter.imagery.found import FoundScene, scene_of, split_duplicates
from creepmeter.imagery.sensors import sensor_named, sensor_of

SQUARE = {"type": "Polygon", "coordinates": [[[15, 46], [16, 46], [16, 47], [15, 47], [15, 46]]]}


def item(name: str, collection: str = "sentinel-2-l2a", /, **facts: object) -> dict[str, Any]:
    properties = {"datetime": "2021-11-24T10:14:11Z", **facts}
    return {"type": "Feature", "id": name, "collection": collection, "geometry": SQUARE, "properties": properties}


# What the catalogues write (field names and forms as in their public items).
EARTH_SEARCH = item(
    "S2A_33TVM_20211124_0_L2A",
    **{
        "platform": "sentinel-2a",
        "grid:code": "MGRS-33TVM",
        "s2:product_uri": "S2A_MSIL2A_20211124T101411_N0301_R022_T33TVM_20211124T121411.SAFE",
        "s2:processing_baseline": "03.01",
        "s2:generation_time": "2021-11-24T12:14:11.000000Z",
        "eo:cloud_cover": 12.5,
    },
)
PLANETARY_COMPUTER = item(
    "S2A_MSIL2A_20211124T101411_R022_T33TVM_20211124T121411",
    **{
        "platform": "Sentinel-2A",
        "s2:mgrs_tile": "33TVM",
        "sat:relative_orbit": 22,
        "s2:processing_baseline": "03.01",
        "s2:generation_time": "2021-11-24T12:14:11.123Z",
        "eo:cloud_cover": 12.5,
    },
)
COLLECTION_1 = item(
    "S2A_T33TVM_20211124T101411_L2A",
    "sentinel-2-c1-l2a",
    **{
        "platform": "sentinel-2a",
        "mgrs:utm_zone": 33,
        "mgrs:latitude_band": "T",
        "mgrs:grid_square": "VM",
        "s2:product_uri": "S2A_MSIL2A_20211124T101411_N0500_R022_T33TVM_20230101T000000.SAFE",
        "eo:cloud_cover": 12.5,
    },
)


@pytest.mark.parametrize("one", [EARTH_SEARCH, PLANETARY_COMPUTER, COLLECTION_1], ids=["earth-search", "pc", "c1"])
def test_catalogues_say_the_same_in_different_words(one: dict[str, Any]) -> None:
    found = scene_of(one)
    assert (found.orbit, found.tile, found.cloud, found.platform) == (22, "33TVM", 0.125, "sentinel-2a")
    assert found.moment == datetime(2021, 11, 24, 10, 14, 11, tzinfo=UTC)
    assert found.sensor is sensor_named("sentinel-2")
    assert found.baseline == ((5, 0) if one is COLLECTION_1 else (3, 1))
    assert str(found.scene.time) == "2021-11-24T10:14:11.000000000"


def test_landsat_has_path_and_row() -> None:
    found = scene_of(item("LC08_L2SP_046027_20200908_02_T1", "landsat-c2-l2", platform="landsat-8"))
    assert (found.orbit, found.tile) == (46, "046027")
    told = {"landsat:wrs_path": "046", "landsat:wrs_row": "027", "constellation": "landsat"}
    assert scene_of(item("other", "somewhere", **told)).group == (46, "046027")


@pytest.mark.parametrize(
    ("said", "known"), [(None, None), (-1, None), (101, None), ("12", None), (True, None), (0, 0.0)]
)
def test_cloud_that_is_no_per_cent_is_not_known(said: object, known: float | None) -> None:
    assert scene_of(item("a", **{"eo:cloud_cover": said})).cloud == known


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2021-12-31T23:30:00-02:00", datetime(2022, 1, 1, 1, 30, tzinfo=UTC)),
        ("2020-02-29T10:00:00", datetime(2020, 2, 29, 10, tzinfo=UTC)),
        ("1969-07-20T20:17:40Z", datetime(1969, 7, 20, 20, 17, 40, tzinfo=UTC)),
        ("2021-11-24T10:14:11.123456789Z", datetime(2021, 11, 24, 10, 14, 11, 123456, tzinfo=UTC)),
    ],
)
def test_dates_are_in_utc(text: str, utc: datetime) -> None:
    assert scene_of(item("a", datetime=text)).moment == utc


def test_a_range_of_time_counts_from_its_start() -> None:
    told = {"datetime": None, "start_datetime": "2021-01-01T00:00:00Z", "end_datetime": "2021-01-02T00:00:00Z"}
    assert scene_of(item("a", **told)).moment == datetime(2021, 1, 1, tzinfo=UTC)


def test_an_outline_over_the_180th_meridian_is_in_one_piece() -> None:
    jumping = [[179.5, -17], [-179.5, -17], [-179.5, -16], [179.5, -16], [179.5, -17]]
    one = {**item("a"), "geometry": {"type": "Polygon", "coordinates": [jumping]}}
    assert scene_of(one).footprint.bounds == (179.5, -17, 180.5, -16)
    boxed = {**item("a"), "geometry": None, "bbox": [179.5, -17, -179.5, -16]}
    assert scene_of(boxed).footprint.bounds == (179.5, -17, 180.5, -16)
    high = {**item("a"), "geometry": None, "bbox": [15, 46, 0, 16, 47, 900]}
    assert scene_of(high).footprint.bounds == (15, 46, 16, 47)


def test_an_unknown_sensor_is_refused() -> None:
    with pytest.raises(InputError, match=r"'a' .* no sensor that is known"):
        sensor_of(item("a", "modis"))
    assert sensor_of(item("a", "mine", platform="Landsat-9")).name == "landsat"
    with pytest.raises(InputError, match="sentinel-2, landsat"):
        sensor_named("modis")


def test_bands_and_masks_are_found_under_any_of_their_names() -> None:
    sentinel, landsat = sensor_named("sentinel-2"), sensor_named("landsat")
    at = {"href": "https://example.com/a.tif"}
    for key in ("nir", "B08"):
        assert sentinel.band_key({"id": "a", "assets": {key: at, "blue": at}}) == key
    assert sentinel.band_key({"id": "a", "assets": {"visual": at}}, "visual") == "visual"
    level_2 = {"id": "a", "assets": {"nir08": at, "red": at, "qa_pixel": at}}
    assert landsat.band_key(level_2) == "nir08"
    assert landsat.band_key({"id": "a", "assets": {"pan": at, "nir08": at}}) == "pan"
    assert landsat.mask_key(level_2) == "qa_pixel"
    with pytest.raises(InputError, match=r"no asset for band B8 .* nir08, qa_pixel, red.*--band"):
        landsat.band_key(level_2, "B8")
    with pytest.raises(InputError, match="no mask"):
        sentinel.mask_key({"id": "a", "assets": {"scl": {"href": ""}}})


# ---------------------------------------------------------------------------------------------------------- duplicates


def made(name: str, baseline: str, *, tile: str = "33TVM", time: str = "10:14:11", processed: str = "") -> FoundScene:
    facts = {
        "datetime": f"2021-11-24T{time}Z",
        "platform": "sentinel-2a",
        "grid:code": f"MGRS-{tile}",
        "s2:processing_baseline": baseline,
        "sat:relative_orbit": 22,
        "s2:generation_time": processed or None,
    }
    return scene_of(item(name, **facts))


AGAIN = [
    made("old", "02.14", processed="2021-11-24T12:00:00Z"),
    made("new", "05.09", time="10:14:19", processed="2023-01-01T00:00:00Z"),
    made("newer", "05.10", time="10:13:50", processed="2022-01-01T00:00:00Z"),
    made("newest", "05.10", processed="2024-01-01T00:00:00Z"),
]


@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_of_products_of_one_pass_the_newest_baseline_is_kept_in_any_order(order: random.Random, count: int) -> None:
    scenes = AGAIN[:count]
    order.shuffle(scenes)
    kept, instead = split_duplicates(scenes, dict.fromkeys(["old", "new", "newer", "newest"], 1.0))
    assert [one.name for one in kept] == [AGAIN[count - 1].name]
    assert set(instead) == {one.name for one in AGAIN[: count - 1]}
    assert {one.name for one in instead.values()} <= {AGAIN[count - 1].name}


def test_a_product_that_shows_less_of_the_area_gives_way_whatever_its_baseline() -> None:
    kept, _ = split_duplicates(AGAIN, {"old": 1.0, "new": 0.995, "newer": 0.4, "newest": 0.98})
    assert [one.name for one in kept] == ["new"]


def test_other_tiles_passes_and_satellites_are_no_duplicates() -> None:
    other = made("other tile", "05.10", tile="33TWM")
    later = made("later pass", "05.10", time="11:55:00")
    twin = scene_of(item("twin", **{**AGAIN[0].item["properties"], "platform": "sentinel-2b"}))
    unknown = [scene_of(item(name)) for name in ("a", "b")]
    scenes = [AGAIN[0], other, later, twin, *unknown]
    kept, instead = split_duplicates(scenes, {one.name: 1.0 for one in scenes})
    assert len(kept) == len(scenes)
    assert instead == {}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:00-05:00"])
def test_a_date_beyond_the_calendar_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"'a' has no date"):
        scene_of(item("a", datetime=text))
    assert scene_of(item("a", created=text)).processed == ""


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed here")
def test_when_a_product_was_made_does_not_depend_on_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        monkeypatch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        assert scene_of(item("a", created="2021-11-24T12:00:00")).processed == "2021-11-24T12:00:00+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("told", [{"grid:code": "MGRS-4QFJ"}, {"s2:mgrs_tile": "04QFJ"}, {"s2:mgrs_tile": "T04QFJ"}])
def test_a_tile_of_a_zone_of_one_digit_has_one_name(told: dict[str, str]) -> None:
    assert scene_of(item("a", **told)).tile == "4QFJ"
