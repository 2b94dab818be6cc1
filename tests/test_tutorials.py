"""The notebooks of the documentation run as they stand, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
RUN = """
import sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
"""


def test_there_is_a_radar_tutorial() -> None:
    assert ROOT / "docs" / "tutorials" / "insar.ipynb" in NOTEBOOKS


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
    work = tmp_path / "mintpy"
    for name in ("Network.pdf", "CoherenceMatrix.pdf", "timeseries.h5", "velocity.h5", "velocity.png", "report.html"):
        assert (work / name).stat().st_size > 0, name


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_output(notebook: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.read(notebook, 4)
    nbformat.validate(book)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in book.cells)
