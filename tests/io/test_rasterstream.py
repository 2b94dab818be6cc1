from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rasterio.errors import RasterioError

from creepmeter.errors import ImageError, ServiceError
from creepmeter.io.raster import write_geotiff
from creepmeter.io.rasterstream import open_stream
from creepmeter.model.grid import pixel_grid


@dataclass
class Bytes:
    """A source of bytes that fails from its n-th read on."""

    content: bytes
    reads: int = 1_000_000

    def size(self) -> int:
        return len(self.content)

    def read_at(self, start: int, count: int) -> bytes:
        self.reads -= 1
        if self.reads < 0:
            message = "the server answered 503"
            raise ServiceError(message)
        return self.content[start : start + count]


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 9000, (600, 500), dtype=np.uint16)


@pytest.fixture(scope="module")
def content(numbers: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = Path(tmp_path_factory.mktemp("stream")) / "image.tif"
    write_geotiff(path, numbers, pixel_grid(numbers.shape, 10.0), nodata=0, cog=True)
    return path.read_bytes()


def test_an_image_is_read_through_a_source(content: bytes, numbers: np.ndarray) -> None:
    with open_stream(Bytes(content), "here.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), numbers)


def reads_of(content: bytes) -> tuple[int, int]:
    """Return how many reads the header takes, and all."""
    source = Bytes(content)
    with open_stream(source, "here.tif") as raster:
        header = 1_000_000 - source.reads
        raster.read(1)
    return header, 1_000_000 - source.reads


def test_a_failure_at_any_read_is_that_of_the_source_and_never_an_image(content: bytes) -> None:
    header, everything = reads_of(content)
    for reads in (0, 1, 2, header // 2, header - 1, header, header + 1, everything - 1):
        with (
            pytest.raises(ServiceError, match="answered 503"),
            open_stream(Bytes(content, reads), "here.tif") as raster,
        ):
            raster.read(1)


def test_a_failure_counts_also_when_the_reader_goes_on(content: bytes) -> None:
    header, _ = reads_of(content)
    with (
        pytest.raises(ServiceError, match="answered 503"),
        open_stream(Bytes(content, header), "here.tif") as raster,
        suppress(RasterioError),
    ):
        raster.read(1)


@pytest.mark.parametrize("start", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"<VRTDataset", b"\xff\xd8\xff"])
def test_no_driver_but_that_of_geotiff_sees_a_source(start: bytes) -> None:
    with (
        pytest.raises(ImageError, match=r"here\.tif is no GeoTIFF"),
        open_stream(Bytes(start + bytes(500)), "here.tif"),
    ):
        pass


def test_a_cut_image_is_an_error(content: bytes) -> None:
    cut = Bytes(content[: len(content) * 2 // 3])
    with (
        pytest.raises(ImageError, match=r"here\.tif cannot be read .*damaged or cut"),
        open_stream(cut, "here.tif") as raster,
    ):
        raster.read(1)
