from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import EpochError, InputError
from creepmeter.interferograms.header_text import number_in, numbers_in, read_header_text
from creepmeter.interferograms.names import by_pair, date_in, dates_in, dates_of, short_day, spoken_day

DATES = st.dates(min_value=dt.date(1978, 1, 1), max_value=dt.date(2069, 12, 31))
STYLES = {"%Y%m%d": "diff_{}_{}_eqa.unw", "%y%m%d": "filt_{}-{}-sim_HDR_4rlks.unw", "%d%b%Y": "Unw_ifg_VV_{}_{}.img"}


@pytest.mark.parametrize("style", STYLES)
@given(first=DATES, second=DATES)
def test_two_dates_in_the_ways_of_processors(style: str, first: dt.date, second: dt.date) -> None:
    found = dates_in(STYLES[style].format(first.strftime(style), second.strftime(style)))
    if first == second:
        assert found is None
        return
    assert found is not None
    assert [str(day)[:10] for day in (found.first, found.second)] == [str(first), str(second)]
    assert found.backward == (first > second)
    assert str(found.pair.ref)[:10] == str(min(first, second))
    assert found.sign == (-1 if first > second else 1)


@pytest.mark.parametrize("name", ["diff_20180105.unw", "123456-654321.unw", "20180105_20180105", "unw", "1-2", ""])
def test_names_without_two_dates(name: str) -> None:
    assert dates_in(name) is None


def test_the_file_counts_before_its_folders() -> None:
    inner = dates_of(Path("20200101_20200201/20180105-20180129/20190101_20190301.unw"))
    middle = dates_of(Path("20200101_20200201/180105-180129/filt.unw"))
    outer = dates_of(Path("20200101_20200201/unw/filt.unw"))
    found = [str(dates.pair) if dates else "" for dates in (inner, middle, outer)]
    assert found == ["20190101_20190301", "20180105_20180129", "20200101_20200201"]


def test_a_pattern_of_ones_own() -> None:
    found = dates_in("a2018-01-05b2018-02-10", "%Y-%m-%d")
    assert found is not None
    assert str(found.pair) == "20180105_20180210"


@pytest.mark.parametrize(
    ("name", "day"),
    [("r20180106_VV.par", "2018-01-06"), ("S1A_05Jan2018", "2018-01-05"), ("991231_4rlks.par", "1999-12-31")],
)
def test_single_dates(name: str, day: str) -> None:
    assert str(date_in(name))[:10] == day


def test_what_is_no_date() -> None:
    assert date_in("no date 99") is None
    with pytest.raises(EpochError, match="no date YYMMDD"):
        short_day("2018")
    with pytest.raises(EpochError, match="no date like 03Jan2018"):
        spoken_day("03Jxn2018")


def test_files_by_pair_whichever_way_they_run(tmp_path: Path) -> None:
    names = ["20180129_20180105.cor", "180105-180210.cor", "mean.cor"]
    found = by_pair(tmp_path / name for name in names)
    assert {str(pair): path.name for pair, (path, _) in found.items()} == {
        "20180105_20180129": names[0],
        "20180105_20180210": names[1],
    }


# --------------------------------------------------------------------------------------------------- text of headers


def test_numbers_of_headers() -> None:
    assert number_in("5.3346D+09 Hz", "f") == 5.3346e9
    assert numbers_in("0.158 15.35 9.77   m m m", 3, "b") == (0.158, 15.35, 9.77)
    for text in ("", "nan", "inf m", "m", None):
        with pytest.raises(InputError, match=r"a\.par: width (is missing|is .*, not a number)"):
            number_in(text, "a.par: width")
    with pytest.raises(InputError, match=r"holds 2 value\(s\), 3 are needed"):
        numbers_in("1 2", 3, "b")


def test_headers_in_other_encodings_and_of_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "Übung 斜.par"
    path.write_bytes("angle: 3 \xb0\n".encode("latin-1"))
    assert read_header_text(path) == "angle: 3 \xb0\n"
    with pytest.raises(InputError, match="has 11 bytes"):
        read_header_text(path, max_bytes=10)
    with pytest.raises(InputError, match="cannot be read"):
        read_header_text(tmp_path / "absent.par")
