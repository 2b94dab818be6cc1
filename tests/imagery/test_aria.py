from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import asf_search
import pytest
import requests
from click.testing import CliRunner, Result
from pydantic import ValidationError

from creepmeter.cli import main
from creepmeter.errors import ConfigError, InputError, ServiceError
from creepmeter.imagery import aria
from creepmeter.imagery import fetch as fetching
from creepmeter.imagery.aria import outline, search_aria
from creepmeter.imagery.earthdata import Credentials, find_credentials
from creepmeter.imagery.fetch import Fetched
from creepmeter.imagery.granules import Granule, describe_list, read_list, write_list
from creepmeter.imagery.options import AriaSearchOptions

BOX = (-118.6, 33.6, -117.6, 34.4)
NAMES = (
    "S1-GUNW-D-R-071-tops-20180129_20180105-135200-34500N_32600N-PP-0001-v2_0_4.nc",
    "S1-GUNW-D-R-071-tops-20180129_20180105-135135-36000N_34100N-PP-0000-v2_0_4.nc",
    "S1-GUNW-D-R-071-tops-20190105_20180105-135200-34500N_32600N-PP-0002-v2_0_4.nc",
    "S1-GUNW-A-R-064-tops-20180129_20180105-015001-35393N_33512N-PP-6267-v2_0_4.nc",
)
TOKEN = "t0ken-of-somebody-that-must-not-be-seen"  # noqa: S105 - nobody's


def record(name: str, nbytes: int) -> dict[str, Any]:
    """Return a product as the archive's catalogue describes it (UMM-G), shortened to what is read."""
    stem = name.removesuffix(".nc")
    attributes = {
        "ASF_PLATFORM": "Sentinel-1 Interferogram (BETA)",
        "PATH_NUMBER": name.split("-")[4],
        "ASCENDING_DESCENDING": "DESCENDING" if "-D-" in name else "ASCENDING",
        "PROCESSING_TYPE": "GUNW_STD",
        "BYTES": str(nbytes),
        "MD5SUM": "0123456789abcdef0123456789ABCDEF",
        "PERPENDICULAR_BASELINE": "12.5",
        "VERSION": "2.0.4",
    }
    corners = [(-119.0, 33.0), (-117.0, 33.0), (-117.0, 35.0), (-119.0, 35.0), (-119.0, 33.0)]
    return {
        "meta": {"concept-id": "G1-ASF", "native-id": stem},
        "umm": {
            "GranuleUR": stem,
            "DataGranule": {
                "ProductionDateTime": "2020-01-01T00:00:00Z",
                "Identifiers": [{"IdentifierType": "ProducerGranuleId", "Identifier": stem}],
            },
            "TemporalExtent": {
                "RangeDateTime": {
                    "BeginningDateTime": "2018-01-05T13:52:00Z",
                    "EndingDateTime": "2018-01-29T13:52:30Z",
                }
            },
            "Platforms": [{"ShortName": "SENTINEL-1A", "Instruments": [{"ShortName": "SENTINEL-1 C-SAR"}]}],
            "OrbitCalculatedSpatialDomains": [{"OrbitNumber": 20000}, {"OrbitNumber": 20350}],
            "InputGranules": ["S1A_IW_SLC__1SDV_20180129T135145"],
            "SpatialExtent": {
                "HorizontalSpatialDomain": {
                    "Geometry": {
                        "GPolygons": [{"Boundary": {"Points": [{"Longitude": x, "Latitude": y} for x, y in corners]}}]
                    }
                }
            },
            "AdditionalAttributes": [{"Name": key, "Values": [value]} for key, value in attributes.items()],
            "RelatedUrls": [
                {"URL": f"https://grfn.asf.alaska.edu/door/download/{name}", "Type": "GET DATA"},
                {"URL": "https://grfn.asf.alaska.edu/browse/a.png", "Type": "GET RELATED VISUALIZATION"},
            ],
        },
    }


