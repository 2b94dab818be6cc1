from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.model.scene import Scene
from creepmeter.model.verdict import Cause, Verdict
from creepmeter.products.canvas import png_bytes, save_figure
from creepmeter.products.scene_choice import save_scene_table, scene_figure, scene_table

CAUSES: tuple[Cause, ...] = ("kept", "cloud", "further", "cover", "group", "duplicate", "unreadable")


def verdict(day: str, cause: Cause = "kept", name: str = "a", unseen: float = 0.1) -> Verdict:
    scene = Scene(np.datetime64(f"{day}T10:14:11", "ns"), name, 22, "33TVM", 0.125)
    return Verdict(scene, cause, f"because of {cause}", "sentinel-2a", "05.09", cover=1.0, unseen=unseen)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_a_row_for_each_scene_with_shares_in_per_cent(tmp_path: Path) -> None:
    measured = Verdict(
        verdict("2020-11-22").scene, "cloud", "too cloudy, by far", "s", "05.09", 0.9987, 0.5, 0.25, 0.0, 0.1, 0.85
    )
    path = save_scene_table([measured, verdict("2021-11-22", unseen=math.nan)], tmp_path / "scenes.csv")
    first, second = rows(path.read_text(encoding="utf-8"))
    assert first["time"] == "2020-11-22T10:14:11Z"
    assert (first["orbit"], first["tile"], first["kept"]) == ("22", "33TVM", "no")
    assert first["reason"] == "too cloudy, by far"
    shares = [
        first[f"{name}_percent"] for name in ("cover", "catalogue_cloud", "cloud", "shadow", "missing", "not_seen")
    ]
    assert shares == ["99.87", "12.50", "50.00", "25.00", "10.00", "85.00"]
    assert (second["cloud_percent"], second["not_seen_percent"], second["kept"]) == ("", "", "yes")


@given(st.text(max_size=30).filter(lambda text: "\r" not in text and "\0" not in text))
def test_no_cell_starts_a_formula_and_the_text_comes_back(name: str) -> None:
    (row,) = rows(scene_table([verdict("2020-11-22", name=name)]))
    assert not row["item"].startswith(("=", "+", "-", "@", "\t"))
    assert row["item"].removeprefix("'") == name.removeprefix("'")


@pytest.mark.parametrize("around", [None, "11-22", "01-03", "02-29"])
def test_every_cause_is_drawn_and_named_in_the_legend(around: str | None, tmp_path: Path) -> None:
    verdicts = [
        verdict(f"20{year}-{day}", cause) for year in (16, 18) for cause in CAUSES for day in ("01-05", "11-20")
    ]
    figure = scene_figure(verdicts, around=around)
    (axes, _) = figure.axes
    drawn = sum(len(np.asarray(part.get_offsets())) for part in axes.collections)
    assert drawn == len(verdicts)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(said) == len(CAUSES)
    assert all("(4)" in text for text in said)
    assert save_figure(figure, tmp_path / "a.png").stat().st_size > 10_000
    assert png_bytes(scene_figure(verdicts, around=around)) == png_bytes(scene_figure(verdicts, around=around))


def test_days_count_from_the_nearest_middle_over_the_turn_of_the_year() -> None:
    figure = scene_figure([verdict("2020-12-30"), verdict("2021-01-08")], around="01-03")
    (points,) = (np.asarray(part.get_offsets()) for part in figure.axes[0].collections)
    assert sorted(points[:, 0].tolist()) == [-4, 5]
    assert set(points[:, 1].tolist()) == {2021}


def test_scenes_of_one_day_lie_beside_each_other_and_the_kept_one_on_its_year() -> None:
    figure = scene_figure([verdict("2021-11-22", "duplicate"), verdict("2021-11-22")], around="11-22")
    heights = [float(np.asarray(part.get_offsets())[0, 1]) for part in figure.axes[0].collections]
    assert max(heights) - min(heights) > 0.1
    assert min(heights) == 2021
    assert "1 of 2 scenes kept: orbit 22, tile 33TVM" in figure.axes[0].get_title()
