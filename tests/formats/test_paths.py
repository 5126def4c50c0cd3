"""Names from outside become files inside one folder, whatever they are."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_itaclip.errors import OutputError
from napari_itaclip.formats.paths import MAX_PART_BYTES, MAX_PATH_BYTES, file_name, inside

HOSTILE = [
    "../../x", "/etc/passwd", "C:\\x", "C:/x", "\\\\server\\share\\x", "..", ".", "", " ", "...",
    "a/../../b", "CON", "con.txt", "a/NUL/b", "lpt1 .x", "a\0b", "a\nb", "a\u202eb", "x" * 1000,
    "/" * 50, "a/" * 400 + "z", "a:b", "\ud800", ".itaclip/dataset", ".git", "a.", "a ",
    "e\u0301", "COM¹",
]  # fmt: skip

RESERVED = {"con", "prn", "aux", "nul", "com1", "com¹", "lpt1"}


def is_safe(path: str) -> bool:
    windows = PureWindowsPath(path)
    return (
        bool(path)
        and not PurePosixPath(path).is_absolute()
        and not (windows.drive or windows.root)
        and len(path.encode()) <= MAX_PATH_BYTES
        and all(
            part not in ("", ".", "..")
            and part == part.strip(" ")
            and not part.endswith(".")
            and not part.startswith(".")
            and len(part.encode()) <= MAX_PART_BYTES
            and part.split(".")[0].strip().lower() not in RESERVED
            and not set(part) & set('<>:"|?*\\')
            and part.isprintable()
            for part in path.split("/")
        )
    )


@pytest.mark.parametrize("name", ["a", "day 1/field 3", "a.b-c_d", "שלום", "🚗, car's", "000012"])
def test_safe_names_stay(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_safe_and_say_so(name: str) -> None:
    path = file_name(name)
    assert is_safe(path)
    assert path != name
    assert file_name(path) == path


def test_hostile_names_stay_apart() -> None:
    assert len({file_name(name) for name in HOSTILE}) == len(HOSTILE)


@given(st.text(st.characters(), max_size=40) | st.text("./\\:CON ~\0é", max_size=20))
def test_every_name_becomes_a_path_inside(name: str) -> None:
    path = file_name(name)
    assert path.encode()  # no half characters
    parts = path.split("/")
    assert all(part not in ("", ".", "..") and not part.startswith(".") for part in parts)
    assert not set(path) & set('<>:"|?*\\\0')
    assert file_name(path) == path
    assert inside("/somewhere", path) == Path("/somewhere") / path


@given(st.text(max_size=12), st.text(max_size=12))
def test_two_names_get_two_paths(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x", "a/../../x", "/x", "C:\\x", "C:x", "a\\..\\x", "\\x", "a\0b"]
)
def test_paths_that_leave_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(OutputError, match="would leave the folder"):
        inside(tmp_path, path)


def test_links_that_leave_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to(tmp_path)
    (tmp_path / "data" / "round").symlink_to(tmp_path / "data" / "round")
    (tmp_path / "data" / "in").symlink_to(tmp_path / "data")
    with pytest.raises(OutputError, match="symbolic link"):
        inside(tmp_path / "data", "out/x")
    assert inside(tmp_path / "data", "in/x") == tmp_path / "data" / "in" / "x"
