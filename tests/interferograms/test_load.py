from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.interferograms.samples import InMemory, load_all, small_stack

from creepmeter.errors import ConfigError, ImageError, InputError, StoreError
from creepmeter.interferograms.catalogue import Interferogram, Report, assemble
from creepmeter.interferograms.load import Loaded, load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import PRODUCERS, find
from creepmeter.io.layers import Layer
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.kernels.threads import limit_threads
from creepmeter.model.pair import Pair
from creepmeter.simulate.layouts.plain import load_settings, write_plain

STACK = small_stack()
OPTIONS = LoadOptions(processor="geotiff")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    return load_settings(tmp_path / "tif")


def content(loaded: Loaded) -> dict[str, bytes]:
    """Return all that was stored, but the time of making."""
    found = {}
    for path in (loaded.stack, *loaded.geometry):
        with h5py.File(path) as file:
            for name in file:
                found[f"{path.name}/{name}"] = file[name][()].tobytes()
            for key, value in file.attrs.items():
                if key != "CREEPMETER_PROVENANCE":
                    found[f"{path.name}@{key}"] = str(value).encode()
    return found


def in_memory(layers: dict[str, Layer], days: int = 3) -> list[Interferogram]:
    return [
        Interferogram(Pair.of("20200101", f"202001{day + 2:02d}"), layers, 0.0, f"product {day}") for day in range(days)
    ]


def test_every_processor_has_a_reader() -> None:
    assert set(PRODUCERS) == set(LoadOptions.model_json_schema()["properties"]["processor"]["enum"])


def test_what_is_up_to_date_is_not_loaded_again(settings: dict[str, str], tmp_path: Path) -> None:
    first = load_all(settings, tmp_path)
    assert first.made
    before = [path.stat().st_mtime_ns for path in (first.stack, *first.geometry)]
    StackFile.open(first.stack).set_keep(np.arange(first.pairs) > 0)
    before[0] = first.stack.stat().st_mtime_ns
    again = load_all(settings, tmp_path)
    assert not again.made
    assert [path.stat().st_mtime_ns for path in (again.stack, *again.geometry)] == before
    assert load_all(settings, tmp_path, update=False).made
    assert StackFile.open(first.stack).keep.all()


