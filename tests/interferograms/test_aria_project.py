from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from creepmeter.errors import ImageError, InputError
from creepmeter.interferograms.aria_vrt import band_layer, local_source, map_layer, read_vrt
from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import find
from creepmeter.io.gunw import write_gunw
from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.aria import AriaLayout, write_aria, write_aria_project
from creepmeter.simulate.radar import RadarStack, simulate_radar

SIZES: dict[str, Any] = {"rows": 40, "columns": 30, "dates": 3, "connections": 2}


@pytest.fixture(scope="module")
def stack() -> RadarStack:
    return simulate_radar(seed=5, **SIZES)


@pytest.fixture
def project(stack: RadarStack, tmp_path: Path) -> Path:
    write_aria_project(stack, tmp_path / "project")
    return tmp_path / "project"


def options(folder: Path, **changes: Any) -> LoadOptions:  # noqa: ANN401 - options of any kind
    given: Mapping[str, Any] = {
        "processor": "aria",
        "unw_file": "stack/unwrapStack.vrt",
        "cor_file": "stack/cohStack.vrt",
        "conn_comp_file": "stack/connCompStack.vrt",
        "dem_file": "DEM/*.dem",
        "inc_angle_file": "incidenceAngle/*.vrt",
        "az_angle_file": "azimuthAngle/*.vrt",
        "water_mask_file": "mask/watermask.msk",
    }
    assert folder.is_dir()
    return LoadOptions(**{**given, **changes})


def found(folder: Path, **changes: Any) -> Catalogue:  # noqa: ANN401 - options of any kind
    return find(options(folder, **changes), folder)


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_project_loads_as_it_was_prepared(stack: RadarStack, project: Path, tmp_path: Path) -> None:
    catalogue = found(project)
    assert catalogue.left_out == ()
    assert catalogue.notes == ()
    done = load(catalogue, options(project), tmp_path / "work")
    file = StackFile.open(done.stack)
    assert file.pairs == stack.pairs
    np.testing.assert_array_equal(file.read("unwrapPhase"), stack.phase)
    np.testing.assert_array_equal(file.read("coherence"), stack.coherence)
    np.testing.assert_array_equal(file.read("connectComponent"), stack.component)
    np.testing.assert_allclose(file.bperp, stack.bperp, atol=1e-4)
    geometry = {
        "height": stack.height,
        "incidenceAngle": stack.incidence_deg,
        "azimuthAngle": stack.azimuth_deg,
        "waterMask": stack.water,
        "slantRangeDistance": np.full(stack.height.shape, float(stack.attributes["STARTING_RANGE"])),
    }
    for name, values in geometry.items():
        np.testing.assert_allclose(read_map(done.geometry[0], name).astype(float), values, rtol=1e-6, err_msg=name)


def test_a_project_and_the_products_it_was_made_of_agree(stack: RadarStack, project: Path, tmp_path: Path) -> None:
    given = write_aria(stack, tmp_path / "gunw", write=write_gunw, write_raster=write_geotiff)
    direct = find(LoadOptions(**given), tmp_path)
    prepared = found(project)
    differ = {"CENTER_LINE_UTC", "trackNumber"}  # a stack .vrt tells the time of one frame, and no track
    ours = {key: value for key, value in direct.attributes.items() if key not in differ}
    assert ours == {key: value for key, value in prepared.attributes.items() if key not in differ}
    for one, other in zip(direct.interferograms, prepared.interferograms, strict=True):
        np.testing.assert_allclose(
            read_all(one.layers["unwrapPhase"]), read_all(other.layers["unwrapPhase"]), atol=4e-6
        )


def test_bands_need_not_be_in_one_order(stack: RadarStack, project: Path) -> None:
    path = project / "stack" / "cohStack.vrt"
    bands = re.findall(r"  <VRTRasterBand.*?</VRTRasterBand>\n", path.read_text(), re.DOTALL)
    head = path.read_text().split("  <VRTRasterBand")[0]
    path.write_text(f"{head}{''.join(reversed(bands))}</VRTDataset>\n")
    for k, one in enumerate(found(project).interferograms):
        np.testing.assert_array_equal(read_all(one.layers["coherence"]), stack.coherence[k])


def test_a_missing_pair_is_left_out_and_a_missing_stack_is_noted(project: Path) -> None:
    (project / "unwrappedPhase" / "20180129_20180105").unlink()
    catalogue = found(project, conn_comp_file="stack/none.vrt")
    assert [str(one.pair) for one in catalogue.interferograms] == ["20180105_20180222", "20180129_20180222"]
    assert "20180105_20180129" in catalogue.left_out[0]
    assert any("conn_comp_file: no file matches" in note for note in catalogue.notes)


def test_stacks_beside_that_of_the_phase_are_found(project: Path) -> None:
    one = found(project, cor_file=None, conn_comp_file=None).interferograms[0]
    assert set(one.layers) == {"unwrapPhase", "coherence", "connectComponent"}


def test_a_moved_project_with_absolute_names_is_found_again(stack: RadarStack, project: Path, tmp_path: Path) -> None:
    path = project / "stack" / "unwrapStack.vrt"
    for name in ("20180129_20180105", "20180222_20180105", "20180222_20180129"):
        replaced(
            path, f'relativeToVRT="1">../unwrappedPhase/{name}', f'relativeToVRT="0">/old/place/unwrappedPhase/{name}'
        )
    moved = shutil.move(project, tmp_path / "elsewhere")
    layer = found(Path(moved)).interferograms[0].layers["unwrapPhase"]
    np.testing.assert_array_equal(read_all(layer), stack.phase[0])


