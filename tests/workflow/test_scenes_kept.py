"""Scenes of a run that are there already: used as long as they are what the run would make, and no longer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from creepmeter.blocks import NullProgress
from creepmeter.errors import StoreError
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.catalogue import SimulatedCatalogue, write_catalogue
from creepmeter.workflow.config import config_text, read_config
from creepmeter.workflow.inputs import find_images
from creepmeter.workflow.run import run
from creepmeter.workflow.scenes import FOLDER, LIST, SCENE_STEPS, scenes_of_run


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCatalogue:
    return write_catalogue(tmp_path_factory.mktemp("archive"), partial(write_geotiff, cog=True), shape=(120, 120))


def write_run_file(folder: Path, archive: SimulatedCatalogue, catalogue: str, area: str | None = None) -> Path:
    place = folder / "creepmeter.yaml"
    folder.mkdir(exist_ok=True)
    place.write_text(
        f"scenes: {{area: {area or list(archive.bbox)}, years: 2016/2019, around: 11-22, catalogue: '{catalogue}', "
        f"allow_folder: '{archive.folder.as_posix()}'}}\nstable: {{moving: slides.geojson}}\n",
        encoding="utf-8",
    )
    return place


@pytest.fixture
def place(archive: SimulatedCatalogue, tmp_path: Path) -> Path:
    return write_run_file(tmp_path / "project", archive, (archive.folder / "catalog.json").as_posix())


def images_in(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / FOLDER).glob("2*.tif") if not path.stem.endswith("_mask"))


def used(place: Path, folder: Path) -> list[Path]:
    """Return the images that a run goes on with."""
    config = read_config(place)
    found = scenes_of_run(config, place.parent, folder, NullProgress(), wanted=SCENE_STEPS, force=False).images
    assert found is not None
    return [Path(scene.source) for scene in find_images(found, place.parent).scenes]


def test_another_list_is_another_fetch(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(place, folder=folder, end="fetch")
    listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
    listed["features"].pop(1)
    (folder / LIST).write_text(json.dumps(listed), encoding="utf-8")
    assert run(place, folder=folder, end="fetch").made == ("fetch",)
    assert [path.name[:4] for path in used(place, folder)] == ["2016", "2018", "2019"]
    assert run(place, folder=folder, dostep="search", force=True).made == ("search",)
    with pytest.raises(StoreError, match="fetch is stale"):
        run(place, folder=folder, start="track")
    assert [path.name[:4] for path in used(place, folder)] == ["2016", "2017", "2018", "2019"]


@pytest.mark.parametrize(
    "harm",
    [
        lambda image: image.unlink(),
        lambda image: image.with_name(f"{image.stem}_mask.tif").unlink(),
        lambda image: image.write_bytes(image.read_bytes()[:2000]),
    ],
    ids=["image gone", "mask gone", "image cut"],
)
def test_a_scene_that_is_no_longer_whole_is_fetched_again(
    place: Path, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    folder = tmp_path / "run"
    run(place, folder=folder, end="fetch")
    before = [path.read_bytes() for path in images_in(folder)]
    harm(images_in(folder)[2])
    with pytest.raises(StoreError, match="fetch is stale"):
        run(place, folder=folder, start="track")
    assert run(place, folder=folder, end="fetch").made == ("fetch",)
    assert [path.read_bytes() for path in images_in(folder)] == before
    assert len(used(place, folder)) == len(before)


def test_images_of_another_run_beside_the_run_file_are_not_taken(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(place, folder="run", end="fetch")
    shutil.copytree("run", place.parent / "run")
    assert used(place, Path("run")) == images_in(tmp_path / "run")


def test_a_list_as_catalogue_is_searched_again_when_it_has_changed(archive: SimulatedCatalogue, tmp_path: Path) -> None:
    project = tmp_path / "project"
    place = write_run_file(project, archive, "items.json")
    for most in (3, 4):
        content = {"type": "FeatureCollection", "features": archive.items[:most]}
        (project / "items.json").write_text(json.dumps(content), encoding="utf-8")
        assert run(place, folder=tmp_path / "run", dostep="search").made == ("search",)
        assert run(place, folder=tmp_path / "run", dostep="search").made == ()
    (project / "items.json").unlink()
    assert run(place, folder=tmp_path / "run", dostep="search").made == ()


def test_an_outline_longer_than_a_name_of_a_file_is_an_area(archive: SimulatedCatalogue, tmp_path: Path) -> None:
    west, south, east, north = archive.bbox
    ring = [(west, south), *((west + (east - west) * k / 20, south) for k in range(1, 20)), (east, south)]
    corners = ", ".join(f"{x:.9f} {y:.9f}" for x, y in [*ring, (east, north), (west, north), ring[0]])
    catalogue = (archive.folder / "catalog.json").as_posix()
    place = write_run_file(tmp_path / "project", archive, catalogue, f"'POLYGON (({corners}))'")
    assert 255 < len(corners) < 1000
    assert run(place, folder=tmp_path / "run", dostep="search").made == ("search",)


def test_what_is_written_of_a_configuration_holds_no_key_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "scenes: {area: '1,2,3,4', years: 2020, catalogue: 'https://example.com/items.json?sig=hidden'}",
        encoding="utf-8",
    )
    written = config_text(read_config(tmp_path / "run.yaml"))
    assert "https://example.com/items.json" in written
    assert "hidden" not in written
