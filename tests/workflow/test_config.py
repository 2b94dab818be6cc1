"""The run file: what it accepts, and how it says no."""

from __future__ import annotations

from pathlib import Path

import pytest

from creepmeter.errors import ConfigError
from creepmeter.io.text import PAGE_BYTES
from creepmeter.workflow.config import config_text, read_config

DESIGN_EXAMPLE = """\
images: {files: "scenes/*.jpg", dates_pattern: "%Y%m%d", pixel_size_m: 10, nodata: 0}
pairs: {min_days: 8, max_days: 30}
track: {chip_px: 32, step_px: 8, search_px: 10, within: glacier.jpg}
stable: {moving: glacier.jpg, model: shift}
invert: {weights: sigma, norm: huber}
velocity: {terms: [rate]}
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "creepmeter.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_run_file_of_the_documentation_is_read(tmp_path: Path) -> None:
    config = read_config(_write(tmp_path, DESIGN_EXAMPLE))
    assert config.images is not None
    assert config.images.files == ("scenes/*.jpg",)
    assert (config.pairs.min_days, config.pairs.max_days) == (8, 30)
    assert (config.track.chip_px, config.track.within) == (32, "glacier.jpg")
    assert config.velocity.terms == ("rate",)


def test_what_is_written_back_is_read_as_the_same(tmp_path: Path) -> None:
    config = read_config(_write(tmp_path, DESIGN_EXAMPLE))
    assert read_config(_write(tmp_path, config_text(config))) == config


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("images: {files: a.tif}\ntrack:\n  chip_px: 32\n  chips: 3\n", r"line 4: track\.chips: unknown key 'chips'"),
        (
            "images: {files: a.tif}\ntracks: {chip_px: 32}\n",
            r"line 2: tracks: unknown key 'tracks'; known here are: im",
        ),
        ("images: {files: a.tif}\n\ntrack: {chip_px: 2}\n", r"line 3: track\.chip_px: .*greater than or equal to 8"),
        ("images: {files: a.tif}\ntrack: {chip_px: wide}\n", r"line 2: track\.chip_px: .*valid integer.*'wide'"),
        ("track: {chip_px: 32}\n", r"give either images"),
        ("images: {files: a.tif}\ntrack: {step_px: 4}\ntrack: {step_px: 8}\n", r"line 3: track is given twice"),
        ("images: {files: a.tif}\nvelocity: {terms: [speed]}\n", r"line 2: velocity\.terms: .*'speed' is not known"),
        ("images: {files: a.tif}\ninvert: {weights: var}\n", r"line 2: invert\.weights: .*coherence"),
        ("- a\n- b\n", "holds no sections"),
        ("images: {files: [a.tif\n", "is not plain YAML"),
        ("images: !!python/object/apply:os.system ['true']\n", "is not plain YAML"),
        ("a: &x [1, 2]\nb: *x\n", "references .* in quotes"),
    ],
)
def test_a_wrong_run_file_names_key_and_line(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        read_config(_write(tmp_path, text))


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a run file is a page of YAML"):
        read_config(_write(tmp_path, "#" * (PAGE_BYTES + 1)))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such run file"):
        read_config(tmp_path / "none.yaml")


def test_overrides_replace_what_the_file_says(tmp_path: Path) -> None:
    path = _write(tmp_path, DESIGN_EXAMPLE)
    config = read_config(
        path, ["track.chip_px=64", "velocity.terms=[rate, annual]", "output.title=A: B", "images.files=*.png"]
    )
    assert config.track.chip_px == 64
    assert config.velocity.terms == ("rate", "annual")
    assert config.output.title == "A: B"
    assert config.images is not None
    assert config.images.files == ("*.png",)
    assert config.pairs.max_days == 30


def test_overrides_reach_sections_within_sections(tmp_path: Path) -> None:
    path = _write(tmp_path, "scenes: {area: '15,46,15.1,46.1', years: 2020, select: {max_cloud: 5, tile: 33TVM}}")
    scenes = read_config(path, ["scenes.select.max_cloud=7", "scenes.read.jobs=2"]).scenes
    assert scenes is not None
    assert (scenes.select.max_cloud, scenes.select.tile, scenes.read.jobs) == (7, "33TVM", 2)


@pytest.mark.parametrize("item", ["track.chip_px", "chip_px=3", "images=3", "=2"])
def test_an_override_that_is_none(tmp_path: Path, item: str) -> None:
    with pytest.raises(ConfigError, match=r"section\.option=value|valid dictionary|Input should be"):
        read_config(_write(tmp_path, DESIGN_EXAMPLE), [item])
