"""The notebooks of the documentation run as they stand, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
MAKES = {
    "insar": (
        "mintpy/Network.pdf",
        "mintpy/CoherenceMatrix.pdf",
        "mintpy/timeseries.h5",
        "mintpy/velocity.h5",
        "mintpy/velocity.png",
        "mintpy/report.html",
        "mintpy/timeseries_tropHgt_ramp_demErr.h5",
        "mintpy/velocity.kmz",
        "mintpy/structure.png",
    ),
    "landslide": (
        "scenes.csv",
        "scenes.png",
        "run/velocity_speed.tif",
        "run/polygons.gpkg",
        "run/report.html",
        "inventory.gpkg",
        "validation/comparison.csv",
        "validation/comparison.png",
        "validation/series.png",
    ),
}
RUN = """
import sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
"""


def test_each_path_has_a_notebook() -> None:
    assert [path.stem for path in NOTEBOOKS if path.parent.name == "tutorials"] == sorted(MAKES)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_the_first_to_the_last_cell(notebook: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "IPYTHONDIR": str(tmp_path / ".ipython")},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in MAKES[notebook.stem]:
        assert (tmp_path / name).stat().st_size > 0, name


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_output(notebook: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.read(notebook, 4)
    nbformat.validate(book)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in book.cells)
