from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.interferograms.processors import GEO, RADAR, assert_comes_back, found_in

from creepmeter.errors import ImageError, InputError
from creepmeter.interferograms.dimap import GEOTIFF_TAG, read_dim, read_dim_in_geotiff
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.io.tifftag import read_tiff_text
from creepmeter.simulate.layouts.snap import tiff_bytes, write_snap
from creepmeter.simulate.radar import RadarStack

FACTS = (
    "ALOOKS", "RLOOKS", "RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE", "STARTING_RANGE", "HEIGHT", "HEADING",
    "CENTER_LINE_UTC", "ANTENNA_SIDE",
)  # fmt: skip


@pytest.mark.parametrize("stack", [GEO, RADAR], ids=["map", "radar"])
@pytest.mark.parametrize("master", ["Ref", "Master"])
def test_products_of_snap_come_back(tmp_path: Path, stack: RadarStack, master: str) -> None:
    found = found_in(tmp_path, write_snap(stack, tmp_path, master=master))
    assert_comes_back(found, stack, facts=FACTS)
    assert not found.left_out
    assert found.attributes["PLATFORM"] == "Sen"
    assert found.attributes["ORBIT_DIRECTION"] == "ASCENDING"
    assert float(found.attributes["EARTH_RADIUS"]) == pytest.approx(6378137, abs=1)
    np.testing.assert_array_equal(read_all(found.geometry["height"]), stack.height)
    np.testing.assert_allclose(read_all(found.geometry["incidenceAngle"]), stack.incidence_deg, atol=1e-5)


def test_image_files_stand_for_their_product(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path)
    found = found_in(
        tmp_path,
        settings,
        unw_file="*.data/Unw*.img",
        cor_file="*.data/coh*.img",
        dem_file="dem_tc.data/elevation.img",
        inc_angle_file=None,
    )
    assert_comes_back(found, GEO, facts=FACTS)
    np.testing.assert_array_equal(read_all(found.geometry["height"]), GEO.height)


def test_geotiff_exports_carry_their_header(tmp_path: Path) -> None:
    found = found_in(tmp_path, write_snap(GEO, tmp_path, geotiff=True))
    assert_comes_back(found, GEO, facts=FACTS)
    np.testing.assert_array_equal(read_all(found.geometry["height"]), GEO.height)


def test_geotiff_without_header_needs_the_wavelength(tmp_path: Path) -> None:
    assert GEO.grid is not None
    for k, pair in enumerate(GEO.pairs):
        write_geotiff(tmp_path / f"{pair}_unw_tc.tif", GEO.phase[k], GEO.grid, nodata=0)
        write_geotiff(tmp_path / f"{pair}_coh_tc.tif", GEO.coherence[k], GEO.grid, nodata=0)
    settings = {"processor": "snap", "unw_file": "*unw_tc.tif", "cor_file": "*coh_tc.tif"}
    with pytest.raises(InputError, match="give wavelength_m"):
        found_in(tmp_path, settings)
    found = found_in(tmp_path, settings, wavelength_m=float(GEO.attributes["WAVELENGTH"]))
    assert_comes_back(found, GEO, bperp=False)


def test_what_is_loaded_is_what_was_written(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path / "project")
    load(found_in(tmp_path / "project", settings), LoadOptions.model_validate(settings), tmp_path / "work")
    stack = StackFile.open(tmp_path / "work/inputs/ifgramStack.h5")
    assert stack.pairs == GEO.pairs
    np.testing.assert_array_equal(stack.read("unwrapPhase"), GEO.phase)
    np.testing.assert_allclose(stack.bperp, GEO.bperp, atol=1e-3)


