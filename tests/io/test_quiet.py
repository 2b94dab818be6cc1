from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from shapely import box

from creepmeter.io.raster import read_image, write_geotiff
from creepmeter.io.vector import burn_mask
from creepmeter.model.grid import pixel_grid


def test_threads_that_read_and_burn_neither_warn_nor_leave_filters_behind(tmp_path: Path) -> None:
    grid = pixel_grid((40, 40), 10.0)
    path = tmp_path / "a.tif"
    write_geotiff(path, np.ones((40, 40), np.uint8), grid, nodata=None)

    def work(_: int) -> float:
        return float(read_image(path)[0].sum()) + float(burn_mask(box(50, -200, 150, -100), grid).sum())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(work, range(400))) == {1600.0 + 100.0}
        assert list(warnings.filters) == before
