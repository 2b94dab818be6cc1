from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.imagery.fault_proxy import Fault, fault_proxy, status
from tests.imagery.servers import api_served, files_served

from creepmeter.cli import main
from creepmeter.imagery.item_list import read_items
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import SimulatedCatalogue, write_catalogue

YEARS = ("--years", "2016/2023", "--around", "11-22")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCatalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    return write_catalogue(folder, partial(write_geotiff, cog=True), shape=(120, 120))


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["scenes", "search", *map(str, words)])


def test_search_writes_list_table_and_figure(made: SimulatedCatalogue, tmp_path: Path) -> None:
    target = tmp_path / "out" / "scenes.json"
    done = run(made.folder / "aoi.geojson", "--catalogue", made.folder / "catalog.json", *YEARS, "-o", target)
    assert done.exit_code == 0, done.output
    assert "8 of 13 scenes" in done.output
    listed = read_items(target)
    assert [item["id"] for item in listed.items][:2] == ["S2A_33TVM_20161120_0_L2A", "S2A_33TVM_20171125_1_L2A"]
    assert listed.area is not None
    assert listed.area.bbox == pytest.approx(made.bbox, abs=1e-6)
    with target.with_suffix(".csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 13
    assert sum(row["kept"] == "yes" for row in table) == 8
    assert all(row["reason"] for row in table)
    assert target.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_catalogue_named_from_the_working_folder_on(
    made: SimulatedCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.folder)
    done = run("aoi.geojson", "--catalogue", "catalog.json", *YEARS, "-o", tmp_path / "scenes.json")
    assert done.exit_code == 0, done.output
    here = read_items(tmp_path / "scenes.json").items
    assert all(Path(item["assets"]["nir"]["href"]).is_relative_to(made.folder) for item in here)


def test_a_box_with_a_buffer_from_an_api_over_http(made: SimulatedCatalogue, tmp_path: Path) -> None:
    with files_served(made.folder) as files:
        served = [json.loads(json.dumps(item).replace(str(made.folder.resolve()), files)) for item in made.items]
        with api_served(served, tmp_path) as api:
            box = ",".join(f"{edge:.6f}" for edge in made.bbox)
            refused = run(box, "--catalogue", api, *YEARS, "-o", tmp_path / "a.json")
            host = files.removeprefix("http://")
            done = run(
                box, "--buffer-m", "50", "--catalogue", api, *YEARS, "-o", tmp_path / "a.json", "--allow-host", host
            )
    assert refused.exit_code == 1
    assert f"--allow-host {host}" in refused.output
    assert done.exit_code == 0, done.output
    assert len(read_items(tmp_path / "a.json").items) == 8


def test_what_was_left_out_is_named_with_exit_status_3(made: SimulatedCatalogue, tmp_path: Path) -> None:
    with fault_proxy(made.folder, Fault(status(404), match="20181115_0_L2A/SCL.tif")) as proxy:
        done = run(
            made.folder / "aoi.geojson", "--catalogue", f"{proxy.url}/catalog.json", *YEARS, "-o", tmp_path / "a.json"
        )
    assert done.exit_code == 3
    assert "left out: S2A_33TVM_20181115_0_L2A: its mask cannot be read" in done.output
    assert "no clear scene near 2018-11-22" in done.output
    assert len(read_items(tmp_path / "a.json").items) == 7


def test_when_nothing_is_kept_the_table_says_why_and_no_list_is_written(
    made: SimulatedCatalogue, tmp_path: Path
) -> None:
    words = (made.folder / "aoi.geojson", "--catalogue", made.folder / "catalog.json", *YEARS)
    done = run(*words, "--max-scene-cloud", "0", "--orbit", "65", "-o", tmp_path / "a.json")
    assert done.exit_code == 1
    assert "none of 13 scenes is kept" in done.output
    assert (tmp_path / "a.csv").is_file()
    assert not (tmp_path / "a.json").exists()


def test_a_box_in_the_west_is_no_flag(made: SimulatedCatalogue) -> None:
    done = run("-118.5,33.5,-117.5,34.5", "--catalogue", made.folder / "catalog.json", *YEARS)
    assert done.exit_code == 1
    assert "no scene of the area" in done.output


def test_names_with_blanks_and_letters_of_any_language(made: SimulatedCatalogue, tmp_path: Path) -> None:
    area = tmp_path / "Hang über 山.geojson"
    area.write_bytes((made.folder / "aoi.geojson").read_bytes())
    target = tmp_path / "Ü bersicht 山.json"
    done = run(area, "--catalogue", made.folder / "catalog.json", *YEARS, "-o", target)
    assert done.exit_code == 0, done.output
    assert len(read_items(target).items) == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("15,46,15.1,46.1",), "--years"),
        (("15,46,15.1,46.1", "--years", "2023/2016"), "forward"),
        (("15,46,15.1,46.1", "--years", "2020", "--around", "22-11"), "MM-DD"),
        (("15,46,15.1,46.1", "--years", "2020", "--sensor", "modis"), "sentinel-2"),
        (("15,46,15.1,46.1", "--years", "2020", "-o", "a.txt"), ".json"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_asked(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_of_many_scenes_those_kept_are_named_and_the_others_counted(made: SimulatedCatalogue, tmp_path: Path) -> None:
    items = []
    for day in range(1, 61):
        item = json.loads(json.dumps(made.items[0]))
        item["id"] = f"S2A_33TVM_{day:04d}"
        item["properties"] |= {"datetime": f"2020-{1 + day // 28:02d}-{1 + day % 28:02d}T10:00:00Z"}
        item["properties"]["eo:cloud_cover"] = 0.0 if day % 30 == 0 else 90.0
        items.append(item)
    listed = tmp_path / "items.json"
    listed.write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")
    done = run(
        made.folder / "aoi.geojson", "--catalogue", listed, "--years", "2020", "--no-measure", "-o", tmp_path / "a.json"
    )
    assert done.exit_code == 0, done.output
    assert done.output.count("  kept   ") == 2
    assert "58 dropped: too little of the area seen" in done.output
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").count("\n") == 61


def test_neither_area_nor_catalogue_is_written_over(made: SimulatedCatalogue, tmp_path: Path) -> None:
    area, listed = tmp_path / "aoi.geojson", tmp_path / "items.json"
    area.write_bytes((made.folder / "aoi.geojson").read_bytes())
    listed.write_text(json.dumps({"type": "FeatureCollection", "features": made.items}), encoding="utf-8")
    for source in (area, listed):
        before = source.read_bytes()
        done = run(area, "--catalogue", listed, *YEARS, "--no-measure", "-o", source)
        assert done.exit_code == 2, done.output
        assert "is the input itself" in done.output
        assert source.read_bytes() == before
