"""Real images, where they are at hand: ice that moves, fields that do not."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from scipy import ndimage

from creepmeter.inversion.invert import invert
from creepmeter.io.rasterfile import open_raster
from creepmeter.io.store import open as open_product
from creepmeter.model.network import Network
from creepmeter.stack.closure import closures
from creepmeter.stack.dates import shifts_per_date
from creepmeter.tracking.match import match
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import prepare_image
from creepmeter.velocity.fit import fit_velocity
from creepmeter.workflow.run import run

Floats = npt.NDArray[np.float64]
PIXEL_M = 10.0
HALO_PX = 8


@pytest.fixture(scope="session")
def glacier(shared: Path) -> Path:
    return shared / "data" / "optical_s2_glacier_perito_moreno"


@pytest.fixture(scope="session")
def ice(
    glacier: Path, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:  # a grid twice as coarse as the documented one, for time
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(glacier)
        config = root / "docs" / "examples" / "perito-moreno.yaml"
        return run(config, folder=tmp_path_factory.mktemp("ice") / "run", overrides=["track.step_px=16"]).folder


def _velocity(stack: xr.Dataset) -> Floats:
    motion = fit_velocity(invert(stack), ["rate"])
    rate: Floats = motion["value"].sel(term="rate").values
    return rate / PIXEL_M / 365.25


@pytest.mark.golden
@pytest.mark.slow
def test_disjoint_halves_of_the_pairs_show_the_same_flow(ice: Path) -> None:
    stack = open_product(ice / "stack.zarr").load()
    random = np.random.default_rng(0)
    found = []
    for _ in range(10):
        order = random.permutation(stack.sizes["pair"])
        halves = [np.sort(part) for part in np.array_split(order, 2)]
        first, second = (_velocity(stack.isel(pair=half)) for half in halves)
        for ours, theirs in zip(first, second, strict=True):
            both = np.isfinite(ours) & np.isfinite(theirs)
            assert both.sum() > 2000
            correlation = np.corrcoef(ours[both], theirs[both])[0, 1]
            found.append((correlation, np.sign(correlation) * ours[both].std() / theirs[both].std()))
    correlation, ratio = np.median(np.reshape(found, (10, 2, 2)), axis=0).T
    assert (correlation >= 0.95).all()
    assert ((ratio >= 0.95) & (ratio <= 1.05)).all()


@pytest.mark.golden
@pytest.mark.slow
def test_the_ice_has_its_known_speed(ice: Path) -> None:
    rate = open_product(ice / "velocity.zarr")["value"].sel(term="rate").values / PIXEL_M / 365.25
    # 0.21 px a day: median over the tongue, from the method paper's images by an independent tracker
    assert np.nanmedian(np.hypot(*rate)) == pytest.approx(0.21, rel=0.1)


@pytest.mark.golden
@pytest.mark.slow
def test_nothing_is_valid_along_the_black_frame(ice: Path, glacier: Path) -> None:
    offsets = open_product(ice / "offsets.zarr").load()
    centre_y, centre_x = (15.5 + 16 * np.arange(offsets.sizes[axis]) for axis in "yx")
    places = np.ix_(np.rint(centre_y).astype(int), np.rint(centre_x).astype(int))
    black: dict[str, npt.NDArray[np.bool_]] = {}
    for file in glacier.glob("2020*.jpg"):
        with open_raster(file) as source:
            frame = (source.read() <= 3).all(axis=0)
        black[file.stem] = ndimage.maximum_filter(frame.astype(np.uint8), 2 * HALO_PX + 1)[places] > 0
    for pair in range(offsets.sizes["pair"]):
        valid = np.isfinite(offsets["displacement"].values[:, pair]).any(axis=0)
        for name in ("ref_time", "sec_time"):
            assert not (valid & black[str(offsets[name].values[pair])[:10].replace("-", "")]).any()


@pytest.mark.golden
@pytest.mark.slow
def test_an_overcast_image_gives_next_to_nothing(ice: Path) -> None:
    offsets = open_product(ice / "offsets.zarr").load()
    share = np.isfinite(offsets["displacement"].values[0]).sum(axis=(1, 2)) / (offsets["flag"].values != 1).sum(
        axis=(1, 2)
    )
    # all but the tongue's end is under thick cloud on 6 January
    cloudy = np.isin(offsets["ref_time"].values, np.datetime64("2020-01-06", "ns"))
    assert cloudy.sum() >= 5
    assert share[cloudy].max() < 0.1
    clear = ~np.isin(offsets["ref_time"].values, np.array(["2020-01-06", "2020-01-08"], "datetime64[ns]"))
    assert np.median(share[clear]) > 0.3


@pytest.mark.golden
def test_still_fields_close_and_adjust(shared: Path) -> None:
    folder = shared / "data" / "optical_s2_ndvi_stack_slovenia"
    images = np.load(folder / "NDVI.npy")[..., 0]
    cloud = np.load(folder / "CLM.npy")[..., 0].astype(bool)
    times = np.array(json.loads((folder / "timestamps.json").read_text()), "datetime64[ns]")
    clear = [k for k in range(len(images)) if cloud[k].mean() < 0.02]
    # one window per image, all of it but the margin that the largest jitter needs
    options = TrackOptions(chip_px=88, step_px=88, search_px=4, outliers=False, min_correlation=0.6, min_distinct=1.0)
    prepared = {k: prepare_image(images[k], cloud[k], options) for k in clear}
    shift, pairs = [], []
    for i, j in itertools.combinations(clear, 2):
        field = match(prepared[i], prepared[j], options)
        if field.valid[0, 0]:
            shift.append((field.dx[0, 0], field.dy[0, 0]))
            pairs.append((times[i], times[j]))
    network = Network.from_pairs(pairs)
    assert len(pairs) > 100
    values = np.array(shift, np.float64).T
    assert np.abs(values).max() > 1.0  # real jitter
    closure = closures(values, network.loops())
    assert (1.4826 * np.median(np.abs(closure - np.median(closure, axis=1, keepdims=True)), axis=1) <= 0.04).all()
    residual = shifts_per_date(values, network).residual
    assert (1.4826 * np.nanmedian(np.abs(residual), axis=1) <= 0.03).all()
