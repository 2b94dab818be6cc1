from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from shapely import MultiPolygon, box
from shapely.geometry import mapping
from shapely.geometry import shape as shape_of
from tests.imagery.fault_proxy import (
    Act,
    Answer,
    Fault,
    Handler,
    Waits,
    cut,
    drip,
    fault_proxy,
    hang,
    redirect,
    reset,
    same_page,
    send,
    status,
)
from tests.imagery.servers import api_served, files_served

from creepmeter.errors import InputError, ServiceError
from creepmeter.imagery.access import AccessPolicy, RefusedError
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.imagery.find import find_scenes
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions
from creepmeter.imagery.search import Found, search_scenes
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import Pass, SimulatedCatalogue, default_passes, write_catalogue

COG = partial(write_geotiff, cog=True)
ALL = {"years": "2016/2023"}
QUICK = {"tries": 3, "timeout_s": 0.5, "minutes": 1.0}


@dataclass(frozen=True)
class World:
    """A simulated catalogue, and where it is served."""

    made: SimulatedCatalogue
    area: AreaOfInterest
    files: str
    api: str

    @property
    def names(self) -> list[str]:
        return sorted(item["id"] for item in self.made.items)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("catalogue")
    late = [
        Pass(time=f"2023-11-{day}T10:14:11Z", baseline="05.09", layout=layout, orbit=65)
        for day, layout in (("04", "sentinel-2-c1-l2a"), ("09", "planetary-computer"))
    ]
    with files_served(folder) as files:
        made = write_catalogue(folder, COG, passes=[*default_passes(), *late], shape=(120, 120), base=files)
        with api_served(made.items, tmp_path_factory.mktemp("api")) as api:
            yield World(made, read_area(folder / "aoi.geojson"), files, api)


def find(world: World, catalogue: str, waits: Waits | None = None, **settings: object) -> Found:
    options = SceneSearchOptions.model_validate(
        {"catalogue": catalogue, **(ALL if "dates" not in settings else {}), **settings}
    )
    return search_scenes(world.area, options, clock=None if waits is None else waits.clock())


def names(found: Found) -> list[str]:
    return sorted(one.name for one in found.scenes)


@pytest.mark.parametrize("kind", ["api", "static on a server", "static here", "list of items"])
def test_every_kind_of_catalogue_gives_the_same_scenes(world: World, kind: str, tmp_path: Path) -> None:
    listed = tmp_path / "items.json"
    listed.write_text(json.dumps({"type": "FeatureCollection", "features": world.made.items}), encoding="utf-8")
    places = {
        "api": world.api,
        "static on a server": f"{world.files}/catalog.json",
        "static here": str(world.made.folder / "catalog.json"),
        "list of items": str(listed),
    }
    found = find(world, places[kind])
    assert names(found) == world.names
    assert found.left_out == ()
    assert [one.moment for one in found.scenes] == sorted(one.moment for one in found.scenes)
    whole = {one.name: found.cover[one.name] for one in found.scenes if one.tile == "33TVM"}
    assert all(share == pytest.approx(1.0) for share in whole.values())
    assert 0.1 < found.cover["S2A_33TWM_20211124_0_L2A"] < 0.6


def test_addresses_of_pixels_are_absolute(world: World) -> None:
    for catalogue in (world.api, f"{world.files}/catalog.json"):
        for one in find(world, catalogue).scenes:
            href = one.item["assets"][one.sensor.band_key(one.item)]["href"]
            assert href.startswith(f"{world.files}/sentinel-2")
            assert href.endswith(f"{one.name}/B08.tif")
    here = find(world, str(world.made.folder / "catalog.json"))
    assert all(Path(one.item["assets"][one.sensor.mask_key(one.item)]["href"]).is_file() for one in here.scenes)


@pytest.mark.parametrize("page", [1, 2, 5, 100])
def test_pages_of_any_size_give_each_scene_once(world: World, page: int) -> None:
    found = find(world, world.api, page_size=page)
    assert names(found) == world.names
    assert found.left_out == ()


def test_spans_that_overlap_give_each_scene_once(world: World) -> None:
    found = find(world, world.api, around="11-22", within_days=182)
    assert names(found) == world.names


