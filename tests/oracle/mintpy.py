"""Calls of MintPy, which lies in an environment of its own, and small projects that both programs read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.conftest import call_main

from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.hyp3 import write_hyp3
from creepmeter.simulate.layouts.isce2 import write_isce2
from creepmeter.simulate.radar import RadarScene
from creepmeter.simulate.radar_options import RadarOptions

SCENE = {
    "rows": 64,
    "columns": 72,
    "dates": 8,
    "connections": 3,
    "days": 12,
    "islands": 2,
    "cycle_chance": 0.4,
    "turbulence_m": 0.002,
    "dem_error_m": 3.0,
    "missing_stripes": 0.1,
}
COMMON = """\
mintpy.reference.yx          = {reference}
mintpy.unwrapError.method    = bridging
mintpy.unwrapError.connCompMinArea = 20
mintpy.networkInversion.minNumPixel = 20
mintpy.troposphericDelay.method = no
mintpy.topographicResidual   = no
mintpy.plot                  = no
mintpy.geocode               = no
mintpy.save.kmz              = no
"""
ISCE = """\
mintpy.load.processor        = isce
mintpy.load.metaFile         = {data}/reference/IW2.xml
mintpy.load.baselineDir      = {data}/baselines
mintpy.load.unwFile          = {data}/merged/interferograms/*/filt_fine.unw
mintpy.load.corFile          = {data}/merged/interferograms/*/filt_fine.cor
mintpy.load.connCompFile     = {data}/merged/interferograms/*/filt_fine.unw.conncomp
mintpy.load.demFile          = {data}/merged/geom_reference/hgt.rdr
mintpy.load.lookupYFile      = {data}/merged/geom_reference/lat.rdr
mintpy.load.lookupXFile      = {data}/merged/geom_reference/lon.rdr
mintpy.load.incAngleFile     = {data}/merged/geom_reference/los.rdr
mintpy.load.azAngleFile      = {data}/merged/geom_reference/los.rdr
mintpy.load.shadowMaskFile   = {data}/merged/geom_reference/shadowMask.rdr
mintpy.load.waterMaskFile    = {data}/merged/geom_reference/waterMask.rdr
"""
HYP3 = """\
mintpy.load.processor        = hyp3
mintpy.load.unwFile          = {data}/*/*_unw_phase.tif
mintpy.load.corFile          = {data}/*/*_corr.tif
mintpy.load.connCompFile     = {data}/*/*_conncomp.tif
mintpy.load.demFile          = {data}/*/*_dem.tif
mintpy.load.incAngleFile     = {data}/*/*_lv_theta.tif
mintpy.load.azAngleFile      = {data}/*/*_lv_phi.tif
mintpy.load.waterMaskFile    = {data}/*/*_water_mask.tif
"""
# The programs of MintPy, one after another in one process: each start of it takes seconds.
DRIVER = """
import json, sys
from importlib import import_module
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
for name, arguments in json.load(sys.stdin):
    print("::", name, *arguments, flush=True)
    code = import_module(f"mintpy.cli.{name}").main(arguments)
    plt.close("all")
    if code:
        sys.exit(f"{name} ends with {code}")
"""


@dataclass(frozen=True)
class MintPy:
    """MintPy's programs.

    Parameters
    ----------
    folder : Path
        Where they lie.
    """

    folder: Path

    def __call__(self, work: Path, program: str, *arguments: str) -> str:
        """Run one in a folder; it must succeed, and what it prints is returned."""
        return self._run([str(self.folder / program), *arguments], work)

    def many(self, work: Path, calls: Sequence[tuple[str, list[str]]]) -> dict[str, str]:
        """Run several in a folder; return what each prints, by its name and arguments."""
        text = self._run([], work, code=DRIVER, given=json.dumps(calls))
        parts = text.split(":: ")[1:]
        assert len(parts) == len(calls), text[-2000:]
        return dict(part.split("\n", 1) for part in parts)

    def _run(self, command: list[str], work: Path, *, code: str = "", given: str = "") -> str:
        start = [str(self.folder / "python"), *(["-c", code] if code else [])]
        environment = {**os.environ, "MPLBACKEND": "Agg", "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(
            [*start, *command], cwd=work, env=environment, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2500:]}{done.stderr[-2500:]}"
        return done.stdout


@dataclass(frozen=True)
class Sources:
    """Files of a processor, and a template that both programs read.

    Parameters
    ----------
    home : Path
        Folder.
    template : Path
        Template.
    reference : (int, int)
        Row and column.
    """

    home: Path
    template: Path
    reference: tuple[int, int]


def write_sources(home: Path, *, geocoded: bool, seed: int = 5, text: str = "") -> Sources:
    """Simulate a stack and write it as ISCE2 does in radar coordinates, as HyP3 does on a map."""
    scene = RadarScene(RadarOptions(**SCENE, geocoded=geocoded), seed)
    data = home / "data"
    if geocoded:
        write_hyp3(scene.stack(), data, write_geotiff)
    else:
        write_isce2(scene.stack(), data)
        # MintPy reads the .xml of ISCE2 only where ISCE2 is installed, else this file of what is in it
        facts = {name: value for name, value in scene.attributes().items() if name not in ("LENGTH", "WIDTH")}
        lines = "".join(f"{name:<30} {value}\n" for name, value in facts.items())
        (data / "reference" / "data.rsc").write_text(lines, encoding="utf-8")
    template = home / "Project.txt"
    load = (HYP3 if geocoded else ISCE).format(data=data)
    common = COMMON.format(reference="{}, {}".format(*scene.reference))
    template.write_text(load + common + text, encoding="utf-8")
    return Sources(home, template, scene.reference)


def ours(template: Path | None, work: Path, *flags: str, code: int = 0) -> str:
    """Run `creepmeter sbas`; return what it says."""
    result = call_main("sbas", *([] if template is None else [template]), "--dir", work, *flags)
    assert result.exit_code == code, result.output
    return result.output


def programs() -> MintPy:
    """Return MintPy's programs; skip without them."""
    folder = Path(os.environ.get("CREEPMETER_MINTPY", ""))
    if not (folder / "smallbaselineApp.py").is_file():
        pytest.skip("no MintPy: set CREEPMETER_MINTPY to the folder of its programs (bin of its environment)")
    return MintPy(folder)
