from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from creepmeter.errors import InputError, ServiceError
from creepmeter.imagery.area import read_area
from creepmeter.imagery.find import find_scenes
from creepmeter.imagery.found import FoundScene
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions
from creepmeter.imagery.search import Found, search_scenes
from creepmeter.imagery.select import Selection, require_some, select_scenes
from creepmeter.imagery.windows import Fractions
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import Pass, SimulatedCatalogue, write_catalogue

COG = partial(write_geotiff, cog=True)
CLEAR = Fractions(cloud=0.0, shadow=0.0, snow=0.0, missing=0.0, masked=0.0)
CLOUDY = Fractions(cloud=0.6, shadow=0.2, snow=0.0, missing=0.1, masked=0.9)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCatalogue:
    return write_catalogue(tmp_path_factory.mktemp("catalogue"), COG, shape=(200, 200))


def searched(made: SimulatedCatalogue, **times: object) -> tuple[Found, SceneSearchOptions]:
    settings = {"catalogue": str(made.folder / "catalog.json"), **(times or {"years": "2016/2023", "around": "11-22"})}
    options = SceneSearchOptions.model_validate(settings)
    return search_scenes(read_area(made.folder / "aoi.geojson"), options), options


def chosen(
    made: SimulatedCatalogue, measure: Callable[[FoundScene], Fractions] | None = None, **settings: object
) -> Selection:
    found, options = searched(made)
    return select_scenes(found, options.windows, SelectOptions.model_validate(settings), measure=measure)


def days(selection: Selection) -> list[str]:
    return [f"{one.moment:%Y-%m-%d}" for one in selection.kept]


def cause(selection: Selection, name: str) -> str:
    return next(one.cause for one in selection.verdicts if one.scene.source == name)


def test_masks_inside_the_area_overrule_what_the_catalogue_says(made: SimulatedCatalogue) -> None:
    search = SceneSearchOptions(catalogue=str(made.folder / "catalog.json"), years="2016/2023", around="11-22")
    found, selection = find_scenes(read_area(made.folder / "aoi.geojson"), search, SelectOptions())
    assert days(selection) == [
        "2016-11-20",
        "2017-11-25",
        "2018-11-15",
        "2019-11-25",
        "2020-11-14",
        "2021-11-24",
        "2022-11-19",
        "2023-11-24",
    ]
    assert selection.group == (22, "33TVM")
    liar = next(one for one in selection.verdicts if one.scene.source == "S2A_33TVM_20201119_0_L2A")
    assert liar.scene.cloud_fraction == pytest.approx(0.015)
    assert liar.cloud > 0.8
    assert liar.cause == "cloud"
    assert selection.left_out == ()
    assert len(selection.verdicts) == len(found.scenes)
    snowy = next(one for one in selection.verdicts if one.scene.source == "S2A_33TVM_20221119_0_L2A")
    assert snowy.snow > 0.05
    assert snowy.unseen == 0
    _, strict = find_scenes(read_area(made.folder / "aoi.geojson"), search, SelectOptions(mask_snow=True, max_cloud=1))
    assert "2022-11-19" not in days(strict)
    assert [str(window.middle) for window in strict.empty] == ["2022-11-22"]


def test_every_scene_has_a_verdict_with_a_reason(made: SimulatedCatalogue) -> None:
    selection = chosen(made, lambda one: CLOUDY if one.name == "S2A_33TVM_20181120_0_L2A" else CLEAR)
    assert all(one.reason for one in selection.verdicts)
    assert cause(selection, "S2A_33TVM_20171125_0_L2A") == "duplicate"
    assert cause(selection, "S2A_33TWM_20211124_0_L2A") == "cover"
    assert cause(selection, "S2A_33TVM_20231122_0_L2A") == "group"
    assert cause(selection, "S2A_33TVM_20181120_0_L2A") == "cloud"
    assert cause(selection, "S2A_33TVM_20201114_0_L2A") == "further"
    assert cause(selection, "S2A_33TVM_20201119_0_L2A") == "kept"