@pytest.mark.parametrize("kind", ["api", "static"])
def test_only_dates_that_were_asked_for(world: World, kind: str) -> None:
    catalogue = world.api if kind == "api" else f"{world.files}/catalog.json"
    assert names(find(world, catalogue, dates="20181115/20181120")) == [
        "S2A_33TVM_20181115_0_L2A",
        "S2A_33TVM_20181120_0_L2A",
    ]
    near = find(world, catalogue, around="11-22", within_days=2)
    assert {f"{one.moment:%Y-%m-%d}" for one in near.scenes} == {
        "2016-11-20",
        "2018-11-20",
        "2021-11-24",
        "2023-11-22",
        "2023-11-24",
    }


@pytest.mark.parametrize("kind", ["api", "static"])
def test_elsewhere_there_is_nothing(world: World, kind: str) -> None:
    catalogue = world.api if kind == "api" else f"{world.files}/catalog.json"
    options = SceneSearchOptions(catalogue=catalogue, years="2016/2023")
    assert search_scenes(read_area("100,10,100.1,10.1"), options).scenes == ()


def test_one_collection_of_several(world: World) -> None:
    for catalogue in (world.api, f"{world.files}/catalog.json"):
        found = find(world, catalogue, collections=("sentinel-2-c1-l2a",))
        assert names(found) == ["S2A_T33TVM_20231104T101411_L2A"]


def test_a_catalogue_without_the_sensor_says_what_it_has(world: World) -> None:
    with pytest.raises(InputError, match=r"no collection of landsat .* it has sentinel-2-c1-l2a, sentinel-2-l2a"):
        find(world, world.api, sensor="landsat")
    assert find(world, f"{world.files}/catalog.json", sensor="landsat").scenes == ()


def test_more_scenes_than_are_wanted_are_named(world: World) -> None:
    found = find(world, world.api, most=4)
    assert len(found.scenes) == 4
    assert any("--most" in text for text in found.left_out)


def test_an_outline_of_many_corners_is_sent_as_a_coarse_one_and_still_kept_to(world: World) -> None:
    middle = world.area.shape.centroid
    star = middle.buffer(0.004, quad_segs=300).difference(middle.buffer(0.003, quad_segs=300))
    ring = AreaOfInterest(star, "ring")
    assert 4 <= sum(map(len, ring.coarse_outline["coordinates"])) <= 200
    assert shape_of(ring.coarse_outline).covers(star)
    found = search_scenes(ring, SceneSearchOptions(catalogue=world.api, years="2016/2023"))
    assert len(found.scenes) == len(world.names)
    inner = AreaOfInterest(middle.buffer(0.001), "what the ring leaves out")
    hole = {**world.made.items[0], "geometry": mapping(inner.shape)}
    with fault_proxy(world.api, Fault(_only(hole), match="/search")) as proxy:
        assert search_scenes(ring, SceneSearchOptions(catalogue=proxy.url, years="2016/2023")).scenes == ()


def _only(item: dict[str, Any]) -> Act:
    """Answer a search with one item, whatever was asked for."""

    def act(handler: Handler, _answer: Answer) -> None:
        body = json.dumps({"type": "FeatureCollection", "features": [item], "links": []}).encode()
        send(handler, Answer(200, body, {"Content-Type": "application/geo+json"}))

    return act


def test_a_server_that_does_not_say_what_it_conforms_to_is_searched_all_the_same(world: World) -> None:
    def silent(handler: Handler, answer: Answer) -> None:
        content = json.loads(answer.body)
        content.pop("conformsTo", None)
        send(handler, Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"}))

    with fault_proxy(world.api, Fault(silent)) as proxy:
        assert names(find(world, proxy.url)) == world.names


# -------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("act", "waited"),
    [(status(503), 1.0), (status(429, Retry_After="7"), 7.0), (reset, 1.0), (cut, 1.0), (status(500), 1.0)],
    ids=["503", "429 with Retry-After", "reset", "cut", "500"],
)
@pytest.mark.parametrize("kind", ["api", "static"])
def test_a_failure_that_passes_is_waited_for(world: World, act: Act, waited: float, kind: str) -> None:
    waits = Waits()
    upstream, match = (world.api, "/search") if kind == "api" else (world.files, "collection.json")
    with fault_proxy(upstream, Fault(act, match=match, times=2)) as proxy:
        catalogue = proxy.url if kind == "api" else f"{proxy.url}/catalog.json"
        found = find(world, catalogue, waits, **QUICK)
    assert names(found) == world.names
    assert len(waits.slept) == 2
    assert all(waited <= one <= 2.6 * waited for one in waits.slept)


