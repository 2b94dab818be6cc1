from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from tests.imagery.fault_proxy import (
    Act,
    Fault,
    FaultProxy,
    Waits,
    cut,
    drip,
    fault_proxy,
    give_tokens,
    hang,
    ignore_range,
    other_part,
    other_version,
    redirect,
    reset,
    short_part,
    status,
    unless_signed,
)

from creepmeter.errors import CreepmeterError, ImageError, ServiceError
from creepmeter.imagery.access import AccessPolicy, RefusedError
from creepmeter.imagery.options import ReadOptions
from creepmeter.imagery.remote import Access, RemoteFile
from creepmeter.imagery.signing import Signer

SHAPE = (1200, 1100)
QUICK = ReadOptions(tries=3, wait_s=1.0, longest_wait_s=20.0, timeout_s=0.5, file_minutes=1.0)
WINDOW = Window(300, 500, 200, 150)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def numbers() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 10_000, SHAPE, dtype=np.uint16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a COG of tiles of 256 pixels, too large for one block of the reader."""
    made = tmp_path_factory.mktemp("remote")
    profile = {"driver": "COG", "count": 1, "dtype": "uint16", "compress": "deflate", "blocksize": 256, "nodata": 0}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_100_000)}
    with rasterio.open(made / "B08.tif", "w", height=SHAPE[0], width=SHAPE[1], **profile, **place) as target:
        target.write(numbers(), 1)
    return made


def read(access: Access, href: str, window: Window = WINDOW) -> np.ndarray:
    with access.open(href) as raster:
        found: np.ndarray = raster.read(1, window=window)
    return found


def access_to(proxy: FaultProxy, waits: Waits | None = None, options: ReadOptions = QUICK) -> Access:
    return Access(AccessPolicy({proxy.host}), options, clock=None if waits is None else waits.clock())


def assert_right(found: np.ndarray) -> None:
    rows, columns = WINDOW.toslices()
    np.testing.assert_array_equal(found, numbers()[rows, columns])


def test_a_window_is_read_with_a_few_requests_for_a_part_of_the_file(folder: Path) -> None:
    with fault_proxy(folder) as proxy, access_to(proxy) as access:
        assert_right(read(access, f"{proxy.url}/B08.tif?sig=secret"))
        size = (folder / "B08.tif").stat().st_size
        assert len(proxy.asked) <= 6
        assert proxy.served_bytes < size / 2
        assert all(headers["range"].startswith("bytes=") for _, headers in proxy.asked)
        assert {path for path, _ in proxy.asked} == {"/B08.tif?sig=secret"}  # no sidecar files are looked for


def test_the_whole_image_is_right_over_all_blocks(folder: Path) -> None:
    with fault_proxy(folder) as proxy, access_to(proxy) as access, access.open(f"{proxy.url}/B08.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), numbers())


def test_any_part_of_a_file_is_the_part(folder: Path) -> None:
    content = (folder / "B08.tif").read_bytes()
    rng = np.random.default_rng(5)
    with fault_proxy(folder) as proxy, access_to(proxy) as access:
        file = RemoteFile(f"{proxy.url}/B08.tif", access)
        file.header_is_read()
        assert file.size() == len(content)
        for _ in range(60):
            start, count = (int(value) for value in rng.integers(0, [len(content) + 9, 300_000]))
            assert file.read_at(start, count) == content[start : start + count]


@pytest.mark.parametrize(
    "act",
    [status(503), status(429), status(500), status(502), status(504), reset, cut, short_part, other_part],
    ids=["503", "429", "500", "502", "504", "reset", "cut body", "short part", "other part"],
)
def test_a_passing_fault_is_waited_out(folder: Path, waits: Waits, act: Act) -> None:
    for after in (0, 1, 2):  # in the header, and among pixels
        with fault_proxy(folder, Fault(act, times=2, after=after)) as proxy, access_to(proxy, waits) as access:
            assert_right(read(access, f"{proxy.url}/B08.tif"))
    assert len(waits.slept) == 6
    assert all(1.0 <= slept <= 2.5 for slept in waits.slept)


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (status(503), "the server answered 503"),
        (status(429), "the server answered 429"),
        (reset, "the connection failed"),
        (cut, r"bytes, .* expected|the connection failed"),
        (short_part, r"the server sent \d+ bytes, \d+ expected"),
        (other_part, "another part than was asked for"),
        (hang, "the server fell silent"),
    ],
    ids=["503", "429", "reset", "cut body", "short part", "other part", "hang"],
)
def test_a_fault_that_stays_ends_with_its_name_and_never_with_pixels(
    folder: Path, waits: Waits, act: Act, what: str
) -> None:
    for after in (0, 1):
        with fault_proxy(folder, Fault(act, after=after)) as proxy, access_to(proxy, waits) as access:
            with pytest.raises(ServiceError, match=what) as caught:
                read(access, f"{proxy.url}/B08.tif?sig=secret")
            assert f"{proxy.url}/B08.tif: given up after 3 attempt(s)" in str(caught.value)
            assert "secret" not in str(caught.value)
            assert len(proxy.asked) == 3 + after


def test_the_server_says_how_long_to_wait(folder: Path, waits: Waits) -> None:
    with (
        fault_proxy(folder, Fault(status(429, Retry_After="7"), times=1)) as proxy,
        access_to(proxy, waits) as access,
    ):
        read(access, f"{proxy.url}/B08.tif")
    assert waits.slept == [7.0]


def test_an_endless_wait_is_not_obeyed(folder: Path, waits: Waits) -> None:
    with (
        fault_proxy(folder, Fault(status(503, Retry_After="86400"))) as proxy,
        access_to(proxy, waits) as access,
        pytest.raises(ServiceError, match="given up"),
    ):
        read(access, f"{proxy.url}/B08.tif")
    assert waits.slept == [20.0, 20.0]


def test_time_is_limited_even_when_something_comes(folder: Path) -> None:
    options = ReadOptions(tries=5, wait_s=0.0, timeout_s=5.0, file_minutes=0.5 / 60)
    with (
        fault_proxy(folder, Fault(drip, after=1)) as proxy,
        access_to(proxy, options=options) as access,
        pytest.raises(ServiceError, match="the time for it is over"),
    ):
        read(access, f"{proxy.url}/B08.tif")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 416])
def test_what_will_not_pass_is_not_tried_again(folder: Path, waits: Waits, code: int) -> None:
    with fault_proxy(folder, Fault(status(code))) as proxy, access_to(proxy, waits) as access:
        with pytest.raises(ServiceError, match=r"the server answered|shorter than it says"):
            read(access, f"{proxy.url}/B08.tif")
        assert len(proxy.asked) == 1
    assert waits.slept == []


def test_a_server_without_ranges_is_read_when_the_file_is_small(folder: Path) -> None:
    with fault_proxy(folder, Fault(ignore_range)) as proxy:
        with access_to(proxy) as access:
            assert_right(read(access, f"{proxy.url}/B08.tif"))
            assert len(proxy.asked) == 1
        few = ReadOptions(tries=3, wait_s=0.0, whole_mb=0.1)
        with access_to(proxy, options=few) as access, pytest.raises(ServiceError, match=r"ignores Range.*--whole-mb"):
            read(access, f"{proxy.url}/B08.tif")


def test_a_file_that_changes_while_it_is_read_is_not_put_together(folder: Path, waits: Waits) -> None:
    with (
        fault_proxy(folder, Fault(other_version, after=1)) as proxy,
        access_to(proxy, waits) as access,
        pytest.raises(ServiceError, match="has changed while it was read"),
    ):
        read(access, f"{proxy.url}/B08.tif")


def test_a_redirect_to_a_private_host_is_refused(folder: Path, waits: Waits) -> None:
    with fault_proxy(folder) as inner, fault_proxy(folder, Fault(redirect(f"{inner.url}/B08.tif"))) as proxy:
        with access_to(proxy, waits) as access, pytest.raises(RefusedError, match="is not asked"):
            read(access, f"{proxy.url}/B08.tif")
        assert inner.asked == []
        both = Access(AccessPolicy({proxy.host, inner.host}), QUICK)
        with both:
            assert_right(read(both, f"{proxy.url}/B08.tif"))


@pytest.mark.parametrize("cut_at", [0.3, 0.6, 0.95])
def test_a_cut_file_with_a_good_header_is_an_error_and_no_zeros(folder: Path, tmp_path: Path, cut_at: float) -> None:
    content = (folder / "B08.tif").read_bytes()
    (tmp_path / "B08.tif").write_bytes(content[: int(cut_at * len(content))])
    whole = Window(0, 0, SHAPE[1], SHAPE[0])
    with fault_proxy(tmp_path) as proxy, access_to(proxy) as access, pytest.raises(ImageError, match="cut"):
        read(access, f"{proxy.url}/B08.tif", whole)


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>" * 20, b"II*\x00" + bytes(5000), b"\xff\xd8\xff" * 99])
def test_what_is_no_geotiff_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "B08.tif").write_bytes(content)
    with (
        fault_proxy(tmp_path) as proxy,
        access_to(proxy) as access,
        pytest.raises(CreepmeterError, match=r"no GeoTIFF|cannot be read|is empty"),
    ):
        read(access, f"{proxy.url}/B08.tif")


def test_an_image_that_claims_to_be_huge_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "height": 1_000_000, "width": 1_000_000}
    profile |= {"transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
    with rasterio.open(
        tmp_path / "B08.tif",
        "w",
        **profile,
        tiled=True,
        SPARSE_OK=True,
        BIGTIFF="YES",
        blockxsize=8192,
        blockysize=8192,
    ):
        pass
    with fault_proxy(tmp_path) as proxy, access_to(proxy) as access, pytest.raises(ImageError, match="claims"):
        read(access, f"{proxy.url}/B08.tif")


def test_an_image_in_one_block_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "height": 9000, "width": 9000, "compress": "deflate"}
    profile |= {"transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
    with rasterio.open(tmp_path / "B08.tif", "w", **profile, SPARSE_OK=True, blockysize=9000):
        pass
    with fault_proxy(tmp_path) as proxy, access_to(proxy) as access, pytest.raises(ImageError, match="has blocks of"):
        read(access, f"{proxy.url}/B08.tif")
    with Access(AccessPolicy(folders=(tmp_path,))) as access, pytest.raises(ImageError, match="has blocks of"):
        read(access, str(tmp_path / "B08.tif"))


def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    """A directory of tags that lies far behind, chained on and on, makes the header megabytes long."""
    entry = np.zeros(1, dtype=[("tag", "<u2"), ("kind", "<u2"), ("count", "<u4"), ("place", "<u4")])
    entry["tag"], entry["kind"], entry["count"], entry["place"] = 65_000, 1, 60_000_000, 64
    head = b"II*\x00" + (60_000_100).to_bytes(4, "little")
    with (tmp_path / "B08.tif").open("wb") as file:
        file.write(head)
        file.seek(60_000_100)
        file.write((1).to_bytes(2, "little") + entry.tobytes() + bytes(4))
    with fault_proxy(tmp_path) as proxy, access_to(proxy) as access:
        with pytest.raises(CreepmeterError, match=r"header|cannot be read"):
            read(access, f"{proxy.url}/B08.tif")
        assert proxy.served_bytes < 20_000_000


def test_no_more_is_read_than_a_header_or_an_image_may_have(tmp_path: Path) -> None:
    (tmp_path / "B08.tif").write_bytes(bytes(20_000_000))
    with fault_proxy(tmp_path) as proxy, access_to(proxy, options=ReadOptions(file_mb=18)) as access:
        file = RemoteFile(f"{proxy.url}/B08.tif", access)
        assert len(file.read_at(0, 10_000_000)) == 10_000_000
        with pytest.raises(ServiceError, match="its header alone takes more than 17 MB"):
            file.read_at(10_000_000, 8_000_000)
        other = RemoteFile(f"{proxy.url}/B08.tif", access)
        other.header_is_read()
        assert len(other.read_at(0, 17_000_000)) == 17_000_000
        with pytest.raises(ServiceError, match=r"more than 18 MB.*--file-mb"):
            other.read_at(17_000_000, 3_000_000)


def test_files_of_this_machine_need_leave(folder: Path) -> None:
    with Access() as access, pytest.raises(RefusedError, match="--allow-folder"):
        read(access, str(folder / "B08.tif"))
    with Access(AccessPolicy(folders=(folder,))) as access:
        assert_right(read(access, str(folder / "B08.tif")))
        assert_right(read(access, (folder / "B08.tif").as_uri()))


def test_several_threads_read_at_once(folder: Path) -> None:
    with fault_proxy(folder) as proxy, access_to(proxy) as access, ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: read(access, f"{proxy.url}/B08.tif"), range(24)):
            assert_right(found)


# ----------------------------------------------------------------------------------------------------------- signatures


NEVER = "2999-01-01T00:00:00Z"


@pytest.fixture
def container(folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "B08.tif").write_bytes((folder / "B08.tif").read_bytes())
    return tmp_path


def signing(
    container: Path, tokens: list[str], accepted: str, options: ReadOptions = QUICK
) -> tuple[list[str], list[str], np.ndarray | str]:
    """Read through signatures; return the paths asked of the storage and of the giver, and what came of it."""
    with (
        fault_proxy(container, Fault(give_tokens(tokens, NEVER))) as giver,
        fault_proxy(container, Fault(unless_signed(accepted))) as proxy,
        Access(
            AccessPolicy({proxy.host, giver.host}), options, signer=Signer(giver.url, storage="127.0.0.1")
        ) as access,
    ):
        try:
            found: np.ndarray | str = read(access, f"{proxy.url}/tiles/B08.tif")
        except CreepmeterError as problem:
            found = str(problem)
        return proxy.paths(), giver.paths(), found


def test_links_are_signed_when_they_are_read_with_one_token_for_a_container(container: Path) -> None:
    asked, given, found = signing(container, ["st=1&sig=one"], "sig=one")
    assert not isinstance(found, str)
    assert_right(found)
    assert given == ["/127/tiles"]
    assert all(path == "/tiles/B08.tif?st=1&sig=one" for path in asked)


def test_an_expired_link_is_signed_anew_once(container: Path) -> None:
    once = ReadOptions(tries=1)
    asked, given, found = signing(container, ["sig=old", "sig=fresh"], "sig=fresh", once)
    assert not isinstance(found, str)
    assert_right(found)
    assert len(given) == 2
    assert [path for path in asked if "old" in path] == ["/tiles/B08.tif?sig=old"]


def test_a_link_that_is_refused_again_fails_without_showing_its_signature(
    container: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asked, given, found = signing(container, ["sig=old1", "sig=old2", "sig=old3"], "sig=never")
    assert isinstance(found, str)
    assert "the server answered 403: the link has expired" in found
    assert "sig=" not in found
    assert "sig=" not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("creep"))
    assert len(asked) == 2
    assert len(given) == 2


def test_a_signature_is_renewed_before_it_ends_and_no_link_is_signed_twice(container: Path) -> None:
    now = [0.0]
    href = "https://127.0.0.1/tiles/B08.tif"
    give = give_tokens(["sig=a", "sig=b"], "1970-01-01T01:00:00Z")
    with fault_proxy(container, Fault(give)) as giver, Access(AccessPolicy({giver.host})) as access:
        signer, session = Signer(giver.url, storage="127.0.0.1", now=lambda: now[0]), access.session()
        assert signer.sign(href, session) == f"{href}?sig=a"
        now[0] = 3000.0
        assert signer.sign(href, session) == f"{href}?sig=a"
        now[0] = 3590.0
        assert signer.sign(href, session) == f"{href}?sig=b"
        assert signer.sign(f"{href}?sig=own", session) == f"{href}?sig=own"
        assert signer.sign("https://example.com/B08.tif", session) == "https://example.com/B08.tif"


def test_a_container_of_somebody_else_is_asked_as_it_is(container: Path) -> None:
    with fault_proxy(container, Fault(status(404), match="/127/")) as proxy:
        signer = Signer(proxy.url, storage="127.0.0.1")
        with Access(AccessPolicy({proxy.host}), QUICK, signer=signer) as access:
            assert_right(read(access, f"{proxy.url}/tiles/B08.tif"))


def test_stop_ends_reading_soon(folder: Path) -> None:
    options = ReadOptions(tries=100, wait_s=0.01, longest_wait_s=0.01)
    with fault_proxy(folder, Fault(status(503))) as proxy, access_to(proxy, options=options) as access:
        threading.Timer(0.2, access.stop.set).start()
        with pytest.raises(ServiceError, match="given up"):
            read(access, f"{proxy.url}/B08.tif")
        assert len(proxy.asked) < 100
