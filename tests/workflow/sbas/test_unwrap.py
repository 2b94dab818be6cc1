"""Correction of unwrapping errors and counting of triplets, from files to files."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_array_equal
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import ConfigError, GridError, InputError
from creepmeter.io.mintpy.adding import DatasetWriter
from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.kernels.threads import limit_threads
from creepmeter.stack.unwrap_options import UnwrapOptions
from creepmeter.workflow.sbas.unwrap import PHASE, Corrected, correct_unwrap_error, count_ambiguities

BOTH = "bridging+phase_closure"
SMALL = UnwrapOptions(method=BOTH, conn_comp_min_area=10)
WRONG = {"islands": 2, "connections": 3, "cycle_chance": 0.15, "river": False, "noise": False}


def stack_of(folder: Path) -> StackFile:
    return StackFile.open(folder / "inputs" / "ifgramStack.h5")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    made = write_project(folder, seed=3, **WRONG)
    inside = np.argwhere((made.component == 1).all(axis=0))
    row, column = inside[len(inside) // 2]
    stack_of(folder).set_attributes({"REF_Y": str(row), "REF_X": str(column)})
    mask = {"FILE_TYPE": "waterMask", "UNIT": "1"}
    write_product(folder / "waterMask.h5", {"waterMask": made.water}, mask)
    np.save(folder / "cycles.npy", made.truth.cycles)
    return folder


@pytest.fixture
def work(loaded: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    shutil.copytree(loaded, folder)
    return folder


def correct(folder: Path, options: UnwrapOptions = SMALL, **settings: Any) -> Corrected:  # noqa: ANN401 - of the step
    return correct_unwrap_error(stack_of(folder), folder, options, **settings)


def layer(folder: Path, name: str) -> npt.NDArray[np.float32]:
    return np.asarray(stack_of(folder).read(name))


def referred(folder: Path) -> npt.NDArray[np.float32]:
    stack = stack_of(folder)
    phase, reference = stack.read(PHASE), stack.reference
    assert reference is not None
    return np.asarray(np.where(phase != 0, phase - phase[:, reference[0], reference[1], None, None], 0))


def wrong_cycles(folder: Path, name: str) -> int:
    """Return pixels times pairs inside components that are whole cycles off, against the truth."""
    made = np.load(folder / "cycles.npy")
    stack = stack_of(folder)
    assert stack.reference is not None
    added = np.rint((layer(folder, name) - referred(folder)) / (2 * np.pi))
    off = made - made[:, stack.reference[0], stack.reference[1], None, None] + added
    return int(((off != 0) & (stack.read("connectComponent") > 0)).sum())


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("no", ()),
        ("bridging", ("unwrapPhase_bridging",)),
        ("phase_closure", ("unwrapPhase_phaseClosure",)),
        (BOTH, ("unwrapPhase_bridging", "unwrapPhase_bridging_phaseClosure")),
    ],
)
def test_layers_are_named_as_mintpy_names_them(work: Path, method: str, names: tuple[str, ...]) -> None:
    before = set(stack_of(work).names)
    found = correct(work, SMALL.override({"method": method}, step="unwrap"))
    assert found.made == names
    assert found.dataset == (names[-1] if names else PHASE)
    assert set(stack_of(work).names) == before | set(names)
    assert not found.problems


def test_islands_get_their_cycles_back(work: Path) -> None:
    correct(work)
    stack = stack_of(work)
    given = referred(work)
    made = np.load(work / "cycles.npy")
    assert (made != 0).any()
    assert wrong_cycles(work, "unwrapPhase_bridging_phaseClosure") == 0
    corrected = layer(work, "unwrapPhase_bridging")
    cycles = (corrected - given) / (2 * np.pi)
    assert abs(cycles - np.rint(cycles)).max() < 1e-5
    outside = stack.read("connectComponent") == 0
    assert_array_equal(corrected[outside], given[outside])  # no region, no correction
    assert_array_equal(corrected == 0, given == 0)


def test_triplets_alone_repair_a_redundant_network(work: Path) -> None:
    correct(work, SMALL.override({"method": "phase_closure"}, step="unwrap"))
    stack = stack_of(work)
    assert stack.reference is not None
    off = np.load(work / "cycles.npy")
    off = off - off[:, stack.reference[0], stack.reference[1], None, None]
    before = int(((off != 0) & (stack.read("connectComponent") > 0)).sum())
    assert wrong_cycles(work, "unwrapPhase_phaseClosure") < before
    assert (work / "maskConnComp.h5").exists()


@pytest.mark.parametrize(("threads", "memory_gb"), [(1, 4.0), (5, 4.0), (2, 1e-5)])
def test_the_same_bits_for_any_threads_and_memory(work: Path, threads: int, memory_gb: float) -> None:
    correct(work)
    expected = [layer(work, name) for name in ("unwrapPhase_bridging", "unwrapPhase_bridging_phaseClosure")]
    with limit_threads(threads):
        found = correct(work, memory_gb=memory_gb)
    for name, values in zip(found.made, expected, strict=True):
        assert_array_equal(layer(work, name), values)


def test_pairs_that_are_not_used_are_copied(work: Path) -> None:
    stack = stack_of(work)
    keep = stack.keep.copy()
    keep[[2, 5]] = False
    stack.set_keep(keep)
    raw = stack.read(PHASE)
    assert stack.reference is not None
    row, column = stack.reference
    found = correct(work)
    for name in found.made:
        values = layer(work, name)
        assert_array_equal(values[[2, 5]], raw[[2, 5]])
        assert_array_equal(values[keep][:, row, column], 0)


def test_a_pair_without_a_region_at_the_reference_is_named(
    work: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = StackFile.read

    def without(self: StackFile, name: str, *args: Any, **settings: Any) -> npt.NDArray[Any]:  # noqa: ANN401
        values = read(self, name, *args, **settings)
        places = settings.get("pairs")
        if name == "connectComponent" and isinstance(places, np.ndarray):
            values[places == 1] = 0
        return values

    monkeypatch.setattr(StackFile, "read", without)
    with caplog.at_level(logging.WARNING):
        found = correct(work, SMALL.override({"method": "bridging"}, step="unwrap"))
    pair = str(stack_of(work).pairs[1])
    assert found.problems == {pair: "the reference pixel lies in no region"}
    assert f"1 pair(s) not corrected, the reference pixel lies in no region: {pair}" in caplog.text
    assert_array_equal(layer(work, "unwrapPhase_bridging")[1], referred(work)[1])


def test_without_triplets_nothing_is_done(work: Path, caplog: pytest.LogCaptureFixture) -> None:
    stack = stack_of(work)
    ends = sorted({pair.ref for pair in stack.pairs} | {pair.sec for pair in stack.pairs})
    stack.set_keep([ends.index(pair.sec) - ends.index(pair.ref) == 1 for pair in stack.pairs])
    with caplog.at_level(logging.WARNING):
        found = correct(work)
        alone = correct(work, SMALL.override({"method": "phase_closure"}, step="unwrap"))
        assert count_ambiguities(stack_of(work), work) is None
    assert found.made == ("unwrapPhase_bridging",)
    assert found.dataset == "unwrapPhase_bridging"
    assert alone.made == ()
    assert alone.dataset == PHASE
    assert "pairs form a triplet, phase closure does nothing" in caplog.text


def test_a_killed_run_goes_on_where_it_was(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SMALL.override({"method": "bridging"}, step="unwrap")
    correct(work, options, target="undisturbed")
    put, written = DatasetWriter.put, list[int]()

    def fragile(self: DatasetWriter, index: int, values: npt.ArrayLike) -> None:
        if len(written) == 4:
            message = "killed"
            raise KeyboardInterrupt(message)
        put(self, index, values)
        written.append(index)

    monkeypatch.setattr(DatasetWriter, "put", fragile)
    with limit_threads(1), pytest.raises(KeyboardInterrupt, match="killed"):
        correct(work, options)
    assert "unwrapPhase_bridging" not in stack_of(work).names
    again: list[int] = []

    def noted(self: DatasetWriter, index: int, values: npt.ArrayLike) -> None:
        again.append(index)
        put(self, index, values)

    monkeypatch.setattr(DatasetWriter, "put", noted)
    correct(work, options)
    assert not set(again) & set(written)
    assert_array_equal(layer(work, "unwrapPhase_bridging"), layer(work, "undisturbed"))


def test_another_layer_and_another_name(work: Path) -> None:
    correct(work, SMALL.override({"method": "bridging"}, step="unwrap"))
    options = SMALL.override({"method": "phase_closure"}, step="unwrap")
    found = correct(work, options, dataset="unwrapPhase_bridging", target="mine")
    assert found.made == ("mine",)
    correct(work)
    assert_array_equal(layer(work, "mine"), layer(work, "unwrapPhase_bridging_phaseClosure"))


def test_counts_lie_on_land_with_data(work: Path) -> None:
    stack = stack_of(work)
    coherence = np.full(stack.shape[1:], 0.8, np.float32)
    coherence[0, :4] = 0
    write_product(work / "avgSpatialCoh.h5", {"coherence": coherence}, {"FILE_TYPE": "coherence", "UNIT": "1"})
    made = count_ambiguities(stack, work, memory_gb=1e-5)
    assert made == work / "numTriNonzeroIntAmbiguity.h5"
    count = read_map(made, "mask")
    land = read_map(work / "waterMask.h5")
    assert_array_equal(np.isfinite(count), land & (coherence > 0))
    assert read_attributes(made)["FILE_TYPE"] == "mask"
    assert np.nanmax(count) > 0
    correct(work)
    after = count_ambiguities(
        stack_of(work), work, dataset="unwrapPhase_bridging_phaseClosure", target=work / "after.h5"
    )
    assert after is not None
    common = (stack.read("connectComponent") > 0).all(axis=0) & (coherence > 0)
    assert not read_map(after)[common].any()


@pytest.mark.parametrize(
    ("changes", "settings", "error", "text"),
    [
        ({"REF_Y": None}, {}, InputError, "no reference pixel"),
        ({"REF_Y": "5000"}, {}, InputError, "lies outside"),
        ({}, {"dataset": "wrapPhase"}, InputError, "no dataset 'wrapPhase'"),
        ({}, {"options": UnwrapOptions(method="bridging", water_mask_file="lake.h5")}, ConfigError, "lake.h5 is not"),
    ],
)
def test_what_is_missing_is_named(
    work: Path, changes: dict[str, str | None], settings: dict[str, Any], error: type[Exception], text: str
) -> None:
    stack_of(work).set_attributes(changes)
    with pytest.raises(error, match=text):
        correct(work, **settings)
    assert not [name for name in stack_of(work).names if name.startswith("unwrapPhase_")]


def test_a_mask_of_another_grid_is_refused(work: Path) -> None:
    other = {"waterMask": np.ones((3, 4), bool)}
    write_product(work / "waterMask.h5", other, {"FILE_TYPE": "waterMask", "UNIT": "1"})
    with pytest.raises((InputError, GridError), match="3 x 4 pixels"):
        correct(work)