def test_of_a_year_only_as_many_masks_are_read_as_it_takes(made: SimulatedCatalogue) -> None:
    looked: list[str] = []
    lock = threading.Lock()

    def measure(one: FoundScene) -> Fractions:
        with lock:
            looked.append(one.name)
        return CLOUDY if one.name == "S2A_33TVM_20181120_0_L2A" else CLEAR

    chosen(made, measure)
    assert sorted(looked) == [
        "S2A_33TVM_20161120_0_L2A",
        "S2A_33TVM_20171125_1_L2A",
        "S2A_33TVM_20181115_0_L2A",
        "S2A_33TVM_20181120_0_L2A",
        "S2A_33TVM_20191125_0_L2A",
        "S2A_33TVM_20201119_0_L2A",
        "S2A_33TVM_20211124_0_L2A",
        "S2A_33TVM_20221119_0_L2A",
        "S2A_33TVM_20231124_0_L2A",
    ]


def test_all_clear_scenes_or_the_best_of_a_month(made: SimulatedCatalogue) -> None:
    def measure(one: FoundScene) -> Fractions:
        return Fractions(0.05, 0, 0, 0, 0.05) if one.name == "S2A_33TVM_20181115_0_L2A" else CLEAR

    every = chosen(made, measure, choose="all")
    assert len(every.kept) == 10
    best = chosen(made, measure, choose="monthly")
    assert len(best.kept) == 8
    assert "2018-11-20" in days(best)
    assert "2020-11-14" in days(best)  # of two alike the first
    assert days(chosen(made, measure, choose="monthly")) == days(best)
    found, options = searched(made, dates="20160101/20231231")
    assert len(select_scenes(found, options.windows, SelectOptions(), measure=measure).kept) == 10  # all by default
    yearly = select_scenes(found, options.windows, SelectOptions(choose="yearly"), measure=measure)
    assert [one.moment.year for one in yearly.kept] == list(range(2016, 2024))


def test_without_measuring_the_catalogue_is_believed(made: SimulatedCatalogue) -> None:
    selection = chosen(made, measure=None)
    assert "2020-11-19" in days(selection)  # whose catalogue says 1.5 %
    assert "2018-11-20" not in days(selection)
    strict = chosen(made, measure=None, max_cloud=1.0)
    assert "2020-11-14" in days(strict)


def test_what_the_catalogue_calls_cloudy_need_not_be_looked_at(made: SimulatedCatalogue) -> None:
    def measure(one: FoundScene) -> Fractions:
        assert one.name != "S2A_33TVM_20181120_0_L2A"
        return CLEAR

    assert "2018-11-15" in days(chosen(made, measure, max_scene_cloud=50))


def test_an_orbit_or_tile_can_be_asked_for(made: SimulatedCatalogue) -> None:
    assert days(chosen(made, lambda _: CLEAR, orbit=122)) == ["2023-11-22"]
    part = chosen(made, lambda _: CLEAR, tile="T33TWM", min_cover=30)
    assert part.group == (22, "33TWM")
    assert chosen(made, lambda _: CLEAR, tile="33TXX").kept == ()


def test_the_group_with_a_scene_in_most_years_wins_over_that_with_most_dates(tmp_path: Path) -> None:
    many = [Pass(time=f"2020-11-{day:02d}T10:14:11Z", orbit=65) for day in (2, 7, 12, 17, 22, 27)]
    long = [Pass(time=f"{year}-11-21T10:04:01Z", orbit=22) for year in (2018, 2019, 2020)]
    made = write_catalogue(tmp_path, COG, passes=[*many, *long], shape=(80, 80))
    found, options = searched(made)
    assert select_scenes(found, options.windows, SelectOptions(), measure=lambda _: CLEAR).group == (22, "33TVM")
    found, options = searched(made, dates="20160101/20231231")
    assert select_scenes(found, options.windows, SelectOptions(), measure=lambda _: CLEAR).group == (65, "33TVM")


