"""Laws of the choice, for any catalogue."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from creepmeter.imagery.found import FoundScene, scene_of
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions
from creepmeter.imagery.search import Found
from creepmeter.imagery.select import Selection, select_scenes
from creepmeter.imagery.windows import Fractions

SEARCH = SceneSearchOptions(years="2018/2020", around="11-22", within_days=40)
SQUARE = {"type": "Polygon", "coordinates": [[[15, 46], [16, 46], [16, 47], [15, 47], [15, 46]]]}
AT = {"href": "https://example.com/a.tif"}


@st.composite
def scenes(draw: st.DrawFn) -> tuple[FoundScene, float, float]:
    """Return a scene, the share of the area that it reaches, and the share that is not seen."""
    day = datetime(draw(st.integers(2018, 2020)), 11, 22, 10, tzinfo=UTC) + timedelta(days=draw(st.integers(-40, 40)))
    orbit, tile = draw(st.sampled_from([22, 65])), draw(st.sampled_from(["33TVM", "33TWM"]))
    baseline = draw(st.sampled_from(["02.10", "05.00", "05.10"]))
    facts = {
        "datetime": day.isoformat(),
        "platform": draw(st.sampled_from(["sentinel-2a", "sentinel-2b"])),
        "grid:code": f"MGRS-{tile}",
        "sat:relative_orbit": orbit,
        "s2:processing_baseline": baseline,
        "eo:cloud_cover": draw(st.sampled_from([None, 0.0, 15.0, 60.0])),
    }
    assets = {"nir": AT, "scl": AT} if draw(st.integers(0, 9)) else {"nir": AT}
    name = f"{facts['platform']}-{day:%Y%m%d}-{orbit}-{tile}-{baseline}"
    item = {"id": name, "collection": "sentinel-2-l2a", "geometry": SQUARE, "properties": facts, "assets": assets}
    return scene_of(item), draw(st.sampled_from([1.0, 0.995, 0.5])), draw(st.sampled_from([0.0, 0.1, 0.3, 1.0]))


Drawn = list[tuple[FoundScene, float, float]]
catalogues = st.lists(scenes(), max_size=25, unique_by=lambda one: one[0].name)


def choose(drawn: Drawn, **settings: object) -> Selection:
    listed = tuple(sorted((one for one, _, _ in drawn), key=lambda one: (one.moment, one.name)))
    found = Found(listed, {one.name: cover for one, cover, _ in drawn}, (), "here")
    unseen = {one.name: share for one, _, share in drawn}

    def measure(one: FoundScene) -> Fractions:
        return Fractions(unseen[one.name], 0.0, 0.0, 0.0, unseen[one.name])

    return select_scenes(found, SEARCH.windows, SelectOptions.model_validate(settings), measure=measure)


@given(catalogues, st.sampled_from(["all", "yearly", "monthly"]))
def test_what_is_kept_keeps_every_rule_and_every_scene_has_a_reason(drawn: Drawn, how: str) -> None:
    chosen = choose(drawn, choose=how)
    facts = {one.name: (cover, unseen) for one, cover, unseen in drawn}
    assert [one.scene.source for one in chosen.verdicts if one.kept] == [one.name for one in chosen.kept]
    assert sorted(one.scene.source for one in chosen.verdicts) == sorted(facts)
    assert all(one.reason for one in chosen.verdicts)
    assert {one.group for one in chosen.kept} <= {chosen.group}
    assert all(facts[one.name][0] >= 0.99 and facts[one.name][1] <= 0.2 for one in chosen.kept)
    assert all("scl" in one.item["assets"] for one in chosen.kept)
    passes = [(one.platform, one.tile, one.moment) for one in chosen.kept]
    assert len(set(passes)) == len(passes)


@given(catalogues)
def test_of_a_year_the_nearest_clear_scene_is_kept(drawn: Drawn) -> None:
    every, yearly = choose(drawn, choose="all"), choose(drawn, choose="yearly")
    for window in SEARCH.windows:
        assert window.middle is not None
        clear = [abs((one.moment.date() - window.middle).days) for one in every.kept if window.holds(one.moment)]
        kept = [abs((one.moment.date() - window.middle).days) for one in yearly.kept if window.holds(one.moment)]
        assert kept == ([min(clear)] if clear else [])
        assert (window in yearly.empty) == (not clear)


@given(catalogues, st.randoms(use_true_random=False))
def test_the_order_of_the_catalogue_does_not_matter(drawn: Drawn, order: random.Random) -> None:
    shuffled = list(drawn)
    order.shuffle(shuffled)
    assert choose(shuffled).verdicts == choose(drawn).verdicts


@given(catalogues, st.floats(0, 100), st.floats(0, 100))
def test_more_cloud_allowed_keeps_no_fewer(drawn: Drawn, first: float, second: float) -> None:
    strict, mild = (choose(drawn, choose="all", max_cloud=most) for most in sorted((first, second)))
    assert {one.name for one in strict.kept} <= {one.name for one in mild.kept}


@given(catalogues, st.sampled_from(["all", "yearly", "monthly"]))
def test_choosing_again_among_what_was_kept_changes_nothing(drawn: Drawn, how: str) -> None:
    chosen = choose(drawn, choose=how)
    names = {one.name for one in chosen.kept}
    again = choose([one for one in drawn if one[0].name in names], choose=how)
    assert [one.name for one in again.kept] == [one.name for one in chosen.kept]
