"""Step invert_network on simulated stacks in MintPy's layout."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import ConfigError, InputError, StoreError
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.product import ProductWriter, read_attributes, read_map, read_tables, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.mintpy.writestack import create_stack
from creepmeter.kernels.threads import limit_threads
from creepmeter.simulate.radar import RadarStack
from creepmeter.workflow.sbas import invert as step
from creepmeter.workflow.sbas.inversion_plan import chosen_dataset
from creepmeter.workflow.sbas.invert import Inverted, invert_network
from creepmeter.workflow.sbas.velocity import Series

Values: TypeAlias = npt.NDArray[Any]
FILES = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5")


def options(**changes: Any) -> NetworkInversionOptions:  # noqa: ANN401 - fields of the options
    return NetworkInversionOptions.model_validate({"min_num_pixel": 10, **changes})


def stack_of(folder: Path) -> StackFile:
    return StackFile.open(folder / "inputs" / "ifgramStack.h5")


def project(folder: Path, **settings: Any) -> tuple[RadarStack, tuple[int, int]]:  # noqa: ANN401 - of the simulation
    made = write_project(folder, seed=5, **settings)
    inside = np.argwhere((made.phase != 0).all(axis=0) & made.water)
    row, column = (int(k) for k in inside[len(inside) // 2])
    stack_of(folder).set_attributes({"REF_Y": str(row), "REF_X": str(column)})
    return made, (row, column)


def invert(folder: Path, *, geometry: Path | None = None, memory_gb: float = 4.0, **changes: Any) -> Inverted:  # noqa: ANN401
    return invert_network(stack_of(folder), folder, geometry, options(**changes), memory_gb=memory_gb)


def series_of(path: Path) -> Values:
    return Series.open(path).array.read()


def arrays(folder: Path) -> dict[str, Values]:
    return {name: series_of(folder / name) if name == FILES[0] else read_map(folder / name) for name in FILES}


@pytest.fixture
def quiet(tmp_path: Path) -> tuple[Path, RadarStack, tuple[int, int]]:
    """A stack without noise, with a missing corner."""
    made, pixel = project(tmp_path, noise=False, nodata_corner=0.2)
    return tmp_path, made, pixel


def test_the_series_is_the_motion_relative_to_the_reference(
    quiet: tuple[Path, RadarStack, tuple[int, int]],
) -> None:
    folder, made, (row, column) = quiet
    found = invert(folder, geometry=folder / "inputs" / "geometryGeo.h5")
    assert [path.name for path in found.files] == list(FILES)
    truth = made.truth.displacement + made.truth.delay
    truth = truth - truth[:, row, column][:, None, None]
    measured = read_map(folder / "numInvIfgram.h5") > 0
    assert found.pixels == measured.sum()
    assert_array_equal(measured, (made.phase != 0).any(axis=0))
    series = series_of(folder / "timeseries.h5")
    assert series.dtype == np.float32
    expected = (truth - truth[0])[:, measured]
    assert_allclose(series[:, measured], expected, atol=2e-6)  # phases are float32, some of 100 radians
    assert not series[:, ~measured].any()
    assert not series[:, row, column].any()
    coherence = read_map(folder / "temporalCoherence.h5")
    assert_allclose(coherence[measured], 1.0, atol=1e-5)
    assert coherence[row, column] == 1.0
    assert read_map(folder / "numInvIfgram.h5")[row, column] == len(made.pairs)
    assert_array_equal(read_map(folder / "maskTempCoh.h5"), measured)
    assert found.reliable == measured.sum()


def test_products_carry_dates_baselines_and_mintpys_attributes(
    quiet: tuple[Path, RadarStack, tuple[int, int]],
) -> None:
    folder, made, (row, column) = quiet
    invert(folder)
    tables = read_tables(folder / "timeseries.h5")
    assert_array_equal(tables["date"], np.unique([[pair.ref, pair.sec] for pair in made.pairs]))
    assert tables["bperp"].dtype == np.float32
    assert tables["bperp"][0] == 0
    attributes = read_attributes(folder / "timeseries.h5")
    expected = {
        "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20180105", "REF_Y": str(row), "REF_X": str(column),
        "mintpy.networkInversion.obsDatasetName": "unwrapPhase", "mintpy.networkInversion.weightFunc": "var",
        "mintpy.networkInversion.maskDataset": "False", "mintpy.networkInversion.minRedundancy": "1.0",
        "mintpy.networkInversion.numIfgram": str(len(made.pairs)), "WAVELENGTH": made.attributes["WAVELENGTH"],
        "mintpy.networkInversion.minNormVelocity": "True", "mintpy.networkInversion.maskThreshold": "0.4",
    }  # fmt: skip
    assert {name: attributes[name] for name in expected} == expected
    kinds = {
        name: (read_attributes(folder / name)["FILE_TYPE"], read_attributes(folder / name)["UNIT"]) for name in FILES
    }
    assert kinds["temporalCoherence.h5"] == ("temporalCoherence", "1")
    assert kinds["numInvIfgram.h5"] == kinds["maskTempCoh.h5"] == ("mask", "1")
    mask = read_attributes(folder / "maskTempCoh.h5")
    assert mask["mintpy.networkInversion.minTempCoh"] == "0.7"
    assert mask["FILE_PATH"] == "temporalCoherence.h5"


def test_memory_threads_and_interruptions_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, missing_stripes=0.3)
    invert(tmp_path, mask_dataset="coherence", mask_threshold=0.3)
    whole = arrays(tmp_path)
    monkeypatch.setattr(step, "_MOST_GB", 2e-5)
    monkeypatch.setattr(step, "_STRIP_GB", 3e-6)
    put, calls = ProductWriter.put, 0

    def failing(writer: ProductWriter, name: str, region: Mapping[str, slice], values: Mapping[str, Values]) -> None:
        nonlocal calls
        calls += 1
        if calls == 8:
            message = "cut"
            raise KeyboardInterrupt(message)
        put(writer, name, region, values)

    with limit_threads(2), monkeypatch.context() as broken:
        broken.setattr(ProductWriter, "put", failing)
        with pytest.raises(KeyboardInterrupt, match="cut"):
            invert(tmp_path, mask_dataset="coherence", mask_threshold=0.3, weight_func="var")
    assert calls == 8
    with limit_threads(2):
        invert(tmp_path, mask_dataset="coherence", mask_threshold=0.3)
    for name, values in arrays(tmp_path).items():
        assert_array_equal(values, whole[name], err_msg=name)
    assert not list(tmp_path.glob(".*partial"))


def test_water_dead_coherence_and_shadow_are_left_out(tmp_path: Path) -> None:
    made, _ = project(tmp_path)
    shape = made.height.shape
    plain = {"FILE_TYPE": "mask", "UNIT": "1"}
    water, coherence = np.ones(shape, bool), np.full(shape, 0.5, np.float32)
    water[:5], coherence[5:8], coherence[8:11] = False, 0.0, np.nan
    write_product(tmp_path / "waterMask.h5", {"waterMask": water}, plain)
    write_product(tmp_path / "avgSpatialCoh.h5", {"coherence": coherence}, plain)
    shadow = np.zeros(shape, bool)
    shadow[20:25] = True
    geometry = tmp_path / "inputs" / "geometryGeo.h5"
    attributes = read_attributes(geometry)
    write_product(geometry, {"height": made.height, "shadowMask": shadow}, attributes)
    invert(tmp_path, geometry=geometry)
    count, mask = read_map(tmp_path / "numInvIfgram.h5"), read_map(tmp_path / "maskTempCoh.h5")
    filled = (made.phase != 0).all(axis=0)
    assert not count[:8].any()
    assert count[8:][filled[8:]].all()
    assert not mask[20:25].any()
    invert(tmp_path, geometry=geometry, shadow_mask=False, water_mask_file=None)
    count, mask = read_map(tmp_path / "numInvIfgram.h5"), read_map(tmp_path / "maskTempCoh.h5")
    assert count[:5][filled[:5]].all()
    assert mask[20:25].any()


def test_the_phase_with_most_corrections_is_inverted_unless_another_is_named(tmp_path: Path) -> None:
    project(tmp_path)
    stack = stack_of(tmp_path)
    for name in ("unwrapPhase_bridging_phaseClosure", "unwrapPhase_bridging"):
        writer = stack.add_dataset(name, np.float32, {}, "key")
        for index in range(len(stack.pairs)):
            writer.put(index, stack.read_pair("unwrapPhase", index))
        writer.finish()
    assert chosen_dataset(stack, None) == "unwrapPhase_bridging_phaseClosure"
    assert invert(tmp_path).dataset == "unwrapPhase_bridging_phaseClosure"
    assert invert(tmp_path, obs_dataset="unwrapPhase").dataset == "unwrapPhase"
    with pytest.raises(InputError, match=r"ifgramStack.h5 has no dataset 'unwrapPhase_x': choose from coherence, conn"):
        invert(tmp_path, obs_dataset="unwrapPhase_x")


def test_dropped_pairs_do_not_count_and_a_network_in_islands_is_bridged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, _ = project(tmp_path, noise=False)
    stack = stack_of(tmp_path)
    middle = np.unique([pair.sec for pair in made.pairs])[2]
    across = np.array([pair.ref <= middle < pair.sec for pair in made.pairs])
    stack.set_keep(~across)
    with caplog.at_level(logging.WARNING):
        found = invert(tmp_path, weight_func="coh")
    assert "the network has 2 islands, bridged by a minimum norm" in caplog.text
    assert found.bridged == found.pixels - 1  # the reference pixel needs no bridge
    assert read_map(tmp_path / "numInvIfgram.h5").max() == (~across).sum()
    series = series_of(tmp_path / "timeseries.h5")
    gap = np.searchsorted(np.unique([[pair.ref, pair.sec] for pair in made.pairs]), middle)
    assert_allclose(series[gap + 1], series[gap], atol=1e-6)  # nothing is known of the gap: least velocity is none


def test_sigma_is_written_on_request(tmp_path: Path) -> None:
    project(tmp_path)
    found = invert(tmp_path, sigma=True)
    assert found.files[-1].name == "timeseriesSigma.h5"
    sigma = series_of(found.files[-1])
    measured = read_map(tmp_path / "numInvIfgram.h5") > 0
    row, column = stack_of(tmp_path).reference or (0, 0)
    measured[row, column] = False
    assert (sigma[1:, measured] > 0).all()
    assert not sigma[0].any()
    assert not sigma[:, ~measured].any()
    assert read_attributes(found.files[-1])["STANDARD_ERROR_OF"] == "timeseries.h5"


def test_robust_norms_go_to_the_same_files(tmp_path: Path) -> None:
    made, (row, column) = project(tmp_path, noise=False, cycle_chance=0.0)
    invert(tmp_path, residual_norm="L1")
    truth = made.truth.displacement + made.truth.delay
    truth = truth - truth[:, row, column][:, None, None]
    measured = read_map(tmp_path / "numInvIfgram.h5") > 0
    assert_allclose(series_of(tmp_path / "timeseries.h5")[:, measured], (truth - truth[0])[:, measured], atol=2e-6)


# ------------------------------------------------------------------------------------------------------------- offsets


def offsets(folder: Path, processor: str) -> StackFile:
    made = write_project(folder, seed=7, noise=False)
    path = folder / "inputs" / "offsetStack.h5"
    names = ("rangeOffset", "azimuthOffset", "rangeOffsetStd")
    writer = create_stack(
        path,
        pairs=made.pairs,
        bperp=made.bperp,
        shape=made.height.shape,
        datasets=dict.fromkeys(names, np.float32),
        attributes={**made.attributes, "PROCESSOR": processor, "UNIT": "pixel"},
        key="offsets",
    )
    for index in range(len(made.pairs)):
        move = np.full(made.height.shape, float(index % 2), np.float32)
        writer.put(index, {"rangeOffset": move, "azimuthOffset": move, "rangeOffsetStd": move * 0 + 0.1})
    writer.finish()
    return StackFile.open(path)


@pytest.mark.parametrize("weights", ["no", "var"])
def test_offsets_need_no_reference_pixel(tmp_path: Path, weights: str) -> None:
    stack = offsets(tmp_path, "cosicorr")
    chosen = options(obs_dataset="rangeOffset", weight_func=weights)
    found = invert_network(stack, tmp_path, None, chosen)
    assert [path.name for path in found.files] == ["timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5"]
    assert found.reliable is None
    assert read_attributes(found.files[1])["FILE_TYPE"] == "residual"
    assert read_attributes(found.files[1])["UNIT"] == "pixel"
    network = np.unique([[pair.ref, pair.sec] for pair in stack.pairs])
    design = np.zeros((len(stack.pairs), len(network)))
    for k, pair in enumerate(stack.pairs):
        design[k, np.searchsorted(network, [pair.ref, pair.sec])] = -1.0, 1.0
    moves = np.arange(len(stack.pairs)) % 2
    expected, squares = np.linalg.lstsq(design[:, 1:], moves, rcond=None)[:2]
    assert_allclose(series_of(found.files[0])[1:, 3, 4], expected, atol=1e-6)
    assert_allclose(read_map(found.files[1]), np.sqrt(squares[0]), rtol=1e-5)
    assert (read_map(found.files[2]) == len(stack.pairs)).all()


def test_offsets_become_metres_of_full_resolution_pixels(tmp_path: Path) -> None:
    stack = offsets(tmp_path, "isce")
    sizes = {
        name: float(stack.attributes[name]) for name in ("RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE", "RLOOKS", "ALOOKS")
    }
    metres = offsets(tmp_path / "metres", "cosicorr")
    for name, factor in (
        ("rangeOffset", -sizes["RANGE_PIXEL_SIZE"] / sizes["RLOOKS"]),
        ("azimuthOffset", sizes["AZIMUTH_PIXEL_SIZE"] / sizes["ALOOKS"] * 6371 / (6371 + 705)),
    ):
        chosen = options(obs_dataset=name, weight_func="no")
        pixels = series_of(invert_network(stack, tmp_path, None, chosen).files[0])
        plain = series_of(invert_network(metres, tmp_path / "metres", None, chosen).files[0])
        assert_allclose(pixels, factor * plain, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------------------------------------------- bad inputs


def test_a_stack_without_reference_or_with_an_empty_one_is_refused(tmp_path: Path) -> None:
    made, _ = project(tmp_path, nodata_corner=0.2)
    stack = stack_of(tmp_path)
    stack.set_attributes({"REF_Y": None, "REF_X": None})
    with pytest.raises(InputError, match=r"has no reference pixel .* run reference_point first"):
        invert_network(stack, tmp_path, None, options())
    empty = np.argwhere((made.phase == 0).all(axis=0))[0]
    stack.set_attributes({"REF_Y": str(empty[0]), "REF_X": str(empty[1])})
    with pytest.raises(
        InputError, match=rf"reference pixel \(row {empty[0]}, column {empty[1]}\) has no unwrapPhase in"
    ):
        invert_network(stack, tmp_path, None, options())


def test_pairs_without_the_reference_are_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, _ = project(tmp_path, missing_stripes=0.4)
    gaps = (made.phase[:, 0] == 0).sum(axis=0)
    column = int(np.flatnonzero((gaps > 0) & (gaps < len(made.pairs)))[0])
    stack = stack_of(tmp_path)
    stack.set_attributes({"REF_Y": "0", "REF_X": str(column)})
    with caplog.at_level(logging.WARNING):
        invert_network(stack, tmp_path, None, options(min_redundancy=0))
    missing = next(str(pair) for pair, phase in zip(made.pairs, made.phase, strict=True) if phase[0, column] == 0)
    assert missing in caplog.text
    counts = read_map(tmp_path / "numInvIfgram.h5").copy()
    counts[0, column] = 0
    assert counts.max() == len(made.pairs) - gaps[column]


def test_what_the_stack_cannot_give_is_refused(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(
        ConfigError, match="has no dataset 'offsetSNR' to mask with: it has coherence, connectComponent"
    ):
        invert(tmp_path, mask_dataset="offsetSNR")
    with pytest.raises(InputError, match=r"water mask mine.h5 is not in"):
        invert(tmp_path, water_mask_file="mine.h5")
    with pytest.raises(InputError, match=r"only \d+ pixels have a temporal coherence of 0.7 or more, 99999 are needed"):
        invert(tmp_path, min_num_pixel=99_999)
    with pytest.raises(ConfigError, match="three different names are needed"):
        invert_network(stack_of(tmp_path), tmp_path, None, options(), names=("a.h5", "a.h5", "b.h5"))
    stack = stack_of(tmp_path)
    stack.set_attributes({"WAVELENGTH": "C band"})
    with pytest.raises(StoreError, match="attribute WAVELENGTH is 'C band', not a number"):
        invert_network(stack, tmp_path, None, options())
    stack.set_attributes({"WAVELENGTH": None})
    with pytest.raises(InputError, match="has no attribute WAVELENGTH: load the stack again"):
        invert_network(stack, tmp_path, None, options())


def test_weights_need_their_layer(tmp_path: Path) -> None:
    stack = offsets(tmp_path, "cosicorr")
    with pytest.raises(ConfigError, match="has no dataset 'azimuthOffsetStd' for weights 'var': use weights no"):
        invert_network(stack, tmp_path, None, options(obs_dataset="azimuthOffset"))
    with pytest.raises(ConfigError, match="weights 'coh' need coherence"):
        invert_network(stack, tmp_path, None, options(obs_dataset="rangeOffset", weight_func="coh"))
    with pytest.raises(InputError, match=r"has no dataset 'unwrapPhase' but azimuthOffset, .*name the one to invert"):
        invert_network(stack, tmp_path, None, options())
