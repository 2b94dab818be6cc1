"""`creepmeter info` on files in MintPy's layout, and its lists on all products."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Call
from tests.io.mintpy import samples

import creepmeter as cm
from creepmeter.io import store
from creepmeter.io.mintpy.stack import StackFile

NAMES = [f"{first}_{second}" for first, second in samples.PAIRS]


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = samples.foreign_stack(tmp_path / "ifgramStack.h5")
    StackFile.open(path).set_keep([True, False, True, True])
    return path


def test_a_stack_is_told_under_both_names(call: Call, stack: Path) -> None:
    told = call("info", stack).stdout
    assert "PairStack, MintPy ifgramStack" in told
    assert "file in MintPy's layout, GEO coordinates" in told
    assert "unwrapPhase                  4 x 6 x 9 float32" in told
    assert "displacement" in told
    assert "2020-01-01T01:00:00 to 2020-01-25T01:00:00, not used" in told
    assert "WIDTH                                    9" in told
    assert "more, seen without --compact" not in told


def test_compact_leaves_out_attributes(call: Call, tmp_path: Path) -> None:
    many = {f"NAME{k:02}": "x" for k in range(30)}
    path = samples.foreign_file(tmp_path / "mask.h5", "mask", {"mask": np.ones((2, 3), bool)}, **many)
    told = call("info", path, "--compact").stdout
    assert "NAME29" not in told
    assert "more, seen without --compact" in told
    assert "NAME29" in call("info", path).stdout
    assert "other, MintPy mask" in told


def test_lists_of_dates(call: Call, stack: Path) -> None:
    assert call("info", stack, "--date").stdout.split() == NAMES
    assert call("info", stack, "--num").stdout.splitlines() == [f"{name}\t{k}" for k, name in enumerate(NAMES)]
    assert call("info", stack, "--date", "--show", "dropped").stdout.split() == [NAMES[1]]
    assert call("info", stack, "--date", "--show-ifgram", "kept").stdout.split() == [NAMES[k] for k in (0, 2, 3)]
    store.write(cm.open(stack), stack.with_name("stack.zarr"))
    times = [f"{first}T0100_{second}T0100" for first, second in samples.PAIRS]
    assert call("info", stack.with_name("stack.zarr"), "--date").stdout.split() == times


def test_lists_of_slices_and_values(call: Call, stack: Path, tmp_path: Path) -> None:
    slices = call("info", stack, "--slice").stdout.split()
    assert slices[:2] == [f"coherence-{NAMES[0]}", f"coherence-{NAMES[1]}"]
    assert len(slices) == 12
    assert call("info", stack, "--dset", "bperp").stdout.strip() == "[ 10.  -20.   30.5   4. ]"
    assert call("info", stack, "--dset", "date").stdout.split() == [day for pair in samples.PAIRS for day in pair]
    failed = call("info", stack, "--dset", "phase")
    assert failed.exit_code == 1
    assert "ifgramStack.h5 has no dataset 'phase': it has bperp, coherence" in failed.stderr
    store.write(cm.open(stack), tmp_path / "stack.zarr")
    assert call("info", tmp_path / "stack.zarr", "--slice").stdout.split() == ["displacement", "quality", "region"]
    assert "10." in call("info", tmp_path / "stack.zarr", "--dset", "bperp").stdout
    assert "has no variable 'b'" in call("info", tmp_path / "stack.zarr", "--dset", "b").stderr


def test_json_holds_datasets_and_attributes(call: Call, stack: Path) -> None:
    told = json.loads(call("info", stack, "--json").stdout)
    assert told["mintpy"]["file_type"] == "ifgramStack"
    assert told["mintpy"]["attributes"]["EPSG"] == "32613"
    assert [entry["name"] for entry in told["mintpy"]["datasets"]][-1] == "unwrapPhase"
    store.write(cm.open(stack), stack.with_name("stack.zarr"))
    assert "mintpy" not in json.loads(call("info", stack.with_name("stack.zarr"), "--json").stdout)


def test_a_file_without_dates_says_so(call: Call, tmp_path: Path) -> None:
    path = samples.foreign_file(tmp_path / "mask.h5", "mask", {"mask": np.ones((2, 3), bool)})
    failed = call("info", path, "--date")
    assert failed.exit_code == 1
    assert "mask.h5 has no dates: give a stack or a series" in failed.stderr
    path = samples.foreign_file(path, "velocity", {"velocity": np.ones((2, 3), "f4")}, DATE12="20200101_20200206")
    assert call("info", path, "--date").stdout.split() == ["20200101_20200206"]
    store.write(cm.open(path), tmp_path / "a.zarr")
    assert "a.zarr has no dates" in call("info", tmp_path / "a.zarr", "--date").stderr


@pytest.mark.golden
def test_golden_files_are_told(call: Call, shared: Path) -> None:
    for path in sorted((shared / "golden" / "sbas_radar").rglob("*.h*5")):
        told = call("info", path, "--compact")
        assert told.exit_code == 0, told.stderr
        assert "MintPy" in told.stdout
        assert call("info", path, "--slice").exit_code == 0