def test_a_product_whose_master_is_the_later_image_is_turned(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path)
    for file in sorted(tmp_path.rglob("*05Jan2018_29Jan2018*")):
        file.rename(file.with_name(file.name.replace("05Jan2018_29Jan2018", "29Jan2018_05Jan2018")))
    header = tmp_path / "20180105_20180129_unw_tc.dim"
    text = header.read_text(encoding="latin-1").replace("05Jan2018_29Jan2018", "29Jan2018_05Jan2018")
    header.write_text(text, encoding="latin-1")
    one = found_in(tmp_path, settings).interferograms[0]
    np.testing.assert_array_equal(read_all(one.layers["unwrapPhase"]), -GEO.phase[0])
    np.testing.assert_array_equal(read_all(one.layers["coherence"]), GEO.coherence[0])
    assert one.bperp == pytest.approx(GEO.bperp[0], abs=1e-3)  # the header tells the baseline of either order


def test_headers_with_entities_are_refused(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path)
    header = tmp_path / "20180105_20180129_unw_tc.dim"
    text = header.read_text(encoding="latin-1")
    bomb = text.replace("<Dimap_Document", '<!DOCTYPE a [<!ENTITY b "c">]><Dimap_Document', 1)
    header.write_text(bomb, encoding="latin-1")
    with pytest.raises(ImageError, match="refused"):
        read_dim(header)
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert GEO.grid is not None
    tiff = tmp_path / "bomb.tif"
    tiff.write_bytes(tiff_bytes([GEO.height], GEO.grid, bomb))
    with pytest.raises(InputError, match="refused"):
        read_dim_in_geotiff(tiff)


def test_bands_outside_the_folder_of_the_product_are_refused(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path / "product")
    header = tmp_path / "product" / "20180105_20180129_unw_tc.dim"
    text = header.read_text(encoding="latin-1").replace('href="', 'href="../../')
    header.write_text(text, encoding="latin-1")
    found = found_in(tmp_path / "product", settings)
    assert "has no file in the folder of the product" in found.left_out[0]


def test_a_band_of_another_size_than_its_product_is_left_out(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path)
    header = next(tmp_path.glob("20180105_20180129*.data/Unw*.hdr"))
    header.write_text(header.read_text(encoding="utf-8").replace("lines = 20", "lines = 19"), encoding="utf-8")
    found = found_in(tmp_path, settings)
    assert "says 19 x 26 px, its product 20 x 26" in found.left_out[0]


def test_names_without_dates_are_left_out(tmp_path: Path) -> None:
    settings = write_snap(GEO, tmp_path)
    header = tmp_path / "20180105_20180129_unw_tc.dim"
    text = header.read_text(encoding="latin-1").replace("05Jan2018_29Jan2018.hdr", "kept")
    text = text.replace("_05Jan2018_29Jan2018", "").replace("kept", "05Jan2018_29Jan2018.hdr")
    (tmp_path / "first_unw_tc.dim").write_text(text, encoding="latin-1")
    header.unlink()
    found = found_in(tmp_path, settings)
    assert "names two dates" in found.left_out[0]
    assert len(found.interferograms) == len(GEO.pairs) - 1


def test_other_files_are_no_products(tmp_path: Path) -> None:
    (tmp_path / "20180105_20180129.img").write_bytes(b"\0" * 80)
    with pytest.raises(InputError, match=r"no product of SNAP"):
        found_in(tmp_path, {"processor": "snap", "unw_file": "*.img"})


def test_private_tags(tmp_path: Path) -> None:
    assert GEO.grid is not None
    plain, own = tmp_path / "plain.tif", tmp_path / "own.tif"
    write_geotiff(plain, GEO.height, GEO.grid)
    own.write_bytes(tiff_bytes([GEO.height], GEO.grid, "<Dimap_Document/>"))
    assert read_tiff_text(plain, GEOTIFF_TAG) is None
    assert read_tiff_text(own, GEOTIFF_TAG) == b"<Dimap_Document/>\0"
    own.write_bytes(own.read_bytes()[:60])
    with pytest.raises(ImageError, match="damaged or cut"):
        read_tiff_text(own, GEOTIFF_TAG)
    own.write_bytes(b"no tiff at all, really")
    with pytest.raises(ImageError, match="is no TIFF"):
        read_tiff_text(own, GEOTIFF_TAG)
