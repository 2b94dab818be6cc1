"""Files for other programs: the same as MintPy writes, and MintPy reads ours. Needs MintPy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from tests.oracle.mintpy import MintPy, programs

from creepmeter.io.mintpy.product import read_attributes
from creepmeter.products.gbis import save_gbis
from creepmeter.products.hdfeos5 import EosInputs, save_hdfeos5
from creepmeter.products.roipac import save_roipac

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "sbas_radar" / "mintpy_full" / "geo"
SERIES, VELOCITY, GEOMETRY = "geo_timeseries_tropHgt_ramp_demErr.h5", "geo_velocity.h5", "geo_geometryRadar.h5"
ROWS, COLUMNS = 131, 164
READ = """
import json, sys, numpy as np
from mintpy.utils import readfile
found = {}
for path, name in json.load(sys.stdin):
    values, attributes = readfile.read(path, datasetName=name or None)
    found[path] = [attributes["FILE_TYPE"], list(values.shape), float(np.nansum(np.abs(values.astype(np.float64))))]
print("::" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the geocoded golden products, and what MintPy saves of them in ``theirs``."""
    peer = programs()
    if not GOLDEN.is_dir():
        pytest.skip("no golden results beside the checkout")
    home = tmp_path_factory.mktemp("exports")
    for path in GOLDEN.glob("*.h5"):
        shutil.copy(path, home)
    (home / "theirs").mkdir()
    peer.many(
        home,
        [
            ("save_roipac", [VELOCITY, "-o", "theirs/velocity.unw"]),
            ("save_roipac", [SERIES, "20180105_20190816", "-o", "theirs/series.unw"]),
            ("save_roipac", ["geo_temporalCoherence.h5", "-o", "theirs/coherence.cor"]),
            ("save_roipac", [GEOMETRY, "height", "-o", "theirs/heights.dem"]),
            ("save_gbis", [VELOCITY, "-g", GEOMETRY, "--nodisplay", "-o", "theirs/velocity.mat"]),
        ],
    )
    return home


def _second_band(path: Path) -> np.ndarray:
    return np.fromfile(path, "<f4").reshape(ROWS, 2, COLUMNS)[:, 1]


@pytest.mark.parametrize(
    ("name", "product", "dset"),
    [
        ("velocity.unw", VELOCITY, None),
        ("series.unw", SERIES, "20180105_20190816"),
        ("coherence.cor", "geo_temporalCoherence.h5", None),
    ],
)
def test_roipac_has_the_values_of_mintpy(work: Path, name: str, product: str, dset: str | None) -> None:
    path, table = save_roipac(work / product, work / "ours" / name, dset)
    theirs = np.nan_to_num(_second_band(work / "theirs" / name))
    np.testing.assert_allclose(_second_band(path), theirs, atol=2e-5)
    told, expected = (
        dict(line.split(maxsplit=1) for line in text.read_text().splitlines() if len(line.split()) > 1)
        for text in (table, work / "theirs" / f"{name}.rsc")
    )
    for key in ("WIDTH", "FILE_LENGTH", "X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP", "WAVELENGTH", "REF_X", "REF_Y"):
        assert float(told[key]) == float(expected[key]), key


def test_heights_are_those_of_mintpy(work: Path) -> None:
    path, _ = save_roipac(work / GEOMETRY, work / "ours" / "heights.dem", "height")
    ours, theirs = (np.fromfile(file, "<i2").astype(int) for file in (path, work / "theirs" / "heights.dem"))
    assert np.abs(ours - theirs).max() <= 1  # it cuts decimals off, we round


def test_gbis_has_the_columns_of_mintpy(work: Path) -> None:
    ours = loadmat(save_gbis(work / VELOCITY, work / "ours" / "velocity.mat", geometry=work / GEOMETRY))
    theirs = loadmat(work / "theirs" / "velocity.mat")
    assert set(theirs) <= set(ours)
    for name in ("Phase", "Inc", "Heading", "Height"):
        assert ours[name].shape == theirs[name].shape
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-6, atol=2e-5, err_msg=name)
    np.testing.assert_array_equal(ours["Mask"], theirs["Mask"])
    told = read_attributes(work / VELOCITY)
    for name, axis, pixels in (("Lon", "X", np.nonzero(ours["Mask"])[1]), ("Lat", "Y", np.nonzero(ours["Mask"])[0])):
        first, step = float(told[f"{axis}_FIRST"]), float(told[f"{axis}_STEP"])
        np.testing.assert_allclose(ours[name][:, 0], first + (pixels + 0.5) * step, atol=1e-9)
        # it writes the position of the radar pixel that was taken, off by up to pixels where the map is extrapolated
        assert np.median(np.abs(theirs[name] - ours[name])) < 0.5 * abs(step)


def test_mintpy_reads_ours(work: Path) -> None:
    names = (SERIES, "geo_temporalCoherence.h5", "geo_avgSpatialCoh.h5", "geo_maskTempCoh.h5", GEOMETRY)
    eos = save_hdfeos5(EosInputs(*(work / name for name in names)), work / "ours")
    phase, _ = save_roipac(work / VELOCITY, work / "ours" / "read.unw")
    peer: MintPy = programs()
    wanted = [[str(eos), "HDFEOS/GRIDS/timeseries/observation/displacement-20190816"], [str(phase), "phase"]]
    text = peer._run([], work, code=READ, given=json.dumps(wanted))  # noqa: SLF001
    found = json.loads(text.split("::")[1])
    kind, shape, _ = found[str(eos)]
    assert (kind, shape) == ("HDFEOS", [ROWS, COLUMNS])
    kind, shape, total = found[str(phase)]
    assert (kind, shape) == (".unw", [ROWS, COLUMNS])
    assert total == pytest.approx(float(np.abs(_second_band(phase)).sum(dtype=np.float64)), rel=1e-6)