class Page:
    """An answer of the catalogue."""

    def __init__(self, names: tuple[str, ...], status: int = 200) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        self._content = {"hits": len(names), "items": [record(name, 50_000_000) for name in names]}

    def json(self) -> dict[str, Any]:
        return self._content if self.status_code == 200 else {"errors": ["the catalogue rests"]}

    def raise_for_status(self) -> None:
        if self.status_code != 200:
            message = f"{self.status_code}"
            raise requests.HTTPError(message, response=None)


Answer = Callable[[], Page]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[str]]]:
    """Let the catalogue answer with all names; return what it is asked."""
    found: list[dict[str, list[str]]] = []
    answer(monkeypatch, lambda: Page(NAMES), found)
    return found


def answer(monkeypatch: pytest.MonkeyPatch, page: Answer, asked: list[dict[str, list[str]]] | None = None) -> None:
    def post(_: object, url: str, data: Any = None, **__: object) -> Page:  # noqa: ANN401 - as requests has it
        assert url.startswith("https://cmr.earthdata.nasa.gov/")
        if asked is not None:
            asked.append(parse_qs(urlencode(data)))
        return page()

    monkeypatch.setattr(asf_search.ASFSession, "post", post)


def test_a_search_lists_products_in_order_with_size_and_checksum(asked: list[dict[str, list[str]]]) -> None:
    found = search_aria(AriaSearchOptions(bbox=BOX))
    assert [one.name for one in found] == [NAMES[3], NAMES[1], NAMES[0], NAMES[2]]
    assert found[0].url == f"https://grfn.asf.alaska.edu/door/download/{NAMES[3]}"
    assert found[0].nbytes == 50_000_000
    assert found[0].md5 == "0123456789abcdef0123456789abcdef"
    assert found[0].footprint is not None
    assert found[0].footprint["type"] == "Polygon"
    assert len(asked) == 1
    assert asked[0]["bounding_box"] == ["-118.6,33.6,-117.6,34.4"]


def test_both_dates_and_the_track_are_those_asked_for(asked: list[dict[str, list[str]]]) -> None:
    options = AriaSearchOptions(bbox=BOX, track=71, dates="20180101/20180131", flight_direction="descending")
    assert [one.name for one in search_aria(options)] == [NAMES[1], NAMES[0]]
    assert asked[0]["temporal"][0].startswith("2018-01-01T00:00:00Z,2018-02-01")
    assert "71" in str(asked[0])


def test_files_of_single_layers_are_not_products(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = NAMES[0].replace(".nc", "-unwrappedPhase.nc")
    answer(monkeypatch, lambda: Page((layer, NAMES[1])))
    assert [one.name for one in search_aria(AriaSearchOptions(bbox=BOX))] == [NAMES[1]]


def test_open_ends_of_the_dates(asked: list[dict[str, list[str]]]) -> None:
    assert len(search_aria(AriaSearchOptions(bbox=BOX, dates="20180101/"))) == 4
    assert len(search_aria(AriaSearchOptions(bbox=BOX, dates="/20180129"))) == 3
    assert len(asked) == 2


def test_errors_are_not_reported_to_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, lambda: Page((), 400))
    monkeypatch.setattr(asf_search, "REPORT_ERRORS", True)
    with pytest.raises(ServiceError, match=r"cannot be searched: HTTP 400: .*the catalogue rests.*needs no account"):
        search_aria(AriaSearchOptions(bbox=BOX))
    assert asf_search.REPORT_ERRORS is False


def test_without_a_connection_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Page:
        message = "https://cmr.earthdata.nasa.gov/?secret=1 is down"
        raise requests.ConnectionError(message)

    answer(monkeypatch, fail)
    with pytest.raises(ServiceError, match="there is no connection to it") as caught:
        search_aria(AriaSearchOptions(bbox=BOX))
    assert "secret" not in str(caught.value)


def test_odd_records_are_passed_over() -> None:
    good: dict[str, Any] = {
        "properties": {"url": f"https://grfn.asf.alaska.edu/{NAMES[0]}", "bytes": None, "md5sum": "x"}
    }
    bad: list[dict[str, Any]] = [
        {"properties": {"url": "s3://bucket/a.nc"}},
        {"properties": {"url": "https://host/a.zip"}},
        {"properties": {"url": "https://host/%2e%2e%2fa b.nc"}},
        {"properties": None},
        {},
    ]
    found = [aria._granule(item) for item in [good, *bad]]  # noqa: SLF001 - records as others may send them
    assert found == [Granule(NAMES[0], f"https://grfn.asf.alaska.edu/{NAMES[0]}"), *[None] * 5]


