from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose
from pyproj import Transformer

from creepmeter.io.raster import read_bands, read_header, write_geotiff
from creepmeter.simulate import Pass, SimulatedCatalogue, write_catalogue

COG = partial(write_geotiff, cog=True)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCatalogue:
    return write_catalogue(tmp_path_factory.mktemp("catalogue"), COG, shape=(120, 140))


def _stored(catalogue: SimulatedCatalogue, number: int, key: str) -> npt.NDArray[np.float64]:
    return np.asarray(read_bands(catalogue.items[number]["assets"][key]["href"])[0][0], np.float64)


def test_the_ground_comes_back_from_every_baseline_where_nothing_is_in_the_way(catalogue: SimulatedCatalogue) -> None:
    for number, one in enumerate(catalogue.passes):
        back = (_stored(catalogue, number, "nir") - one.stored_offset) / 10_000
        clear = (_stored(catalogue, number, "scl") == 5).repeat(2, axis=0).repeat(2, axis=1)
        assert clear.any() or one.cloud > 0.9
        assert_allclose(back[clear], catalogue.reflectance(number)[clear], atol=0.51e-4)  # half a digital number


def test_a_late_baseline_is_stored_1000_higher_unless_the_catalogue_took_it_out() -> None:
    time = "2022-11-19T10:14:29Z"
    assert Pass(time=time, baseline="03.01").stored_offset == 0
    assert Pass(time=time, baseline="04.00").stored_offset == 1000
    assert Pass(time=time, baseline="05.09", boa_offset_applied=False).stored_offset == 1000
    assert Pass(time=time, baseline="05.09", boa_offset_applied=True).stored_offset == 0


def test_what_the_swath_does_not_reach_is_zero_in_both_rasters(tmp_path: Path) -> None:
    passes = [Pass(time="2022-11-19T10:14:29Z", missing=0.4, cloud=0.5)]
    made = write_catalogue(tmp_path, COG, passes=passes, shape=(60, 80))
    numbers, classes = _stored(made, 0, "nir"), _stored(made, 0, "scl")
    assert (numbers == 0).mean() == pytest.approx(0.4)
    assert (numbers[:, :32] == 0).all()
    assert ((classes == 0).repeat(2, axis=0).repeat(2, axis=1) == (numbers == 0)).all()


def test_rasters_lie_where_their_items_say(catalogue: SimulatedCatalogue) -> None:
    for item in catalogue.items:
        for asset in item["assets"].values():
            header = read_header(asset["href"])
            assert header.grid is not None
            assert list(header.shape) == asset["proj:shape"]
            assert list(header.grid.affine)[:6] == asset["proj:transform"]
            ring = np.array(item["geometry"]["coordinates"][0])
            change = Transformer.from_crs(4326, str(header.grid.crs), always_xy=True)
            x, y = change.transform(*ring.T)
            assert_allclose([x.min(), y.min(), x.max(), y.max()], header.grid.extent.boundingbox.bbox, atol=0.01)


def test_links_of_the_catalogue_lead_to_its_files(catalogue: SimulatedCatalogue) -> None:
    seen, waiting = set(), [catalogue.folder / "catalog.json"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        links = [path.parent / link["href"] for link in content["links"]]
        assert all(link.exists() for link in links)
        assert all((path.parent / asset["href"]).exists() for asset in content.get("assets", {}).values())
        waiting += [link.resolve() for link in links if link.resolve() not in seen]
    assert len(seen) == 2 + len(catalogue.items)


def test_an_item_can_lack_what_others_have(tmp_path: Path) -> None:
    passes = [Pass(time="2022-11-19T10:14:29Z", without=("scl", "grid:code"), layout="sentinel-2-c1-l2a")]
    item = write_catalogue(tmp_path, COG, passes=passes, shape=(60, 60)).items[0]
    assert "scl" not in item["assets"]
    assert "grid:code" not in item["properties"]
    assert item["collection"] == "sentinel-2-c1-l2a"
