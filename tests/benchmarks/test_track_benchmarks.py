"""The benchmarks of the tracker at tiny sizes: that they measure what they say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from benchmarks import bench_track, measuring, sweep_track, tile_track
from benchmarks.peers import PEERS, Peer, Sizes, parabola

from creepmeter.simulate.images import rigid_pair
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import chip_shape
from creepmeter.tracking.options import TrackOptions


def test_the_top_of_a_parabola_is_found_exactly() -> None:
    x = np.array([-1.0, 0.0, 1.0]) - 0.3
    assert parabola((5 - 2 * x**2).astype(np.float32)) == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.library)
def test_every_peer_finds_a_shift_of_whole_pixels_with_its_sign(peer: Peer) -> None:
    if not peer.installed:
        pytest.skip(f"{peer.library} is not installed (extra `bench`)")
    ref, _ = rigid_pair((96, 96), 0.0, 0.0, seed=4)
    sec = np.roll(ref, (-2, 3), axis=(0, 1))
    found = peer.offsets(ref, sec, np.array([[24, 24], [30, 24], [24, 31]]), Sizes(chip=32, search=6))
    assert np.median(found, axis=0) == pytest.approx([3.0, -2.0], abs=0.1)  # a parabola is not exact


def test_a_peer_whose_library_is_absent_is_not_installed() -> None:
    assert not Peer("none", "no_such_library.inner", lambda module: module).installed


def test_errors_are_told_apart_from_wrong_matches() -> None:
    errors = np.array([[0.1, -0.2], [-0.1, 0.0], [0.0, 5.0], [np.nan, np.nan]])
    figures = list(bench_track.describe("some", errors).values())
    assert figures == ["0.1000, 0.1414", "+0.0000, -0.1000", 0.5]


def test_the_sample_keeps_off_the_border_and_has_the_truth_of_the_images() -> None:
    pair = bench_track.moving_pair(300)
    options = TrackOptions(chip_px=32, step_px=8, search_px=6)
    field = track_arrays(pair.ref, pair.sec, options=options)
    places = bench_track.sample(field, options, every=2)
    row, col = field.row[places], field.col[places]
    near = bench_track.MARGIN_PX + options.chip_px / 2
    assert min(row.min(), col.min()) >= near
    assert max(row.max(), col.max()) <= 300 - near
    error = np.stack([field.dx[places], field.dy[places]]) - pair.scene.truth_offset_px(row, col, options.chip_px)
    assert np.nanmedian(np.abs(error)) < 0.05  # a sign or a place that is wrong gives 0.2 at least


def test_memory_counts_what_was_held() -> None:
    small, large = (measuring.in_own_process(peak_holding, megabytes) for megabytes in (0, 64))
    assert large - small == pytest.approx(64, abs=16)


def peak_holding(megabytes: int) -> float:
    """Return the peak memory of this process after holding some memory."""
    assert len(bytes(1024 * 1024) * megabytes) == megabytes * 1024 * 1024
    return measuring.peak_mb()


def test_a_command_is_measured_with_its_exit_status(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sum(range(3_000_000)); print('said'); sys.exit(7)"]
    cost = measuring.measure(command, tmp_path, tmp_path / "log.txt")
    assert cost.status == 7
    assert 0 < cost.cpu < cost.wall + 0.5
    assert (tmp_path / "log.txt").read_text().strip() == "said"


def rows_costing(true: npt.NDArray[np.float64]) -> list[sweep_track.Row]:
    """Return rows of a sweep whose times are those of given costs, ns."""
    rows = []
    for size, options in sweep_track.combinations(1024, full=False):
        chip, step = options.chip_px, options.step_px
        points = int(np.prod(chip_shape((size, size), chip, step)))
        bare = sweep_track.Row(size, chip, step, options.search_px, points, 1.0, 300.0, 200.0)
        seconds = float((sweep_track.work_of([bare]) @ true)[0]) * points * 1e-9
        rows.append(replace(bare, cpu_s=seconds))
    return rows


def test_fitted_costs_explain_times_that_follow_them() -> None:
    true = np.array([0.1, 2.0, 5.0, 20.0, 300.0, 5e7])
    assert sweep_track.fit_costs(rows_costing(true)) == pytest.approx(true, rel=1e-6)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [sweep_track.Row(512, 32, 8, 10, 100, 0.25, 300.5, 200.0), sweep_track.Row(64, 16, 4, 2, 9, 1.5, 30.0, 2.0)]
    sweep_track.write_table(tmp_path / "sweep.csv", rows)
    assert sweep_track.read_table(tmp_path / "sweep.csv") == rows


@pytest.mark.parametrize("full", [False, True])
def test_the_sweep_holds_every_size_and_every_combination(full: bool) -> None:  # noqa: FBT001 - a parameter
    wanted = list(sweep_track.combinations(1024, full=full))
    assert {size for size, _ in wanted} == set(sweep_track.SIZES)
    of_one = [options for size, options in wanted if size == 1024]
    assert (
        len(set(of_one)) == len(of_one) == len(sweep_track.CHIPS) * len(sweep_track.STEPS) * len(sweep_track.SEARCHES)
    )


def test_plots_are_small_files(tmp_path: Path) -> None:
    costs = np.array([0.1, 2.0, 5.0, 20.0, 300.0, 5e7])
    rows = rows_costing(costs)
    sweep_track.plot_speed(tmp_path / "speed.png", [row for row in rows if row.size_px == 1024], costs)
    sweep_track.plot_sizes(tmp_path / "sizes.png", rows)
    assert all(2_000 < (tmp_path / f"{name}.png").stat().st_size < 100_000 for name in ("speed", "sizes"))


def test_options_that_the_command_lacks_are_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    program = [str(Path(sys.executable).with_name("creepmeter")), "track"]
    wanted = {"--step": "12", "--no-such-option": "1"}
    assert tile_track.known_options(program, wanted) == {"--step": "12"}
    assert "track has no option --no-such-option: left out" in capsys.readouterr().out


@pytest.mark.slow
def test_a_tile_is_tracked_through_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.tile_track", "--size", "400", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (valid,) = (line for line in done.stdout.splitlines() if line.startswith("valid, share"))
    assert float(valid.split()[-1]) > 0.9