def test_a_box_may_cross_the_180th_meridian() -> None:
    assert outline((170.0, -20.0, -170.0, -10.0)) == "POLYGON((170 -20,190 -20,190 -10,170 -10,170 -20))"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"bbox": "1,2,3"}, "not a box W,S,E,N"),
        ({"bbox": "1,5,3,2"}, "from south to north"),
        ({"bbox": "1,-95,3,2"}, "from south to north"),
        ({"bbox": "190,1,3,2"}, "within 180 degrees"),
        ({"bbox": "a,1,3,2"}, "valid number"),
        ({"bbox": BOX, "dates": "20180101"}, "not START/END"),
        ({"bbox": BOX, "dates": "20180230/20180301"}, "dates: "),
        ({"bbox": BOX, "dates": "20190101/20180101"}, "runs backward"),
        ({"bbox": BOX, "track": 176}, "less than or equal to 175"),
    ],
)
def test_what_cannot_be_searched_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        AriaSearchOptions.model_validate(given)


# ------------------------------------------------------------------------------------------------------------- lists


GRANULES = (
    Granule(NAMES[0], f"https://grfn.asf.alaska.edu/door/{NAMES[0]}", 5, "0" * 32),
    Granule(NAMES[1], f"https://grfn.asf.alaska.edu/door/{NAMES[1]}"),
)


@pytest.mark.parametrize("ending", [".geojson", ".json", ".csv"])
def test_a_list_is_read_as_it_was_written(tmp_path: Path, ending: str) -> None:
    write_list(tmp_path / f"list{ending}", GRANULES)
    assert read_list(tmp_path / f"list{ending}") == GRANULES


def test_a_list_of_addresses_is_enough(tmp_path: Path) -> None:
    write_list(tmp_path / "list.txt", GRANULES)
    path = tmp_path / "list.txt"
    path.write_text("# mine\n\n" + path.read_text())
    assert [one.url for one in read_list(path)] == [one.url for one in GRANULES]


def test_the_archives_own_geojson_is_read(tmp_path: Path, asked: list[dict[str, list[str]]]) -> None:
    results = asf_search.search(dataset=asf_search.DATASET.ARIA_S1_GUNW, maxResults=4)
    path = tmp_path / "asf.geojson"
    path.write_text(json.dumps(results.geojson()))
    assert {one.nbytes for one in read_list(path)} == {50_000_000}
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.geojson", "{", "cannot be read as a list"),
        ("a.geojson", '{"features": 5}', "no collection of features"),
        ("a.geojson", '{"features": []}', "lists no product"),
        ("a.csv", "name,size\na.nc,5\n", "entry 1 has no address"),
        ("a.csv", "name,url\n../../a.nc,https://x/a.nc\n", "no plain file name"),
        ("a.txt", "https://grfn.asf.alaska.edu/\n", "no plain file name"),
        ("a.xml", "", "must end in"),
        ("missing.csv", None, "cannot be read as a list"),
    ],
)
def test_bad_lists_are_named(tmp_path: Path, name: str, content: str | None, why: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=why):
        read_list(tmp_path / name)


def test_a_list_in_words() -> None:
    assert describe_list(GRANULES) == [
        "track 71 descending: 2 products, 1 pairs of 2 dates, 2018-01-05 to 2018-01-29, 0.0 GB"
    ]