@pytest.mark.parametrize("act", [status(503), reset, cut, hang, drip], ids=["503", "reset", "cut", "hang", "drip"])
def test_a_failure_that_stays_ends_with_the_name_of_the_server(world: World, act: Act) -> None:
    waits = Waits()
    with fault_proxy(world.api, Fault(act, match="/search")) as proxy:
        settings = {**QUICK, "minutes": 0.05} if act is drip else QUICK
        with pytest.raises(ServiceError, match=r"127\.0\.0\.1"):
            find(world, proxy.url, None if act is drip else waits, **settings)


def test_a_part_of_a_static_catalogue_that_is_gone_is_named_and_the_others_go_on(world: World) -> None:
    gone = world.names[3]
    with fault_proxy(world.files, Fault(status(404), match=f"{gone}.json")) as proxy:
        found = find(world, f"{proxy.url}/catalog.json")
    assert names(found) == [name for name in world.names if name != gone]
    assert len(found.left_out) == 1
    assert gone in found.left_out[0]


def test_a_server_that_gives_the_same_page_without_end_is_left(world: World) -> None:
    with fault_proxy(world.api, Fault(same_page, match="/search")) as proxy:
        found = find(world, proxy.url, page_size=4)
        assert len(proxy.paths("/search")) <= 4
    assert set(names(found)) < set(world.names)
    assert any("same page again and again" in text for text in found.left_out)


def test_pages_without_end_that_name_the_next_one_differently_are_left_as_well(world: World) -> None:
    number = itertools.count()

    def onward(handler: Handler, answer: Answer) -> None:
        content = json.loads(answer.body)
        content["features"] = content["features"][:2]
        content["links"] = [{"rel": "next", "href": f"{handler.proxy.url}/search?token={next(number)}"}]
        send(handler, Answer(200, json.dumps(content).encode(), {"Content-Type": "application/geo+json"}))

    with fault_proxy(world.api, Fault(onward, match="/search")) as proxy:
        found = find(world, proxy.url)
        assert len(proxy.paths("/search")) < 10
    assert set(names(found)) < set(world.names)
    assert any("same page again and again" in text for text in found.left_out)


def test_a_page_that_comes_twice_is_no_reason_to_stop(world: World) -> None:
    sent: list[bytes] = []

    def twice(handler: Handler, answer: Answer) -> None:
        """Send the first page a second time, under another name, before the second one."""
        if not sent:
            content = json.loads(answer.body)
            sent.append(json.dumps({**content, "links": content["links"]}).encode())
            content["links"] = [{"rel": "next", "href": f"{handler.proxy.url}/search?again=1"}]
            send(handler, Answer(200, json.dumps(content).encode(), {"Content-Type": "application/geo+json"}))
        elif "again=1" in handler.path:
            send(handler, Answer(200, sent[0], {"Content-Type": "application/geo+json"}))
        else:
            send(handler, answer)

    with fault_proxy(world.api, Fault(twice, match="/search")) as proxy:
        found = find(world, proxy.url, page_size=4)
    assert names(found) == world.names
    assert found.left_out == ()


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/search", "file:///etc/passwd", "ftp://a.b/c"],
)
def test_a_redirect_to_a_private_address_is_refused(world: World, address: str) -> None:
    fault = Fault(redirect(address), match="/search")
    with fault_proxy(world.api, fault) as proxy, pytest.raises(ServiceError, match=r"not asked|given up|no https"):
        find(world, proxy.url, Waits(), **QUICK)


@pytest.mark.parametrize(
    "href", ["http://127.0.0.1:1/search", "http://169.254.169.254/a", "https://example.com/search"]
)
def test_a_next_page_on_another_host_is_refused(world: World, href: str) -> None:
    def elsewhere(handler: Handler, answer: Answer) -> None:
        content = {**json.loads(answer.body), "links": [{"rel": "next", "href": href}]}
        send(handler, Answer(200, json.dumps(content).encode(), {"Content-Type": "application/geo+json"}))

    fault = Fault(elsewhere, match="/search")
    with fault_proxy(world.api, fault) as proxy, pytest.raises(RefusedError, match=r"another host.*--allow-host"):
        find(world, proxy.url)


