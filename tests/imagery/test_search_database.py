"""The same searches against stac-fastapi with a database, an API of the kind that large catalogues run.

Skipped unless CREEPMETER_PGSTAC names the folder of its programs and there is a PostgreSQL with PostGIS.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.imagery.fault_proxy import Fault, Waits, fault_proxy, reset, same_page, status
from tests.imagery.pgstac_server import pgstac_served
from tests.imagery.servers import files_served

from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.imagery.find import find_scenes
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions
from creepmeter.imagery.search import search_scenes
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import SimulatedCatalogue, write_catalogue

pytestmark = pytest.mark.slow
World = tuple[SimulatedCatalogue, AreaOfInterest, str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("catalogue")
    with files_served(folder) as files:
        made = write_catalogue(folder, partial(write_geotiff, cog=True), shape=(120, 120), base=files)
        with pgstac_served(made.items) as api:
            yield made, read_area(folder / "aoi.geojson"), api, files.removeprefix("http://")


@pytest.mark.parametrize("page", [1, 4, 100])
def test_pages_of_any_size_give_each_scene_once(world: World, page: int) -> None:
    made, area, api, _ = world
    found = search_scenes(area, SceneSearchOptions(catalogue=api, years="2016/2023", page_size=page))
    assert sorted(one.name for one in found.scenes) == sorted(item["id"] for item in made.items)
    assert found.left_out == ()


def test_scenes_of_every_year_are_chosen_by_their_masks(world: World) -> None:
    _, area, api, files = world
    search = SceneSearchOptions(catalogue=api, years="2016/2023", around="11-22")
    _, selection = find_scenes(area, search, SelectOptions(), policy=AccessPolicy(hosts=[files]))
    assert [one.moment.year for one in selection.kept] == list(range(2016, 2024))
    assert "S2A_33TVM_20201119_0_L2A" not in {one.name for one in selection.kept}


def test_faults_before_it(world: World) -> None:
    made, area, api, _ = world
    waits = Waits()
    faults = [Fault(status(503), match="/search", times=1), Fault(reset, match="/search", times=1, after=1)]
    with fault_proxy(api, *faults) as proxy:
        options = SceneSearchOptions(catalogue=proxy.url, years="2016/2023", page_size=5)
        found = search_scenes(area, options, clock=waits.clock())
    assert len(found.scenes) == len(made.items)
    assert len(waits.slept) == 2
    with fault_proxy(api, Fault(same_page, match="/search")) as proxy:
        found = search_scenes(area, SceneSearchOptions(catalogue=proxy.url, years="2016/2023", page_size=5))
        assert len(proxy.paths("/search")) < 6
    assert any("same page again and again" in text for text in found.left_out)