# ------------------------------------------------------------------------------------------------------- credentials


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Start without any credentials; return where the netrc file may be put."""
    monkeypatch.delenv("EARTHDATA_TOKEN", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


def test_a_token_comes_from_a_file_or_the_environment(
    nobody: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not find_credentials()
    assert not nobody.exists()
    monkeypatch.setenv("EARTHDATA_TOKEN", f" {TOKEN}\n")
    assert find_credentials() == Credentials(token=TOKEN)
    (tmp_path / "token").write_text("another-token-of-somebody\n")
    assert find_credentials(tmp_path / "token") == Credentials(token="another-token-of-somebody")  # noqa: S106


def test_user_and_password_come_from_netrc(nobody: Path) -> None:
    nobody.write_text("machine urs.earthdata.nasa.gov login me password hidden\n")
    nobody.chmod(0o600)
    found = find_credentials()
    assert found.login == ("me", "hidden")
    assert "hidden" not in repr(found)
    assert "me" not in repr(found).replace("Credentials", "")


def test_what_holds_no_token_is_not_shown(nobody: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret with spaces and a password")
    with pytest.raises(ConfigError, match="holds no token") as caught:
        find_credentials(tmp_path / "token")
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("EARTHDATA_TOKEN", "short-secret")
    with pytest.raises(ConfigError, match="EARTHDATA_TOKEN holds no token") as caught:
        find_credentials()
    assert "short-secret" not in str(caught.value)
    monkeypatch.delenv("EARTHDATA_TOKEN")
    nobody.write_text("machine urs.earthdata.nasa.gov login me passwrod hidden\n")
    with pytest.raises(ConfigError, match=r"netrc cannot be read as a netrc file, line 1") as caught:
        find_credentials()
    assert "hidden" not in f"{caught.value} {caught.value.__cause__} {caught.value.__suppress_context__}"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        find_credentials(tmp_path / "none")


# ----------------------------------------------------------------------------------------------------------- commands


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="creepmeter")


def test_search_from_the_command_line(asked: list[dict[str, list[str]]], tmp_path: Path) -> None:
    target = tmp_path / "list.csv"
    result = call("aria", "search", "--bbox", "-118.6,33.6,-117.6,34.4", "--track", 71, "-o", target)
    assert result.exit_code == 0, result.output
    assert "track 71 descending: 3 products, 2 pairs of 3 dates" in result.stdout
    assert len(read_list(target)) == 3
    assert len(asked) == 1


def test_nothing_found_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, lambda: Page(()))
    result = call("aria", "search", "--bbox=-118.6,33.6,-117.6,34.4")
    assert result.exit_code == 0
    assert "take a larger box" in result.stdout


def test_wrong_usage_is_told() -> None:
    assert "--bbox W,S,E,N is needed" in call("aria", "search").stderr
    result = call("aria", "search", "--bbox", "1,2,3")
    assert result.exit_code == 2
    assert "not a box W,S,E,N" in result.stderr
    assert "give either a LIST or --bbox" in call("aria", "fetch", "-o", "x").stderr


def test_fetch_from_the_command_line(monkeypatch: pytest.MonkeyPatch, nobody: Path, tmp_path: Path) -> None:
    write_list(tmp_path / "list.csv", GRANULES)
    seen: dict[str, Any] = {}

    def pretend(granules: Any, folder: Path, credentials: Credentials, **settings: Any) -> Fetched:  # noqa: ANN401
        seen.update(granules=granules, folder=folder, credentials=credentials, options=settings["options"])
        return Fetched((folder / NAMES[0],), (), (f"{NAMES[1]}: gone",))

    monkeypatch.setattr(fetching, "fetch", pretend)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    result = call("aria", "fetch", tmp_path / "list.csv", "-o", tmp_path / "products", "--tries", 2)
    assert result.exit_code == 3
    assert "1 product(s) downloaded, 0 there already" in result.stdout
    assert f"left out: {NAMES[1]}: gone" in result.stderr
    assert seen["granules"] == GRANULES
    assert seen["credentials"] == Credentials(token=TOKEN)
    assert seen["options"].tries == 2
    assert not nobody.exists()


def test_fetch_without_an_account_says_how_to_get_one(nobody: Path, tmp_path: Path) -> None:
    write_list(tmp_path / "list.csv", GRANULES)
    result = call("aria", "fetch", tmp_path / "list.csv", "-o", tmp_path / "products")
    assert result.exit_code == 1
    assert "there are no credentials" in result.stderr
    assert not nobody.exists()