def test_products_as_sources(stack: RadarStack, tmp_path: Path) -> None:
    write_aria(stack, tmp_path, write=write_gunw, write_raster=write_geotiff, layout=AriaLayout(frames=1))
    product = min((tmp_path / "products").iterdir())
    source = f'NETCDF:"../products/{product.name}":/science/grids/data/unwrappedPhase'
    for text in (source, source.replace('"', "&quot;")):
        path = tmp_path / "unwrappedPhase" / "a.vrt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            '<VRTDataset rasterXSize="20" rasterYSize="10"><SRS>EPSG:4326</SRS>'
            "<GeoTransform>-122.9, 0.00083, 0, 38.6, 0, -0.00083</GeoTransform>"
            f'<VRTRasterBand dataType="Float32" band="1"><ComplexSource><SourceFilename relativeToVRT="1">{text}'
            "</SourceFilename><SourceBand>1</SourceBand>"
            '<SrcRect xOff="3" yOff="5" xSize="12" ySize="6"/><DstRect xOff="4" yOff="2" xSize="12" ySize="6"/>'
            "<NODATA>0</NODATA></ComplexSource></VRTRasterBand></VRTDataset>"
        )
        values = read_all(band_layer(read_vrt(path), 1, tmp_path))
        np.testing.assert_allclose(values[2:8, 4:16], -stack.phase[0, 5:11, 3:15], atol=1e-6)
        assert not values[:2].any()
        assert values.shape == (10, 20)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/vsicurl/https://host/a.tif", "no local file"),
        ("https://host/a.tif", "no local file"),
        ("GTIFF_DIR:1:a.tif", "no local file"),
        ("PG:dbname=x", "no local file"),
        ("../../../../etc/passwd", "outside its project"),
        ("/etc/passwd", "does not exist"),
        ("../unwrappedPhase/none.vrt", "does not exist"),
    ],
)
def test_other_sources_are_refused(project: Path, name: str, why: str) -> None:
    with pytest.raises(ImageError, match=why):
        local_source(project / "stack" / "unwrapStack.vrt", name, project)


def test_a_link_out_of_the_project_is_not_followed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (project / "unwrappedPhase" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ImageError, match="outside its project"):
        local_source(project / "stack" / "unwrapStack.vrt", "../unwrappedPhase/link", project)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("<VRTDataset ", '<VRTDataset subClass="VRTWarpedDataset" ', "VRTWarpedDataset, which is not read"),
        ('dataType="Float32" band="1"', 'subClass="VRTDerivedRasterBand" band="1"', "VRTDerivedRasterBand"),
        ("<SimpleSource>", "<KernelFilteredSource>", "well-formed"),
        ("SimpleSource>", "AveragedSource>", "a AveragedSource"),
        ('<DstRect xOff="0"', '<DstRect xOff="0.5"', "parts of pixels"),
        ('<DstRect xOff="0" yOff="0" xSize="30"', '<DstRect xOff="0" yOff="0" xSize="60"', "stretched"),
        ("<SourceBand>1</SourceBand>", "<ScaleRatio>2</ScaleRatio>", "changed by ScaleRatio"),
        ('rasterXSize="30"', 'rasterXSize="3000000000"', "3000000000 px"),
        ('rasterXSize="30"', 'rasterXSize="x"', "invalid literal"),
        ("<SRS", "<!DOCTYPE a><SRS", "refused"),
        ("-8.3333333333333339e-04", "8.3333333333333339e-04", "not north up"),
    ],
)
def test_a_vrt_that_does_more_than_copy_is_refused(project: Path, old: str, new: str, why: str) -> None:
    replaced(project / "stack" / "unwrapStack.vrt", old, new)
    with pytest.raises(InputError, match=why):
        found(project)


def test_a_source_smaller_than_said_is_left_out(project: Path) -> None:
    path = project / "unwrappedPhase" / "20180129_20180105.hdr"
    replaced(path, "lines   = 40", "lines   = 20")
    replaced(path, "data type = 4", "data type = 5")
    assert "fewer than are to be copied" in found(project).left_out[0]


def test_a_chain_of_vrt_ends_somewhere(project: Path) -> None:
    path = project / "unwrappedPhase" / "20180129_20180105.vrt"
    replaced(path, ">20180129_20180105<", ">20180129_20180105.vrt<")
    assert "behind more than 4 other" in found(project).left_out[0]


def test_maps_in_all_formats_are_the_same(stack: RadarStack, project: Path) -> None:
    dem = project / "DEM" / "glo_90.dem"
    assert stack.grid is not None
    write_geotiff(project / "dem.tif", stack.height.astype(np.float32), stack.grid)
    named = {"vrt beside": dem, "vrt": dem.with_name("glo_90.dem.vrt"), "tif": project / "dem.tif"}
    for label, path in named.items():
        layer, grid, _ = map_layer(path)
        np.testing.assert_allclose(read_all(layer), stack.height, rtol=1e-6, err_msg=label)
        assert grid is not None
        np.testing.assert_allclose(grid.affine[:6], stack.grid.affine[:6], atol=1e-12)
    dem.with_name("glo_90.dem.vrt").unlink()
    layer, grid, nodata = map_layer(dem)
    assert nodata == -9999
    assert grid == stack.grid
    np.testing.assert_allclose(read_all(layer), stack.height, rtol=1e-6)
    dem.with_suffix(".hdr").unlink()
    with pytest.raises(ImageError, match="has no header"):
        map_layer(dem)
