from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from tests.imagery.fault_proxy import (
    Act,
    Fault,
    FaultProxy,
    cut,
    fault_proxy,
    hang,
    huge_header,
    ignore_range,
    redirect,
    reset,
    status,
)
from tests.imagery.servers import files_served

from creepmeter.errors import InputError, LockedError, ServiceError, StoreError
from creepmeter.imagery import scene_folder
from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.imagery.masks import CLEAR, CLOUD, MISSING, SHADOW
from creepmeter.imagery.options import SceneFetchOptions
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scene_folder import open_scenes, scenes_in, stem_of
from creepmeter.imagery.scenes_fetch import FetchedScenes, fetch_scenes, most_pixels
from creepmeter.io.lock import RunLock
from creepmeter.io.raster import read_bands, write_geotiff
from creepmeter.model.epoch import as_epoch
from creepmeter.model.grid import Grid, centre_positions, pixel_position
from creepmeter.model.schema import IMAGE_CUBE, check
from creepmeter.simulate import Pass, SimulatedCatalogue, write_catalogue
from creepmeter.workflow.config import ImagesSection
from creepmeter.workflow.inputs import find_images

QUICK = SceneFetchOptions(tries=2, wait_s=0.0, timeout_s=0.5, whole_mb=0, jobs=3)
C1, PC = "sentinel-2-c1-l2a", "planetary-computer"
# Every way in which a catalogue may treat the offset of 1000, one ground.
PASSES = (
    Pass(time="2016-11-20T10:14:31Z", baseline="02.04", boa_offset_applied=False),
    Pass(time="2017-11-25T10:14:29Z", baseline="05.00", layout=C1, processed="2023-08-01T00:00:00Z", cloud=0.3),
    Pass(time="2018-11-15T10:13:01Z", baseline="02.12", layout=PC, missing=0.2),
    Pass(time="2019-11-25T10:13:59Z", baseline="05.00", layout=PC, processed="2023-09-01T00:00:00Z"),
    Pass(time="2020-11-14T10:12:21Z", baseline="02.14"),
    Pass(time="2021-11-24T10:14:11Z", baseline="03.01", boa_offset_applied=False, snow=0.2),
    Pass(time="2022-11-19T10:14:29Z", baseline="04.00", boa_offset_applied=True),
    Pass(time="2023-11-24T10:13:19Z", baseline="05.09", boa_offset_applied=False),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCatalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    return write_catalogue(folder, partial(write_geotiff, cog=True), passes=PASSES, shape=(160, 180))


@pytest.fixture(scope="module")
def area(catalogue: SimulatedCatalogue) -> AreaOfInterest:
    return read_area(",".join(map(str, catalogue.bbox)))


@pytest.fixture(scope="module")
def undisturbed(catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of all scenes, fetched without any failure."""
    folder = tmp_path_factory.mktemp("undisturbed")
    local(catalogue, area, folder)
    return folder


@pytest.fixture(scope="module")
def server(catalogue: SimulatedCatalogue) -> Iterator[str]:
    """Yield the address of a server of files that we did not write."""
    with files_served(catalogue.folder) as address:
        yield address


def served(catalogue: SimulatedCatalogue, proxy: FaultProxy, query: str = "") -> list[dict[str, Any]]:
    """Return the items with addresses of a server, by which a scene is named in its path."""
    items = copy.deepcopy(list(catalogue.items))
    for item in items:
        for asset in item["assets"].values():
            place = Path(asset["href"]).relative_to(catalogue.folder.resolve())
            asset["href"] = f"{proxy.url}/{place.as_posix()}{query}"
    return items


def facts_of(image: Path) -> dict[str, Any]:
    """Return the provenance of an image."""
    found: dict[str, Any] = json.loads(image.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def mask_of(image: Path) -> Path:
    """Return the mask of an image."""
    return image.with_name(f"{image.stem}_mask.tif")


def get(
    items: list[dict[str, Any]],
    area: AreaOfInterest,
    folder: Path,
    proxy: FaultProxy | None = None,
    options: SceneFetchOptions = QUICK,
    *,
    below: Path | None = None,
) -> FetchedScenes:
    policy = AccessPolicy({proxy.host} if proxy else (), () if below is None else (below,))
    with Access(policy, options) as access:
        return fetch_scenes(items, area, folder, access, options=options)


def local(catalogue: SimulatedCatalogue, area: AreaOfInterest, folder: Path, **given: object) -> FetchedScenes:
    options = QUICK.override(given, step="fetch")
    return get(list(catalogue.items), area, folder, options=options, below=catalogue.folder)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        found: np.ndarray = source.read(1)
    return found


def truth(catalogue: SimulatedCatalogue, done: FetchedScenes, number: int) -> np.ndarray:
    """Return the true reflectance on the grid of the images."""
    whole, grid = catalogue.scenes.grid, done.grid
    column, row = (round(float(value)) for value in pixel_position(whole, grid.affine.c, grid.affine.f, None))
    return catalogue.reflectance(number)[row : row + grid.shape[0], column : column + grid.shape[1]]


def contents(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, without the times at which it was made."""
    found = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if path.suffix == ".json":
            facts = json.loads(data)
            facts.pop("created", None)
            data = json.dumps(facts).encode()
        found[path.name] = data
    return found


# ---------------------------------------------------------------------------------------------------------- reflectance


def test_every_baseline_and_catalogue_gives_the_reflectance_of_the_ground(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    done = local(catalogue, area, tmp_path)
    assert (len(done.new), done.present, done.failed, done.doubles) == (8, (), (), ())
    steps = []
    for number, image in enumerate(done.new):
        values, mask = read(image), read(mask_of(image))
        expected = truth(catalogue, done, number)
        clear = mask == CLEAR
        if PASSES[number].snow:
            clear[: clear.shape[0] // 3] = False  # ground under snow, which is not masked unless asked for
        assert clear.mean() > 0.4
        np.testing.assert_allclose(values[clear], expected[clear], atol=0.51e-4)  # half a digital number
        steps.append(float(np.mean(values[clear] - expected[clear])))
        assert np.isnan(values[mask == MISSING]).all()
        assert not np.isnan(values[mask != MISSING]).any()
    assert max(steps) - min(steps) < 1e-5  # no step in time


def test_missing_and_masked_ground_is_marked_and_zero_is_never_a_value(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    done = local(catalogue, area, tmp_path)
    masks = [read(mask_of(image)) for image in done.new]
    assert {CLEAR, CLOUD, SHADOW} <= set(np.unique(masks[1]).tolist())
    assert {CLEAR, MISSING} <= set(np.unique(masks[2]).tolist())
    assert np.isnan(read(done.new[2])).any()
    for image in done.new:
        assert not (read(image) == 0).any()


def test_snow_is_masked_when_asked_for(catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path) -> None:
    plain, snowy = local(catalogue, area, tmp_path / "a"), local(catalogue, area, tmp_path / "b", mask_snow=True)
    shares = [facts_of(done.new[5])["mask"]["shares"] for done in (plain, snowy)]
    assert shares[0]["snow"] == 0
    assert shares[1]["snow"] > 0.02


def test_the_images_are_cogs_with_place_and_origin(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    done = local(catalogue, area, tmp_path)
    assert done.new[0].name == "20161120T101431_B08_S2A_33TVM_20161120_0_L2A.tif"
    with rasterio.open(done.new[0]) as source:
        assert source.crs.to_epsg() == 32633
        assert source.dtypes == ("float32",)
        assert np.isnan(source.nodata)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.tags()["DATETIME_UTC"] == "2016-11-20T10:14:31Z"
    facts = facts_of(done.new[1])
    assert facts["processing_baseline"] == "05.00"
    assert facts["radiometry"]["add"] == -1000
    assert facts["mask"]["classes"] == [0, 1, 3, 8, 9, 10]
    assert facts["relative_orbit"] == 22
    assert facts["creepmeter_version"]


def test_a_run_reads_the_folder_as_it_is(catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path) -> None:
    done = local(catalogue, area, tmp_path / "scenes")
    section = ImagesSection(files=("scenes/*.tif",), exclude=("scenes/*_mask.tif",))
    images = find_images(section, tmp_path)
    assert [scene.source for scene in images.scenes] == [str(path) for path in done.new]
    assert all(len(masks) == 1 for masks in images.masks)
    assert images.grid == done.grid
    values, mask = images.read(1)
    np.testing.assert_array_equal(values, read(done.new[1]))
    assert mask is not None
    np.testing.assert_array_equal(mask, read(mask_of(done.new[1])) != CLEAR)


def test_the_folder_opens_as_a_cube_whose_pixels_are_read_when_asked_for(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = local(catalogue, area, tmp_path)
    opened: list[str] = []
    really = rasterio.open

    def noted(path: object, **more: object) -> object:
        opened.append(str(path))
        return really(path, **more)

    monkeypatch.setattr(rasterio, "open", noted)
    cube = open_scenes(tmp_path)
    check(cube, IMAGE_CUBE)
    assert opened == []
    assert cube["time"].values[0] == as_epoch("20161120T101431")
    part = cube["image"].isel(time=1, y=slice(10, 40), x=slice(5, 50)).values
    assert len(opened) == 2
    image, mask = read(done.new[1]), read(mask_of(done.new[1]))
    expected = np.where(mask == CLEAR, image, np.nan)
    np.testing.assert_array_equal(part, expected[10:40, 5:50])
    np.testing.assert_array_equal(cube["image"].values[1], expected)
    np.testing.assert_array_equal(cube["image"].isel(y=7, x=[3, 9]).values[1], expected[7, [3, 9]])


def test_a_catalogue_that_may_be_wrong_about_the_offset_is_named_and_not_corrected(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = copy.deepcopy(list(catalogue.items))
    asset = items[6]["assets"]["nir"]
    numbers, grid, _ = read_bands(asset["href"])  # of which the 1000 were taken out
    asset["href"] = str(tmp_path / "B08.tif")
    write_geotiff(tmp_path / "B08.tif", np.where(numbers == 0, 0, numbers // 8 + 1), grid, nodata=0, cog=True)  # water
    for applied in (True, False):
        items[6]["properties"]["earthsearch:boa_offset_applied"] = applied
        caplog.clear()
        with Access(AccessPolicy(folders=(catalogue.folder, tmp_path))) as access:
            done = fetch_scenes(items[5:7], area, tmp_path / str(applied), access)
        values = read(done.new[1])
        assert (np.nanmedian(values) < -0.03) == (not applied)
        assert ("boa_offset_applied" in caplog.text) == (not applied)
        assert (facts_of(done.new[1])["below_zero"] > 0.9) == (not applied)
        assert facts_of(done.new[0])["below_zero"] == 0


# ----------------------------------------------------------------------------------------------------- again, resumed


def test_what_is_there_is_not_asked_for_again(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    with fault_proxy(catalogue.folder) as proxy:
        first = get(served(catalogue, proxy, "?sig=one"), area, tmp_path, proxy)
        asked, before = len(proxy.asked), contents(tmp_path)
        again = get(served(catalogue, proxy, "?sig=two"), area, tmp_path, proxy)  # another signature, the same files
        assert again.present == first.new
        assert again.new == ()
        assert len(proxy.asked) == asked
    assert contents(tmp_path) == before


@pytest.mark.parametrize("damage", ["image", "mask", "facts", "image gone", "facts half"])
def test_a_scene_that_is_not_whole_is_made_again_and_no_other(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, damage: str
) -> None:
    with fault_proxy(catalogue.folder) as proxy:
        items = served(catalogue, proxy)
        done = get(items, area, tmp_path, proxy)
        before = contents(tmp_path)
        image = done.new[3]
        files = {"image": image, "mask": mask_of(image), "facts": image.with_suffix(".json")}
        broken = files[damage.partition(" ")[0]]
        if damage.endswith("gone") or damage == "facts":
            broken.unlink()
        else:
            broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
        proxy.asked.clear()
        again = get(items, area, tmp_path, proxy)
        assert again.new == (image,)
        name = catalogue.items[3]["id"]
        assert proxy.asked
        assert all(name in path for path in proxy.paths())
    assert contents(tmp_path) == before


def test_a_scene_that_the_catalogue_has_processed_again_is_made_again(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    local(catalogue, area, tmp_path)
    items = copy.deepcopy(list(catalogue.items))
    items[4]["properties"]["s2:processing_baseline"] = "05.00"
    again = get(items, area, tmp_path, below=catalogue.folder)
    assert [path.name for path in again.new] == [path.name for path in again.new if "2020" in path.name]
    assert len(again.new) == 1


def test_what_a_list_says_besides_does_not_matter(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    first = local(catalogue, area, tmp_path)
    items = copy.deepcopy(list(catalogue.items[:5]))
    for item in items:
        item["properties"]["eo:cloud_cover"] = 77
        item["assets"]["thumbnail"] = {"href": "https://example.com/x.jpg"}
    again = get(items, area, tmp_path, below=catalogue.folder)
    assert (again.new, again.present, again.others) == ((), first.new[:5], first.new[5:])


def test_an_image_always_has_its_own_mask(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a kill leaves: a run looks at images and masks only."""
    seen = []

    def watched(path: Path, *rest: object, **more: object) -> None:
        seen.append(
            {image.name: mask_of(image).exists() for image in tmp_path.glob("*.tif") if "_mask" not in image.name}
        )
        write_geotiff(path, *rest, **more)  # type: ignore[arg-type]

    local(catalogue, area, tmp_path)
    items = copy.deepcopy(list(catalogue.items))
    items[3]["properties"]["s2:processing_baseline"] = "05.10"
    monkeypatch.setattr(scene_folder, "write_geotiff", watched)
    done = get(items, area, tmp_path, below=catalogue.folder)
    assert [path.name for path in done.new] == [done.new[0].name]
    assert len(seen) == 2
    assert all(done.new[0].name not in there and all(there.values()) for there in seen)


def test_other_areas_and_options_need_another_folder(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    local(catalogue, area, tmp_path)
    with pytest.raises(InputError, match=r"scenes of another kind \(other mask_snow"):
        local(catalogue, area, tmp_path, mask_snow=True)
    with pytest.raises(InputError, match=r"scenes of another kind \(other area"):
        local(catalogue, read_area(",".join(map(str, catalogue.bbox)), buffer_m=50), tmp_path)


def test_any_number_of_jobs_gives_the_same_bits(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    for jobs in (1, 7):
        local(catalogue, area, tmp_path / str(jobs), jobs=jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "7")


def test_two_fetches_do_not_work_in_one_folder(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    with RunLock(tmp_path), pytest.raises(LockedError, match="in use by"):
        local(catalogue, area, tmp_path)


# --------------------------------------------------------------------------------------------------------------- faults


FAULTS: dict[str, tuple[Act, str]] = {
    "503": (status(503), "given up after 2 attempt.* answered 503"),
    "429": (status(429, Retry_After="0"), "answered 429"),
    "reset": (reset, "the connection failed"),
    "expired link": (status(403), "answered 403: the link has expired"),
    "gone": (status(404), "answered 404"),
    "cut body": (cut, "bytes|the connection failed"),
    "huge header": (huge_header, "the connection failed"),
    "no Range": (ignore_range, "ignores Range"),
    "hang": (hang, "the server fell silent"),
    "redirect to a private address": (redirect("http://10.0.0.1/inner?sig=secret"), "is not asked"),
    "redirect to the metadata service": (redirect("http://169.254.169.254/latest/meta-data"), "is not asked"),
    "redirect to a file": (redirect("file:///etc/passwd"), "no https address"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("asset", ["B08.tif", "SCL.tif"])
def test_a_scene_that_cannot_be_read_is_named_and_the_others_go_on(
    catalogue: SimulatedCatalogue,
    area: AreaOfInterest,
    server: str,
    undisturbed: Path,
    tmp_path: Path,
    fault: str,
    asset: str,
) -> None:
    act, what = FAULTS[fault]
    name = catalogue.items[4]["id"]
    with fault_proxy(server, Fault(act, match=f"{name}/{asset}")) as proxy:
        items = served(catalogue, proxy, "?sig=secret")[3:6]
        done = get(items, area, tmp_path, proxy)
        assert len(done.new) == 2
        assert len(done.failed) == 1
        assert done.failed[0].startswith(f"{name}: ")
        assert re.search(what, done.failed[0])
        assert "secret" not in done.failed[0]
        assert not [path for path in tmp_path.iterdir() if "2020" in path.name or "partial" in path.name]
        assert len(scenes_in(tmp_path)) == 2
        proxy.faults.clear()
        proxy.asked.clear()
        again = get(items, area, tmp_path, proxy)
        assert (len(again.new), len(again.present), again.failed) == (1, 2, ())
        assert {path.split("/")[2] for path in proxy.paths()} == {name}
    for image in (*again.new, *again.present):
        assert image.read_bytes() == (undisturbed / image.name).read_bytes()
        assert mask_of(image).read_bytes() == mask_of(undisturbed / image.name).read_bytes()


@pytest.mark.parametrize("keep", [0.4, 0.8])
@pytest.mark.parametrize("key", ["B08.tif", "SCL.tif"])
def test_a_cut_file_is_a_scene_left_out_and_no_zeros(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, key: str, keep: float
) -> None:
    items = copy.deepcopy(list(catalogue.items))
    asset = items[0]["assets"]["nir" if key == "B08.tif" else "scl"]
    content = Path(asset["href"]).read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / key).write_bytes(content[: int(keep * len(content))])
    asset["href"] = str(tmp_path / "cut" / key)
    with Access(AccessPolicy(folders=(catalogue.folder, tmp_path))) as access:
        done = fetch_scenes(items, area, tmp_path / "scenes", access, options=QUICK)
    assert len(done.new) == 7
    assert "cut" in done.failed[0]
    assert items[0]["id"] in done.failed[0]


WRONG_ADDRESSES = {
    "other file": "file:///etc/passwd",
    "ftp": "ftp://example.com/B08.tif",
    "loopback": "http://127.0.0.1:9/B08.tif",
    "vsi": "/vsicurl/https://example.com/B08.tif",
    "half a character": "https://example.com/\ud800.tif",
}


def spoilt(item: Mapping[str, Any], change: str) -> dict[str, Any]:
    """Return an item with something wrong in it."""
    bad = copy.deepcopy(dict(item))
    if change in WRONG_ADDRESSES:
        bad["assets"]["nir"]["href"] = WRONG_ADDRESSES[change]
    elif change in ("no band", "no mask"):
        del bad["assets"]["nir" if change == "no band" else "scl"]
    elif change == "no date":
        bad["properties"]["datetime"] = None
    elif change == "half a character in its name":
        bad["id"] = "S2A_\ud800"
    else:
        assert change == "nothing of the offset"
        for key in ("s2:processing_baseline", "s2:product_uri", "earthsearch:boa_offset_applied"):
            bad["properties"].pop(key, None)
        bad["assets"]["nir"].pop("raster:bands")
    return bad


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("no band", "has no asset for band B08"),
        ("no mask", "has no mask"),
        ("no date", "no date that can be read"),
        ("other file", "is not read"),
        ("ftp", "no https address"),
        ("loopback", "is not asked"),
        ("vsi", "is not read"),
        ("half a character", "empty or damaged address"),
        ("half a character in its name", "has no id"),
        ("nothing of the offset", "tells neither its processing baseline"),
    ],
)
def test_an_item_that_is_not_right_is_left_out_with_the_reason(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, change: str, what: str
) -> None:
    items = [spoilt(catalogue.items[0], change), *catalogue.items[1:]]
    if change == "no band":
        items[0]["assets"]["nir08"] = {"href": "x.tif"}
    done = get(items, area, tmp_path, below=catalogue.folder)
    assert len(done.new) == 7
    assert len(done.failed) == 1
    assert what in done.failed[0]
    assert done.failed[0].encode()


def test_items_without_fields_of_the_projection_are_read(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    items = copy.deepcopy(list(catalogue.items))
    for item in items:
        for part in (item["properties"], *item["assets"].values()):
            for key in [key for key in part if key.startswith("proj:")]:
                del part[key]
    assert len(get(items, area, tmp_path, below=catalogue.folder).new) == 8


@pytest.mark.parametrize(
    "name",
    [
        "../../outside",
        "/etc/passwd",
        "a\0b",
        "x" * 300,
        "CON",
        "..",
        "a/b\\c",
        "scene\n\x1b[31m",
        "ä ö",
        "-rf",
        ".hidden",
    ],
)
def test_no_name_of_a_scene_leaves_the_folder(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "in" / "scenes"
    item = {**copy.deepcopy(catalogue.items[0]), "id": name}
    done = get([item], area, folder, below=catalogue.folder)
    assert done.new[0].parent == folder
    assert done.new[0].name.startswith("20161120T101431_B08_")
    assert len(done.new[0].name) < 150
    assert done.new[0].name.isascii()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["scenes"]
    assert len(scenes_in(folder)) == 1


def test_two_names_that_look_alike_in_files_stay_two(catalogue: SimulatedCatalogue) -> None:
    del catalogue
    when = np.datetime64("2016-11-20T10:14:31").astype(object)
    assert len({stem_of(when, "B08", name) for name in ("a/b", "a\\b", "a-b", "a b", "a..b")}) == 5
    assert f"{stem_of(when, 'B08', 'a')}_mask" != stem_of(when, "B08", "a_mask")


def test_a_day_that_was_processed_twice_is_taken_once_by_the_newest(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    older = copy.deepcopy(catalogue.items[6])
    older["id"] += "_old"
    older["properties"]["s2:processing_baseline"] = "02.09"
    done = get([older, *catalogue.items, catalogue.items[0]], area, tmp_path, below=catalogue.folder)
    assert len(done.new) == 8
    assert done.doubles == (f"{older['id']}: the same pass as {catalogue.items[6]['id']}, which is taken",)


def test_scenes_of_two_orbits_or_tiles_are_taken_and_said(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = copy.deepcopy(catalogue.items[7])
    other["properties"]["s2:product_uri"] = other["properties"]["s2:product_uri"].replace("_R022_", "_R122_")
    get([*catalogue.items[:3], other], area, tmp_path, below=catalogue.folder)
    assert "scenes of 2 orbits and tiles (22 33TVM, 122 33TVM)" in caplog.text


def test_a_scene_under_clouds_is_left_out(area: AreaOfInterest, tmp_path: Path) -> None:
    passes = (*PASSES[:2], Pass(time="2018-01-01T10:00:00Z", cloud=1.0), Pass(time="2018-02-01T10:00:00Z", missing=1.0))
    cloudy = write_catalogue(tmp_path / "c", partial(write_geotiff, cog=True), passes=passes, shape=(160, 180))
    done = local(cloudy, area, tmp_path / "scenes")
    assert len(done.new) == 2
    assert [text.partition(":")[0] for text in done.failed] == [cloudy.items[2]["id"], cloudy.items[3]["id"]]
    assert "is not to be seen (" in done.failed[0]
    assert "missing 100 %" in done.failed[1]


def moved(item: Mapping[str, Any], folder: Path, *, metres: float, system: str = "EPSG:32633") -> dict[str, Any]:
    """Return an item whose rasters lie elsewhere."""
    changed = copy.deepcopy(dict(item))
    for key in ("nir", "scl"):
        asset = changed["assets"][key]
        with rasterio.open(asset["href"]) as source:
            profile, values = {**source.profile, "crs": system}, source.read()
        a, b, west, *rest = profile["transform"][:6]
        profile["transform"] = rasterio.Affine(a, b, west + metres, *rest)
        target = folder / f"{key}.tif"
        with rasterio.open(target, "w", **{**profile, "driver": "GTiff"}) as file:
            file.write(values)
        asset["href"] = str(target)
    return changed


def test_scenes_on_other_pixels_or_in_another_zone_are_left_out(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    for name, metres, system, what in (
        ("half", 5.0, "EPSG:32633", r"is shifted by -0.5 columns|is shifted by \+0.5 columns"),
        ("zone", 0.0, "EPSG:32634", "lies in EPSG:32634, the other scenes in EPSG:32633"),
    ):
        (tmp_path / name).mkdir()
        odd = moved(catalogue.items[0], tmp_path / name, metres=metres, system=system)
        with Access(AccessPolicy(folders=(catalogue.folder, tmp_path))) as access:
            scenes = [odd, *catalogue.items[1:]]
            done = fetch_scenes(scenes, area, tmp_path / f"out-{name}", access, options=QUICK)
        assert len(done.new) == 7
        assert re.search(what, done.failed[0])


def test_a_server_that_is_not_there_ends_soon(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    with fault_proxy(catalogue.folder) as proxy:
        items = served(catalogue, proxy)
    with pytest.raises(ServiceError, match="3 scenes in a row cannot be reached"):
        get(items, area, tmp_path, proxy)


def test_scenes_that_are_gone_do_not_end_a_fetch(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    gone = [Fault(status(404), match=item["id"]) for item in catalogue.items[:6]]
    with fault_proxy(catalogue.folder, *gone) as proxy:
        done = get(served(catalogue, proxy), area, tmp_path, proxy)
    assert (len(done.new), len(done.failed)) == (2, 6)


def test_nothing_to_fetch_is_said(catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scene of the list can be used"):
        get([], area, tmp_path / "a")
    elsewhere = read_area("100,45,100.1,45.1")
    with pytest.raises(InputError, match="shows nothing of"):
        local(catalogue, elsewhere, tmp_path / "b")


def test_an_area_that_does_not_fit_in_memory_is_refused_before_it_is_read(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"more than the limit of \d+ px.*--memory-gb"):
        local(catalogue, area, tmp_path, memory_gb=0.0641)
    assert most_pixels(4.0) > 10_980**2  # a whole tile


def test_a_full_disk_stops_and_leaves_no_half_scene(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def full(path: Path, *rest: object, **more: object) -> None:
        written.append(path)
        if len(written) > 3:
            message = f"cannot write {path}: No space left on device"
            raise StoreError(message)
        write_geotiff(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(scene_folder, "write_geotiff", full)
    with pytest.raises(StoreError, match="No space left"):
        local(catalogue, area, tmp_path, jobs=1)
    monkeypatch.undo()
    assert len(scenes_in(tmp_path)) == 1
    again = local(catalogue, area, tmp_path)
    assert (len(again.new), len(again.present)) == (7, 1)


def test_signatures_are_neither_kept_nor_logged(
    catalogue: SimulatedCatalogue, area: AreaOfInterest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    name = catalogue.items[2]["id"]
    with fault_proxy(catalogue.folder, Fault(status(503), match=name)) as proxy:
        done = get(served(catalogue, proxy, "?sig=verysecret&token=alsosecret"), area, tmp_path, proxy)
    said = caplog.text + " ".join(done.failed) + "".join(data.decode("latin-1") for data in contents(tmp_path).values())
    assert "secret" not in said
    assert f"{name}/B08.tif" in said


def test_what_is_no_folder_of_scenes_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no scenes"):
        open_scenes(tmp_path)
    (tmp_path / "scenes.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="is damaged"):
        open_scenes(tmp_path)


# -------------------------------------------------------------------------------------------------------------- landsat


def landsat(folder: Path, level: int, name: str, day: str) -> dict[str, Any]:
    """Write a scene of Landsat Collection 2, and return its item: Level 1 with B8, Level 2 with B5."""
    pixel, key = (15.0, "pan") if level == 1 else (30.0, "nir08")
    corner = (500_085.0 - pixel / 2, 5_100_015.0 + pixel / 2)  # centres at multiples of 15
    grid = Grid((200, 200), rasterio.Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), "EPSG:32633")
    x, y = centre_positions(grid)
    ground = 0.3 + 0.1 * np.sin(x / 300) * np.cos(y / 300)
    sun = 0.5  # sine of 30 degrees
    numbers = (ground * sun + 0.1) / 2e-5 if level == 1 else (ground + 0.2) / 2.75e-5
    stored = np.rint(numbers).astype(np.uint16)
    stored[:, :10] = 0
    coarse = Grid((100, 100), rasterio.Affine(30, 0, 500_070.0, 0, -30, 5_100_030.0), "EPSG:32633")
    quality = np.full((100, 100), 1 << 6, np.uint16)
    quality[40:50, 40:50] |= 1 << 3
    write_geotiff(folder / f"{name}_{key}.tif", stored, grid, nodata=0, cog=True)
    write_geotiff(folder / f"{name}_qa.tif", quality, coarse, nodata=1, cog=True)
    ring = [[14.99, 45.9], [15.1, 45.9], [15.1, 46.1], [14.99, 46.1], [14.99, 45.9]]
    return {
        "type": "Feature",
        "id": name,
        "collection": f"landsat-c2-l{level}",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": f"{day}T10:00:00Z", "view:sun_elevation": 30.0, "platform": "landsat-8"},
        "assets": {key: {"href": f"{name}_{key}.tif"}, "qa_pixel": {"href": f"{name}_qa.tif"}},
    }


@pytest.mark.parametrize(("level", "band", "step"), [(1, "B8", 2e-5 / 0.5), (2, "B5", 2.75e-5)])
def test_landsat_is_read_by_the_same_code(tmp_path: Path, level: int, band: str, step: float) -> None:
    days = ("2017-08-01", "2019-08-01")
    items = [landsat(tmp_path, level, f"LC08_{day[:4]}", day) for day in days]
    around = read_area("500100,5098600,501400,5099900", crs="EPSG:32633")
    with Access(AccessPolicy(folders=(tmp_path,))) as access:
        done = fetch_scenes(items, around, tmp_path / "out", access, base=tmp_path / "items.json")
    assert [path.name[:18] for path in done.new] == [f"{day.replace('-', '')}T100000_{band}" for day in days]
    x, y = centre_positions(done.grid)
    values, mask = read(done.new[0]), read(mask_of(done.new[0]))
    seen = np.isfinite(values)
    np.testing.assert_allclose(values[seen], (0.3 + 0.1 * np.sin(x / 300) * np.cos(y / 300))[seen], atol=0.51 * step)
    assert (mask[~seen] == MISSING).all()
    reach = done.grid.affine.a / 2  # a pixel is cloud when any of it is
    cloud = (x + reach > 501_270) & (x - reach < 501_570) & (y - reach < 5_098_830) & (y + reach > 5_098_530)
    np.testing.assert_array_equal(mask == CLOUD, cloud & seen)


def test_bands_of_different_levels_are_not_mixed(tmp_path: Path) -> None:
    items = [
        landsat(tmp_path, 1, "A", "2017-08-01"),
        landsat(tmp_path, 2, "B", "2018-08-01"),
        landsat(tmp_path, 2, "C", "2019-08-01"),
    ]
    around = read_area("500100,5098600,501400,5099900", crs="EPSG:32633")
    with Access(AccessPolicy(folders=(tmp_path,))) as access:
        done = fetch_scenes(items, around, tmp_path / "out", access, base=tmp_path / "items.json")
    assert len(done.new) == 2
    assert done.failed == ("A: it has band B8, most others have B5: they are not comparable; give --band",)
