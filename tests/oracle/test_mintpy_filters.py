"""Filters and arithmetic beside MintPy's programs, on files that MintPy reads and ours write.

Skipped unless CREEPMETER_MINTPY names the folder of MintPy's programs (bin of its own environment).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest
from numpy.testing import assert_allclose
from tests.cli.conftest import call_main
from tests.oracle.mintpy import MintPy, programs
from tests.workflow.sbas.products import DATES, make_series, make_velocity

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RADAR: dict[str, Any] = {
    "LENGTH": 24,
    "WIDTH": 31,
    "PROCESSOR": "isce",
    "WAVELENGTH": 0.055,
    "PLATFORM": "Sen",
    "Y_UNIT": "degrees",
}
ROUNDING = 1.5e-8  # metres: MintPy adds in float32, values are up to 0.1 m: two steps of 2^-27
SPATIAL = [
    ["-f", "lowpass_gaussian", "-p", "2"],
    ["-f", "highpass_gaussian"],
    ["-f", "lowpass_avg", "-p", "5"],
    ["-f", "lowpass_avg", "-p", "4"],
    ["-f", "highpass_avg"],
    ["-f", "median", "-p", "3"],
    ["-f", "double_difference", "-p", "1", "10"],
    ["-f", "sobel"],
    ["-f", "roberts"],
]
CALLS: list[tuple[str, list[str]]] = [
    *(("spatial_filter", ["velocity.h5", "velocity", *flags]) for flags in SPATIAL),
    ("temporal_filter", ["timeseries.h5", "-f", "median", "-t", "5"]),
    ("temporal_filter", ["timeseries.h5", "-f", "gaussian", "-t", "1"]),
    ("temporal_derivative", ["timeseries.h5"]),
    ("diff", ["timeseries.h5", "other.h5"]),
    ("diff", ["longer.h5", "timeseries.h5", "--force"]),
    ("diff", ["timeseries.h5", "velocity.h5"]),
    ("diff", ["velocity.h5", "second.h5"]),
    ("add", ["timeseries.h5", "other.h5"]),
    ("add", ["velocity.h5", "second.h5"]),
    ("image_math", ["velocity.h5", "+", "0.5"]),
    ("image_math", ["velocity.h5", "-", "0.5"]),
    ("image_math", ["timeseries.h5", "*", "1.5"]),
    ("image_math", ["velocity.h5", "/", "2"]),
    ("image_math", ["velocity.h5", "^", "2"]),
]


@pytest.fixture(scope="module")
def mintpy() -> MintPy:
    return programs()


@pytest.fixture(scope="module")
def results(mintpy: MintPy, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """Return what MintPy and we made of the same calls, file by file."""
    folder = tmp_path_factory.mktemp("inputs")
    make_series(folder / "timeseries.h5", 1, **RADAR)
    make_series(folder / "other.h5", 2, reference=(12, 20), date=DATES[3], **RADAR)
    make_series(folder / "longer.h5", 3, dates=(*DATES[:2], "20180210", *DATES[2:]), **RADAR)
    make_velocity(folder / "velocity.h5", 4)
    make_velocity(folder / "second.h5", 5)
    found = []
    for number in range(len(CALLS)):
        where = folder.parent / f"{folder.name}_{number}"
        where.mkdir()
        found.append((where / "mintpy.h5", where / "ours.h5"))
    with_output = [(name, [*words, "-o", str(pair[0])]) for (name, words), pair in zip(CALLS, found, strict=True)]
    mintpy.many(folder, with_output)
    for (name, words), pair in zip(CALLS, found, strict=True):
        here = [str(folder / word) if word.endswith(".h5") else word for word in words]
        done = call_main(f"{name}.py", *here, "-o", pair[1])
        assert done.exit_code == 0, done.output
    return found


@pytest.mark.parametrize("number", range(len(CALLS)), ids=["_".join([name, *words]) for name, words in CALLS])
def test_the_same_numbers(results: list[tuple[Path, Path]], number: int) -> None:
    theirs, mine = results[number]
    with h5py.File(theirs) as their, h5py.File(mine) as our:
        names = [name for name, item in their.items() if item.ndim > 1 and name != "date"]
        assert names
        for name in names:
            wanted, found = their[name][()], our[name][()]
            assert_allclose(found, wanted, rtol=2e-6, atol=ROUNDING, err_msg=name)