def test_scenes_without_pixels_or_mask_are_dropped_before_their_twins(tmp_path: Path) -> None:
    time = "2020-11-22T10:14:11Z"
    passes = [
        Pass(time=time, baseline="02.14"),
        Pass(time=time, baseline="05.00", processed="2023-01-01T00:00:00Z", without=("scl",)),
        Pass(time="2021-11-22T10:14:11Z", without=("nir",)),
    ]
    made = write_catalogue(tmp_path, COG, passes=passes, shape=(80, 80))
    selection = chosen(made, lambda _: CLEAR)
    assert [one.name for one in selection.kept] == ["S2A_33TVM_20201122_0_L2A"]
    assert cause(selection, "S2A_33TVM_20201122_1_L2A") == "unreadable"
    assert cause(selection, "S2A_33TVM_20211122_0_L2A") == "unreadable"
    found, options = searched(made)
    unread = select_scenes(found, options.windows, SelectOptions(measure=False))
    assert [one.name for one in unread.kept] == ["S2A_33TVM_20201122_1_L2A"]


def test_a_mask_that_cannot_be_read_is_named_and_the_next_scene_taken(made: SimulatedCatalogue) -> None:
    def measure(one: FoundScene) -> Fractions:
        if one.name == "S2A_33TVM_20201119_0_L2A":
            message = "the connection was cut"
            raise ServiceError(message)
        return CLEAR

    selection = chosen(made, measure)
    assert "2020-11-14" in days(selection)
    assert cause(selection, "S2A_33TVM_20201119_0_L2A") == "unreadable"
    assert selection.left_out == ("S2A_33TVM_20201119_0_L2A: its mask cannot be read: the connection was cut",)


def test_when_no_mask_can_be_read_it_ends_soon(made: SimulatedCatalogue) -> None:
    tried: list[str] = []

    def measure(one: FoundScene) -> Fractions:
        tried.append(one.name)
        message = "no connection"
        raise ServiceError(message)

    with pytest.raises(ServiceError, match=r"no mask can be read .* no connection; --no-measure"):
        chosen(made, measure, choose="all")
    assert len(tried) < 10


def test_a_share_just_above_the_limit_is_not_shown_as_the_limit(made: SimulatedCatalogue) -> None:
    selection = chosen(made, lambda _: Fractions(0.20004, 0, 0, 0, 0.20004), max_cloud=20)
    assert selection.kept == ()
    assert all("20.1 % of the area" in one.reason for one in selection.verdicts if one.cause == "cloud")
    assert len(chosen(made, lambda _: Fractions(0.2, 0, 0, 0, 0.2), max_cloud=20).kept) == 8


def test_nothing_kept_says_what_would_help(made: SimulatedCatalogue) -> None:
    found, options = searched(made)
    for settings, words in (({"max_cloud": 0}, "--max-cloud"), ({"tile": "33TWM"}, "--max-cloud")):
        choice = SelectOptions.model_validate(settings)
        empty = select_scenes(found, options.windows, choice, measure=lambda _: CLOUDY)
        with pytest.raises(InputError, match=words):
            require_some(empty, found, choice)
    wide, times = read_area(made.folder / "aoi.geojson", buffer_m=2000), options
    around = search_scenes(wide, times)
    empty = select_scenes(around, times.windows, SelectOptions(), measure=lambda _: CLEAR)
    with pytest.raises(InputError, match=r"no scene reaches 99 % of the area, the best \d+\.\d %.*--min-cover"):
        require_some(empty, around, SelectOptions())
    nothing, times = searched(made, dates="20100101/20101231")
    empty = select_scenes(nothing, times.windows, SelectOptions())
    assert empty.verdicts == ()
    with pytest.raises(InputError, match="no scene of the area"):
        require_some(empty, nothing, SelectOptions())
