from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tests.interferograms.samples import assert_loaded, load_all, small_stack

from creepmeter.errors import ImageError, InputError
from creepmeter.interferograms.isce2 import image_layer, image_of
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import find
from creepmeter.io.isce_xml import local_source, parse_xml, read_isce_image, vrt_layout
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.store import open as open_product
from creepmeter.simulate.layouts.isce2 import load_settings, write_image, write_isce2

STACK = small_stack(geocoded=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_isce2(STACK, tmp_path / "isce")


def test_a_tops_stack_loads_as_it_was_simulated(project: Path, tmp_path: Path) -> None:
    loaded = load_all(load_settings(project), tmp_path)
    assert_loaded(loaded, STACK)
    assert (loaded.left_out, loaded.notes) == ((), ())
    found = read_attributes(loaded.stack)
    for name in ("ALOOKS", "RLOOKS", "STARTING_RANGE", "ORBIT_DIRECTION", "PLATFORM", "CENTER_LINE_UTC"):
        assert found[name] == STACK.attributes[name]
    assert float(found["HEADING"]) == pytest.approx(-12, abs=0.01)
    assert float(found["HEIGHT"]) == pytest.approx(705_000, abs=1)
    assert float(found["EARTH_RADIUS"]) == pytest.approx(6_370_000, abs=10_000)
    assert float(found["AZIMUTH_PIXEL_SIZE"]) == pytest.approx(5 * 15.6, abs=0.1)
    assert float(found["RANGE_PIXEL_SIZE"]) == pytest.approx(23.29562)
    np.testing.assert_allclose(read_map(loaded.geometry[0], "latitude"), STACK.latitude, atol=1e-5)
    assert "Y_FIRST" not in found


def write_pixel_baselines(folder: Path, *, leave_out: int = 0) -> dict[str, tuple[float, float, float]]:
    """Write a plane per date on 30 x 31 values as baselineGrid.py does; return its value at the corner and slopes."""
    dates = sorted({str(date)[:10].replace("-", "") for pair in STACK.pairs for date in (pair.ref, pair.sec)})
    down, across = np.linspace(0, 1, 30)[:, np.newaxis], np.linspace(0, 1, 31)
    planes = {}
    for k, date in enumerate(dates):
        planes[date] = (40.0 * k, 3.0 * k, -5.0 * k)
        if k >= leave_out:
            grid = planes[date][0] + planes[date][1] * down + planes[date][2] * across
            write_image(folder / date / date, [grid.astype(np.float32)], "BIP")
    return planes


@pytest.mark.parametrize("memory_gb", [4.0, 1e-5])
def test_baselines_of_every_pixel_are_spread_over_the_scene(project: Path, tmp_path: Path, memory_gb: float) -> None:
    planes = write_pixel_baselines(project / "merged" / "baselines")
    settings = {**load_settings(project), "bperp_file": str(project / "merged/baselines/*/*.xml")}
    options = LoadOptions.model_validate({**settings, "subset_yx": "2:20,4:24", "multilook_y": 3, "multilook_x": 2})
    options = options.override({"multilook_method": "mean"}, step="load")
    found = find(options, project)
    assert found.notes == ()
    made = load(found, options, tmp_path / "work", memory_gb=memory_gb).geometry[0]
    tall, wide = STACK.height.shape
    row, column = (2 + 3 * np.arange(6) + 1.5)[:, np.newaxis] / tall, (4 + 2 * np.arange(10) + 1.0) / wide
    for date, (corner, down, across) in planes.items():
        np.testing.assert_allclose(read_map(made, f"bperp-{date}"), corner + down * row + across * column, atol=1e-4)
    again = {"processor": "mintpy", "unw_file": str(tmp_path / "work" / "inputs")}
    second = load_all(again, tmp_path / "again")
    for date in planes:
        np.testing.assert_array_equal(read_map(second.geometry[0], f"bperp-{date}"), read_map(made, f"bperp-{date}"))
    opened = open_product(made)
    assert opened["bperp"].shape == (len(planes), 6, 10)
    assert opened["height"].shape == (6, 10)


def test_baselines_of_some_dates_only_are_not_used(project: Path, tmp_path: Path) -> None:
    planes = write_pixel_baselines(project / "merged" / "baselines", leave_out=1)
    settings = {**load_settings(project), "bperp_file": str(project / "merged/baselines/*/*")}
    loaded = load_all(settings, tmp_path)
    first = min(planes)
    named = f"{first[:4]}-{first[4:6]}-{first[6:]}"
    assert any(f"1 of {len(planes)} dates have no image in a folder of their date ({named})" in n for n in loaded.notes)
    assert "bperp" not in list_datasets(loaded.geometry[0])


def test_the_corners_of_a_scene_in_radar_coordinates_are_known(project: Path, tmp_path: Path) -> None:
    found = read_attributes(load_all(load_settings(project), tmp_path).stack)
    for number, (row, column) in enumerate([(0, 0), (0, -1), (-1, 0), (-1, -1)], 1):
        assert float(found[f"LAT_REF{number}"]) == pytest.approx(STACK.latitude[row, column], abs=1e-5)
        assert float(found[f"LON_REF{number}"]) == pytest.approx(STACK.longitude[row, column], abs=1e-5)


@pytest.mark.parametrize("kept", [".xml", ".vrt", ".rsc"])
def test_one_header_of_any_kind_is_enough(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "filt.unw"
    write_image(path, [np.ones_like(STACK.phase[0]), STACK.phase[0]], "BIL")
    rows, columns = STACK.phase[0].shape
    path.with_name("filt.unw.rsc").write_text(f"WIDTH {columns}\nFILE_LENGTH {rows}\nwidth 2956\n")
    for suffix in {".xml", ".vrt", ".rsc"} - {kept}:
        path.with_name(path.name + suffix).unlink()
    np.testing.assert_array_equal(read_all(image_layer(path, -1)), STACK.phase[0])


@pytest.mark.parametrize("scheme", ["BIL", "BIP", "BSQ"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_interleave_and_byte_order(tmp_path: Path, scheme: str, order: Literal["<", ">"]) -> None:
    path = tmp_path / "los.rdr"
    bands = [STACK.incidence_deg, STACK.azimuth_deg]
    write_image(path, bands, scheme, order=order)
    for band in range(2):
        np.testing.assert_array_equal(read_all(image_layer(path, band)), bands[band])
    layout, data = vrt_layout(tmp_path / "los.rdr.vrt")
    assert data == path.resolve()
    assert layout.nbytes == read_isce_image(tmp_path / "los.rdr.xml").nbytes == path.stat().st_size
    assert layout.interleave == scheme.lower()


def test_a_header_that_does_not_fit_the_file_is_passed_over_or_named(tmp_path: Path) -> None:
    path = tmp_path / "filt.unw"
    write_image(path, [STACK.phase[0]] * 2, "BIL")
    vrt = path.with_name("filt.unw.vrt")
    vrt.write_text(vrt.read_text().replace('rasterXSize="26"', 'rasterXSize="2956"'))
    assert image_of(path)[0].shape == STACK.phase[0].shape
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(
        ImageError, match=r"filt\.unw\.xml says 20 x 26 px, 2 band\(s\) of f4, filt\.unw has 4152 bytes"
    ):
        image_of(path)
    for suffix in (".xml", ".vrt"):
        path.with_name(path.name + suffix).unlink()
    with pytest.raises(ImageError, match=r"there is no \.xml, \.vrt or \.rsc beside it"):
        image_of(path)


def test_a_cut_product_is_left_out_by_name(project: Path, tmp_path: Path) -> None:
    unw = project / "merged" / "interferograms" / str(STACK.pairs[1]) / "filt_fine.unw"
    unw.write_bytes(unw.read_bytes()[:1000])
    cor = project / "merged" / "interferograms" / str(STACK.pairs[2]) / "filt_fine.cor"
    cor.unlink()
    loaded = load_all(load_settings(project), tmp_path)
    assert loaded.pairs == len(STACK.pairs) - 2
    assert loaded.left_out[0].startswith(f"{STACK.pairs[1]}/filt_fine.unw: ")
    assert loaded.left_out[1] == f"{STACK.pairs[2]}/filt_fine.unw: it has no coherence, the others have one"


def test_a_damaged_optional_layer_is_switched_off(project: Path, tmp_path: Path) -> None:
    path = project / "merged" / "interferograms" / str(STACK.pairs[0]) / "filt_fine.unw.conncomp"
    path.write_bytes(path.read_bytes()[:10])
    loaded = load_all(load_settings(project), tmp_path)
    assert loaded.pairs == len(STACK.pairs)
    assert "connectComponent" not in StackFile.open(loaded.stack).names
    assert any("connectComponent is not used" in note for note in loaded.notes)
    assert any("connectComponent is missing in 1 of" in note for note in loaded.notes)


def test_strip_map_baselines_and_a_later_first_date(tmp_path: Path) -> None:
    ref, sec = str(STACK.pairs[0]).split("_")
    place = tmp_path / "Igrams" / f"{sec}_{ref}"
    write_image(place / "filt.unw", [STACK.phase[0], -STACK.phase[0]], "BIL")
    rsc = "WAVELENGTH 0.2361\nALOOKS 4\nRLOOKS 2\nrangePixelSize 4.68\nazimuthPixelSize 3.1\nPLATFORM ENVISAT\n"
    (tmp_path / "data.rsc").write_text(rsc)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / f"{ref}_{sec}.txt").write_text("PERP_BASELINE_BOTTOM 99.0\nPERP_BASELINE_TOP 101.0\n")
    settings = {
        "processor": "isce",
        "unw_file": str(tmp_path / "Igrams/*/filt.unw"),
        "meta_file": str(tmp_path / "data.rsc"),
        "baseline_dir": str(tmp_path / "baselines"),
    }
    stack = StackFile.open(load_all(settings, tmp_path).stack)
    assert str(stack.pairs[0]) == f"{ref}_{sec}"
    assert stack.bperp[0] == pytest.approx(100)
    np.testing.assert_array_equal(stack.read_pair("unwrapPhase", 0), STACK.phase[0])
    assert stack.attributes["WAVELENGTH"] == "0.2361"
    assert (stack.attributes["RANGE_PIXEL_SIZE"], stack.attributes["AZIMUTH_PIXEL_SIZE"]) == ("9.36", "12.4")
    assert stack.attributes["PLATFORM"] == "Env"


def test_a_shelf_of_strip_map_stacks_is_not_opened_but_stands_for_the_text_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "Igrams" / str(STACK.pairs[0])
    write_image(place / "filt_fine.unw", [STACK.phase[0], STACK.phase[0]], "BIL")
    shelf = tmp_path / "referenceShelve" / "data.dat"
    shelf.parent.mkdir()
    shelf.write_bytes(pickle.dumps({"frame": Path("x")}))
    settings = {"processor": "isce", "unw_file": "Igrams/*/filt*.unw", "meta_file": "referenceShelve/data.dat"}
    with pytest.raises(
        InputError, match=r"data\.dat is a pickle of Python, which is not opened.*put beside it the data"
    ):
        find(LoadOptions.model_validate(settings), tmp_path)
    shelf.with_name("data.rsc").write_text(
        "WAVELENGTH 0.2361\nprf 2159.8\nSTARTING_RANGE 847923.0\nearthRadius 6371000\naltitude 697000\nHEADING -10.5\n"
    )
    found = find(LoadOptions.model_validate(settings), tmp_path).attributes
    assert (found["WAVELENGTH"], found["HEIGHT"], found["EARTH_RADIUS"]) == ("0.2361", "697000.0", "6371000.0")
    customary = LoadOptions.model_validate({"processor": "isce", "auto_path": True})
    (tmp_path / "mintpy").mkdir()
    assert find(customary, tmp_path / "mintpy").attributes["WAVELENGTH"] == "0.2361"


def test_geocoded_images_keep_their_grid(tmp_path: Path) -> None:
    place = tmp_path / str(STACK.pairs[0])
    write_image(place / "filt.unw.geo", [STACK.phase[0], STACK.phase[0]], "BIL")
    header = place / "filt.unw.geo.xml"
    text = header.read_text()
    first, second = text.split('<component name="coordinate2">')
    for old, new in ((">1<", ">0.001<"), (">0<", ">-122.5<")):
        first = first.replace(old, new, 1)
    for old, new in ((">1<", ">-0.001<"), (">0<", ">38.5<")):
        second = second.replace(old, new, 1)
    header.write_text(f'{first}<component name="coordinate2">{second}')
    settings = {"processor": "isce", "unw_file": str(place / "filt.unw.geo"), "wavelength_m": "0.05546576"}
    loaded = load_all(settings, tmp_path)
    found = read_attributes(loaded.stack)
    corner = [float(found[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")]
    assert corner == [-122.5, 38.5, 0.001, -0.001]
    assert "only the wavelength is known" in loaded.notes[0]


def test_what_is_missing_says_what_to_give(project: Path, tmp_path: Path) -> None:
    settings = load_settings(project)
    with pytest.raises(InputError, match=r"give meta_file \(reference/IW\*\.xml"):
        load_all({**settings, "meta_file": str(project / "nothing")}, tmp_path)
    header = project / "reference" / "IW2.xml"
    header.write_text(header.read_text().replace("radarwavelength", "other"))
    with pytest.raises(InputError, match="lacks metadata of a burst"):
        load_all(settings, tmp_path)
    for folder in (project / "merged" / "interferograms").iterdir():
        folder.rename(folder.with_name(f"pair_{folder.name[:8]}"))
        break
    loaded = load_all({**settings, "wavelength_m": "0.055", "baseline_dir": str(project / "none")}, tmp_path)
    assert "tells two dates" in loaded.left_out[0]
    assert (StackFile.open(loaded.stack).bperp == 0).all()


def test_xml_that_is_no_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    with pytest.raises(ImageError, match="declares document types or entities"):
        parse_xml(path)
    path.write_text("<x><y></x>")
    with pytest.raises(ImageError, match="not well-formed"):
        parse_xml(path)
    path.write_text("<imageFile/>")
    with pytest.raises(ImageError, match="no ISCE header of an image"):
        read_isce_image(path)
    path.write_text("<x a=\u201c5\u201d/>", encoding="utf-8")
    assert parse_xml(path).get("a") == "5"


@pytest.mark.parametrize("source", ["/etc/passwd", "../other.unw", "https://host/x", "/vsicurl/x", "a/../../x"])
def test_a_vrt_that_leads_elsewhere_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(ImageError, match="not in its own folder: refused"):
        local_source(tmp_path / "a.vrt", source)
    write_image(tmp_path / "a", [STACK.phase[0]], "BIL")
    vrt = tmp_path / "a.vrt"
    vrt.write_text(vrt.read_text().replace(">a<", f">{source}<"))
    with pytest.raises(ImageError, match="refused"):
        vrt_layout(vrt)


def test_a_vrt_that_is_not_raw_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.vrt"
    path.write_text(
        '<VRTDataset rasterXSize="3" rasterYSize="2"><VRTRasterBand dataType="Float32"><SimpleSource/>'
        "</VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(ImageError, match="no VRT of raw bands"):
        vrt_layout(path)
    path.write_text('<VRTDataset rasterXSize="3" rasterYSize="2"/>')
    with pytest.raises(ImageError, match="holds no band"):
        vrt_layout(path)


@pytest.mark.golden
def test_the_simulated_unwrapping_errors_load_in_spite_of_their_headers(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "insar_isce2_unwrap_error_sim"
    names = {"unw_file": "snf.unw", "cor_file": "sim.cor", "conn_comp_file": "snf.unw.conncomp", "int_file": "sim.int"}
    settings = {"processor": "isce", **{key: str(folder / name) for key, name in names.items()}}
    stack = StackFile.open(load_all(settings, tmp_path).stack)
    assert stack.shape == (1, 300, 300)
    assert str(stack.pairs[0]) == "20141213_20141225"
    assert stack.attributes["WAVELENGTH"] == "0.05546576"
    assert stack.bperp[0] == pytest.approx(62.8369, abs=1e-4)
    raw = np.fromfile(folder / "snf.unw", "<f4").reshape(300, 2, 300)
    np.testing.assert_array_equal(stack.read_pair("unwrapPhase", 0), raw[:, 1])
    np.testing.assert_array_equal(
        stack.read_pair("connectComponent", 0), np.fromfile(folder / "snf.unw.conncomp", "u1").reshape(300, 300)
    )
    wrapped = stack.read_pair("wrapPhase", 0)
    assert np.abs(wrapped).max() <= np.pi
    for name in names.values():  # without the .xml, the .rsc is right and the .vrt is not
        for suffix in ("", ".vrt", ".rsc"):
            if (folder / (name + suffix)).exists():
                shutil.copy(folder / (name + suffix), tmp_path / (name + suffix))
    again = {"processor": "isce", **{key: str(tmp_path / name) for key, name in names.items()}}
    found = find(LoadOptions.model_validate(again), tmp_path)
    assert found.shape == (300, 300)