def test_a_static_catalogue_may_not_name_any_file_or_host(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(world.made.items[0]), encoding="utf-8")
    inside = tmp_path / "inside"
    inside.mkdir()
    links = [{"rel": "item", "href": href} for href in ("../secret.json", str(secret), "http://127.0.0.1:1/a.json")]
    content = {"type": "Catalog", "stac_version": "1.0.0", "id": "a", "description": "", "links": links}
    (inside / "catalog.json").write_text(json.dumps(content), encoding="utf-8")
    found = find(world, str(inside / "catalog.json"))
    assert found.scenes == ()
    assert sum("is not read" in text for text in found.left_out) == 2
    assert sum("another host" in text for text in found.left_out) == 1
    options = SceneSearchOptions(catalogue=str(inside / "catalog.json"), years="2016/2023")
    allowed = search_scenes(world.area, options, policy=AccessPolicy(folders=[tmp_path]))
    assert names(allowed) == [world.made.items[0]["id"]]


def test_a_static_catalogue_that_goes_round_in_circles_ends(tmp_path: Path, world: World) -> None:
    links = [{"rel": "child", "href": "./catalog.json"}, {"rel": "child", "href": "./b.json"}]
    for name in ("catalog.json", "b.json"):
        content = {"type": "Catalog", "stac_version": "1.0.0", "id": name, "description": "", "links": links}
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    assert find(world, str(tmp_path / "catalog.json")).scenes == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>moved</html>", "does not answer with JSON"),
        (b"[1, 2]", "does not answer with JSON"),
        (b"{}", "not understood"),
        (b'{"type": "Catalog", "stac_version": "1.0.0"', "does not answer with JSON"),
        (b"[" * 100_000, "does not answer with JSON"),
    ],
)
def test_what_is_no_catalogue_is_said_to_be_none(world: World, tmp_path: Path, body: bytes, words: str) -> None:
    (tmp_path / "catalog.json").write_bytes(body)
    with fault_proxy(tmp_path) as proxy, pytest.raises(ServiceError, match=words):
        find(world, f"{proxy.url}/catalog.json")


def test_an_address_that_is_not_there_is_named(world: World, tmp_path: Path) -> None:
    with fault_proxy(tmp_path) as proxy, pytest.raises(ServiceError, match=r"stac: there is nothing \(404\)"):
        find(world, f"{proxy.url}/stac")
    for name in ("no-such-catalogue", "earthsearch", str(tmp_path)):
        with pytest.raises(InputError, match=r"neither a name \(earth-search, planetary-computer\)"):
            find(world, name)


def test_secrets_of_an_address_are_neither_shown_nor_logged(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with fault_proxy(tmp_path, Fault(status(503))) as proxy, pytest.raises(ServiceError, match="given up") as caught:
        find(world, f"{proxy.url}/catalog.json?token=OPENSESAME", Waits(), **QUICK)
    assert "OPENSESAME" not in str(caught.value)
    assert "OPENSESAME" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("creepmeter", "urllib3", "pystac"))
    )


# -------------------------------------------------------------------------------------------------------- broken items


def _listed(items: list[Any], tmp_path: Path, world: World) -> Found:
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")
    return find(world, str(path))


def test_items_that_cannot_be_used_are_named_and_the_others_go_on(world: World, tmp_path: Path) -> None:
    good = world.made.items[0]
    facts = good["properties"]
    broken = [
        "no item at all",
        {**good, "id": "x" * 5000},
        {**good, "id": "undated", "properties": {**facts, "datetime": None}},
        {**good, "id": "misdated", "properties": {**facts, "datetime": "20240230"}},
        {**good, "id": "unplaced", "geometry": None, "bbox": None},
        {**good, "id": "misplaced", "geometry": {"type": "Polygon", "coordinates": [[1, 2]]}},
        {
            **good,
            "id": "infinite",
            "geometry": {"type": "Polygon", "coordinates": [[[1e999, 2], [3, 4], [5, 1e999], [1e999, 2]]]},
        },
        {
            **good,
            "id": "unknown",
            "collection": "modis",
            "properties": {**facts, "platform": "terra", "constellation": "eos"},
        },
    ]
    found = _listed([*broken, good], tmp_path, world)
    assert names(found) == [good["id"]]
    assert len(found.left_out) == len(broken)
    for name in ("undated", "misdated", "unplaced", "misplaced", "infinite", "unknown"):
        assert any(name in text for text in found.left_out)


def test_an_item_without_fields_that_only_help_is_found_all_the_same(world: World, tmp_path: Path) -> None:
    item = json.loads(json.dumps(world.made.items[0]))
    for key in ("proj:epsg", "grid:code", "eo:cloud_cover", "s2:processing_baseline", "created"):
        del item["properties"][key]
    for asset in item["assets"].values():
        for key in ("proj:shape", "proj:transform"):
            del asset[key]
    (one,) = _listed([item], tmp_path, world).scenes
    assert (one.orbit, one.tile, one.baseline, one.cloud) == (22, "33TVM", (2, 4), None)


