from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from creepmeter.errors import InputError
from creepmeter.io.tabletext import read_table_text

TEXT = "name,x\nÜ,1\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_text_is_the_same_packed_or_not(tmp_path: Path, pack: type[bytes]) -> None:
    (tmp_path / "a.csv").write_bytes(pack(TEXT.encode()))
    assert read_table_text(tmp_path / "a.csv") == TEXT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\n<!DOCTYPE HTML><title>Not Found</title>", r"is a web page, not data \(<!DOCTYPE HTML>"),
        (b"\xff\xfe\x00\x01", "is not text in UTF-8"),
        (lzma.compress(TEXT.encode() * 50)[:-20], "cannot be unpacked"),
        (gzip.compress(b"x" * 5000), "has more than 1000 bytes of text"),
    ],
)
def test_what_is_no_table_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_table_text(tmp_path / "a.csv", most=1000)


def test_addresses_are_refused() -> None:
    with pytest.raises(InputError, match="is not the name of a local file"):
        read_table_text("https://example.org/LHAS.tenv3")