def test_new_pairs_files_and_options_make_it_stale(
    settings: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = tmp_path / "tif" / f"{STACK.pairs[1]}_unw.tif"
    hidden.rename(tmp_path / "hidden")
    assert load_all(settings, tmp_path).pairs == len(STACK.pairs) - 1
    (tmp_path / "hidden").rename(hidden)
    grown = load_all(settings, tmp_path)
    assert (grown.made, grown.pairs) == (True, len(STACK.pairs))
    assert f"1 pair(s) new ({STACK.pairs[1]})" in caplog.text
    np.testing.assert_array_equal(StackFile.open(grown.stack).read("unwrapPhase"), STACK.phase)
    os.utime(hidden, ns=(1, 1))
    assert load_all(settings, tmp_path).made
    assert "the files or the options have changed" in caplog.text
    assert load_all(settings, tmp_path, multilook_y=2).shape == (10, 26)


def test_a_stack_of_another_program_is_not_replaced(settings: dict[str, str], tmp_path: Path) -> None:
    loaded = load_all(settings, tmp_path)
    with h5py.File(loaded.stack, "r+") as file:
        del file.attrs["CREEPMETER_LOAD"]
    for update in (True, False):
        with pytest.raises(StoreError, match=r"ifgramStack\.h5 was not loaded by creepmeter and is not replaced"):
            load_all(settings, tmp_path, update=update)


def test_a_killed_load_goes_on_and_ends_the_same(settings: dict[str, str], tmp_path: Path) -> None:
    calm = load_all(settings, tmp_path)
    options = LoadOptions.model_validate(settings)
    catalogue = find(options, tmp_path)
    read: list[str] = []

    class Stop:
        def __init__(self, after: int) -> None:
            self.left = after

        def start(self, name: str, total: int) -> None:
            assert (name, total) == ("load interferograms", len(STACK.pairs))

        def advance(self, n: int) -> None:
            self.left -= n
            if self.left <= 0:
                message = "killed"
                raise KeyboardInterrupt(message)

        def finish(self) -> None:
            read.append("end")

    with pytest.raises(KeyboardInterrupt, match="killed"):
        load(catalogue, options, tmp_path / "killed", progress=Stop(3))
    assert not (tmp_path / "killed/inputs/ifgramStack.h5").exists()
    markers = list((tmp_path / "killed/inputs").glob(".*.partial/done/*"))
    assert len(markers) == 3
    again = load(catalogue, options, tmp_path / "killed")
    assert content(again).keys() == content(calm).keys()
    changed = {name for name, value in content(again).items() if value != content(calm)[name]}
    assert not {name for name in changed if "MODIFICATION" not in name}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("memory_gb", [1e-6, 1.0])
def test_memory_and_threads_change_nothing(
    settings: dict[str, str], tmp_path: Path, threads: int, memory_gb: float
) -> None:
    options = LoadOptions.model_validate({**settings, "multilook_y": 3, "multilook_method": "mean"})
    expected = load(find(options, tmp_path), options, tmp_path / "expected")
    with limit_threads(threads):
        found = load(find(options, tmp_path), options, tmp_path / "found", memory_gb=memory_gb)
    assert content(found) == content(expected)
    with h5py.File(found.geometry[0]) as file:  # too large for the memory, it is written in strips
        assert file["height"].compression == ("lzf" if memory_gb == 1.0 else None)


def test_damaged_files_are_named_and_their_pairs_left_out(settings: dict[str, str], tmp_path: Path) -> None:
    first, second = (tmp_path / "tif" / f"{pair}_unw.tif" for pair in STACK.pairs[:2])
    first.write_bytes(first.read_bytes()[:60])
    second.write_bytes(second.read_bytes()[:-200])
    loaded = load_all(settings, tmp_path)
    assert loaded.pairs == len(STACK.pairs) - 2
    assert [text.split(":")[0] for text in loaded.left_out] == [first.name, second.name]
    assert StackFile.open(loaded.stack).pairs == STACK.pairs[2:]
    np.testing.assert_array_equal(StackFile.open(loaded.stack).read("unwrapPhase"), STACK.phase[2:])
    again = load_all(settings, tmp_path)
    assert again.left_out == loaded.left_out


def test_a_file_that_fails_in_the_middle_is_left_out(tmp_path: Path) -> None:
    class Fails(InMemory):
        def read(self, rows: slice, columns: slice) -> np.ndarray:
            if rows.start == 0:
                message = "tile 3 of broken.tif cannot be read"
                raise ImageError(message)
            return super().read(rows, columns)

    products = in_memory({"unwrapPhase": InMemory(STACK.phase[0])})
    products[1] = replace(products[1], layers={"unwrapPhase": Fails(STACK.phase[0])})
    loaded = load(assemble(products, {}, {"WAVELENGTH": "0.05"}, Report()), OPTIONS, tmp_path)
    assert loaded.pairs == 2
    assert loaded.left_out == ("product 1: tile 3 of broken.tif cannot be read",)
    broken = [replace(one, layers={"unwrapPhase": Fails(STACK.phase[0])}) for one in products]
    with pytest.raises(InputError, match="no interferogram can be used of 3: product 0: tile 3"):
        load(assemble(broken, {}, {}, Report()), OPTIONS, tmp_path / "none")


def test_missing_phase_is_zero_and_coherence_stays(tmp_path: Path) -> None:
    phase, coherence = STACK.phase[0].copy(), STACK.coherence[0].copy()
    phase[2, 3], phase[4, 5], coherence[2, 3] = np.nan, np.inf, np.nan
    layers: dict[str, Layer] = {
        "unwrapPhase": InMemory(phase),
        "coherence": InMemory(coherence),
        "connectComponent": InMemory(np.where(np.isfinite(phase), 3.0, np.nan)),
        "wrapPhase": InMemory(np.exp(1j * np.full(phase.shape, 0.5, np.float32))),
        "magnitude": InMemory(np.full(phase.shape, 3 + 4j, np.complex64)),
    }
    loaded = load(assemble(in_memory(layers, 1), {}, {}, Report()), OPTIONS, tmp_path)
    stack = StackFile.open(loaded.stack)
    assert stack.read_pair("unwrapPhase", 0)[2, 3] == stack.read_pair("unwrapPhase", 0)[4, 5] == 0
    assert np.isnan(stack.read_pair("coherence", 0)[2, 3])
    assert stack.read_pair("connectComponent", 0)[2, 3] == 0
    assert stack.read_pair("connectComponent", 0)[2, 4] == 3
    np.testing.assert_allclose(stack.read_pair("wrapPhase", 0), 0.5, atol=1e-6)
    np.testing.assert_array_equal(stack.read_pair("magnitude", 0), 5)


def test_components_that_would_wrap_around_are_refused(tmp_path: Path) -> None:
    layers: dict[str, Layer] = {"unwrapPhase": InMemory(STACK.phase[0])}
    products = in_memory({**layers, "connectComponent": InMemory(np.ones(STACK.phase[0].shape, np.uint32))})
    bad = InMemory(np.full(STACK.phase[0].shape, 70_000, np.uint32), "many.tif")
    products[2] = replace(products[2], layers={**layers, "connectComponent": bad})
    loaded = load(assemble(products, {}, {}, Report()), OPTIONS, tmp_path)
    assert loaded.left_out == (
        "product 2: many.tif holds component 70000, more than 32767: it is no map of components",
    )


def test_products_without_any_phase_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    products = in_memory({"unwrapPhase": InMemory(STACK.phase[0])})
    products[1] = replace(products[1], layers={"unwrapPhase": InMemory(np.zeros_like(STACK.phase[0]))})
    load(assemble(products, {}, {}, Report()), OPTIONS, tmp_path)
    assert "1 product(s) hold no value in the area that is loaded: product 1" in caplog.text
    empty = in_memory({"unwrapPhase": InMemory(np.zeros_like(STACK.phase[0]))})
    with pytest.raises(InputError, match="none of the 3 products holds a value"):
        load(assemble(empty, {}, {}, Report()), OPTIONS, tmp_path / "empty")


def test_offsets_have_a_stack_of_their_own(tmp_path: Path) -> None:
    layers: dict[str, Layer] = {"rangeOffset": InMemory(STACK.phase[0]), "offsetSNR": InMemory(STACK.coherence[0])}
    loaded = load(assemble(in_memory(layers), {}, {}, Report()), OPTIONS, tmp_path)
    assert loaded.stack.name == "offsetStack.h5"
    assert set(StackFile.open(loaded.stack).names) == {"rangeOffset", "offsetSNR"}
    assert read_attributes(loaded.stack)["UNIT"] == "pixel"


def test_compression_makes_files_smaller_and_keeps_the_values(settings: dict[str, str], tmp_path: Path) -> None:
    plain = load_all(settings, tmp_path)
    size = plain.stack.stat().st_size
    with h5py.File(plain.stack) as file:
        assert file["unwrapPhase"].compression is None
    with h5py.File(plain.geometry[0]) as file:
        assert file["height"].compression == "lzf"
    small = load_all(settings, tmp_path, compression="gzip")
    assert small.stack.stat().st_size < size
    np.testing.assert_array_equal(StackFile.open(small.stack).read("unwrapPhase"), STACK.phase)


def test_ranges_and_angles_are_computed_where_no_file_gives_them(tmp_path: Path) -> None:
    facts = {"STARTING_RANGE": "850000", "RANGE_PIXEL_SIZE": "20", "HEIGHT": "700000", "EARTH_RADIUS": "6371000"}
    found = assemble(in_memory({"unwrapPhase": InMemory(STACK.phase[0])}), {}, facts, Report())
    loaded = load(found, OPTIONS, tmp_path)
    path = loaded.geometry[0]
    assert set(list_datasets(path)) == {"slantRangeDistance", "incidenceAngle"}
    distance = read_map(path, "slantRangeDistance")
    np.testing.assert_allclose(distance[0], 850000 + 20 * np.arange(STACK.phase.shape[2]))
    angle = np.radians(read_map(path, "incidenceAngle").astype(float))
    orbit = np.hypot(6371e3 + distance * np.cos(angle), distance * np.sin(angle))  # the satellite seen from the ground
    np.testing.assert_allclose(orbit, 7071e3, rtol=1e-6)


def test_a_subset_of_the_stack_is_that_of_the_whole(settings: dict[str, str], tmp_path: Path) -> None:
    loaded = load_all(settings, tmp_path, subset_yx=(3, 17, 5, 20), multilook_x=2)
    found = StackFile.open(loaded.stack).read("unwrapPhase")
    np.testing.assert_array_equal(found, STACK.phase[:, 3:17, 6:20:2])
    np.testing.assert_array_equal(read_map(loaded.geometry[0], "height"), STACK.height[3:17, 6:20:2])
    with pytest.raises(ConfigError, match="does not touch"):
        load_all(settings, tmp_path, subset_yx=(300, 301, 0, 5))


def test_a_layout_of_the_customary_place_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from creepmeter.simulate.layouts.isce2 import write_isce2  # noqa: PLC0415 - one test of this file only

    caplog.set_level(logging.WARNING)
    write_isce2(small_stack(geocoded=False), tmp_path)
    (tmp_path / "mintpy").mkdir()
    found = find(LoadOptions(processor="isce", auto_path=True), tmp_path / "mintpy")
    assert len(found.interferograms) == len(STACK.pairs)
    assert {"height", "latitude", "waterMask"} <= set(found.geometry)
    with pytest.raises(InputError, match="unw_file: it is not given"):
        find(LoadOptions(processor="isce"), tmp_path / "mintpy")
