from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import ConfigError, InputError, NetworkError
from creepmeter.io.mintpy.product import read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.mintpy.writestack import create_stack
from creepmeter.pairs.network_options import NetworkOptions
from creepmeter.products.network_options import NetworkPlotOptions
from creepmeter.simulate.radar import RadarStack
from creepmeter.workflow.sbas.network import modify_network
from creepmeter.workflow.sbas.network_figures import view_of_stack
from creepmeter.workflow.sbas.pair_table import average_in_space, coherence_area, pair_means, read_pair_table

TABLE = "coherenceSpatialAvg.txt"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RadarStack]:
    folder = tmp_path_factory.mktemp("loaded")
    return folder, write_project(folder, decay_days=60.0)


@pytest.fixture
def project(loaded: tuple[Path, RadarStack], tmp_path: Path) -> tuple[Path, RadarStack]:
    folder = tmp_path / "work"
    shutil.copytree(loaded[0], folder)
    return folder, loaded[1]


def stack_of(folder: Path) -> StackFile:
    return StackFile.open(folder / "inputs" / "ifgramStack.h5")


def test_pairs_are_marked_in_the_file_and_restored_by_no_rule(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    pixels = stack_of(folder).read("unwrapPhase")
    found = modify_network(stack_of(folder), folder, NetworkOptions(temp_base_max=30))
    short = np.array([pair.days <= 30 for pair in made.pairs])
    assert_array_equal(found.keep, short)
    assert found.changed
    assert_array_equal(stack_of(folder).keep, short)
    assert stack_of(folder).pairs == made.pairs
    assert_array_equal(stack_of(folder).read("unwrapPhase"), pixels)
    assert not modify_network(stack_of(folder), folder, NetworkOptions(temp_base_max=30)).changed
    assert modify_network(stack_of(folder), folder, NetworkOptions()).keep.all()
    assert not (folder / TABLE).exists()  # coherence was never asked for


def test_mean_coherence_is_taken_inside_mask_and_area(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    options = NetworkOptions(coherence_based=True, min_coherence=0.99, aoi_yx=(4, 20, 2, 30))
    found = modify_network(stack_of(folder), folder, options)
    inside = np.zeros(made.water.shape, bool)
    inside[4:20, 2:30] = made.water[4:20, 2:30]
    values = np.where(inside & (made.coherence != 0), made.coherence.astype(np.float64), np.nan)
    assert found.coherence is not None
    assert_allclose(found.coherence, np.nanmean(values, axis=(1, 2)), rtol=1e-12)
    assert found.keep.sum() == 6  # nothing is good enough: the tree of the seven dates is left
    assert read_map(folder / "waterMask.h5").dtype == bool
    lines = (folder / TABLE).read_text(encoding="utf-8").splitlines()
    assert lines[:4] == [
        "# Data file: ifgramStack.h5",
        "# Mask file: waterMask.h5",
        "# AOI box: (2, 4, 30, 20)",
        "# Threshold: None",
    ]
    pairs, means, metres = read_pair_table(folder / TABLE)
    assert tuple(pairs) == made.pairs
    assert_allclose(means, found.coherence, atol=5.1e-5)
    assert_allclose(metres, made.bperp, atol=0.051)


def test_an_area_in_degrees_is_the_one_in_pixels(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    lat, lon = made.latitude, made.longitude
    step = 0.5 / 1200
    area = (lat[19, 0] - step, lat[4, 0] + step, lon[0, 2] - step, lon[0, 29] + step)
    found = coherence_area(stack_of(folder), folder, NetworkOptions(aoi_lalo=area))
    assert found.box == (4, 20, 2, 30)
    with pytest.raises(InputError, match="lies outside"):
        coherence_area(stack_of(folder), folder, NetworkOptions(aoi_lalo=(0.0, 1.0, 0.0, 1.0)))
    with pytest.raises(ConfigError, match="area of interest lies outside the map of 36 x 44 pixels"):
        coherence_area(stack_of(folder), folder, NetworkOptions(aoi_yx=(100, 200, 0, 10)))


def test_an_area_in_degrees_on_a_map_in_radar_coordinates(tmp_path: Path) -> None:
    made = write_project(tmp_path, geocoded=False)
    lat, lon = made.latitude, made.longitude
    area = (lat[10:20, 12:30].min(), lat[10:20, 12:30].max(), lon[10:20, 12:30].min(), lon[10:20, 12:30].max())
    top, bottom, left, right = coherence_area(stack_of(tmp_path), tmp_path, NetworkOptions(aoi_lalo=area)).box
    assert top <= 10
    assert bottom >= 20
    assert left <= 12
    assert right >= 30


def test_the_share_of_coherent_ground(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    coherence = made.coherence.astype(np.float64)
    outside = np.where(~made.water & (coherence != 0), coherence, np.nan)
    level = np.nanmean(np.round(np.nanmean(outside, axis=(1, 2)), 4))
    counted = made.water & (coherence != 0)
    share = (counted & (coherence > level)).sum(axis=(1, 2)) / counted.sum(axis=(1, 2))
    least = float(np.sort(share)[len(share) // 2])
    options = NetworkOptions(area_ratio_based=True, min_area_ratio=least, keep_min_span_tree=False)
    found = modify_network(stack_of(folder), folder, options)
    assert_array_equal(found.keep, np.round(share, 4) >= least)
    assert_allclose(read_pair_table(folder / "coherenceAreaRatio.txt")[1], share, atol=5.1e-5)
    assert (folder / "coherenceSpatialAvgRevMsk.txt").exists()


def test_memory_does_not_change_a_bit(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    stack = stack_of(folder)
    whole = pair_means(stack, "coherence", made.water)
    tight = pair_means(stack, "coherence", made.water, memory_gb=1e-9)
    assert_array_equal(whole[0], tight[0])
    assert_array_equal(whole[1], tight[1])


def test_files_of_dates_and_pairs(project: tuple[Path, RadarStack]) -> None:
    folder, made = project
    epochs = sorted({pair.ref for pair in made.pairs} | {pair.sec for pair in made.pairs})
    bad = str(epochs[2])[:10].replace("-", "")
    (folder / "bad.txt").write_text(f"# noisy\n{bad}  rain\n\n", encoding="utf-8")
    found = modify_network(stack_of(folder), folder, NetworkOptions(exclude_date=("bad.txt",)))
    assert found.selection.lost_dates == (bad,)
    (folder / "pairs.txt").write_text(f"{made.pairs[0]}  0.7\n{made.pairs[3]}\n", encoding="utf-8")
    found = modify_network(stack_of(folder), folder, NetworkOptions(reference_file="pairs.txt"))
    assert np.flatnonzero(found.keep).tolist() == [0, 3]
    other = folder / "other"
    write_project(other)
    modify_network(stack_of(other), other, NetworkOptions(exclude_index=(0, 1)))
    like = NetworkOptions(reference_file="other/inputs/ifgramStack.h5")
    assert np.flatnonzero(~modify_network(stack_of(folder), folder, like).keep).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "text", "match"),
    [
        ({"exclude_date": ("x.txt",)}, None, r"exclude_date: .*x\.txt is not there"),
        ({"exclude_date": ("x.txt",)}, "20180230\n", r"x\.txt: '20180230' is no date"),
        ({"reference_file": "x.txt"}, "nothing here\n", r"x\.txt lists no pair"),
        ({"coherence_based": True, "mask_file": "mask.h5"}, None, r"mask_file: .*mask\.h5 is not there"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    project: tuple[Path, RadarStack], options: dict[str, object], text: str | None, match: str
) -> None:
    folder, _ = project
    if text is not None:
        (folder / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=match):
        modify_network(stack_of(folder), folder, NetworkOptions.model_validate(options))


def test_a_mask_of_another_grid_is_named(project: tuple[Path, RadarStack]) -> None:
    folder, _ = project
    write_product(folder / "mask.h5", {"mask": np.ones((3, 4), bool)}, {"FILE_TYPE": "mask"})
    with pytest.raises(InputError, match=r"mask\.h5 has 3 x 4 pixels and the stack 36 x 44"):
        modify_network(stack_of(folder), folder, NetworkOptions(coherence_based=True, mask_file="mask.h5"))


def test_islands_are_reported(project: tuple[Path, RadarStack], caplog: pytest.LogCaptureFixture) -> None:
    folder, made = project
    crossing = tuple(k for k, pair in enumerate(made.pairs) if pair.ref <= made.pairs[4].ref < pair.sec)
    with caplog.at_level(logging.WARNING):
        modify_network(stack_of(folder), folder, NetworkOptions(exclude_index=crossing))
    assert "islands of dates" in caplog.text


def test_nothing_left_leaves_the_file_as_it_was(project: tuple[Path, RadarStack]) -> None:
    folder, _ = project
    before = (folder / "inputs" / "ifgramStack.h5").read_bytes()
    with pytest.raises(NetworkError, match="no pair is left"):
        modify_network(stack_of(folder), folder, NetworkOptions(temp_base_max=1))
    assert (folder / "inputs" / "ifgramStack.h5").read_bytes() == before


def test_means_of_pairs_and_dates_as_tables(project: tuple[Path, RadarStack], tmp_path: Path) -> None:
    folder, made = project
    target = average_in_space(folder / "inputs" / "ifgramStack.h5", tmp_path / "all.txt")
    _, means, _ = read_pair_table(target)
    values = np.where(made.coherence == 0, np.nan, made.coherence.astype(np.float64))
    assert_allclose(means, np.nanmean(values, axis=(1, 2)), atol=5.1e-5)
    dates = np.array(["20180105", "20180117"], "S8")
    maps = np.stack([np.zeros((3, 4)), np.arange(12.0).reshape(3, 4)]).astype(np.float32)
    maps[1, 0, 0] = np.nan
    series = tmp_path / "timeseries.h5"
    write_product(series, {"timeseries": maps}, {"FILE_TYPE": "timeseries", "UNIT": "m"}, tables={"date": dates})
    table = average_in_space(series, tmp_path / "dates.txt")
    assert table.read_text(encoding="utf-8").splitlines()[-2:] == ["20180105\t0.0000", "20180117\t6.0000"]
    with pytest.raises(InputError, match="neither a stack nor a series"):
        average_in_space(folder / "inputs" / "geometryGeo.h5")


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / TABLE
    path.write_text("20180105_20180117 much\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"coherenceSpatialAvg\.txt is no table of pairs"):
        read_pair_table(path)


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("rangeOffset", "offsetSNR"), "Mean signal-to-noise ratio"),
        (("rangeOffset", "rangeOffsetStd"), "Temporal baseline (days)"),
        (("unwrapPhase", "coherence"), "Mean coherence"),
    ],
)
def test_colours_of_a_network_are_the_first_that_the_stack_has(
    tmp_path: Path, names: tuple[str, ...], label: str
) -> None:
    made = write_project(tmp_path)
    path = tmp_path / "inputs" / "otherStack.h5"
    layers = dict.fromkeys(names, np.float32)
    writer = create_stack(
        path, pairs=made.pairs, bperp=made.bperp, shape=made.height.shape, datasets=layers,
        attributes=made.attributes, key="other",
    )  # fmt: skip
    for index in range(len(made.pairs)):
        writer.put(index, dict.fromkeys(names, np.full(made.height.shape, 0.25 + index, np.float32)))
    writer.finish()
    view = view_of_stack(StackFile.open(path), tmp_path, NetworkPlotOptions())
    assert view.label == label
    days = np.array([pair.days for pair in made.pairs])
    assert_allclose(view.level, days if "Temporal" in label else 0.25 + np.arange(len(made.pairs)))
