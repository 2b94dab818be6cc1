"""Small stacks as files of processors, templates for them, and what a run leaves, for tests of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from click.testing import Result
from tests.cli.conftest import call_main
from tests.workflow.sbas.samples import QUIET

from creepmeter.simulate.layouts.isce2 import write_isce2
from creepmeter.simulate.radar import RadarStack, simulate_radar

Values = npt.NDArray[Any]
ROWS, COLUMNS = 24, 28
ISCE = "../isce/merged/interferograms"
LOAD = f"""\
mintpy.load.processor = isce
mintpy.load.metaFile = ../isce/reference/IW2.xml
mintpy.load.baselineDir = ../isce/baselines
mintpy.load.unwFile = {ISCE}/*/filt_fine.unw
mintpy.load.corFile = {ISCE}/*/filt_fine.cor
mintpy.load.connCompFile = {ISCE}/*/filt_fine.unw.conncomp
mintpy.load.demFile = ../isce/merged/geom_reference/hgt.rdr
mintpy.load.lookupYFile = ../isce/merged/geom_reference/lat.rdr
mintpy.load.lookupXFile = ../isce/merged/geom_reference/lon.rdr
mintpy.load.incAngleFile = ../isce/merged/geom_reference/los.rdr
mintpy.load.azAngleFile = ../isce/merged/geom_reference/los.rdr
mintpy.load.shadowMaskFile = ../isce/merged/geom_reference/shadowMask.rdr
mintpy.load.waterMaskFile = ../isce/merged/geom_reference/waterMask.rdr
"""
REFERENCE = (5, 5)
GIVEN = "mintpy.reference.yx = 5, 5\n"
SOFT = {"MODIFICATION_TIME", "CREEPMETER_PROVENANCE", "CREEPMETER_LOAD", "CREEPMETER_KEY", "FILE_PATH"}


def small_stack(**settings: Any) -> RadarStack:  # noqa: ANN401 - of the simulation
    """Return seven pairs of five dates in radar coordinates, with an island in the sea."""
    return simulate_radar(
        **{
            "rows": ROWS,
            "columns": COLUMNS,
            "dates": 5,
            "connections": 2,
            "geocoded": False,
            "islands": 1,
            "seed": 3,
            **settings,
        }
    )


class Isce:
    """A stack as ISCE2 leaves it, in a folder of its own, and runs of it."""

    def __init__(self, home: Path, stack: RadarStack) -> None:
        self.home = home
        self.work = home / "work"
        self.stack = stack
        self.pairs = [str(pair) for pair in stack.pairs]
        write_isce2(stack, home / "isce")

    def folder(self, pair: int | str) -> Path:
        """Return the folder of a pair."""
        name = pair if isinstance(pair, str) else self.pairs[pair]
        return self.home / "isce" / "merged" / "interferograms" / name

    def spoil(self, pair: int, where: tuple[Any, ...], value: float, *, file: str = "filt_fine.unw") -> None:
        """Overwrite pixels of the last band of a file."""
        path = self.folder(pair) / file
        values = np.fromfile(path, "<f4").reshape(ROWS, -1, COLUMNS)
        values[(where[0], -1, where[1])] = value
        values.tofile(path)

    def run(self, text: str = "", *flags: object, end: str = "velocity") -> Result:
        """Run the template, with more keys, up to velocity."""
        path = self.home / "Project.txt"
        path.write_text(LOAD + QUIET + text, encoding="utf-8")
        steps = () if "--dostep" in flags else ("--end", end)
        return call_main("sbas", path, "--dir", self.work, *steps, *flags)

    def series(self) -> Values:
        """Return the displacement, (date, y, x)."""
        with h5py.File(self.work / "timeseries.h5") as file:
            found: Values = file["timeseries"][()]
        return found


def content(work: Path) -> dict[str, object]:
    """Return every value and attribute of the products of a run, but times and digests."""
    found: dict[str, object] = {}
    for path in sorted(work.rglob("*.h5")):
        name = path.relative_to(work).as_posix()
        with h5py.File(path) as file:
            for key, item in file.items():
                found[f"{name}/{key}"] = (item.dtype.str, item.shape, np.asarray(item[()]).tobytes())
            found |= {f"{name}@{key}": str(value) for key, value in file.attrs.items() if key not in SOFT}
    return found


def require_same(one: Path, other: Path) -> None:
    """Require that two runs left the same bits."""
    first, second = content(one), content(other)
    assert first.keys() == second.keys()
    assert len(first) > 100
    assert [key for key in first if first[key] != second[key]] == []
