"""Names for images: short, and different wherever files could get into each other's way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

Plane = tuple[Path, int | None, str]
"""Where an image lies: its file, the page or plane in it, the array in a Zarr group."""

_MOST_NUMBERS = 10_000


def distinct_names(
    planes: Sequence[Plane], stems: Mapping[Plane, str], known: Mapping[Plane, str]
) -> dict[Plane, str]:
    """Return a name for each plane.

    Parameters
    ----------
    planes : sequence of (path, page, array)
        The images.
    stems : mapping of plane to str
        The names they would like to have: paths without ending.
    known : mapping of plane to str
        The names that images have already, these or others.

    Returns
    -------
    dict of plane to str
        A known name, the name wished for, the same with the file's ending, or that with a number:
        the first that is free. Names that differ in upper and lower case only count as equal,
        since on some systems their files are.
    """
    taken = _Taken()
    names: dict[Plane, str] = {}
    for plane, name in known.items():
        taken.add(name)
        names[plane] = name
    wishes: dict[str, int] = {}
    for plane in planes:
        if plane not in names:
            wish = _folded(stems[plane])
            wishes[wish] = wishes.get(wish, 0) + 1
    # Folders count as taken before any file gets a name: "a.json" next to the folder "a.json.png".
    hidden = {start for plane in planes for start in _hidden_by(_folded(stems[plane]))}
    for plane in sorted((one for one in planes if one not in names), key=_order):
        stem = stems[plane]
        alone = wishes[_folded(stem)] == 1
        candidates = [stem] if alone else []
        candidates.append(_with_ending(plane, stem))
        numbered = (
            f"{candidates[-1]} ({number})" for number in range(2, len(planes) + _MOST_NUMBERS)
        )
        names[plane] = next(
            name
            for name in chain(candidates, numbered)
            if taken.free(name) and _folded(name) not in hidden
        )
        taken.add(names[plane])
    return {plane: names[plane] for plane in planes}


class _Taken:
    """The names given so far."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def free(self, name: str) -> bool:
        return _folded(name) not in self._names

    def add(self, name: str) -> None:
        self._names.add(_folded(name))


def _order(plane: Plane) -> tuple[str, int, str]:
    path, page, array = plane
    return path.as_posix(), -1 if page is None else page, array


def _folded(name: str) -> str:
    """Return what is compared: the files' safe path, without the difference of cases."""
    from napari_itaclip.formats.paths import file_name

    return file_name(name).casefold()


def _hidden_by(path: str) -> Iterator[str]:
    """Yield the names that a file with some ending could not have beside this path's folders."""
    parts = path.split("/")[:-1]
    for count, part in enumerate(parts):
        before = "".join(f"{one}/" for one in parts[:count])
        yield from (before + part[:at] for at, char in enumerate(part) if char == ".")


def _with_ending(plane: Plane, stem: str) -> str:
    """Return the name with the file's ending in it, before the page."""
    path, page, array = plane
    inner = "/".join(
        ([array] if array else []) + ([f"p{page + 1:04d}"] if page is not None else [])
    )
    base = stem.removesuffix(f"/{inner}") if inner else stem
    whole = f"{base}{path.suffix}"
    return f"{whole}/{inner}" if inner else whole