def test_the_same_item_twice_is_one(world: World, tmp_path: Path) -> None:
    assert len(_listed([world.made.items[0]] * 3, tmp_path, world).scenes) == 1


@pytest.mark.parametrize("kind", ["cut in two", "jumping", "beyond 180"])
def test_scenes_over_the_180th_meridian_are_found_from_either_side(world: World, tmp_path: Path, kind: str) -> None:
    halves = [box(179.5, -17.5, 180, -16.5), box(-180, -17.5, -179.5, -16.5)]
    ring = [[179.5, -17.5], [-179.5, -17.5], [-179.5, -16.5], [179.5, -16.5], [179.5, -17.5]]
    geometry = {
        "cut in two": mapping(MultiPolygon(halves)),
        "jumping": {"type": "Polygon", "coordinates": [ring]},
        "beyond 180": mapping(box(179.5, -17.5, 180.5, -16.5)),
    }[kind]
    item = {**world.made.items[0], "geometry": geometry, "bbox": [179.5, -17.5, -179.5, -16.5]}
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}), encoding="utf-8")
    options = SceneSearchOptions(catalogue=str(path), years="2016")
    for source, cover in (
        ("179.8,-17,-179.8,-16.8", 1.0),
        ("179.8,-17,179.9,-16.8", 1.0),
        ("-179.6,-17,-179.4,-16.8", 0.5),
    ):
        area = read_area(source)
        found = search_scenes(area, options)
        assert found.cover == {item["id"]: pytest.approx(cover, abs=0.01)}
        if kind == "cut in two":
            with api_served([item], tmp_path) as api:
                asked = search_scenes(area, SceneSearchOptions(catalogue=api, years="2016"))
            assert names(asked) == [item["id"]]


@pytest.mark.parametrize(
    "junk",
    [{"links": ["x"]}, {"links": 5}, {"links": {"a": 1}}, {"links": [{"rel": "self", "href": "https://[x"}]}],
    ids=["text", "number", "object", "no address"],
)
def test_links_that_are_none_hide_no_scene(world: World, tmp_path: Path, junk: dict[str, Any]) -> None:
    items = [{**world.made.items[0], **junk}, world.made.items[1]]
    assert len(_listed(items, tmp_path, world).scenes) == 2


def test_assets_that_are_none_leave_the_other_scenes(world: World, tmp_path: Path) -> None:
    first, second = world.made.items[:2]
    assert second["id"] in names(_listed([{**first, "assets": ["x"]}, second], tmp_path, world))


def test_one_page_of_several_is_not_taken_for_all(world: World, tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    links = [{"rel": "next", "href": "https://example.com/items?page=2"}]
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": world.made.items[:2], "links": links}), encoding="utf-8"
    )
    found = find(world, str(path))
    assert len(found.scenes) == 2
    assert any("one page of several" in text for text in found.left_out)


def test_a_catalogue_may_be_named_as_a_file_address(tmp_path: Path) -> None:
    folder = tmp_path / "my data 50%41"
    made = write_catalogue(folder, COG, shape=(120, 120))
    options = SceneSearchOptions(catalogue=(folder / "catalog.json").as_uri(), years="2016/2023")
    found = search_scenes(read_area(folder / "aoi.geojson"), options)
    assert len(found.scenes) == len(made.items)
    assert found.left_out == ()


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_catalogue_that_can_be_no_file_is_said_to_be_none(world: World, name: str) -> None:
    with pytest.raises(InputError, match=r"correct --catalogue|is no address of a catalogue"):
        find(world, name)


def test_signatures_of_masks_are_not_logged(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    item = json.loads(json.dumps(world.made.items[0]))
    for asset in item["assets"].values():
        asset["href"] += "?sig=hidden"
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}), encoding="utf-8")
    caplog.set_level(logging.DEBUG)
    options = SceneSearchOptions(catalogue=str(path), years="2016/2023")
    policy = AccessPolicy({world.files.removeprefix("http://")})
    _, selection = find_scenes(world.area, options, SelectOptions(), policy=policy)
    assert [one.name for one in selection.kept] == [item["id"]]
    assert "hidden" not in caplog.text
