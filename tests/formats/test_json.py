from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.parts import json_files

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab[{"\\é'), inner),
    max_leaves=8,
)


@settings(max_examples=25)
@given(VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    assert json_files.parse_json(json_files.write_json(value), "x") == value


def test_letters_stay_as_they_are_and_a_byte_order_mark_is_fine() -> None:
    content = json_files.write_json({"name": "Füchse 🦊 שלום"})
    assert "Füchse 🦊 שלום" in content.decode()
    assert json_files.parse_json(b"\xef\xbb\xbf" + content, "x") == {"name": "Füchse 🦊 שלום"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "deeper than 64"),
        (b'{"a":' * 100_000, "deeper than 64"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "number"),
        (b'{"a": 1,\n "a": 2}', "'a' twice"),
        (b'{"a": 1,\n "b" 2}', "line 2"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"", "not valid JSON"),
        (b'{"a": 1}, 2', "not valid JSON"),
    ],
)
def test_bombs_and_damage_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        json_files.parse_json(content, "here")


def test_brackets_in_texts_are_not_nesting() -> None:
    content = b'{"a": "' + b"[" * 100 + b'\\"' + b"{" * 100 + b'", "b": "\\\\"}'
    assert json_files.parse_json(content, "x")["b"] == "\\"


def test_large_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, 2, 3]")
    assert json_files.read_json(path, max_bytes=9) == [1, 2, 3]
    with pytest.raises(FormatError, match="larger than the 8 bytes"):
        json_files.read_json(path, max_bytes=8)
    with pytest.raises(FormatError, match="cannot be read"):
        json_files.read_json(tmp_path / "b.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_values_that_are_no_json_are_not_written(value: Any) -> None:
    with pytest.raises(FormatError):
        json_files.write_json([value])


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (json_files.as_object, {"a": 1}, [[], None, 1]),
        (json_files.as_list, [1], [{}, "text", None]),
        (json_files.as_text, "text", [1, None, "\ud800"]),
        (json_files.as_int, 7, [-1, 7.5, True, "7", None, 10**400, 1e300]),
        (json_files.as_number, 7.5, ["7", None, True, float("inf"), float("nan"), 10**400]),
    ],
)
def test_values_of_the_wrong_kind_are_named(
    check: Callable[[Any, str], Any], good: Any, bad: list[Any]
) -> None:
    assert check(good, "the width") == good
    for value in bad:
        with pytest.raises(FormatError, match="the width"):
            check(value, "the width")


def test_a_file_is_known_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('\ufeff {"shapes": []}', encoding="utf-8")
    assert json_files.starts_like(path, "images", "shapes")
    assert not json_files.starts_like(path, "images")
    assert not json_files.starts_like(tmp_path / "b.json", "shapes")
