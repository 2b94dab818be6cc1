from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.interferograms.samples import InMemory

from creepmeter.errors import ImageError, InputError
from creepmeter.interferograms.catalogue import (
    Interferogram,
    Report,
    assemble,
    matching,
    one_file,
    pair_in,
    require_matching,
)
from creepmeter.interferograms.layers import part_of_grid, read_all
from creepmeter.io.layers import Layer
from creepmeter.model.grid import Grid
from creepmeter.model.pair import Pair

GRID = GeoBox((8, 10), Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326")
VALUES = np.arange(80, dtype=np.float32).reshape(8, 10) + 1


def product(
    day: int, *, name: str = "", grid: Grid | None = None, values: np.ndarray = VALUES, **layers: Layer
) -> Interferogram:
    pair = Pair.of("20200101", f"202002{day:02d}")
    own: dict[str, Layer] = {"unwrapPhase": InMemory(values), **layers}
    return Interferogram(pair, own, 0.0, name or str(pair), grid)


def test_products_come_in_order_of_their_pairs() -> None:
    report = Report()
    found = assemble([product(9), product(3), product(5)], {}, {"WAVELENGTH": "1"}, report)
    assert [str(one.pair)[-2:] for one in found.interferograms] == ["03", "05", "09"]
    assert found.attributes == {"WAVELENGTH": "1", "LENGTH": "8", "WIDTH": "10"}
    assert (found.left_out, found.notes) == ((), ())


def test_of_a_pair_twice_the_last_name_is_kept() -> None:
    report = Report()
    found = assemble([product(3, name="b_v2"), product(3, name="a_v1")], {}, {}, report)
    assert [one.name for one in found.interferograms] == ["b_v2"]
    assert found.notes == ("pair 20200101_20200203 is there twice: b_v2 is taken, a_v1 is not",)


def test_of_a_pair_twice_the_one_that_fits_the_others_is_kept() -> None:
    burst = GeoBox((8, 10), Affine(0.5, 0, 10, 0, -0.5, 46), "EPSG:4326")  # the next burst in the same path
    twice = [product(3, name="IW2_072", grid=GRID), product(3, name="IW2_073", grid=burst)]
    found = assemble([*twice, product(5, grid=GRID), product(7, grid=GRID)], {}, {}, Report())
    assert [str(one.pair)[-2:] for one in found.interferograms] == ["03", "05", "07"]
    assert found.interferograms[0].name == "IW2_072"
    assert len(found.left_out) == 1
    assert found.left_out[0].startswith("IW2_073: it has 8 x 10 px")


def test_products_of_another_size_are_named_and_never_reshaped() -> None:
    report = Report()
    found = assemble([product(3), product(5, values=VALUES.T), product(7)], {}, {}, report)
    assert len(found.interferograms) == 2
    assert found.left_out == ("20200101_20200205: it has 10 x 8 px, 2 of 3 have 8 x 10 px",)


def test_products_elsewhere_are_named_or_all_are_cut_to_what_they_share() -> None:
    shifted = GeoBox((8, 10), Affine(0.5, 0, 11, 0, -0.5, 50.5), "EPSG:4326")
    half = GeoBox((8, 10), Affine(0.5, 0, 10.2, 0, -0.5, 50), "EPSG:4326")
    products = [product(3, grid=GRID), product(5, grid=GRID), product(7, grid=shifted), product(9, grid=half)]
    found = assemble(products, {}, {}, Report())
    assert len(found.interferograms) == 2
    assert "extent common cuts all" in found.left_out[0]
    assert "extent common" not in found.left_out[1]
    report = Report()
    common = assemble(products, {}, {}, report, extent="common")
    assert common.shape == (7, 8)
    assert common.grid == part_of_grid(GRID, slice(0, 7), slice(2, 10))
    assert [one.name[:8] + one.name[-2:] for one in common.interferograms] == ["2020010103", "2020010105", "2020010107"]
    np.testing.assert_array_equal(read_all(common.interferograms[0].layers["unwrapPhase"]), VALUES[:7, 2:])
    np.testing.assert_array_equal(read_all(common.interferograms[2].layers["unwrapPhase"]), VALUES[1:, :8])
    assert "another lattice" in common.left_out[0]
    far = GeoBox((8, 10), Affine(0.5, 0, 100, 0, -0.5, 50), "EPSG:4326")
    with pytest.raises(InputError, match="no area in common"):
        assemble([product(3, grid=GRID), product(5, grid=far)], {}, {}, Report(), extent="common")


def test_a_layer_one_column_wider_is_cut_where_the_georeference_agrees() -> None:
    wide = GeoBox((8, 11), GRID.affine, GRID.crs)
    values = np.arange(88.0).reshape(8, 11)
    geometry = {"waterMask": InMemory(values, "mask.tif", wide), "height": InMemory(values, "dem.tif")}
    found = assemble([product(3, grid=GRID)], geometry, {}, Report())
    np.testing.assert_array_equal(read_all(found.geometry["waterMask"]), values[:, :10])
    assert "height" not in found.geometry
    assert found.notes == (
        "waterMask: mask.tif has 8 x 11 px, it is cut to 8 x 10 by its georeference",
        "height: dem.tif has 8 x 11 px, the interferograms have 8 x 10: it is not used",
    )


def test_a_geometry_of_the_same_size_elsewhere_is_not_used() -> None:
    there = GeoBox((8, 10), Affine(0.5, 0, 30, 0, -0.5, 50), "EPSG:4326")
    found = assemble([product(3, grid=GRID)], {"height": InMemory(VALUES, "dem.tif", there)}, {}, Report())
    assert not found.geometry
    assert "against" in found.notes[0]


def test_an_optional_layer_that_some_lack_is_switched_off() -> None:
    labels = InMemory(VALUES)
    found = assemble([product(3, connectComponent=labels), product(5)], {}, {}, Report())
    assert [list(one.layers) for one in found.interferograms] == [["unwrapPhase"], ["unwrapPhase"]]
    assert found.notes == ("connectComponent is missing in 1 of 2 products (20200101_20200205): it is not loaded",)


def test_the_few_products_without_coherence_are_left_out_or_all_go_without() -> None:
    have = [product(day, coherence=InMemory(VALUES)) for day in (3, 5, 7)]
    found = assemble([*have, product(9)], {}, {}, Report())
    assert len(found.interferograms) == 3
    assert found.left_out == ("20200101_20200209: it has no coherence, the others have one",)
    alone = assemble([*have[:1], product(9), product(11)], {}, {}, Report())
    assert all(list(one.layers) == ["unwrapPhase"] for one in alone.interferograms)


def test_a_coherence_of_another_size_counts_as_missing() -> None:
    have = [product(day, coherence=InMemory(VALUES)) for day in (3, 5)]
    found = assemble([*have, product(9, coherence=InMemory(VALUES[1:]))], {}, {}, Report())
    assert len(found.interferograms) == 2
    assert "coherence" in found.left_out[0]


def test_nothing_left_says_why() -> None:
    report = Report()
    with pytest.raises(InputError, match="no interferogram was found"):
        assemble([], {}, {}, report)
    report.leave_out("a.unw", "it is cut")
    one = Interferogram(Pair.of("20200101", "20200102"), {"coherence": InMemory(VALUES)}, 0.0, "b.unw")
    with pytest.raises(InputError, match=r"can be used of 2: a\.unw: it is cut; b\.unw: it has no unwrapped phase"):
        assemble([one], {}, {}, report)


def test_a_report_names_a_product_once() -> None:
    report = Report()

    def fail() -> None:
        message = "a.unw: it is damaged"
        raise ImageError(message)

    assert report.attempt("a.unw", fail) is None
    assert report.attempt("b.unw", lambda: 5) == 5
    assert report.left_out == ["a.unw: it is damaged"]
    report.note("once")
    report.note("once")
    assert report.notes == ["once"]


def test_patterns_find_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/20200101_20200113.unw", "b/20200101_20200125.unw", "with [brackets]/x.unw", "two words.unw"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.setenv("PLACE", str(tmp_path / "a"))
    assert [path.name[-6:-4] for path in matching("*/2020*.unw", tmp_path)] == ["13", "25"]
    assert len(matching("**/*.unw", tmp_path)) == 4
    assert matching("$PLACE/*.unw", Path("elsewhere"))[0].name == "20200101_20200113.unw"
    assert matching("with [brackets]/x.unw", tmp_path)[0].name == "x.unw"
    assert matching("two words.unw", tmp_path)[0].name == "two words.unw"
    assert len(matching("a/*.unw b/*.unw", tmp_path)) == 2
    assert matching(None, tmp_path) == []
    with pytest.raises(InputError, match="unw_file: it is not given"):
        require_matching(None, tmp_path, "unw_file")
    with pytest.raises(InputError, match=r"unw_file: no file matches c/\*"):
        require_matching("c/*", tmp_path, "unw_file")
    report = Report()
    assert one_file("?/*.unw", tmp_path, report, "dem_file") == tmp_path / "a/20200101_20200113.unw"
    assert one_file("c/*", tmp_path, report, "dem_file") is None
    assert report.notes[0].startswith("dem_file: 2 files match")
    assert report.notes[1].startswith("dem_file: no file matches c/*")


def test_the_pair_in_a_name_runs_forward() -> None:
    assert str(pair_in("20200113_20200101.unw")) == "20200101_20200113"
    assert str(pair_in("d2020-01-01_2020-01-13", "%Y-%m-%d")) == "20200101_20200113"
    assert pair_in("20200101.unw") is None
    assert pair_in("20200101T000000_20200101T120000") is None
